"""The plain callbacks: the epoch table and progress bar, and the saved parameters."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_trainer.errors import DiskError, error_in_words
from mnist_trainer.files import BEST, LAST
from mnist_trainer.parameter_files import write_arrays
from mnist_trainer.process import bars_away, is_terminal
from mnist_trainer.training.records import EpochRecord, UpdateRecord
from mnist_trainer.training.trainer import Callback, Trainer

if TYPE_CHECKING:
    from mnist_trainer.bar import Bar

log = logging.getLogger(__name__)


class Console(Callback):
    """A progress bar over the epoch (on a terminal only) and a table line after each."""

    HEADER = "epoch   step train loss accuracy  validation accuracy     rate samples/s seconds"

    def __init__(self, *, bar: bool = True) -> None:
        self._bar_wanted = bar
        self._bar: Bar | None = None

    def on_start(self, trainer: Trainer) -> None:
        """Print the table's header and open the bar."""
        log.info(self.HEADER)
        if self._bar_wanted and is_terminal(sys.stderr):
            from mnist_trainer.bar import Bar  # tqdm: 20 ms, where nobody would see it

            total = trainer.train.samples * trainer.epochs
            done = trainer.train.samples * trainer.epoch + trainer.means.samples
            self._bar = Bar(total, " samples", initial=done, unit_scale=True)

    def on_update(self, samples: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(samples)

    def on_record(self, record: UpdateRecord) -> None:
        """Show loss and accuracy on the bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {record.loss:.4f}, accuracy {record.accuracy:.2%}", refresh=False)

    def on_epoch(self, record: EpochRecord) -> None:
        """Print the epoch's line; * marks the best validation so far."""
        if record.validation is None:
            validation = f"{'-':>10} {'-':>8} "
        else:
            mark = "*" if record.best else " "
            validation = f"{record.validation.loss:10.4f} {record.validation.accuracy:8.2%}{mark}"
        epoch = f"{record.epoch}/{record.epochs}"
        self._print(
            f"{epoch:>5} {record.step:6d} {record.train_loss:10.4f} {record.train_accuracy:8.2%}  {validation} "
            f"{record.learning_rate:7.2g} {record.samples_per_second:9,.0f} {record.seconds:7.2f}"
        )

    def _print(self, line: str) -> None:
        with bars_away():
            log.info(line)

    def on_end(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


class ParameterFiles(Callback):
    """Keeps what was learned in `last.npz`, after every epoch and when training stops, the best in `best.npz`.

    A file that can't be written, the disk being full, say, is told once, and tried again after the next epoch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trainer: Trainer | None = None
        self._saved_step = 0
        self._owed: set[str] = set()
        self._failure: OSError | None = None

    def on_start(self, trainer: Trainer) -> None:
        """Learn whose parameters to keep; a resumed run's best may be missing, or of updates that come again."""
        self._trainer = trainer
        if trainer.best is not None:
            self._owed.add(BEST)
            self._save()

    def on_epoch(self, record: EpochRecord) -> None:
        """Write the files."""
        self._owed |= {LAST, BEST} if record.best else {LAST}
        self._save()

    def on_end(self) -> None:
        """Write what was learned since the last epoch, unless training blew up."""
        trainer = self._trainer
        if trainer is None:
            return
        if trainer.has_diverged or not trainer.is_finite():
            self._owed.discard(LAST)
        elif trainer.step > self._saved_step:
            self._owed.add(LAST)
        self._save()

    def check(self) -> None:
        """Raise `DiskError` if in the end a file was not written."""
        if self._failure is not None:
            raise DiskError(f"{error_in_words(self._failure)}; what was learned last is not in it")

    def _save(self) -> None:
        trainer, before = self._trainer, self._failure
        assert trainer is not None
        self._failure = None
        for name in sorted(self._owed):
            try:
                write_arrays(self._folder / name, trainer.learned if name == LAST else trainer.best_arrays)
            except OSError as error:
                self._failure = error
            else:
                self._owed.remove(name)
                if name == LAST:
                    self._saved_step = trainer.step
        if self._failure is not None and before is None:
            log.warning(f"the parameters after update {trainer.step:,} are not saved: {error_in_words(self._failure)}")
