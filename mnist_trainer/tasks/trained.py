"""What the tasks for trained models share: which model is meant, and which data."""

from collections.abc import Sequence
from pathlib import Path

from mnist_trainer.build import build_data
from mnist_trainer.composition import override_key
from mnist_trainer.config import Config, ModelTaskConfig
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.loading import load
from mnist_trainer.runs.folder import LATEST
from mnist_trainer.runs.learned import data_of_learned, learned_folder
from mnist_trainer.runs.tracked import Tracked
from mnist_trainer.shipping.fetched import is_mlflow_s, load_from_mlflow


def task_checkpoint(config: Config) -> str:
    """Return what `checkpoint` names, a folder in the place of `latest`; raises `ConfigError` or `DataError`."""
    settings = config.task
    assert isinstance(settings, ModelTaskConfig)
    if not settings.checkpoint:
        raise ConfigError(f"checkpoint is missing: task={settings.name} checkpoint=RUN, a run's folder, or latest")
    if settings.checkpoint == LATEST:
        return str(learned_folder(Path(config.outputs)))
    return settings.checkpoint


def classifier_for(config: Config) -> Classifier:
    """Load the model that `checkpoint` means; raises `ConfigError` or `DataError`."""
    settings = config.task
    assert isinstance(settings, ModelTaskConfig)
    which = settings.which
    assert which in ("tested", "best", "last")
    place = task_checkpoint(config)
    if is_mlflow_s(place):
        return load_from_mlflow(place, Tracked(config.tracking, Path(config.outputs).absolute()).uri)
    return load(place, which)  # type: ignore[arg-type]


def data_for(classifier: Classifier, config: Config, overrides: Sequence[str]) -> Dataset:
    """Load the data that the command names, or else those that the model was trained on.

    Raises `DataError` if they have other classes, or images of another shape.
    """
    named = any(override_key(override).partition(".")[0] == "data" for override in overrides)
    dataset = build_data(config.data if named else data_of_learned(classifier.description), kept=KeptFiles.current)
    if dataset.image_shape != classifier.image_shape:
        sizes = ("x".join(map(str, shape)) for shape in (dataset.image_shape, classifier.image_shape))
        raise DataError("data={}: images of {}, but the model sees {}".format(dataset.name, *sizes))
    if dataset.classes != len(classifier.class_names):
        raise DataError(
            f"data={dataset.name}: {dataset.classes} classes, but the model tells {len(classifier.class_names)} apart"
        )
    return dataset
