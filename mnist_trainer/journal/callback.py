"""The trainer's events, written to the journal."""

from mnist_trainer.journal.events import Confusion
from mnist_trainer.journal.journal import Journal
from mnist_trainer.training.records import EpochRecord, Evaluation, UpdateRecord
from mnist_trainer.training.trainer import Callback


class JournalCallback(Callback):
    """Appends every record of the training to a journal; the step of every metric is the number of updates done."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def on_record(self, record: UpdateRecord) -> None:
        """Append the means since the last record, and the state of the last update."""
        self._journal.metrics(
            record.step,
            {
                "train/loss": record.loss,
                "train/accuracy": record.accuracy,
                "learning_rate": record.learning_rate,
                "gradient_norm": record.gradient_norm,
                "loss/clamped_rows": record.clamped_rows,
            },
        )

    def on_epoch(self, record: EpochRecord) -> None:
        """Append the validation and the speed."""
        metrics = {"samples_per_second": record.samples_per_second, "epoch_seconds": record.seconds}
        if record.validation is not None:
            metrics |= {
                "validation/loss": record.validation.loss,
                "validation/accuracy": record.validation.accuracy,
            }
        self._journal.metrics(record.step, metrics)

    def test(self, step: int, evaluation: Evaluation, class_names: list[str]) -> None:
        """Append the final test."""
        self._journal.metrics(step, {"test/loss": evaluation.loss, "test/accuracy": evaluation.accuracy})
        self._journal.write(Confusion(evaluation.confusion.tolist(), class_names))
