"""The names that a configuration may use for layers, losses, optimizers, schedules, data sets and callbacks.

Open to users' own: data sets and callbacks are all theirs.

A plugin's module registers its classes with a decorator:

    @register_layer("swish")
    @dataclass(eq=False)
    class Swish(Layer): ...

Registering a name again replaces it, so that a notebook's cell can be run twice. `import_plugins` imports such modules.
"""

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from mnist_trainer.errors import ConfigError, error_reason, prefixed_problems
from mnist_trainer.hyperparameters import check, construct_hyperparameters, suggestion
from mnist_trainer.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, Tanh
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.mistakes import BatchIdentitySoftmax, DiagonalSoftmax
from mnist_trainer.layers.normalization import BatchNorm, LayerNorm
from mnist_trainer.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from mnist_trainer.layers.reshape import Flatten, Reshape
from mnist_trainer.layers.residual import Residual
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.losses.cross_entropy import CrossEntropy
from mnist_trainer.losses.homework import Homework
from mnist_trainer.losses.loss import Loss
from mnist_trainer.losses.mistakes import (
    Clipped,
    Diagonal,
    DoubleJacobian,
    DoubleSoftmax,
    PostedAnswer,
    PostedQuestion,
    SumForMean,
)
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.optimizers.adam import Adam, AdamW
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.optimizers.rmsprop import RMSprop
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.schedules import Constant, Cosine, OneCycle, Schedule, Step
from mnist_trainer.slips import check_whole, is_users

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Mapping[str, type[T]], Generic[T]):
    """Classes by name."""

    def __init__(self, noun: str, classes: Mapping[str, type[T]]) -> None:
        self._noun = noun
        self._classes = dict(classes)

    def named(self, name: str) -> type[T]:
        """Return the class of a name; raises `ConfigError` that says which there are."""
        if name not in self:
            raise ConfigError(f"unknown {self._noun} {name!r}{suggestion(name, self)}")
        return self[name]

    def __getitem__(self, name: str) -> type[T]:
        """Return the class of a name; raises `KeyError`."""
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._classes)

    def __len__(self) -> int:
        """Count the names."""
        return len(self._classes)

    def register(self, name: str) -> Callable[[C], C]:
        """Return a decorator that registers a class under a name."""

        def decorate(cls: C) -> C:
            check_whole(cls, self._noun.removeprefix("kind of "))
            self._classes[name] = cls
            return cls

        return decorate


layers: Registry[Layer] = Registry(
    "kind of layer",
    {
        "linear": Linear,
        "conv2d": Conv2d,
        "max_pool2d": MaxPool2d,
        "avg_pool2d": AvgPool2d,
        "global_avg_pool": GlobalAvgPool,
        "batch_norm": BatchNorm,
        "layer_norm": LayerNorm,
        "relu": ReLU,
        "leaky_relu": LeakyReLU,
        "tanh": Tanh,
        "sigmoid": Sigmoid,
        "gelu": GELU,
        "softmax": Softmax,
        "dropout": Dropout,
        "flatten": Flatten,
        "reshape": Reshape,
        "residual": Residual,
    },
)
losses: Registry[Loss] = Registry(
    "loss",
    {
        "fused": SoftmaxLoss,
        "separate": CrossEntropy,
        "homework": Homework,
        "posted_question": PostedQuestion,
        "posted_answer": PostedAnswer,
        "diagonal": Diagonal,
        "double_jacobian": DoubleJacobian,
        "double_softmax": DoubleSoftmax,
        "sum_for_mean": SumForMean,
        "clipped": Clipped,
    },
)
optimizers: Registry[Optimizer] = Registry("optimizer", {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW})
schedules: Registry[Schedule] = Registry(
    "schedule", {"constant": Constant, "step": Step, "cosine": Cosine, "one_cycle": OneCycle}
)
datasets: Registry[Any] = Registry("data set", {})
callbacks: Registry[Any] = Registry("callback", {})
tails: dict[str, Sequence[type[Layer]]] = {
    "posted_question": [BatchIdentitySoftmax],
    "posted_answer": [DiagonalSoftmax],
    "diagonal": [DiagonalSoftmax],
}

register_layer = layers.register
register_optimizer = optimizers.register
register_schedule = schedules.register
register_data = datasets.register
register_callback = callbacks.register


def register_loss(name: str, *, tail: Sequence[type[Layer]] | None = None) -> Callable[[C], C]:
    """Return a decorator that registers a loss and the layers that it puts behind the model.

    Without `tail`: a `Softmax` if the loss expects probabilities, nothing if it expects logits.
    """
    if tail is None:
        tails.pop(name, None)
    else:
        tails[name] = tail
    return losses.register(name)


def tail_layers(name: str) -> list[Layer]:
    """Make the layers that the loss of a name puts behind the model."""
    default: Sequence[type[Layer]] = [Softmax] if losses.named(name).expects == "probabilities" else []
    return [cls() for cls in tails.get(name, default)]


def built_from_registry(classes: Registry[T], config: Any, group: str) -> T:
    """Make what a group of a configuration names, with the group's other keys or, if it has them, its `parameters`."""
    with prefixed_problems(f"{group}.name: "):
        cls = classes.named(config.name)
    if hasattr(config, "parameters"):
        with prefixed_problems(f"{group}.parameters."):
            made = construct_hyperparameters(cls, config.parameters)
            check(made)  # not every class does so itself
            return made
    own = {name: value for name, value in vars(config).items() if name not in ("name", "lr")}
    with prefixed_problems(f"{group}."):
        return construct_hyperparameters(cls, own)


def import_plugins(modules: Sequence[str]) -> None:
    """Import the users' modules, which register their own; the working directory counts as a place of modules."""
    if modules and "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"plugins: can't import {module!r}: {error} (looked in the working directory and the environment)"
            ) from error
        except Exception as error:  # the user's own code may raise anything
            frames = traceback.extract_tb(error.__traceback__)
            place = next((frame for frame in reversed(frames) if is_users(frame.filename)), frames[-1])
            if isinstance(error, SyntaxError):
                where = f"{error.filename}:{error.lineno}"
            else:
                where = f"{place.filename}:{place.lineno}"
            raise ConfigError(f"plugins: {module!r} fails on import, at {where}: {error_reason(error)}") from error
