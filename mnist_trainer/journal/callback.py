"""The trainer's events, written to the journal."""

from mnist_trainer.journal.events import Confusion
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.load import Load
from mnist_trainer.training.records import EpochRecord, Evaluation, UpdateRecord
from mnist_trainer.training.trainer import Callback, Trainer


class JournalCallback(Callback):
    """Appends every record of the training to a journal; the step of every metric is the number of updates done."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._updates_per_epoch = 0
        self._load = Load()

    def on_start(self, trainer: Trainer) -> None:
        """Learn how long an epoch is."""
        self._updates_per_epoch = len(trainer.train)

    def on_record(self, record: UpdateRecord) -> None:
        """Append the means since the last record, and the state of the last update."""
        metrics = {
            "train/loss": record.loss,
            "train/accuracy": record.accuracy,
            "learning_rate": record.learning_rate,
            "gradient_norm": record.gradient_norm,
            "epoch": record.step / self._updates_per_epoch,
        }
        if record.clamped_rows:  # a chart of zeros tells nobody anything
            metrics["loss/clamped_rows"] = record.clamped_rows
        self._journal.metrics(record.step, metrics)

    def on_epoch(self, record: EpochRecord) -> None:
        """Append the validation, the speed and the machine's load."""
        metrics = {"samples_per_second": record.samples_per_second, "epoch_seconds": record.seconds}
        metrics |= self._load.measure()
        if record.validation is not None:
            metrics |= {
                "validation/loss": record.validation.loss,
                "validation/accuracy": record.validation.accuracy,
            }
        self._journal.metrics(record.step, metrics)

    def test(self, step: int, evaluation: Evaluation, class_names: list[str]) -> None:
        """Append the final test."""
        metrics = {"test/loss": evaluation.loss, "test/accuracy": evaluation.accuracy}
        metrics |= {"test/precision": evaluation.precision, "test/recall": evaluation.recall}
        self._journal.metrics(step, metrics)
        self._journal.write(Confusion(evaluation.confusion.tolist(), class_names))
