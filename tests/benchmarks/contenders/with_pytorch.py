"""PyTorch's training steps and answers: eager, in channels-last memory where there are convolutions, and compiled."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from contenders.cases import MOMENTUM, Answering, Contender, Training
from torch import nn

VERSION = f"PyTorch {torch.__version__}"


def set_threads(threads: int) -> None:
    """Say how many threads it takes."""
    torch.set_num_threads(threads)


def contenders(case: Training | Answering, compiled: bool = True) -> dict[str, Contender]:
    """Return what does a number of steps, or answers, in each variant."""
    torch.compiler.reset()  # it compiles a function eight times at most, and goes on without after that
    made = Steps if isinstance(case, Training) else Answers
    found = {"PyTorch eager": made(case, channels_last=False, compiled=False)}
    if case.hidden is None:
        found["PyTorch channels-last"] = made(case, channels_last=True, compiled=False)
    if compiled:
        found["torch.compile"] = made(case, channels_last=False, compiled=True)
        if case.hidden is None:
            found["torch.compile channels-last"] = made(case, channels_last=True, compiled=True)
    return {name: Contender(one.run, one.restart) for name, one in found.items()}


def network(layers: list[dict], drawn: list[np.ndarray]) -> nn.Sequential:
    """Build layers as the configuration writes them, with these weights."""
    modules: list[nn.Module] = []
    channels, size, flattened = 1, 28, ()
    weights = iter(drawn)
    for entry in layers:
        match entry:
            case {"kind": "conv2d", "filters": int(filters), "kernel": int(kernel)}:
                padding = entry.get("padding", 0)
                modules.append(nn.Conv2d(channels, filters, kernel, padding=padding))
                put(modules[-1], torch.from_numpy(next(weights)).permute(3, 2, 0, 1))
                channels, size = filters, size + 2 * padding - kernel + 1
            case {"kind": "max_pool2d" | "avg_pool2d" as kind, "kernel": int(kernel)}:
                modules.append((nn.MaxPool2d if kind == "max_pool2d" else nn.AvgPool2d)(kernel))
                size //= kernel
            case {"kind": "relu"}:
                modules.append(nn.ReLU())
            case {"kind": "flatten"}:
                modules.append(nn.Flatten())
                flattened = (size, size, channels)
                channels *= size * size
            case {"kind": "linear", "units": int(units)}:
                modules.append(nn.Linear(channels, units))
                rows = torch.from_numpy(next(weights))
                if flattened:  # it flattens channels first
                    rows, flattened = rows.reshape(*flattened, units).permute(2, 0, 1, 3).reshape(-1, units), ()
                put(modules[-1], rows.T)
                channels = units
            case _:
                raise ValueError(f"no PyTorch module for {entry}")
    return nn.Sequential(*modules)


def put(layer: nn.Module, weights: torch.Tensor) -> None:
    """Give a layer its weights, and biases of 0."""
    with torch.no_grad():
        layer.weight.copy_(weights)
        layer.bias.zero_()


class Steps:
    """Training steps; the optimizer is the one of a single kernel (`fused=True`)."""

    def __init__(self, case: Training, *, channels_last: bool, compiled: bool) -> None:
        self._case = case
        self._memory = torch.channels_last if channels_last else torch.contiguous_format
        self._model = network(case.layers, case.weights()).to(memory_format=self._memory)
        self._start = [parameter.detach().clone() for parameter in self._model.parameters()]
        if case.optimizer == "adam":
            self._update = torch.optim.Adam(self._model.parameters(), lr=case.rate, fused=True)
        else:
            self._update = torch.optim.SGD(self._model.parameters(), lr=case.rate, momentum=MOMENTUM, fused=True)
        images, labels = (torch.from_numpy(array) for array in case.images_and_labels())
        self._images, self._labels = images.permute(0, 3, 1, 2), labels.long()
        self._batches = self._from_first()
        model, cross_entropy = self._model, nn.CrossEntropyLoss()

        def forward(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            predictions = model(x)
            return cross_entropy(predictions, y), (predictions.argmax(1) == y).sum()

        self._forward: Callable = torch.compile(forward, dynamic=False) if compiled else forward

    def run(self, count: int) -> None:
        """Do a number of steps."""
        for _ in range(count):
            loss, correct = self._forward(*next(self._batches))
            loss.item()
            correct.item()
            self._update.zero_grad()
            loss.backward()
            self._update.step()

    def restart(self) -> None:
        """Begin with the case's weights, an empty state, and the first batch."""
        with torch.no_grad():
            for parameter, start in zip(self._model.parameters(), self._start, strict=True):
                parameter.copy_(start)
        for of_parameter in self._update.state.values():
            for state in of_parameter.values():
                state.zero_()
        self._batches = self._from_first()

    def _from_first(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for order in self._case.orders():
            chosen = torch.from_numpy(order)
            x = self._images[chosen].float().mul_(1 / 255)
            yield x.contiguous(memory_format=self._memory), self._labels[chosen]


class Answers:
    """Classes of images."""

    def __init__(self, case: Answering, *, channels_last: bool, compiled: bool) -> None:
        memory = torch.channels_last if channels_last else torch.contiguous_format
        model = network(case.layers, case.weights()).to(memory_format=memory).eval()
        self._images = torch.from_numpy(case.images()).permute(0, 3, 1, 2)

        def answer(images: torch.Tensor) -> torch.Tensor:
            return model(images.float().mul_(1 / 255).contiguous(memory_format=memory)).argmax(1)

        self._answer: Callable = torch.compile(answer, dynamic=False) if compiled else answer

    @torch.inference_mode()
    def run(self, times: int) -> None:
        """Answer a number of times."""
        for _ in range(times):
            self._answer(self._images).numpy()

    def restart(self) -> None:
        """Nothing has changed."""
