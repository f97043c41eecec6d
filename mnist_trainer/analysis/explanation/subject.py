"""What the lecture is of: a network that was trained a little, and one image of the test set."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.analysis.reference import softmax
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.config import Config, ExplainConfig, SoftmaxCrossEntropyConfig
from mnist_trainer.errors import ConfigError
from mnist_trainer.training.trainer import Trainer

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

LOOKED_AT = 2000  # of the test images, for one that shows much
DECIMALS = 3  # of the logits, so that a student can follow with a calculator
MOST_JACOBIAN_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class Subject:
    """One image, and what a network says of it."""

    logits: Floats  # (C,)
    label: int
    class_names: Sequence[str]
    image: NDArray[np.uint8]  # (height, width)
    index: int  # in the test set
    data: str
    network: str  # in words, with the number of updates
    why: str  # this image


def observe(config: Config, settings: ExplainConfig) -> tuple[Subject, Floats, NDArray[np.intp]]:
    """Train, choose the image; return it, and the logits (N, C) and labels (N,) of a batch that begins with it."""
    fused = replace(config, loss=SoftmaxCrossEntropyConfig(name="fused", label_smoothing=0.0))
    dataset = build_data(config.data)
    trainer, test = build_trainer(fused, dataset)
    count = len(dataset.test_labels)
    if settings.image is not None and settings.image >= count:
        raise ConfigError(
            f"task.image={settings.image}: {dataset.name} has {count:,} test images, counted from 0; at most "
            f"{count - 1} fits"
        )
    log.info(f"training {config.model.name} for {settings.updates:,} updates on {dataset.name} ...")
    train_for(trainer, settings.updates)
    logits = np.concatenate([trainer.model.forward(x, training=False).astype(np.float64) for x, _ in test]).round(
        DECIMALS
    )
    labels = dataset.test_labels.astype(np.intp)
    index = settings.image
    why = "It was asked for with `task.image`."
    if index is None:
        index = most_instructive(logits[:LOOKED_AT], labels[:LOOKED_AT])
        why = (
            f"Of the first {min(LOOKED_AT, count):,} test images it shows most: the true class and a rival are close, "
            "and the other classes have probabilities that one can see. `task.image` takes another."
        )
    rows = (index + np.arange(min(config.batch_size, count, most_images(dataset.classes)))) % count
    subject = Subject(
        logits=logits[index],
        label=int(labels[index]),
        class_names=dataset.class_names,
        image=dataset.test_images[index].mean(axis=-1).astype(np.uint8),
        index=index,
        data=dataset.name,
        network=describe(config, settings, float((logits.argmax(axis=1) == labels).mean())),
        why=why,
    )
    return subject, logits[rows], labels[rows]


def train_for(trainer: Trainer, updates: int) -> None:
    """Do so many updates of the configured run; a run that is shorter is made longer."""
    per_epoch = len(trainer.train)
    trainer.schedule.build(max(trainer.epochs * per_epoch, updates), per_epoch)
    while trainer.step < updates:
        for x, labels in trainer.train:
            if trainer.step == updates:
                break
            trainer.update(x, labels)
    trainer.check_finite("the parameters' norm", trainer.parameters_norm())


def most_images(classes: int) -> int:
    """Return how many images' Jacobians fit the memory that an explanation may take."""
    return max(1, MOST_JACOBIAN_BYTES // (8 * classes * classes))


def most_instructive(logits: Floats, labels: NDArray[np.intp]) -> int:
    """Choose the row (N, C) whose numbers show most: p(true) near 0.35, a rival's near 0.45, few that round to 0."""
    p = softmax(logits)
    rows = np.arange(len(labels))
    p_true = p[rows, labels]
    others = p.copy()
    others[rows, labels] = 0
    visible = (p >= 0.005).mean(axis=1)
    return int(np.argmin(np.abs(p_true - 0.35) + np.abs(others.max(axis=1) - 0.45) - 0.5 * visible))


def describe(config: Config, settings: ExplainConfig, accuracy: float) -> str:
    """Say which network speaks."""
    text = f"The network is `model={config.model.name}` "
    if settings.updates:
        text += f"after {settings.updates:,} updates with batches of {config.batch_size}"
    else:
        text += "before any training"
    text += f"; it gets {accuracy:.1%} of the test images right."
    smoothing = isinstance(config.loss, SoftmaxCrossEntropyConfig) and config.loss.label_smoothing > 0
    if config.loss.name != "fused" or smoothing:
        text += (
            f" It was trained with the plain fused loss, not the configured `{config.loss.name}`"
            f"{' with label smoothing' if smoothing else ''}: the lecture shows the modes itself."
        )
    return text
