"""A study in Markdown: its trials by their validation, what mattered, and the best one with its command."""

from collections.abc import Sequence
from pathlib import Path

from mnist_trainer.files import OUTCOME
from mnist_trainer.runs.folder import has_diverged
from mnist_trainer.sweeps.jobs import Job
from mnist_trainer.sweeps.selection import Selection
from mnist_trainer.sweeps.tuning.again import command_again
from mnist_trainer.sweeps.tuning.record import COMPLETE, FAILED, PRUNED, RUNNING, StudyRecord, TrialRecord, best, ranked
from mnist_trainer.words import shown, table

ROWS = 50
WORDS = {COMPLETE: "finished", PRUNED: "pruned", RUNNING: "running", FAILED: "failed"}


def study_report(study: StudyRecord, folder: Path, jobs: Sequence[Job]) -> str:
    """Write the report of the study that the sweep in `folder` belongs to."""
    return "\n".join(
        [
            *summary(study),
            "",
            *trials_table(study, folder),
            "",
            *importance_table(study),
            *the_best(study, folder, jobs),
        ]
    )


def summary(study: StudyRecord) -> list[str]:
    """Say how many trials there are, and how they ended."""
    trials = study.of_trials()
    ends = [ended(each) for each in trials if each.same_as is None]
    told = [f"{ends.count(word)} {word}" for word in dict.fromkeys(ends)]
    repeated = sum(each.same_as is not None for each in trials)
    told += [f"{repeated} the same as earlier ones, and not trained again"] if repeated else []
    goals = ", ".join(f"{name} ({way})" for name, way in zip(study.objectives, study.directions, strict=True))
    return [
        f"Study {study.name}: {', '.join(told) or 'no trial'}; wanted: {study.n_trials}. Objective: {goals}, of the "
        "validation images. The test images had no part in the choice."
    ]


def trials_table(study: StudyRecord, folder: Path, most: int = ROWS) -> list[str]:
    """Write a row for each trial, the best first; then those without a value, by number."""
    first = ranked(study)
    others = [each for each in study.of_trials() if each not in first]
    rows = [row(study, each, folder) for each in [*first, *others][:most]]
    head = ["trial", "job", *study.objectives, "ended", *study.keys]
    left = len(first) + len(others) - len(rows)
    return [*table(head, rows), *(["", f"{left:,} more are in study.json."] if left else [])]


def row(study: StudyRecord, trial: TrialRecord, folder: Path) -> list[str]:
    """Write a trial's row; what was pruned shows the value it was pruned at, in brackets."""
    values = [f"{value:.5g}" for value in trial.values or []] or [""] * len(study.objectives)
    end = ended(trial)
    if trial.state != COMPLETE and trial.curve:
        values, end = [f"({trial.curve[-1][1]:.5g})"], f"{end}, epoch {trial.curve[-1][0]:.0f}"
    if trial.same_as is not None:
        end = f"as trial {trial.same_as}"
    own = trial.job is not None and trial.folder == str(folder)
    job = "" if trial.job is None or trial.same_as is not None else str(trial.job) if own else "another sweep's"
    return [str(trial.number), job, *values, end, *(short(trial.params.get(key, "")) for key in study.keys)]


def ended(trial: TrialRecord) -> str:
    """Say in a word how a trial ended."""
    return "diverged" if has_diverged(trial.reason) else WORDS.get(trial.state, trial.state)


def short(value: object) -> str:
    """Write a value with the digits that tell it from others."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def importance_table(study: StudyRecord) -> list[str]:
    """Write how much each key mattered, if the trials can tell."""
    if not study.importance:
        return []
    rows = [[key, f"{value:.0%}"] for key, value in sorted(study.importance.items(), key=lambda item: -item[1])]
    return [*table(["hyperparameter", f"importance for {study.objectives[0]}"], rows), ""]


def the_best(study: StudyRecord, folder: Path, jobs: Sequence[Job]) -> list[str]:
    """Name the best trial, or all that no other beats, and the command that trains it with other seeds."""
    found = best(study)
    if not found:
        return ["No trial has finished, so there is no best one."]
    lines = []
    for each in found:
        lines.append(f"{'Best' if len(found) == 1 else 'Beaten by none'}: {with_values(study, each)}")
        job = job_of(each, folder, jobs)
        if job is None:
            lines.append(f"    a job of {each.folder}")
            continue
        lines.append(f"    in {shown(job.folder)}: its {OUTCOME} has its test, which is looked at once, now")
        if again := command_again(job):
            lines += ["    with other seeds:", f"    {again}"]
    return lines


def with_values(study: StudyRecord, trial: TrialRecord) -> str:
    """Name a trial with its values."""
    values = [f"{name} {value:.5g}" for name, value in zip(study.objectives, trial.values or [], strict=True)]
    return ", ".join([f"trial {trial.number}", *values])


def job_of(trial: TrialRecord, folder: Path, jobs: Sequence[Job]) -> Job | None:
    """Return a trial's job, if it is one of this sweep's."""
    own = trial.folder == str(folder) and trial.job is not None and trial.job < len(jobs)
    return jobs[trial.job] if own and trial.job is not None else None


def study_selection(study: StudyRecord, folder: Path, jobs: Sequence[Job]) -> Selection:
    """Return the best trial's job, by the study's first objective; one of another sweep is none of ours."""
    found = best(study)
    job = job_of(found[0], folder, jobs) if found else None
    return Selection(best=job, why_none="Its best trial is another sweep's job." if found and job is None else None)


def study_metrics(study: StudyRecord) -> dict[str, float]:
    """Return how much each hyperparameter mattered, for MLflow's parent run."""
    keys = {
        key: "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in key) for key in study.importance
    }
    return {f"importance/{keys[key]}": value for key, value in study.importance.items()}


def study_tags(study: StudyRecord, folder: Path, jobs: Sequence[Job]) -> dict[str, str]:
    """Return MLflow's tags of the parent run: the study, its best trial, and the command that trains it again."""
    tags = {"study.name": study.name, "study.objective": ", ".join(study.objectives)}
    for each in best(study)[:1]:
        tags["study.best_trial"] = str(each.number)
        job = job_of(each, folder, jobs)
        if job is not None:
            tags["study.best_job"] = job.folder.name
            if again := command_again(job):
                tags["study.again"] = again
    return tags
