"""What task=compare leaves behind: the studies' results, the figures, the report, and MLflow's description."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mnist_trainer.analysis.comparison import verdict
from mnist_trainer.analysis.comparison.description import command_with_seeds, comparison_description
from mnist_trainer.analysis.comparison.markdown import ReportPicture, comparison_json, comparison_markdown
from mnist_trainer.analysis.comparison.summary import LockstepSummary
from mnist_trainer.analysis.pictures import try_to_draw
from mnist_trainer.analysis.studies import saturation, timing
from mnist_trainer.analysis.studies.saturation import Saturation
from mnist_trainer.analysis.studies.timing import Timing
from mnist_trainer.build import build_trainer
from mnist_trainer.config import CompareConfig, LossConfig
from mnist_trainer.files import write_whole
from mnist_trainer.journal.events import DESCRIPTION
from mnist_trainer.journal.journal import Journal
from mnist_trainer.runs.provenance import machine_facts
from mnist_trainer.runs.run import Run
from mnist_trainer.words import batches_in_words, counted_in_words

log = logging.getLogger(__name__)

REPORT, NUMBERS = "comparison.md", "comparison.json"
CURVES = ReportPicture("curves.png", "Loss and accuracy of the modes, on one another")
GRADIENTS = ReportPicture("gradient_differences.png", "Differences of the gradients and parameters over the updates")
SATURATION = ReportPicture("saturation.png", "Errors of loss and gradient against the gap between the logits")
PARTING = ReportPicture("parting_of_ways.png", "Loss and gradient that each mode returns for ever worse mistakes")
TIMES = ReportPicture("timing.png", "Times of the losses alone against batch size and number of classes")


PICTURES = {"Training": [CURVES], "Gradients": [GRADIENTS], "Saturation": [PARTING, SATURATION], "Timing": [TIMES]}


class ComparisonFiles:
    """Report, numbers and figures beside the journal; they are there from `write` on, and `study` adds to them.

    So an interruption costs no more than the study it falls into: what stands in the folder, and was declared to the
    journal, is whole.
    """

    def __init__(
        self, runs: Sequence[Run], comparison: LockstepSummary, journal: Journal, overrides: Sequence[str] = ()
    ) -> None:
        self._runs, self._comparison, self._journal = runs, comparison, journal
        self._losses = [run.config.loss for run in runs]
        assert isinstance(runs[0].config.task, CompareConfig)
        self._again = command_with_seeds(overrides, runs[0].config.task.modes)
        self._kinds = [f".{kind}" for kind in runs[0].config.task.figures if kind != "png"]
        self._studies: dict[str, Saturation | Timing] = {}
        self._drawn: list[str] = []
        self._declared: set[str] = set()
        self._setting = comparison_setting(runs)

    def study(self, *, timed: bool) -> list[str]:
        """Study the losses alone, and draw; return the verdict on all."""
        self._draw(self._comparison.record, CURVES, GRADIENTS)
        log.info("studying the losses at growing logits ...")
        self._studies["saturation"] = saturated = saturation.study_saturation(self._losses)
        self._draw(asdict(saturated), SATURATION, PARTING)
        if timed:
            log.info("timing the losses, and the training step (half a minute) ...")
            losses = timing.time_losses(self._losses)
            outcomes = self._comparison.outcomes
            able = [run for run, outcome in zip(self._runs, outcomes, strict=True) if outcome.updates]
            steps = timing.time_steps({run.config.loss.name: mode_step_to_time(run) for run in able})
            self._studies["timing"] = Timing(
                losses, steps, self._runs[0].config.batch_size, self._runs[0].dataset.classes
            )
            self._draw([asdict(one) for one in losses], TIMES)
        return self.verdict()

    def verdict(self) -> list[str]:
        """Say what is known by now."""
        said = verdict.verdict_sentences(self._comparison)
        return said + [sentence for study in self._studies.values() for sentence in study.sentences()]

    def write(self) -> None:
        """Write what is known by now, and declare new files to the journal."""
        said = self.verdict()
        text = comparison_markdown(
            self._setting,
            self._runs[0].trainer.model.summary(),
            self._comparison,
            said,
            studies={name.capitalize(): study.as_markdown() for name, study in self._studies.items()},
            pictures={section: [one for one in some if one.file in self._drawn] for section, some in PICTURES.items()},
        )
        content: dict[str, Any] = {"setting": self._setting, "verdict": said, "comparison": asdict(self._comparison)}
        content |= {"saturation": None, "timing": None}
        content |= {name: asdict(study) for name, study in self._studies.items()}
        for name, whole in ((REPORT, text), (NUMBERS, comparison_json(content))):
            write_whole(self._journal.folder / name, whole)
        self._journal.tags({DESCRIPTION: comparison_description(self._comparison, said, self._again)})
        for name in (REPORT, NUMBERS, *self._drawn):
            if name not in self._declared:
                self._journal.artifact(name)
                self._declared.add(name)

    def _draw(self, content: Any, *pictures: ReportPicture) -> None:
        for picture in pictures:
            for name in [picture.file, *(Path(picture.file).with_suffix(kind).name for kind in self._kinds)]:
                path = self._journal.folder / name
                if try_to_draw(path, partial(draw_for_report, picture, content, path)):
                    self._drawn.append(name)
        self.write()


def draw_for_report(picture: ReportPicture, content: Any, path: Path) -> None:
    """Draw a figure; only what is drawn needs matplotlib."""
    from mnist_trainer.figures import lockstep, saturation
    from mnist_trainer.figures.timing import loss_times

    drawings: dict[ReportPicture, Callable[[Any, Path], None]] = {
        CURVES: lockstep.training_curves,
        GRADIENTS: lockstep.gradient_differences,
        SATURATION: saturation.saturation,
        PARTING: saturation.parting_of_ways,
        TIMES: loss_times,
    }
    drawings[picture](content, path)


def mode_step_to_time(run: Run) -> Callable[[], None]:
    """Return an update of a new trainer on one batch, with a learning rate of 0: the same work each time."""
    trainer, _ = build_trainer(run.config, run.dataset)
    trainer.learning_rate = 0.0
    x, labels = next(iter(trainer.train))

    def step() -> None:
        trainer.update(x, labels)

    return step


def comparison_setting(runs: Sequence[Run]) -> dict[str, str]:
    """Tell what was trained, on what, and where."""
    config, dataset, trainer = runs[0].config, runs[0].dataset, runs[0].trainer
    return {
        "model": f"{config.model.name}, {trainer.model.parameters.size:,} parameters",
        "data": (
            f"{dataset.name}{' (a stand-in for MNIST)' if dataset.fallback else ''}: {trainer.train.samples:,} images "
            f"to train on, {trainer.validation.samples:,} to validate, {len(dataset.test_labels):,} to test"
        ),
        "losses": "; ".join(loss_in_words(run.config.loss) for run in runs),
        "training": (
            f"{counted_in_words(config.epochs, 'epoch')} of {counted_in_words(len(trainer.train))}, "
            f"{batches_in_words(config.batch_size, trainer.train.samples)}"
        ),
        "optimizer": f"{config.optimizer.name}, learning rate {config.optimizer.lr:g} ({config.schedule.name})",
        "precision": config.dtype,
        "seed": str(config.seed),
        **machine_facts(),
    }


def loss_in_words(loss: LossConfig) -> str:
    """Write a loss with its hyperparameters: `fused (label_smoothing 0.1)`."""
    values = asdict(loss)
    values |= values.pop("parameters", {})  # a plugin's
    its = ", ".join(f"{key} {value}" for key, value in values.items() if key != "name")
    return f"{loss.name} ({its})" if its else loss.name
