"""Shows what an epoch costs by its samples and batches, and what memory it takes: `python tests/benchmarks/scaling.py`.

Trains a multilayer perceptron on random images through the whole loop, with its records and checkpoints of the
parameters, on one core: on more and more samples in batches of 128, in batches of other sizes, and for more and more
epochs. Seconds are the median over the epochs; memory is the process's resident size, as Linux tells it.
"""

import argparse
import os
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from mnist_trainer.data.batches import Batches
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.layers.activations import ReLU
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.reshape import Flatten
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.schedules import OneCycle
from mnist_trainer.training.callbacks import ParameterFiles
from mnist_trainer.training.records import EpochRecord
from mnist_trainer.training.streams import random_stream
from mnist_trainer.training.trainer import Callback, Trainer

SAMPLES = (7_500, 15_000, 30_000, 60_000, 120_000)
BATCHES = (32, 64, 128, 256, 512)
EPOCHS = (1, 10, 30)


class Watch(Callback):
    """Keeps what each epoch took, and the memory after it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.megabytes: list[float] = []

    def on_epoch(self, record: EpochRecord) -> None:
        """Look."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.seconds.append(record.seconds)
        self.megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def trained(samples: int, batch_size: int, epochs: int, folder: Path) -> Watch:
    """Train; return what was seen."""
    rng, watch = np.random.default_rng(0), Watch()
    images = rng.integers(0, 256, (samples, 28, 28, 1), np.uint8)
    labels = rng.integers(0, 10, samples, np.uint8)
    everything, nothing = np.arange(samples), np.arange(0)
    layers = [Flatten(), Linear(256), ReLU(), Linear(128), ReLU(), Linear(10)]
    trainer = Trainer(
        model=Sequential(layers, (28, 28, 1), batch_size, np.float32, random_stream(0, "initialization")),
        loss=SoftmaxLoss(),
        optimizer=SGD(),
        schedule=OneCycle(),
        learning_rate=0.01,
        train=Batches(
            images,
            labels,
            everything,
            batch_size,
            np.float32,
            scaling=Scaling.unit(),
            rng=random_stream(0, "shuffling"),
        ),
        validation=Batches(images, labels, nothing, batch_size, np.float32, scaling=Scaling.unit()),
        epochs=epochs,
        callbacks=[ParameterFiles(folder), watch],
    )
    trainer.fit()
    return watch


def main() -> None:
    """Print the tables."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        trained(SAMPLES[0], 128, 2, folder)
        print("| samples | seconds an epoch | µs a sample |\n|---|---|---|")
        for samples in SAMPLES:
            seconds = statistics.median(trained(samples, 128, 5, folder).seconds)
            print(f"| {samples:,} | {seconds:.3f} | {seconds / samples * 1e6:.1f} |", flush=True)
        print("\n| batch | updates an epoch | seconds an epoch | µs an update |\n|---|---|---|---|")
        for batch_size in BATCHES:
            seconds, updates = (
                statistics.median(trained(30_000, batch_size, 5, folder).seconds),
                -(-30_000 // batch_size),
            )
            print(f"| {batch_size} | {updates:,} | {seconds:.3f} | {seconds / updates * 1e6:,.0f} |", flush=True)
        megabytes = trained(15_000, 128, EPOCHS[-1], folder).megabytes
        print("\n| epochs done | resident memory, MB |\n|---|---|")
        for epochs in EPOCHS:
            print(f"| {epochs} | {megabytes[epochs - 1]:.1f} |")


if __name__ == "__main__":
    main()
