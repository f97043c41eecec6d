"""A run's journal: what the run is at its start, how it ended at its end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import yaml

from mnist_trainer import registry
from mnist_trainer.config import Config
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.tasks.outcome import write_whole
from mnist_trainer.tasks.provenance import flattened, machine_tags
from mnist_trainer.tasks.resumption import Resumption
from mnist_trainer.tasks.runs import CONFIG
from mnist_trainer.tracking.journal import Journal, RunRecord, Status


@contextmanager
def journaled(
    config: Config,
    folder: Path,
    dataset: Dataset,
    record: RunRecord,
    *,
    validation_size: int,
    tags: Mapping[str, str] | None = None,
    resumption: Resumption | None = None,
) -> Iterator[Journal]:
    """Keep the journal of the run within the block, and beside it the resolved configuration.

    `tags` tell more than the configuration's, or something else. A run that is resumed goes on in its own journal,
    which says so already.
    """
    values = asdict(config)
    folder.mkdir(exist_ok=True)
    write_whole(folder / CONFIG, yaml.safe_dump(values, sort_keys=False))
    journal = Journal(folder) if resumption is None else resumption.journal
    status: Status = "FAILED"
    reason: str | None = None
    try:
        if resumption is None:
            journal.start(record)
        if resumption is None or resumption.checkpoint is None:
            begin(journal, config, dataset, validation_size, tags or {})
        yield journal
        status, reason = "FINISHED", None
    except KeyboardInterrupt as error:
        status, reason = "KILLED", f"interrupted by {error}" if error.args else "interrupted"
        raise
    except BaseException as error:
        status, reason = "FAILED", f"{type(error).__name__}: {error}"
        raise
    finally:
        try:
            for name in ("last.npz", "best.npz"):
                if (folder / name).exists():
                    journal.artifact(name)
            journal.end(status, reason)
        finally:
            journal.close()


def begin(journal: Journal, config: Config, dataset: Dataset, validation_size: int, tags: Mapping[str, str]) -> None:
    """Write what the run is made of."""
    params = flattened(asdict(config)) | {"data.name": dataset.name, "data.validation_size": validation_size}
    for name in ("name", "task.label"):  # the run's own: runs that differ in the loss alone have the same others
        del params[name]
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
        }
    )
    journal.dataset(
        name=dataset.name,
        digest=dataset.digest,
        source=dataset.source,
        schema={"image": list(dataset.image_shape), "dtype": "uint8", "classes": dataset.classes},
        profile={"training_and_validation": len(dataset.labels), "test": len(dataset.test_labels)},
    )
    journal.artifact("config.yaml")
