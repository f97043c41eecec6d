"""This project's training steps, with both loss modes, and the machine's peak."""

import os
from collections.abc import Callable

import numpy as np
from contenders.cases import SAMPLES, Case, images_and_labels

from mnist_trainer.analysis.profile.parts import places, step_parts
from mnist_trainer.analysis.profile.products import SIDE, Peak
from mnist_trainer.build import build_list
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.losses.cross_entropy import CrossEntropy
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.adam import Adam
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.schedules import Constant
from mnist_trainer.training.streams import stream
from mnist_trainer.training.trainer import Trainer

VERSION = f"NumPy {np.__version__}"


def contenders(case: Case) -> dict[str, Callable[[int], object]]:
    """Return what does a number of steps, with each loss; and a number of large products."""
    peak = Peak(np.float32)
    return {
        **{mode: steps_of(trainer(case, mode)) for mode in ("fused", "separate")},
        "peak": lambda steps: [peak.sample() for _ in range(steps)],
    }


def trainer(case: Case, mode: str) -> Trainer:
    """Build all that trains."""
    images, labels = images_and_labels()
    layers = build_list(case.layers, "layers") + ([Softmax()] if mode == "separate" else [])
    batches = Batches(
        images,
        labels,
        np.arange(SAMPLES),
        case.batch,
        np.float32,
        scaling=Scaling.unit(),
        rng=stream(0, "shuffling"),
    )
    return Trainer(
        model=Sequential(layers, (28, 28, 1), case.batch, np.float32, stream(0, "initialization")),
        loss=CrossEntropy() if mode == "separate" else SoftmaxLoss(),
        optimizer=Adam() if case.optimizer == "adam" else SGD(momentum=0.9),
        schedule=Constant(),
        learning_rate=case.rate,
        train=batches,
        validation=batches,
        epochs=1,
    )


def steps_of(trainer: Trainer) -> Callable[[int], None]:
    """Return a function that does a number of a trainer's steps."""

    def endless():
        while True:
            yield from trainer.train

    source = endless()

    def run(steps: int) -> None:
        for _ in range(steps):
            trainer.update(*next(source))

    return run


def operations(case: Case) -> float:
    """Count the multiplications and additions of a step's matrix products."""
    one = trainer(case, "fused")
    return sum(part.operations for part in step_parts(one, list(places(one.model.stack, case.batch))))


def peak_operations() -> float:
    """Count those of the large product that the peak is measured with."""
    return 2.0 * SIDE**3


def set_threads(threads: int) -> None:
    """Say how many threads the products take: the library reads it when NumPy is imported."""
    assert os.environ["OPENBLAS_NUM_THREADS"] == str(threads)
