"""PyTorch's training steps: eager, in channels-last memory where there are convolutions, and compiled."""

from collections.abc import Callable

import torch
from contenders.cases import MOMENTUM, SAMPLES, Case, images_and_labels
from torch import nn

VERSION = f"PyTorch {torch.__version__}"


def set_threads(threads: int) -> None:
    """Say how many threads it takes."""
    torch.set_num_threads(threads)


def contenders(case: Case, compiled: bool = True) -> dict[str, Callable[[int], object]]:
    """Return what does a number of steps, in each variant."""
    found = {"PyTorch eager": steps(case)}
    if case.hidden is None:
        found["PyTorch channels-last"] = steps(case, channels_last=True)
    if compiled:
        found["torch.compile"] = steps(case, compiled=True)
        if case.hidden is None:
            found["torch.compile channels-last"] = steps(case, channels_last=True, compiled=True)
    return found


def network(case: Case) -> nn.Sequential:
    """Build the same layers."""
    modules: list[nn.Module] = []
    channels, size = 1, 28
    for entry in case.layers:
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
    return nn.Sequential(*modules)


def steps(case: Case, *, channels_last: bool = False, compiled: bool = False) -> Callable[[int], None]:
    """Return a function that does a number of steps; the optimizer is the one of a single kernel (`fused=True`)."""
    memory = torch.channels_last if channels_last else torch.contiguous_format
    model = network(case).to(memory_format=memory)
    if case.optimizer == "adam":
        update = torch.optim.Adam(model.parameters(), lr=case.rate, fused=True)
    else:
        update = torch.optim.SGD(model.parameters(), lr=case.rate, momentum=MOMENTUM, fused=True)
    cross_entropy = nn.CrossEntropyLoss()
    images, labels = (torch.from_numpy(array) for array in images_and_labels())
    images, labels = images.permute(0, 3, 1, 2), labels.long()

    def forward(x, y):
        predictions = model(x)
        return cross_entropy(predictions, y), (predictions.argmax(1) == y).sum()

    if compiled:
        forward = torch.compile(forward, dynamic=False)

    def batches():
        while True:
            order = torch.randperm(SAMPLES)
            for start in range(0, SAMPLES, case.batch):
                chosen = order[start : start + case.batch]
                x = images[chosen].float().mul_(1 / 255)
                yield x.contiguous(memory_format=memory), labels[chosen]

    source = batches()

    def run(count: int) -> None:
        for _ in range(count):
            loss, correct = forward(*next(source))
            loss.item()
            correct.item()
            update.zero_grad()
            loss.backward()
            update.step()

    return run
