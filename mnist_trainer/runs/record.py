"""A run's journal: what the run is at its start, how it ended at its end."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from mnist_trainer import registry
from mnist_trainer.config import Config, flattened_config
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.errors import DiskError, DivergedError, PrunedError
from mnist_trainer.files import BEST, CONFIG, LAST, write_whole
from mnist_trainer.journal.events import Context, DatasetEvent, Start, Status
from mnist_trainer.journal.journal import Journal
from mnist_trainer.runs.changes import MEANS, NOT_COMPARED
from mnist_trainer.runs.cutting import kept
from mnist_trainer.runs.outcome import status_of_error
from mnist_trainer.runs.provenance import machine_tags, run_params
from mnist_trainer.runs.resumption import Resumption
from mnist_trainer.runs.sheet import SHEET, write_sheet
from mnist_trainer.training.trainer import Trainer
from mnist_trainer.words import glued_words, wrapped

log = logging.getLogger(__name__)

SUMMARY = "model_summary.txt"
PLUMBING = {*MEANS, *NOT_COMPARED, "name", "task.name", "task.timing"}
"""What is no param: it says how a run is done, or is the run's own. `config.yaml` has it."""
DIGEST = 16
"""Characters of a digest: MLflow takes 36, with what is behind them."""
COLOURS = {"fused": "#0072B2", "separate": "#D55E00"}
"""The loss modes', as in `figures`, which training doesn't load."""


@contextmanager
def journaled(
    config: Config,
    folder: Path,
    dataset: Dataset,
    record: Start,
    *,
    trainer: Trainer,
    tags: Mapping[str, str] | None = None,
    resumption: Resumption | None = None,
) -> Iterator[Journal]:
    """Keep the journal of the run within the block, and beside it the resolved configuration.

    `tags` tell more than the configuration's, or something else. A run that is resumed goes on in its own journal,
    which says so already.
    """
    folder.mkdir(exist_ok=True)
    write_whole(folder / CONFIG, yaml.safe_dump(asdict(config), sort_keys=False))
    journal = begin_run_journal(folder, record) if resumption is None else resumption.journal
    status: Status = "FINISHED"
    reason: str | None = None
    try:
        if resumption is None or resumption.checkpoint is None:
            begin(journal, config, dataset, trainer, tags or {})
        yield journal
    except BaseException as error:
        status, reason = status_of_error(error)
        if isinstance(error, DivergedError):
            journal_divergence(journal, error.facts)
        if isinstance(error, PrunedError):
            journal.tags({"pruned": "true", "pruned.reason": str(reason), "pruned.epoch": str(error.facts["epoch"])})
            reason = None  # MLflow's is of failures
        raise
    finally:
        try:
            for name in (LAST, BEST):
                if (folder / name).exists():
                    journal.artifact(name)
            journal.end(status, reason)
        finally:
            close_journal(journal, status)


def begin_run_journal(folder: Path, record: Start) -> Journal:
    """Write that a new run begins; raises `TrackingError` if that can't be."""
    journal = Journal(folder)
    try:
        journal.remember(kept(folder))
        journal.start(record)
    except BaseException:
        journal.close()
        raise
    return journal


def close_journal(journal: Journal, status: Status) -> None:
    """Give the journal back; raises `DiskError` if lines of a run that finished could not be written."""
    try:
        journal.close()
    except DiskError as error:
        if status == "FINISHED":
            raise
        log.error(str(error))  # what ended the run is told besides


def journal_divergence(journal: Journal, facts: Mapping[str, str | float]) -> None:
    """Write where the run diverged: as tags, and as params too.

    MLflow's params can't change. Those of a run that is resumed, and diverges elsewhere, stay what they were, and the
    tags tell the last.
    """
    told = {f"diverged.{name}": value for name, value in facts.items()}
    journal.tags({name: str(value) for name, value in told.items()})
    journal.params(told)


@dataclass(frozen=True)
class JobName:
    """What a sweep calls a job in MLflow, for what varies, and whether it has its loss mode's colour there."""

    name: str
    coloured: bool


def mode_colour_tag(mode: str) -> dict[str, str]:
    """Return the tag by which a run has its loss mode's colour in all of MLflow's charts; {} if the mode has none."""
    return {"mlflow.runColor": COLOURS[mode]} if mode in COLOURS else {}


def begin(journal: Journal, config: Config, dataset: Dataset, trainer: Trainer, tags: Mapping[str, str]) -> None:
    """Write what the run is made of."""
    held = trainer.validation.samples
    params = {
        key: value
        for key, value in run_params(config).items()
        if key not in PLUMBING and not key.startswith("tracking.")
    }
    params |= {"data.name": dataset.name, "data.validation_size": held}
    params["model.parameters"] = trainer.model.parameters.size
    journal.params(params)
    loss = registry.losses[config.loss.name]
    journal.tags(
        {
            "loss.mode": config.loss.name,
            "loss.exact": str(loss.exact).lower(),
            "model": config.model.name,
            "data.name": dataset.name,
            "data.fallback": str(dataset.fallback).lower(),
            **machine_tags(),
            **tags,
            **{key: str(value) for key, value in flattened_config(config.tracking.tags).items()},
        }
    )
    for event in dataset_events(dataset, trainer, config.seed):
        journal.write(event)
    write_whole(journal.folder / SUMMARY, f"{trainer.model.summary()}\n")
    for name in (CONFIG, SUMMARY, *write_sheet(journal.folder, trainer.train)):
        journal.artifact(name)


def dataset_events(dataset: Dataset, trainer: Trainer, seed: int) -> Iterator[DatasetEvent]:
    """Tell the images to train on, to validate and to test; MLflow knows a data set by its name and digest.

    The first two are drawn by seed from the official training set.
    """
    drawn: list[tuple[Context, int, str]] = [
        ("training", trainer.train.samples, f"-t{trainer.train.samples}-s{seed}"),
        ("validation", trainer.validation.samples, f"-v{trainer.validation.samples}-s{seed}"),
        ("testing", len(dataset.test_labels), ""),
    ]
    for context, images, suffix in drawn:
        if images:
            yield DatasetEvent(
                name=dataset.name,
                digest=dataset.digest[:DIGEST] + suffix,
                source=dataset.source,
                schema={"mlflow_tensorspec": run_data_schema(dataset.image_shape)},
                profile={"num_rows": images, "classes": dataset.classes},
                context=context,
            )


def run_data_schema(image_shape: Sequence[int]) -> dict[str, str]:
    """Tell what images and labels are, as MLflow reads it."""

    def spec(dtype: str, *shape: int) -> str:
        return json.dumps([{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, *shape]}}])

    return {"features": spec("uint8", *image_shape), "targets": spec("uint8")}


def log_setup(config: Config, dataset: Dataset, trainer: Trainer, *, with_model: bool) -> None:
    """Log what is about to happen."""
    log_data(dataset, trainer)
    if not registry.losses[config.loss.name].exact:
        log.warning(f"loss={config.loss.name} is one of the mistakes: its gradient is wrong on purpose")
    if with_model:
        log.info(trainer.model.summary())
    log.info(
        f"loss: {config.loss.name}; optimizer: {config.optimizer.name}, learning rate {config.optimizer.lr:g} "
        f"({config.schedule.name}); batch size {config.batch_size}, seed {config.seed}"
    )
    if trainer.train.augmenter is not None:
        log.info(f"augmentation: {config.augment.name}; {SHEET} in the run's folder shows the first batch")


def log_data(dataset: Dataset, trainer: Trainer) -> None:
    """Log where the data are from, and how they are split."""
    height, width, _ = dataset.image_shape
    said = (
        f"data: {dataset.name} from {glued_words(dataset.source)}: {trainer.train.samples:,} images to train on, "
        f"{trainer.validation.samples:,} to validate, {len(dataset.test_labels):,} to test; {height}x{width} pixels, "
        f"{dataset.classes} classes"
    )
    log.info(wrapped(said))
