"""What the lecture is of: a network that was trained a little, and one image of the test set."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.analysis.reference import reference_softmax
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.config import Config, ExplainConfig, SoftmaxCrossEntropyConfig
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.errors import ConfigError, DivergedError
from mnist_trainer.model import Sequential
from mnist_trainer.training.trainer import Trainer
from mnist_trainer.words import batches_in_words, counted_in_words

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

LOOKED_AT = 2000  # of the test images, for one that shows much
DECIMALS, DIGITS = 3, 6  # of the logits, small and large, so that a student can follow with a calculator
SEEN = 0.005  # a probability from which on one sees it in all tables
LEARNED = 0.25  # of the way from the largest class's share to 1: the accuracy of a network that knows something
ALIKE = 0.25  # from the largest to the smallest probability
FIRST_UPDATES, MOST_UPDATES = 60, 3840  # where they aren't told
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


@dataclass(frozen=True, eq=False)
class Taught:
    """The network that was trained for the lesson, and what it has learned from."""

    model: Sequential
    scaling: Scaling
    dataset: Dataset


def choose_subject(config: Config, settings: ExplainConfig) -> tuple[Subject, Floats, NDArray[np.intp], Taught]:
    """Train, choose the image; return it, the logits (N, C) and labels (N,) of a batch that begins with it, and more.

    Where the updates aren't told, a network that shows nothing is trained on. Raises `ConfigError` if it won't serve.
    """
    fused = replace(config, loss=SoftmaxCrossEntropyConfig(name="fused", label_smoothing=0.0))
    dataset = build_data(config.data)
    trainer, test = build_trainer(fused, dataset)
    labels = dataset.test_labels.astype(np.intp)
    count = len(labels)
    if settings.image is not None and settings.image >= count:
        raise ConfigError(
            f"task.image={settings.image}: {dataset.name} has {count:,} test images, counted from 0; at most "
            f"{count - 1} fits"
        )
    updates = FIRST_UPDATES if settings.updates is None else settings.updates
    while True:
        log.info(f"training {config.model.name} for {updates:,} updates on {dataset.name} ...")
        train_a_little(trainer, updates)
        logits = typeable(np.concatenate([trainer.model.forward(x, training=False).astype(float) for x, _ in test]))
        index = most_instructive_image(logits[:LOOKED_AT], labels[:LOOKED_AT])
        problem = why_no_lesson(logits, labels, index)
        if settings.updates is not None or problem is None:
            break
        if updates >= MOST_UPDATES:
            raise ConfigError(
                f"task=explain: after {updates:,} updates {problem}. Another optimizer.lr, or model, may serve; "
                f"task.updates={FIRST_UPDATES} explains it all the same"
            )
        updates = min(4 * updates, MOST_UPDATES)
    among = f"{'' if count <= LOOKED_AT else 'first '}{min(LOOKED_AT, count):,} test images"
    why = f"The image was chosen among the {among} because {seen_probabilities(logits[index], labels[index])}. "
    why += "`task.image` takes another."
    if settings.image is not None:
        index, why = settings.image, "It was asked for with `task.image`."
    rows = (index + np.arange(min(config.batch_size, count, most_jacobians(dataset.classes)))) % count
    subject = Subject(
        logits=logits[index],
        label=int(labels[index]),
        class_names=dataset.class_names,
        image=dataset.test_images[index].mean(axis=-1).astype(np.uint8),
        index=index,
        data=dataset.name,
        network=describe_network(
            config, updates, trainer.train.samples, float((logits.argmax(axis=1) == labels).mean())
        ),
        why=why,
    )
    return subject, logits[rows], labels[rows], Taught(trainer.model, trainer.train.scaling, dataset)


def typeable(logits: Floats) -> Floats:
    """Return logits with so many decimals, large ones with so many digits, that one can type them."""
    if not np.isfinite(logits).all():
        raise DivergedError("the network's logits are not finite: nothing can be explained on them")
    large = np.abs(logits) >= 10 ** (DIGITS - DECIMALS)
    digits = [float(f"{z:.{DIGITS}g}") for z in logits[large]]
    shown = logits.round(DECIMALS)
    shown[large] = digits
    return shown


def seen_probabilities(z: Floats, label: int) -> str:
    """Say what there is to be seen of an image's probabilities."""
    p = reference_softmax(z)
    return (
        f"its true class has p = {p[label]:.2f}, the largest other one {np.delete(p, label).max():.2f}, and "
        f"{int((p >= SEEN).sum())} of {len(p)} classes have {SEEN} or more"
    )


def why_no_lesson(logits: Floats, labels: NDArray[np.intp], best: int) -> str | None:
    """Say why a network won't serve, if it won't: what it says of all images (M, C), and of the best one."""
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    share = float(np.bincount(labels).max() / len(labels))
    p, label = reference_softmax(logits[best]), int(labels[best])
    if accuracy < share + LEARNED * (1 - share):
        return (
            f"the network gets {accuracy:.1%} of the test images right; always to say the most frequent class gets "
            f"{share:.1%}"
        )
    if np.ptp(p) < ALIKE:
        return f"the network finds all classes alike: of the best image, {seen_probabilities(logits[best], label)}"
    if not 0.1 <= p[label] <= 0.9:
        return f"the network is too sure, right or wrong: of the best image, {seen_probabilities(logits[best], label)}"
    return None


def train_a_little(trainer: Trainer, updates: int) -> None:
    """Do so many updates of the configured run; a run that is shorter is made longer."""
    per_epoch = len(trainer.train)
    trainer.schedule.build(max(trainer.epochs * per_epoch, updates), per_epoch)
    while trainer.step < updates:
        for x, labels in trainer.train:
            if trainer.step == updates:
                break
            trainer.update(x, labels)
    trainer.check_finite("the parameters' norm", trainer.parameters_norm())


def most_jacobians(classes: int) -> int:
    """Return how many images' Jacobians fit the memory that an explanation may take."""
    return max(1, MOST_JACOBIAN_BYTES // (8 * classes * classes))


def most_instructive_image(logits: Floats, labels: NDArray[np.intp]) -> int:
    """Choose the row (N, C) whose numbers show most: p(true) near 0.35, a rival's near 0.45, few that round to 0."""
    p = reference_softmax(logits)
    rows = np.arange(len(labels))
    p_true = p[rows, labels]
    others = p.copy()
    others[rows, labels] = 0
    visible = (p >= SEEN).mean(axis=1)
    return int(np.argmin(np.abs(p_true - 0.35) + np.abs(others.max(axis=1) - 0.45) - 0.5 * visible))


def describe_network(config: Config, updates: int, samples: int, accuracy: float) -> str:
    """Say which network speaks, trained on so many samples."""
    text = f"The network is `model={config.model.name}` "
    if updates:
        text += f"after {counted_in_words(updates)} with "
        text += batches_in_words(config.batch_size, min(samples, updates * config.batch_size))
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
