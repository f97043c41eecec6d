"""From configurations to objects: the only place where a configuration's names meet classes."""

import math
import os
import re
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import TypeVar

import numpy as np

from mnist_trainer import registry
from mnist_trainer.config import (
    AugmentConfig,
    Config,
    LayersConfig,
    LinearConfig,
    LossConfig,
    MLPConfig,
    ModelConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrackingConfig,
    flattened_config,
)
from mnist_trainer.data.augmentation import Augmentation, Augmenter
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.dataset import Dataset, check_is_dataset
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.data.split import stratified_split
from mnist_trainer.data_sets import build_data as build_data
from mnist_trainer.data_sets import check_data
from mnist_trainer.errors import ConfigError, prefixed_problems
from mnist_trainer.hyperparameters import check, construct_hyperparameters, problems
from mnist_trainer.kernels.arrays import Shape
from mnist_trainer.layer_list import build_list, check_no_softmax_at_end, mlp_layer_list
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.stack import Stack
from mnist_trainer.losses.loss import Loss
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.schedules import Schedule
from mnist_trainer.slips import is_own
from mnist_trainer.training.streams import random_stream
from mnist_trainer.training.trainer import Callback, Trainer

T = TypeVar("T")

EVALUATION_BATCH = 256  # evaluation takes larger batches than a tiny batch_size
LONGEST_EXPERIMENT = 500
"""Characters of an experiment's name, in MLflow."""
OWN_TAGS = {
    "mlflow.note.content": "tracking.description",
    "mlflow.runName": "name",
    **dict.fromkeys(("mlflow.parentRunId", "loss.mode", "loss.exact", "model", "data.name", "data.fallback"), ""),
}
"""Tags that are no user's, and the key that is."""


def check_buildable(config: Config) -> None:
    """Import the plugins and check all that can be checked without data; raises one `ConfigError` with all problems.

    It is for who makes a configuration: whoever is given one may rely on it.
    """
    registry.import_plugins(config.plugins)
    found = problems(config)
    if not isinstance(config.trainer.threads, int | str) or isinstance(config.trainer.threads, bool):
        found.append(f"trainer.threads={config.trainer.threads}: must be auto or a whole number")
    clip_norm = config.trainer.clip_norm
    if not isinstance(clip_norm, float | int | str | None) or isinstance(clip_norm, bool):
        found.append(f"trainer.clip_norm={clip_norm}: must be auto, a number or null")
    if not re.fullmatch(r"[\w.,+=-][\w.,+= -]*", config.name):
        found.append(f"name={config.name!r}: letters, digits and any of -_.,+= fit: it names a folder too")
    found += [*registration_problems(config.tracking), *own_words_problems(config.tracking)]
    for group, part in (
        ("loss", lambda: build_loss(config.loss)),
        ("optimizer", lambda: build_optimizer(config.optimizer)),
        ("schedule", lambda: build_schedule(config.schedule)),
        ("augment", lambda: build_augmentation(config.augment)),
        ("model", lambda: build_layers(config.model, classes=10)),
        ("data", lambda: check_data(config.data)),
        ("trainer", lambda: build_callbacks(config.trainer.callbacks)),
    ):
        if any(problem.startswith(f"{group}.") for problem in found):
            continue
        try:
            part()
        except ConfigError as error:
            found += error.problems
    if found:
        raise ConfigError(*found)


def build_callbacks(entries: Sequence[object]) -> list[Callback]:
    """Make the plugins' callbacks; raises one `ConfigError` with the problems of all entries."""
    made: list[Callback] = []
    found: list[str] = []
    for index, entry in enumerate(entries):
        path = f"trainer.callbacks.{index}"
        try:
            made.append(_callback(entry, path))
        except ConfigError as error:
            found += error.problems
    if found:
        raise ConfigError(*found)
    return made


def _callback(entry: object, path: str) -> Callback:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("kind"), str):
        raise ConfigError(f"{path}: {entry!r} is no callback: must be a mapping with a kind, as in {{kind: mine}}")
    with prefixed_problems(f"{path}: "):
        cls = registry.callbacks.named(entry["kind"])
    with prefixed_problems(f"{path} ({entry['kind']}): "):
        made = construct_hyperparameters(cls, {str(name): value for name, value in entry.items() if name != "kind"})
        check(made)
        if not isinstance(made, Callback):
            raise ConfigError("must be a Callback, of mnist_trainer.api")
    return made


def registration_problems(tracking: TrackingConfig) -> list[str]:
    """Tell what can't name a registered model, or its version, in MLflow."""
    found, name, alias = [], tracking.register, tracking.alias
    if name is not None and (not name.strip() or re.search(r"[/:'\"%]", name)):
        found.append(f"tracking.register={name!r}: a model's name, without / : % and quotes")
    if name is not None and not tracking.model:
        found.append(f"tracking.register={name!r} with tracking.model=false: there is nothing to register then")
    if alias is not None and name is None:
        found.append(f"tracking.alias={alias!r} is that of a registered version: it needs tracking.register=NAME")
    if alias is not None and (not re.fullmatch(r"[\w-]+", alias, re.ASCII) or re.fullmatch(r"v?\d+|latest", alias)):
        found.append(f"tracking.alias={alias!r}: letters, digits, - and _ fit, but no number of a version, nor latest")
    return found


def own_words_problems(tracking: TrackingConfig) -> Iterator[str]:
    """Tell what can't name an experiment in MLflow, or a tag of one's own."""
    if tracking.experiment is not None and not tracking.experiment.strip():
        yield f"tracking.experiment={tracking.experiment!r}: an experiment's name, or null for the data set's"
    if tracking.experiment is not None and len(tracking.experiment) > LONGEST_EXPERIMENT:
        yield f"tracking.experiment: {len(tracking.experiment)} characters; MLflow takes {LONGEST_EXPERIMENT}"
    for key in flattened_config(tracking.tags):
        if not re.fullmatch(r"[\w][\w.: /-]{0,249}", key) or ".." in key or "//" in key or key[-1] in "./":
            yield f"tracking.tags.{key}: letters, digits and any of _-.:/ fit, and blanks within"
        elif key in OWN_TAGS or key.startswith("mnist_trainer."):
            instead = OWN_TAGS.get(key, "")
            yield f"tracking.tags.{key}: this tag is set by the run itself{f'; say {instead}' if instead else ''}"


def build_model(config: Config, in_shape: Shape, classes: int, max_batch: int) -> Sequential:
    """Build the model with the tail that its loss needs, initialised from the seed's stream."""
    layers = build_layers(config.model, classes)
    with prefixed_problems("model."):
        check_no_softmax_at_end(layers)
        tail = registry.tail_layers(config.loss.name)
        if (tail or registry.losses[config.loss.name].expects == "logits") and is_softmax(layers[-1]):
            raise ConfigError(
                f"layers.{len(layers) - 1} ({type(layers[-1]).__name__}) computes a softmax at the model's end, and "
                f"loss={config.loss.name} takes logits, and has one of its own: leave the layer out, or hand it over "
                f"with the loss, as register_loss(..., tail=[{type(layers[-1]).__name__}])"
            )
        layers += tail
        rng = random_stream(config.seed, "initialization")
        try:
            check_built_memory(layers, in_shape, max_batch, config.dtype)
            model = Sequential(layers, in_shape, max_batch, config.dtype, rng)
        except (MemoryError, OverflowError, ValueError) as error:  # the latter two of more than NumPy can count
            raise ConfigError(f"layers need more memory than there is: {error}") from error
        if model.parameters.size == 0:
            raise ConfigError("layers have no parameters: there is nothing to train; put a linear layer in")
        if model.out_shape != (classes,):
            raise ConfigError(
                f"layers end in an output of shape {model.out_shape}, but the data have {classes} classes: the last "
                f"layer must be {{kind: linear, units: {classes}}}"
            )
    return model


def is_softmax(layer: Layer) -> bool:
    """Tell from its numbers whether a user's layer computes the softmax of each row."""
    if is_own(layer):
        return False
    z = np.array([[-1.0, 0.0, 2.0], [0.5, 0.5, -3.0]])
    try:
        alone = Sequential([deepcopy(layer)], (3,), 2, z.dtype, np.random.default_rng(0))
        p = alone.forward(z.copy(), training=False)
    except Exception:  # it isn't for such rows
        return False
    e = np.exp(z)
    return np.shape(p) == z.shape and np.allclose(p, e / e.sum(axis=1, keepdims=True))


def check_built_memory(layers: Sequence[Layer], in_shape: Shape, max_batch: int, dtype: str) -> None:
    """Raise `ConfigError` if a model takes more than the machine's memory."""
    stack = Stack(layers)
    stack.build(in_shape, 1, dtype)  # which tells the shapes, and takes next to nothing
    parameters = sum(map(math.prod, stack.parameter_shapes().values()))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = 3 * parameters * np.dtype(dtype).itemsize  # with their gradients, and the best so far
    if needed <= memory:
        needed += buffers_bytes(layers, in_shape, max_batch, dtype)
    if needed > memory:
        raise ConfigError(
            f"layers have {parameters:,} parameters, and with batches of {max_batch:,} take {needed / 1e9:,.1f} GB "
            f"at least; this machine has {memory / 1e9:,.1f} GB: take fewer units or filters"
        )


def buffers_bytes(layers: Sequence[Layer], in_shape: Shape, max_batch: int, dtype: str) -> int:
    """Tell how many bytes layers work in, by making it all: what nobody has written to yet takes no memory."""
    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        stack = Stack(layers)  # which holds what computes several layers as one
        stack.build(in_shape, max_batch, dtype)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        if not traced:
            tracemalloc.stop()


def build_layers(config: ModelConfig, classes: int) -> list[Layer]:
    """Make the model's layers, without the loss's tail."""
    entries: Sequence[object]
    if isinstance(config, LinearConfig):
        entries = mlp_layer_list([], "relu", 0.0, classes)
    elif isinstance(config, MLPConfig):
        entries = mlp_layer_list(config.hidden, config.activation, config.dropout, classes)
    elif isinstance(config, LayersConfig):
        entries = config.layers
    else:
        raise ConfigError("model has neither `hidden` nor `layers`: take one of the choices that --help lists")
    if not entries:
        raise ConfigError("model.layers is empty: a model needs at least one layer")
    return build_list(entries, "model.layers")


def build_loss(config: LossConfig) -> Loss:
    """Make the loss."""
    return registry.built_from_registry(registry.losses, config, "loss")


def build_optimizer(config: OptimizerConfig) -> Optimizer:
    """Make the optimizer; its state comes with the trainer."""
    return registry.built_from_registry(registry.optimizers, config, "optimizer")


def build_schedule(config: ScheduleConfig) -> Schedule:
    """Make the schedule; its length comes with the trainer."""
    return registry.built_from_registry(registry.schedules, config, "schedule")


def build_augmentation(config: AugmentConfig) -> Augmentation | None:
    """Make what training images are changed by; None if they stay as they are."""
    values = {name: value for name, value in vars(config).items() if name != "name"}
    if not values:
        return None
    with prefixed_problems("augment."):
        return construct_hyperparameters(Augmentation, values)


def build_batches(config: Config, dataset: Dataset) -> tuple[Batches, Batches, Batches]:
    """Split and scale the data; return the batches to train on, augmented, to validate on, and of the test set."""
    size = config.data.validation_size
    size = dataset.default_validation_size if size is None else size
    for key in ("patience", "restore_best"):
        if size == 0 and getattr(config.trainer, key):
            raise ConfigError(f"trainer.{key} needs a validation set, but data.validation_size is 0")
    images, labels, dtype = dataset.images, dataset.labels, config.dtype
    chosen, held_out = stratified_split(labels, size, random_stream(config.seed, "splitting"), dataset.classes)
    everything = np.arange(len(dataset.test_labels))
    scaling = Scaling.standardised(images, chosen) if config.data.standardize else Scaling.unit()
    large = max(config.batch_size, EVALUATION_BATCH)
    shuffling = random_stream(config.seed, "shuffling")
    augmentation, augmenter = build_augmentation(config.augment), None
    if augmentation is not None:
        drawn = random_stream(config.seed, "augmentation")
        augmenter = Augmenter(augmentation, dataset.image_shape, min(config.batch_size, len(chosen)), drawn)
    return (
        Batches(images, labels, chosen, config.batch_size, dtype, scaling=scaling, rng=shuffling, augmenter=augmenter),
        Batches(images, labels, held_out, large, dtype, scaling=scaling),
        Batches(dataset.test_images, dataset.test_labels, everything, large, dtype, scaling=scaling),
    )


def build_trainer(config: Config, dataset: Dataset) -> tuple[Trainer, Batches]:
    """Build the model and all that trains it; return the trainer and the test set's batches.

    It trains in one process, unless its `processes` are set: `trainer.threads` is for the command, and `api.train`.
    Raises `ConfigError` for what can't be built, `DataError` for data that are no `Dataset`.
    """
    check_is_dataset(dataset)
    train, validation, test = build_batches(config, dataset)
    settings = config.trainer
    max_batch = min(test.batch_size, max(train.samples, validation.samples, test.samples))
    trainer = Trainer(
        model=build_model(config, dataset.image_shape, dataset.classes, max_batch),
        loss=build_loss(config.loss),
        optimizer=build_optimizer(config.optimizer),
        schedule=build_schedule(config.schedule),
        learning_rate=config.optimizer.lr,
        train=train,
        validation=validation,
        epochs=config.epochs,
        log_every=settings.log_every,
        clip_norm=settings.clip_norm,
        patience=settings.patience,
        by_loss=settings.monitor == "loss",
        ema_decay=settings.ema_decay,
        loss_name=config.loss.name,
    )
    return trainer, test
