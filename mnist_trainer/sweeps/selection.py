"""Which job of a sweep was best: by its validation, since whoever selects by the test images has tested on none."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_trainer.sweeps.jobs import Figures, Job


@dataclass(frozen=True)
class Selection:
    """The best job, or a line why there is none; neither, of a sweep without results."""

    best: Job | None = None
    why_none: str | None = None


def select(jobs: Sequence[Job]) -> Selection:
    """Return the job with the highest validation accuracy, ties by its loss, if all with a result can be compared."""
    finished = [(job, job.figures) for job in jobs if job.figures is not None]
    if not finished:
        return Selection()
    without = [str(job.number) for job, figures in finished if figures.validation is None]
    if without:
        which = "The jobs have" if len(without) == len(finished) else f"Of the jobs, {', '.join(without)} have"
        return Selection(why_none=f"{which} no validation images, and the test images are not to choose by.")
    if len({figures.data for _, figures in finished}) > 1:
        return Selection(why_none="The jobs are on several data sets, whose accuracies don't tell which is better.")
    return Selection(best=max(finished, key=lambda each: merit(each[1]))[0])


def merit(figures: Figures) -> tuple[float, float]:
    """Return what is the larger the better."""
    assert figures.validation is not None
    accuracy, loss = figures.validation
    return accuracy, -loss


def best_metrics(best: Job | None) -> dict[str, float]:
    """Return the parent run's `best/validation_accuracy` and so on; {} without a best."""
    if best is None or best.figures is None or best.figures.validation is None:
        return {}
    figures = best.figures
    accuracy, loss = best.figures.validation
    return {
        "best/validation_accuracy": accuracy,
        "best/validation_loss": loss,
        "best/test_accuracy": figures.test_accuracy,
        "best/test_loss": figures.test_loss,
    }
