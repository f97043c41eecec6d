"""task=explain: the derivation of dL/dz step by step on one image, with its numbers."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mnist_trainer.analysis.explanation.handout import as_markdown
from mnist_trainer.analysis.explanation.lecture import INTRODUCTION, lecture
from mnist_trainer.analysis.explanation.numbers import (
    Explanation,
    Floats,
    Subject,
    explain_gradient,
    largest,
    most_images,
    most_instructive,
)
from mnist_trainer.analysis.explanation.terminal import print_lecture
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.config import Config, ExplainConfig, SoftmaxCrossEntropyConfig
from mnist_trainer.errors import ConfigError
from mnist_trainer.files import write_whole
from mnist_trainer.runs.cores import product_threads
from mnist_trainer.runs.outcome import Answer
from mnist_trainer.tasks.terminal import console
from mnist_trainer.training.trainer import Trainer

log = logging.getLogger(__name__)

TITLE = "Where is the derivative of softmax? Every number, on one image"
LOOKED_AT = 2000  # of the test images, for one that shows much
DECIMALS = 3  # of the logits, so that a student can follow with a calculator


def explain(config: Config, folder: Path) -> Answer:
    """Train a little, and explain the gradient of softmax + cross-entropy on one image of the test set.

    Prints the lecture; writes `explanation.md` and `explanation.png` into the folder. Raises `ConfigError`,
    `DataError` and `DivergedError`.
    """
    settings = config.task
    assert isinstance(settings, ExplainConfig)
    with threadpool_limits(product_threads(config.trainer), "blas"):
        subject, logits, labels = observe(config, settings)
    e = explain_gradient(subject, logits, labels)
    steps = lecture(e)
    print_lecture(console(), TITLE, INTRODUCTION, steps)
    markdown, picture = folder / "explanation.md", folder / "explanation.png"
    draw(e, picture)
    write_whole(markdown, as_markdown(e, TITLE, INTRODUCTION, steps, picture.name))
    log.info(f"to hand out: {markdown}\n             {picture}")
    return Answer(
        0,
        {
            "image": subject.index,
            "label": subject.class_names[subject.label],
            "predicted": subject.class_names[e.predicted],
            "loss": e.loss,
            "largest_differences_to_p_minus_t": {
                "jacobian_product": largest(e.product, e.p_minus_t),
                "separate": largest(e.shortcut, e.p_minus_t),
                "fused": largest(e.fused, e.p_minus_t),
                "finite_differences": largest(e.numeric, e.p_minus_t),
                "posted_answer": largest(e.posted, e.p_minus_t),
                "diagonal": largest(e.diagonal, e.p_minus_t),
            },
            "largest_difference_in_the_batch": e.batch.difference,
        },
    )


def observe(
    config: Config, settings: ExplainConfig
) -> tuple[Subject, Floats, "np.ndarray[tuple[int], np.dtype[np.intp]]"]:
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


def draw(e: Explanation, path: Path) -> None:
    """Draw the figure."""
    from mnist_trainer.analysis.explanation.blocks import short_names, shown_classes
    from mnist_trainer.figures.explanation import Numbers, explanation_picture

    shown, names, subject = shown_classes(e), short_names(e), e.subject
    explanation_picture(
        Numbers(
            image=subject.image,
            title=f"{subject.data}, test image {subject.index}",
            names=[names[i] for i in shown],
            true=shown.index(subject.label),
            predicted=shown.index(e.predicted),
            label=subject.class_names[subject.label],
            taken_for=subject.class_names[e.predicted],
            logits=subject.logits[shown],
            p=e.p[shown],
            dp=e.dp[shown],
            jacobian=e.jacobian[np.ix_(shown, shown)],
            product=e.product[shown],
            p_minus_t=e.p_minus_t[shown],
            posted=e.posted[shown],
            diagonal=e.diagonal[shown],
            difference=largest(e.product, e.p_minus_t),
            posted_difference=largest(e.posted, e.p_minus_t),
            diagonal_difference=largest(e.diagonal, e.p_minus_t),
        ),
        path,
    )
