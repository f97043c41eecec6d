"""What MLflow's page of a sweep begins with, in Markdown: the best job in a sentence, the jobs, and what next."""

from collections.abc import Sequence
from pathlib import Path

from mnist_trainer.composition import override_key
from mnist_trainer.sweeps.jobs import Job
from mnist_trainer.sweeps.names import job_name
from mnist_trainer.sweeps.pairs import Comparison
from mnist_trainer.sweeps.record import SweepRecord
from mnist_trainer.sweeps.report import in_percent, reasons, sentences
from mnist_trainer.sweeps.selection import Selection, merit
from mnist_trainer.words import counted_in_words, given, markdown_code_block, table

MOST_JOBS = 20
MOST_REASONS = 5
SEEDS = "seed=0,1,2,3,4"


def sweep_description(
    folder: Path, record: SweepRecord, jobs: Sequence[Job], comparisons: Sequence[Comparison], selection: Selection
) -> str:
    """Describe a sweep at its end."""
    found = [" ".join(sentences(each).split()) for each in comparisons]
    parts = [
        best_words(record, selection) or f"{counted_in_words(sum(job.finished for job in jobs), 'job')} with a result.",
        "\n".join(f"- {each}" for each in found[:MOST_REASONS]),
        "\n".join(jobs_table(record, jobs, selection)),
        "\n".join(f"- {each[:300]}" for each in reasons(jobs)[:MOST_REASONS]),
        command_after_sweep(folder, record, jobs, selection),
    ]
    return "\n\n".join(filter(None, parts))


def best_words(record: SweepRecord, selection: Selection) -> str:
    """Say which job is the best one, or why none is."""
    best = selection.best
    if best is None or best.figures is None or best.figures.validation is None:
        return selection.why_none or ""
    accuracy, loss = best.figures.validation
    return (
        f"**Best by validation: {job_name(record, best.overrides) or best.folder.name}**, with accuracy {accuracy:.2%} "
        f"and loss {loss:.4f} there; on the test images {best.figures.test_accuracy:.2%} and "
        f"{best.figures.test_loss:.4f}."
    )


def jobs_table(record: SweepRecord, jobs: Sequence[Job], selection: Selection) -> list[str]:
    """Write a row for each job, the best ones first where there is a best; of many, no more than fit."""
    ranked = list(jobs)
    if selection.best is not None:
        ranked.sort(key=lambda job: merit(job.figures) if job.figures else (-1.0, 0.0), reverse=True)
    rows = []
    for job in ranked[:MOST_JOBS]:
        name, figures = job_name(record, job.overrides) or job.folder.name, job.figures
        if figures is None:
            told = ["", "", job.ending.status]
        else:
            accuracy, loss = figures.validation or (None, None)
            mark = " *" if job is selection.best else ""
            told = [in_percent(accuracy) + mark, "" if loss is None else f"{loss:.4f}", f"{figures.test_accuracy:.2%}"]
        rows.append([str(job.number), name, *told])
    head = ["job", "what varies", "validation accuracy", "validation loss", "test accuracy"]
    more = len(jobs) - len(rows)
    return [
        *table(head, rows),
        *(["", f"{counted_in_words(more, 'job')} more in `sweep.md`, among the artifacts."] if more else []),
    ]


def command_after_sweep(folder: Path, record: SweepRecord, jobs: Sequence[Job], selection: Selection) -> str:
    """Say which command comes next."""
    command = ["python", "-m", "mnist_trainer", "--multirun"]
    if record.jobs is not None and any(not job.finished and not job.diverged for job in jobs):
        why, words = "To run what has no result", [*command, given("sweep.resume", folder)]
    elif selection.best is not None and not any(override_key(each) == "seed" for each in selection.best.overrides):
        why, words = "To see how much the best one owes to its seed", [*command, *selection.best.overrides, SEEDS]
    else:
        return ""
    return markdown_code_block(why, words)
