"""A model file: what was learned, and all that it takes to use it, in one npz file that needs no other."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.files import BEST, CHECKPOINT, LAST
from mnist_trainer.hyperparameters import check, hyperparameter, picked_hyperparameters
from mnist_trainer.sealed import read_sealed, write_sealed

FORMAT = 1
"""Files of another format are refused: the run that wrote one has to be done again, or read by the version it names."""

EXAMPLE = "example"
"""The name of an image among the arrays."""

Preparation = Literal["mnist", "digits", "scaled"]
Outputs = Literal["logits", "probabilities"]


@dataclass(frozen=True)
class Description:
    """What a model file says beside its arrays, in plain values."""

    layers: list[Mapping[str, Any]]  # entries as in a configuration's model.layers, without a softmax behind them
    outputs: Outputs  # of these layers
    dtype: Literal["float32", "float64"]
    image_shape: list[int] = hyperparameter(minimum=1)  # height, width, channels
    scale: float = hyperparameter()  # input = pixel 0..255 · scale + shift
    shift: float = hyperparameter()
    preparation: Preparation = "scaled"
    """What makes of a user's picture an image like those that the network has learned from."""
    class_names: list[str] = hyperparameter([])
    plugins: list[str] = hyperparameter([])
    """The modules that register layers which are not the package's own."""
    data: Mapping[str, Any] = field(default_factory=dict)  # the name and digest of what it was trained on
    result: Mapping[str, Any] = field(default_factory=dict)  # what the run came to, as in its outcome.json
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what the types don't tell; raises `ConfigError`."""
        check(self)
        if len(self.image_shape) != 3:
            raise ConfigError(f"image_shape={self.image_shape}: must be height, width and channels")
        if not self.class_names:
            raise ConfigError("class_names is empty: a name for each class")

    @property
    def name(self) -> str:
        """What the run was called."""
        return str(self.result.get("name", "model"))

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


def write_model(
    path: Path, description: Description, arrays: Mapping[str, NDArray[Any]], example: NDArray[np.uint8]
) -> None:
    """Write a model file with an `example` of its images (1, H, W, C), whole and on to the disk; raises `OSError`."""
    write_sealed(path, {**arrays, EXAMPLE: example}, asdict(description), version=FORMAT)


def read_model(path: Path) -> tuple[Description, dict[str, NDArray[Any]], NDArray[np.uint8]]:
    """Return a model file's description, arrays and example; raises `DataError` naming it if it is anything else."""
    arrays, document = read_sealed(path, "model file", version=FORMAT, others=f"{LAST}, {BEST} and {CHECKPOINT}")
    try:
        description = picked_hyperparameters(Description, document)
    except ConfigError as error:
        raise DataError(f"{path}: its document doesn't describe a model: {error}") from error
    example = arrays.pop(EXAMPLE, None)
    if example is None or example.dtype != np.uint8 or example.shape[1:] != tuple(description.image_shape):
        raise DataError(f"{path}: its example is no image of {description.image_shape}")
    return description, arrays, example
