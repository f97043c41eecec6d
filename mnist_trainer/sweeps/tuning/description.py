"""What MLflow's page of a tuned sweep begins with: the best trial in a sentence, the trials, and what next."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from mnist_trainer.sweeps.jobs import Job
from mnist_trainer.sweeps.tuning.again import command_again
from mnist_trainer.sweeps.tuning.record import StudyRecord, best
from mnist_trainer.sweeps.tuning.report import importance_table, job_of, short, summary, trials_table, with_values
from mnist_trainer.words import given

MOST_TRIALS = 20


def study_description(study: StudyRecord, folder: Path, jobs: Sequence[Job]) -> str:
    """Describe a study at the sweep's end."""
    parts = [
        *best_words(study, folder, jobs),
        *summary(study),
        "\n".join(trials_table(study, folder, MOST_TRIALS)),
        "\n".join(importance_table(study)).strip(),
        *after(study, folder, jobs),
    ]
    return "\n\n".join(filter(None, parts))


def best_words(study: StudyRecord, folder: Path, jobs: Sequence[Job]) -> list[str]:
    """Say which trial is the best one, or which no other beats, with its test where its job is this sweep's."""
    lines = []
    for each in best(study):
        values = " ".join(f"{key}={short(value)}" for key, value in each.params.items())
        job = job_of(each, folder, jobs)
        test = f"; on the test images {job.figures.test_accuracy:.2%}" if job is not None and job.figures else ""
        lines.append(f"**{with_values(study, each)}** ({values}){test}")
    if not lines:
        return ["No trial has finished, so there is no best one."]
    if len(lines) == 1:
        return [f"Best by validation: {lines[0]}."]
    return ["Beaten by no other:", "\n".join(f"- {line}" for line in lines)]


def after(study: StudyRecord, folder: Path, jobs: Sequence[Job]) -> list[str]:
    """Say which command comes next."""
    found = best(study)
    job = job_of(found[0], folder, jobs) if found else None
    if any(not (each.finished or each.pruned or each.diverged) for each in jobs):
        going_on = ["python", "-m", "mnist_trainer", "--multirun", given("sweep.resume", folder)]
        return ["To run what has no result:", f"```\n{shlex.join(going_on)}\n```"]
    again = None if job is None else command_again(job)
    return [] if again is None else ["To see how much the best one owes to its seed:", f"```\n{again}\n```"]
