"""This project's training steps, with both loss modes, and the machine's peak."""

from collections.abc import Callable, Iterator

import numpy as np
from contenders.cases import SAMPLES, Case, images_and_labels
from threadpoolctl import threadpool_limits

from mnist_trainer.analysis.profile.meter import SIDE, PeakRate
from mnist_trainer.analysis.profile.parts import step_parts
from mnist_trainer.config import TrainerConfig
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.layer_list import build_list
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.losses.cross_entropy import CrossEntropy
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.adam import Adam
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.runs.cores import cores_for
from mnist_trainer.schedules import Constant
from mnist_trainer.training.streams import random_stream
from mnist_trainer.training.trainer import Trainer

VERSION = f"NumPy {np.__version__}"
cores = 1


def contenders(case: Case) -> dict[str, Callable[[int], object]]:
    """Return what does a number of steps, with each loss; and a number of large products."""
    peak = PeakRate(np.float32)
    return {
        **{mode: with_threads(1, steps_of(trainer(case, mode))) for mode in ("fused", "separate")},
        "peak": with_threads(cores, lambda steps: [peak.sample() for _ in range(steps)]),
    }


def with_threads(threads: int, run: Callable[[int], object]) -> Callable[[int], object]:
    """Let the library of the products take so many threads meanwhile."""

    def limited(steps: int) -> None:
        with threadpool_limits(threads, "blas"):
            run(steps)

    return limited


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
        rng=random_stream(0, "shuffling"),
    )
    return Trainer(
        model=Sequential(layers, (28, 28, 1), case.batch, np.float32, random_stream(0, "initialization")),
        loss=CrossEntropy() if mode == "separate" else SoftmaxLoss(),
        optimizer=Adam() if case.optimizer == "adam" else SGD(momentum=0.9),
        schedule=Constant(),
        learning_rate=case.rate,
        train=batches,
        validation=batches,
        epochs=1,
    )


def steps_of(trainer: Trainer) -> Callable[[int], None]:
    """Return a function that does a number of a trainer's steps, with as many processes as `auto` gives it."""
    rule = TrainerConfig(threads="auto")
    trainer.processes = min(cores, cores_for(rule, trainer).processes)

    def stepping() -> Iterator[None]:
        with trainer.together():
            while True:
                for batch in trainer.train:
                    trainer.update(*batch)
                    yield

    steps = stepping()

    def run(count: int) -> None:
        for _ in range(count):
            next(steps)

    return run


def operations(case: Case) -> float:
    """Count the multiplications and additions of a step's matrix products."""
    one = trainer(case, "fused")
    return float(sum(part.operations for part in step_parts(one, case.batch)))


def peak_operations() -> float:
    """Count those of the large product that the peak is measured with."""
    return 2.0 * SIDE**3


def set_threads(threads: int) -> None:
    """Say how many cores a step may take; the large product that is the peak takes as many threads."""
    global cores
    cores = threads
