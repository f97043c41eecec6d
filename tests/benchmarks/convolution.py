"""Times training steps of the convolutional models against PyTorch: `python tests/benchmarks/convolution.py`.

As step.py does for multilayer perceptrons: one thread, both sides gather and convert a batch of bytes, and do forward,
loss, backward and update (Adam; PyTorch's in its single-kernel form), alternating in short rounds within one process.
PyTorch runs twice, in its default memory format and in channels-last; the ratio is to the quicker of the two in each
round: above 1, this project is faster. Times are of the thread's processor time, which others on the machine disturb
less. The last column is the step's arithmetic (multiplications and additions of the products) per second, as a share
of what a product of two 2048 × 2048 matrices reaches in the same process.
"""

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import step  # isort: skip (sets the thread variables: before NumPy)
import numpy as np
import yaml

from mnist_trainer.build import build_list
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.linear import Linear
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.adam import Adam
from mnist_trainer.schedules import Constant
from mnist_trainer.training.streams import stream
from mnist_trainer.training.trainer import Trainer

MODELS = Path(__file__).parents[2] / "conf" / "model"
PIXELS = (28, 28, 1)


def entries(name: str) -> list[dict[str, object]]:
    """Read a model's layers from its configuration."""
    return yaml.safe_load((MODELS / f"{name}.yaml").read_text())["layers"]


def numpy_steps(name: str, batch_size: int) -> tuple[Callable[[int], None], float]:
    """Return a function that does a number of this project's steps, and a step's multiplications and additions."""
    images, labels = step.images_and_labels()
    indices = np.arange(step.SAMPLES)
    batches = Batches(
        images, labels, indices, batch_size, np.float32, scaling=Scaling.unit(), rng=stream(0, "shuffling")
    )
    model = Sequential(build_list(entries(name), "layers"), PIXELS, batch_size, np.float32, stream(0, "initialization"))
    trainer = Trainer(
        model=model,
        loss=SoftmaxLoss(),
        optimizer=Adam(),
        schedule=Constant(),
        learning_rate=0.001,
        train=batches,
        validation=batches,
        epochs=1,
    )
    source = step.endless(batches)

    def run(steps: int) -> None:
        for _ in range(steps):
            trainer.update(*next(source))

    return run, arithmetic(model, batch_size)


def arithmetic(model: Sequential, batch_size: int) -> float:
    """Count the products' operations: forward, and backward for weights and, but for the first layer, inputs."""
    stack, total, passes = model.stack, 0.0, 2
    for layer, shape in zip(stack.layers, [*stack.shapes[1:], model.out_shape], strict=True):
        if isinstance(layer, Conv2d | Linear):
            weights = math.prod(layer.parameter_shapes()["weights"])
            total += passes * 2 * batch_size * weights * math.prod(shape[:-1])
            passes = 3
    return total


def torch_steps(name: str, batch_size: int, channels_last: bool) -> Callable[[int], None]:
    """Return a function that does a number of PyTorch's steps."""
    import torch
    from torch import nn

    modules: list[nn.Module] = []
    channels, size = 1, 28
    for entry in entries(name):
        match entry:
            case {"kind": "conv2d", "filters": int(filters), "kernel": int(kernel)}:
                padding = entry.get("padding", 0)
                modules.append(nn.Conv2d(channels, filters, kernel, padding=padding))
                channels, size = filters, size + 2 * padding - kernel + 1
            case {"kind": "max_pool2d", "kernel": int(kernel)}:
                modules.append(nn.MaxPool2d(kernel))
                size //= kernel
            case {"kind": "relu"}:
                modules.append(nn.ReLU())
            case {"kind": "flatten"}:
                modules.append(nn.Flatten())
                channels *= size * size
            case {"kind": "linear", "units": int(units)}:
                modules.append(nn.Linear(channels, units))
                channels = units
            case _:
                raise ValueError(f"no PyTorch module for {entry}")
    model = nn.Sequential(*modules)
    memory = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=memory)
    update = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    cross_entropy = nn.CrossEntropyLoss()
    images, labels = (torch.from_numpy(array) for array in step.images_and_labels())
    images, labels = images.permute(0, 3, 1, 2), labels.long()

    def batches():
        while True:
            order = torch.randperm(step.SAMPLES)
            for start in range(0, step.SAMPLES, batch_size):
                chosen = order[start : start + batch_size]
                x = images[chosen].float().mul_(1 / 255)
                yield x.contiguous(memory_format=memory), labels[chosen]

    source = batches()

    def run(steps: int) -> None:
        for x, y in itertools.islice(source, steps):
            predictions = model(x)
            loss = cross_entropy(predictions, y)
            loss.item()
            (predictions.argmax(1) == y).sum().item()
            update.zero_grad()
            loss.backward()
            update.step()

    return run


def seconds(run: Callable[[int], None], steps: int) -> float:
    """Time a number of steps; return seconds of processor time a step."""
    started = time.process_time()
    run(steps)
    return (time.process_time() - started) / steps


def peak() -> float:
    """Return the operations a second of a large product."""
    a, b = np.random.default_rng(0).standard_normal((2, 2048, 2048)).astype(np.float32)
    out = np.empty_like(a)
    times = [seconds(lambda _: np.matmul(a, b, out=out), 1) for _ in range(7)]
    return 2 * 2048**3 / statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    import torch

    torch.set_num_threads(1)
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__}, 1 thread, float32, medians of {rounds} rounds\n")
    print("| model | batch | this project, ms | PyTorch | PyTorch channels-last | best ÷ this project | of the peak |")
    print("|---|---|---|---|---|---|---|")
    for name in ("lenet5", "cnn", "cnn_small"):
        for batch_size in (128, 32):
            run, operations = numpy_steps(name, batch_size)
            contenders = [run, *(torch_steps(name, batch_size, last) for last in (False, True))]
            steps = 3 * 128 // batch_size
            times = [[seconds(run, steps) for run in contenders] for _ in range(rounds + 2)][2:]
            ours, default, last = (1000 * statistics.median(column) for column in zip(*times, strict=True))
            ratio = statistics.median(min(row[1:]) / row[0] for row in times)
            share = operations / (ours / 1000) / peak()
            print(f"| {name} | {batch_size} | {ours:.2f} | {default:.2f} | {last:.2f} | {ratio:.2f} | {share:.0%} |")


if __name__ == "__main__":
    main()
