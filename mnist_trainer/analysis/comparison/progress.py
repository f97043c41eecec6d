"""What is seen of a training in lockstep while it runs: a bar, a table at each epoch, the parent run's metrics."""

import logging
import math
from types import TracebackType
from typing import Any

from mnist_trainer.analysis.comparison.agreement import largest_disagreement
from mnist_trainer.analysis.comparison.lockstep import Entrant, Lockstep
from mnist_trainer.bar import Bar
from mnist_trainer.journal.journal import Journal
from mnist_trainer.words import counted_in_words

log = logging.getLogger(__name__)


class LockstepProgress:
    """Within `with` a bar, on a terminal only; `update` after every round of the lockstep."""

    def __init__(self, lockstep: Lockstep[Any], journal: Journal, *, table: bool, bar: bool) -> None:
        self._lockstep, self._journal, self._table = lockstep, journal, table
        trainer = lockstep.first.trainer
        self._log_every, self._epoch_length, self._epochs = trainer.log_every, len(trainer.train), trainer.epochs
        self._validates = len(trainer.validation) > 0
        self._width = max(len(entrant.name) for entrant in lockstep.entrants)
        self._recorded, self._epoch = 0, 0
        self._dropped: set[str] = set()
        self._bar = Bar(self._epochs * self._epoch_length, " updates", wanted=table and bar)

    def __enter__(self) -> "LockstepProgress":
        """Print the table's head."""
        if self._table:
            of = "validation" if self._validates else "train"
            head = f"epoch    step   {'mode':<{self._width}}  {f'{of} loss':>15}  accuracy"
            self._print([f"{head}   {'Δg/g':>8}  {'Δθ/θ':>8}"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._bar.close()

    def update(self, step: int) -> None:
        """Move the bar; every `log_every` updates and at an epoch's end write the metrics, then the table's lines."""
        self._bar.update(step - self._bar.n)
        if step > self._recorded and (step % self._log_every == 0 or step % self._epoch_length == 0):
            for name in self._lockstep.differences:
                self._record(name, step)
            self._recorded = step
        entrants = self._lockstep.entrants
        epoch = max(len(entrant.epochs) for entrant in entrants)
        if epoch > self._epoch:  # all entrants end an epoch in the same round
            self._epoch = epoch
            if self._table:
                running = [entrant for entrant in entrants if len(entrant.epochs) == epoch]
                self._print([self._line(entrant, epoch, first=entrant is running[0]) for entrant in running])
        for entrant in entrants:
            if entrant.failure is not None and entrant.name not in self._dropped:
                self._dropped.add(entrant.name)
                self._print(
                    [f"{entrant.name} drops out after {counted_in_words(len(entrant.losses))}: {entrant.failure}"]
                )

    def _record(self, name: str, step: int) -> None:
        found = self._lockstep.differences[name]
        window = found.measured[self._recorded : step]
        if not window:
            return
        shadow = [one for at, one in found.shadow.items() if at > self._recorded]
        metrics = {
            "loss": largest_disagreement([abs(one.loss) for one in window]),
            "logits_gradient": largest_disagreement([one.relative_logits for one in window]),
            "parameters_gradient": largest_disagreement([one.relative_parameters for one in window]),
            "parameter_drift": found.drift[-1],
        }
        if shadow:
            metrics["logits_gradient_float64"] = largest_disagreement([one.relative_logits for one in shadow])
        prefix = mode_metrics_prefix(name, len(self._lockstep.differences))
        # As logarithms: MLflow's axes show small numbers as 0. Of none there is no logarithm
        told = {f"{prefix}log10_{key}": math.log10(value) for key, value in metrics.items() if 0 < value < math.inf}
        if told:
            self._journal.metrics(step, told)

    def _line(self, entrant: Entrant[Any], epoch: int, *, first: bool) -> str:
        record = entrant.epochs[-1]
        loss, accuracy = record.train_loss, record.train_accuracy
        if record.validation is not None:
            loss, accuracy = record.validation.loss, record.validation.accuracy
        when = f"{f'{epoch}/{self._epochs}':>5}  {record.step:6d}" if first else f"{'':5}  {'':6}"
        line = f"{when}   {entrant.name:<{self._width}}  {loss:15.4f}  {accuracy:8.2%}"
        found = self._lockstep.differences.get(entrant.name)
        window = found.measured[record.step - self._epoch_length : record.step] if found else []
        if found is None or len(window) < self._epoch_length:
            return line
        gradient = largest_disagreement([one.relative_logits for one in window])
        return f"{line}   {gradient:8.1e}  {found.drift[record.step - 1]:8.1e}"

    @staticmethod
    def _print(lines: list[str]) -> None:
        with Bar.external_write_mode():  # takes the bar away and puts it back below the lines
            for line in lines:
                log.info(line)


def mode_metrics_prefix(name: str, others: int) -> str:
    """Return what the metrics of another mode's differences begin with: its name is in it only if there are more."""
    return "difference/" if others == 1 else f"difference/{name}/"
