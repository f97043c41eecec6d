"""This project's training steps, with both loss modes, its answers, and the machine's peak."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from contenders.cases import CLASSES, Answering, Contender, Training
from threadpoolctl import threadpool_limits

from mnist_trainer.analysis.profile.meter import SIDE, PeakRate
from mnist_trainer.analysis.profile.parts import step_parts
from mnist_trainer.config import TrainerConfig
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.model_file import Description
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
from mnist_trainer.training.team import Team
from mnist_trainer.training.trainer import Trainer

VERSION = f"NumPy {np.__version__}"
cores = 1


def contenders(case: Training | Answering) -> dict[str, Contender]:
    """Return what does a number of steps, with each loss, and of large products; or what answers."""
    if isinstance(case, Answering):
        one, images = classifier(case), case.images()
        return {"fused": Contender(with_threads(cores, lambda times: [one.predict(images) for _ in range(times)]))}
    peak = PeakRate(np.float32)
    return {
        "fused": Steps(case, "fused").contender(),
        "separate": Steps(case, "separate").contender(),
        "peak": Contender(with_threads(cores, lambda times: [peak.sample() for _ in range(times)])),
    }


def with_threads(threads: int, run: Callable[[int], object]) -> Callable[[int], object]:
    """Let the library of the products take so many threads meanwhile."""

    def limited(steps: int) -> None:
        with threadpool_limits(threads, "blas"):
            run(steps)

    return limited


def trainer(case: Training, mode: str) -> Trainer:
    """Build all that trains."""
    images, labels = case.images_and_labels()
    layers = build_list(case.layers, "layers") + ([Softmax()] if mode == "separate" else [])
    everything, shuffling = np.arange(len(labels)), random_stream(0, "shuffling")
    batches = Batches(
        images, labels, everything, case.batch, np.float32, scaling=Scaling.unit(), rng=shuffling, drop_last=True
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


class Steps:
    """A trainer's steps, with as many processes as `auto` gives it."""

    def __init__(self, case: Training, mode: str) -> None:
        self._case, self._trainer = case, trainer(case, mode)
        self._trainer.processes = min(cores, cores_for(TrainerConfig(threads="auto"), self._trainer).processes)
        self._orders = case.orders()
        self._steps = self._stepping()

    def contender(self) -> Contender:
        """Return what does steps and starts again."""
        return Contender(with_threads(1, self.run), self.restart)

    def run(self, count: int) -> None:
        """Do a number of steps."""
        for _ in range(count):
            next(self._steps)

    def restart(self) -> None:
        """Begin with the case's weights, an empty state, and the first batch."""
        put_weights(self._case, self._trainer.model)
        worker = self._trainer.worker
        for optimizer in worker.optimizers if isinstance(worker, Team) else [worker.optimizer]:
            for array in optimizer.state().values():
                array.fill(0)
        self._orders = self._case.orders()

    def _stepping(self) -> Iterator[None]:
        with self._trainer.together():  # once, as in a training: to fork and what follows from it takes 17 ms
            while True:
                self._trainer.update(*self._trainer.train.gather(next(self._orders)))
                yield


def put_weights(case: Training | Answering, model: Sequential) -> None:
    """Give a model the case's weights."""
    model.parameters.values.fill(0)
    places = [view for name, view in model.parameters.views.items() if name.endswith("weights")]
    for place, weights in zip(places, case.weights(), strict=True):
        place[...] = weights


def classifier(case: Answering) -> Classifier:
    """Build a model that answers, with the case's weights."""
    names = [str(name) for name in range(CLASSES)]
    about = Description(case.layers, "logits", "float32", [28, 28, 1], 1 / 255, 0.0, class_names=names)
    rng = np.random.default_rng(0)
    model = Sequential(build_list(case.layers, "layers"), (28, 28, 1), 1, np.float32, rng)
    put_weights(case, model)
    return Classifier(about, model.arrays, Path("weights"))


def operations(case: Training) -> float:
    """Count the multiplications and additions of a step's matrix products."""
    return float(sum(part.operations for part in step_parts(trainer(case, "fused"), case.batch)))


def peak_operations() -> float:
    """Count those of the large product that the peak is measured with."""
    return 2.0 * SIDE**3


def set_threads(threads: int) -> None:
    """Say how many cores a step may take; the large product that is the peak takes as many threads."""
    global cores
    cores = threads
