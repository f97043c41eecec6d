"""What a run leaves for those who use its model: `model.npz`, and a classifier of a trainer that lives."""

import logging
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer import __version__, registry
from mnist_trainer.composition import schema_of_keys
from mnist_trainer.config import DataConfig
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.files import MODEL
from mnist_trainer.hyperparameters import construct_hyperparameters
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.model_file import Description, Outputs, Preparation, write_model
from mnist_trainer.journal.events import ModelEvent
from mnist_trainer.journal.journal import Journal
from mnist_trainer.layer_list import entry_of
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.mistakes import WrongSoftmax
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.layers.stack import Stack
from mnist_trainer.training.trainer import Trainer
from mnist_trainer.words import shown

LIKE_MNIST = re.compile("q?mnist|emnist_.*")
"""The names of sets whose pictures were made as MNIST's were."""

log = logging.getLogger(__name__)


def write_learned(
    folder: Path, trainer: Trainer, dataset: Dataset, result: Mapping[str, Any], data: DataConfig | None
) -> Description | None:
    """Write the model as it is now; return what is said of it. Raises `OSError`.

    None, after a warning, if it can't be told without the run.
    """
    try:
        description = describe_learned(trainer, dataset, result, data)
    except ConfigError as error:
        log.warning(f"no {MODEL}: {error}")
        return None
    write_model(folder / MODEL, description, learned_arrays(trainer), dataset.test_images[:1])
    return description


def journal_model(journal: Journal, description: Description) -> None:
    """Write that the model is to be logged; a line where a layer can't go along."""
    try:
        plugins = [str(plugin_file(module)) for module in description.plugins]
    except DataError as error:
        log.warning(f"no model for MLflow: {error}")
    else:
        journal.write(ModelEvent(name=MODEL, plugins=plugins))


def plugin_file(module: str) -> Path:
    """Return the file of a plugin's module, or the folder of its package; raises `DataError` if it has none."""
    top = sys.modules.get(module.partition(".")[0])
    file = getattr(top, "__file__", None)
    if file is None or module == "__main__":
        raise DataError(f"a layer is registered in a notebook or script ({module}): put it into a module, for plugins=")
    path = Path(file).absolute()
    return path.parent if path.name == "__init__.py" else path


def learned_folder(outputs: Path) -> Path:
    """Return the folder of the run that has left its model last, sweeps' among them; raises `DataError` if none has."""
    found = [*outputs.glob(f"*/*/{MODEL}"), *outputs.glob(f"*/*/*/{MODEL}")]
    if not found:
        raise DataError(f"latest: no finished run with a {MODEL} in {shown(outputs)}: name a run's folder")
    return max(found, key=lambda path: path.stat().st_mtime).parent


def classifier_of_trainer(trainer: Trainer, dataset: Dataset | None = None) -> Classifier:
    """Return a classifier of what a trainer has learned so far; later updates don't change it.

    Raises `ConfigError` if a layer can't be made again from a name and plain values.
    """
    return Classifier(describe_learned(trainer, dataset, {}), learned_arrays(trainer), Path("the trainer"))


def learned_arrays(trainer: Trainer) -> dict[str, NDArray[Any]]:
    """Return the model's parameters and state, without those of a tail that inference has no use for."""
    kept = len(learned_layers(trainer)[0])
    return {name: array for name, array in trainer.learned.items() if int(name.partition(".")[0]) < kept}


def describe_learned(
    trainer: Trainer, dataset: Dataset | None, result: Mapping[str, Any], data: DataConfig | None = None
) -> Description:
    """Say what it takes to use the model; raises `ConfigError` naming a layer that can't be made again."""
    layers, outputs = learned_layers(trainer)
    classes = trainer.model.out_shape[0]
    scaling = trainer.train.scaling
    return Description(
        layers=[entry_of(layer) for layer in layers],
        outputs=outputs,
        dtype="float64" if trainer.model.dtype == np.float64 else "float32",
        image_shape=list(trainer.model.in_shape),
        scale=scaling.scale,
        shift=scaling.shift,
        preparation=preparation_for(dataset.name if dataset else ""),
        class_names=list(dataset.class_names) if dataset else [str(number) for number in range(classes)],
        plugins=sorted({module for layer in layers for module in plugin_modules(layer)}),
        data=learned_from(dataset, data) if dataset else {},
        result=dict(result),
        versions={"mnist_trainer": __version__, "numpy": np.__version__, "python": platform.python_version()},
    )


def preparation_for(data: str) -> Preparation:
    """Tell how pictures become like those of a data set, by its name; for unknown ones they are scaled alone."""
    if data == "digits":
        return "digits"
    return "mnist" if LIKE_MNIST.fullmatch(data) else "scaled"


def learned_from(dataset: Dataset, config: DataConfig | None) -> dict[str, Any]:
    """Say what the data were, and how to have them again."""
    return {"name": dataset.name, "digest": dataset.digest, "config": asdict(config) if config else None}


def data_of_learned(description: Description) -> DataConfig:
    """Return the configuration of the data that a model was trained on; raises `DataError` if it isn't known."""
    values = description.data.get("config")
    if not isinstance(values, Mapping):
        raise DataError("this model doesn't know the data that it was trained on: name some, as in data=mnist")
    try:
        config: DataConfig = construct_hyperparameters(schema_of_keys("data", values), values)
        return config
    except ConfigError as error:
        raise DataError(
            f"the model's data are told as in another version ({error}): name them, as data=mnist"
        ) from error


def learned_layers(trainer: Trainer) -> tuple[list[Layer], Outputs]:
    """Return the layers that inference needs, and what they end in.

    A softmax that the loss has put behind the model goes: its mistakes, if it makes any, are in backward alone.
    """
    layers, name = list(trainer.model.stack.layers), trainer.loss_name
    tail = registry.tail_layers(name) if name in registry.losses else []
    count = len(tail)
    if count and all(isinstance(layer, Softmax | WrongSoftmax) for layer in layers[-count:]):
        return layers[:-count], "logits"
    return layers, trainer.loss.expects


def plugin_modules(layer: Layer) -> set[str]:
    """Tell the modules of a layer, and of those inside it, that are not the package's."""
    inside = set().union(*map(plugin_modules, layer.layers)) if isinstance(layer, Stack) else set()
    module = type(layer).__module__
    return inside | ({module} if module.partition(".")[0] != "mnist_trainer" else set())
