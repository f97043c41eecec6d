"""What task=compare leaves behind: the studies' results, the figures, the report, and the parent run's last metrics."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnist_trainer.analysis.comparison import verdict
from mnist_trainer.analysis.comparison.differences import Comparison
from mnist_trainer.analysis.comparison.report import Picture, Report, as_json
from mnist_trainer.analysis.studies import saturation, timing
from mnist_trainer.analysis.studies.saturation import Saturation
from mnist_trainer.analysis.studies.timing import LossTiming
from mnist_trainer.tasks.lockstep_progress import prefix_of
from mnist_trainer.tasks.machine import machine
from mnist_trainer.tasks.train import Run, build_trainer
from mnist_trainer.tracking.journal import Journal

log = logging.getLogger(__name__)

REPORT, NUMBERS = "comparison.md", "comparison.json"
CURVES = Picture("curves.png", "Loss and accuracy of the modes, on one another")
GRADIENTS = Picture("gradient_differences.png", "Differences of the gradients and of the parameters over the updates")
SATURATION = Picture("saturation.png", "Errors of loss and gradient against the gap between the logits")
PARTING = Picture("parting_of_ways.png", "Loss and gradient that each mode returns for ever worse mistakes")
TIMES = Picture("timing.png", "Times of the losses alone against batch size and number of classes")


def write_comparison(runs: Sequence[Run], comparison: Comparison, journal: Journal, *, timed: bool) -> list[str]:
    """Study the losses alone, write report, numbers and figures beside the journal; return the verdict."""
    losses = [run.config.loss for run in runs]
    log.info("studying the losses at growing logits ...")
    saturated = saturation.study(losses)
    timings: list[LossTiming] = []
    steps: dict[str, float] = {}
    if timed:
        log.info("timing the losses, and the training step (half a minute) ...")
        timings = timing.time_losses(losses)
        able = [run for run, outcome in zip(runs, comparison.outcomes, strict=True) if outcome.updates]
        steps = timing.time_steps({run.config.loss.name: training_step(run) for run in able})
    said = [*verdict.sentences(comparison), *saturation.sentences(saturated)]
    said += timing.sentences(timings, steps) if timed else []
    setting = setting_of(runs)
    folder = journal.folder
    draw(folder, comparison.record, saturated, timings)
    pictures = {
        "Training": [CURVES],
        "Gradients": [GRADIENTS],
        "Saturation": [PARTING, SATURATION],
        "Timing": [TIMES] if timed else [],
    }
    report = Report(
        setting=setting,
        model=runs[0].trainer.model.summary(),
        comparison=comparison,
        verdict=said,
        saturation=saturation.as_markdown(saturated),
        timing=timing.as_markdown(timings, steps) if timed else (),
        pictures=pictures,
    )
    content: dict[str, Any] = {"setting": setting, "verdict": said, "comparison": asdict(comparison)}
    content |= {
        "saturation": asdict(saturated),
        "timing": {"losses": [asdict(one) for one in timings], "steps": steps} if timed else None,
    }
    (folder / REPORT).write_text(report.as_markdown(), encoding="utf-8")
    (folder / NUMBERS).write_text(as_json(content), encoding="utf-8")
    for name in (REPORT, NUMBERS, *(picture.file for of_section in pictures.values() for picture in of_section)):
        journal.artifact(name)
    return said


def draw(folder: Path, record: dict[str, Any], saturated: Saturation, timings: Sequence[LossTiming]) -> None:
    """Draw the figures; only now, when nothing is timed any more, is matplotlib imported."""
    from mnist_trainer.figures import lockstep
    from mnist_trainer.figures import saturation as saturation_figures
    from mnist_trainer.figures.timing import loss_times

    lockstep.training_curves(record, folder / CURVES.file)
    lockstep.gradient_differences(record, folder / GRADIENTS.file)
    saturation_figures.saturation(asdict(saturated), folder / SATURATION.file)
    saturation_figures.parting_of_ways(asdict(saturated), folder / PARTING.file)
    if timings:
        loss_times([asdict(one) for one in timings], folder / TIMES.file)


def training_step(run: Run) -> Callable[[], None]:
    """Return an update of a new trainer on one batch, with a learning rate of 0: the same work each time."""
    trainer, _ = build_trainer(run.config, run.dataset)
    trainer.learning_rate = 0.0
    x, labels = next(iter(trainer.train))

    def step() -> None:
        trainer.update(x, labels)

    return step


def setting_of(runs: Sequence[Run]) -> dict[str, str]:
    """Tell what was trained, on what, and where."""
    config, dataset, trainer = runs[0].config, runs[0].dataset, runs[0].trainer
    return {
        "model": f"{config.model.name}, {trainer.model.parameters.size:,} parameters",
        "data": (
            f"{dataset.name}{' (a stand-in for MNIST)' if dataset.fallback else ''}: {trainer.train.samples:,} images "
            f"to train on, {trainer.validation.samples:,} to validate, {len(dataset.test_labels):,} to test"
        ),
        "training": f"{config.epochs} epochs of {len(trainer.train):,} updates, batches of {config.batch_size}",
        "optimizer": f"{config.optimizer.name}, learning rate {config.optimizer.lr:g} ({config.schedule.name})",
        "precision": config.dtype,
        "seed": str(config.seed),
        **machine(),
    }


def closing_metrics(comparison: Comparison) -> dict[str, float]:
    """Return the parent run's summary: the agreement with the first mode, and how the tests differ."""
    outcomes = {outcome.mode: outcome.result for outcome in comparison.outcomes}
    metrics: dict[str, float | None] = {}
    for pair in comparison.pairs:
        if not pair.measured.updates:
            continue
        prefix = prefix_of(pair.other, len(comparison.pairs))
        measured, shadow = pair.measured, pair.shadow
        metrics |= {
            f"{prefix}logits_gradient_largest": measured.logits_largest,
            f"{prefix}updates_within_bound": measured.within,
            f"{prefix}first_update_apart": pair.parameters_differ,
            f"{prefix}first_update_far_apart": pair.parameters_differ_much,
        }
        if shadow is not None:
            metrics[f"{prefix}logits_gradient_largest_float64"] = shadow.logits_largest
        first, other = outcomes[pair.first], outcomes[pair.other]
        if first is not None and other is not None:
            for name in ("test_loss", "test_accuracy"):
                metrics[f"{prefix}{name}"] = other[name] - first[name]
    return {name: value for name, value in metrics.items() if value is not None and not math.isnan(value)}
