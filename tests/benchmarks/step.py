"""Times whole training steps against PyTorch eager on one thread: `python tests/benchmarks/step.py`.

Both sides gather 128 (or 32) images of uint8, convert them to float32, and do forward, loss, backward and update on
the same network with the same optimizer. The two alternate in short rounds within one process; the figure is the
median over the rounds of the ratio of their times: above 1, this project is faster. "fused" is loss=fused; PyTorch
comes with its default optimizer, and with the one of a single fused kernel (`fused=True`).
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from mnist_trainer.data.batches import Batches
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.layers.activations import ReLU
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.reshape import Flatten
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.losses.cross_entropy import CrossEntropy
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.adam import Adam
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.schedules import Constant
from mnist_trainer.training.streams import stream
from mnist_trainer.training.trainer import Trainer

SAMPLES = 8192
RATE = {"sgd": 0.01, "adam": 0.001}


def images_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """Random images with labels that depend on them: what a step costs doesn't depend on their content."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (SAMPLES, 28, 28, 1), np.uint8), rng.integers(0, 10, SAMPLES, np.uint8)


def numpy_steps(hidden: list[int], batch_size: int, optimizer: str, mode: str) -> Callable[[int], None]:
    """Return a function that does a number of this project's training steps."""
    images, labels = images_and_labels()
    layers = [Flatten()]
    for units in hidden:
        layers += [Linear(units), ReLU()]
    layers += [Linear(10), Softmax()] if mode == "separate" else [Linear(10)]
    indices = np.arange(SAMPLES)
    batches = Batches(
        images, labels, indices, batch_size, np.float32, scaling=Scaling.unit(), rng=stream(0, "shuffling")
    )
    trainer = Trainer(
        model=Sequential(layers, (28, 28, 1), batch_size, np.float32, stream(0, "initialization")),
        loss=CrossEntropy() if mode == "separate" else SoftmaxLoss(),
        optimizer=Adam() if optimizer == "adam" else SGD(momentum=0.9),
        schedule=Constant(),
        learning_rate=RATE[optimizer],
        train=batches,
        validation=batches,
        epochs=1,
    )
    source = endless(batches)

    def run(steps: int) -> None:
        for _ in range(steps):
            trainer.update(*next(source))

    return run


def endless(batches: Batches):
    """Yield batches, epoch after epoch."""
    while True:
        yield from batches


def torch_steps(hidden: list[int], batch_size: int, optimizer: str, fused: bool) -> Callable[[int], None]:
    """Return a function that does a number of PyTorch's training steps."""
    import torch

    images, labels = (torch.from_numpy(array) for array in images_and_labels())
    labels = labels.long()
    sizes = [784, *hidden]
    modules: list[torch.nn.Module] = [torch.nn.Flatten()]
    for fan_in, fan_out in itertools.pairwise(sizes):
        modules += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules, torch.nn.Linear(sizes[-1], 10))
    if optimizer == "adam":
        update = torch.optim.Adam(model.parameters(), lr=RATE["adam"], fused=fused)
    else:
        update = torch.optim.SGD(model.parameters(), lr=RATE["sgd"], momentum=0.9, fused=fused)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def batches():
        while True:
            order = torch.randperm(SAMPLES)
            for start in range(0, SAMPLES, batch_size):
                chosen = order[start : start + batch_size]
                yield images[chosen].float().mul_(1 / 255), labels[chosen]

    source = batches()

    def run(steps: int) -> None:
        for _ in range(steps):
            x, y = next(source)
            predictions = model(x)
            loss = cross_entropy(predictions, y)
            loss.item()
            (predictions.argmax(1) == y).sum().item()
            update.zero_grad()
            loss.backward()
            update.step()

    return run


def seconds(run: Callable[[int], None], steps: int) -> float:
    """Time a number of steps; return seconds a step."""
    started = time.perf_counter()
    run(steps)
    return (time.perf_counter() - started) / steps


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    import torch

    torch.set_num_threads(1)
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__}, 1 thread, float32, medians of {rounds} rounds\n")
    print(
        "| network | batch | optimizer | fused, µs | separate ÷ fused | PyTorch ÷ fused | PyTorch fused=True ÷ fused |"
    )
    print("|---|---|---|---|---|---|---|")
    for hidden in ([512, 512], [128, 64]):
        for batch_size in (128, 32):
            for optimizer in ("sgd", "adam"):
                contenders = [
                    numpy_steps(hidden, batch_size, optimizer, "fused"),
                    numpy_steps(hidden, batch_size, optimizer, "separate"),
                    torch_steps(hidden, batch_size, optimizer, fused=False),
                    torch_steps(hidden, batch_size, optimizer, fused=True),
                ]
                steps = 20 if hidden[0] > 200 else 100
                times = [[seconds(run, steps) for run in contenders] for _ in range(rounds + 2)][2:]
                fused = statistics.median(row[0] for row in times) * 1e6
                ratios = [statistics.median(row[other] / row[0] for row in times) for other in (1, 2, 3)]
                cells = ["-".join(map(str, [784, *hidden, 10])), batch_size, optimizer, f"{fused:,.0f}"]
                print("|", *(f"{cell} |" for cell in cells), *(f"{ratio:.2f} |" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
