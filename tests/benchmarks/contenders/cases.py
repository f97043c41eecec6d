"""What all contenders train: the networks, the data, the learning rates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

MODELS = Path(__file__).parents[3] / "conf" / "model"
SAMPLES = 8192
CLASSES = 10
RATE = {"sgd": 0.01, "adam": 0.001}
MOMENTUM = 0.9


@dataclass(frozen=True)
class Case:
    """A network, by its hidden layers' sizes or by its name in conf/model, with a batch size and an optimizer."""

    network: str
    batch: int
    optimizer: str

    @property
    def hidden(self) -> list[int] | None:
        """The sizes of a multilayer perceptron's hidden layers."""
        return [int(units) for units in self.network.split("-")[1:-1]] if self.network[0].isdigit() else None

    @property
    def layers(self) -> list[dict]:
        """The layers as the configuration writes them."""
        if self.hidden is None:
            return yaml.safe_load((MODELS / f"{self.network}.yaml").read_text())["layers"]
        hidden = [entry for units in self.hidden for entry in ({"kind": "linear", "units": units}, {"kind": "relu"})]
        return [{"kind": "flatten"}, *hidden, {"kind": "linear", "units": CLASSES}]

    @property
    def rate(self) -> float:
        """The learning rate."""
        return RATE[self.optimizer]

    def __str__(self) -> str:
        return f"{self.network} {self.batch} {self.optimizer}"


CASES = (
    *(Case("784-512-512-10", 128, optimizer) for optimizer in RATE),
    *(Case("784-128-64-10", batch, optimizer) for batch in (128, 32) for optimizer in RATE),
    Case("lenet5", 128, "adam"),
    Case("cnn", 128, "adam"),
)


def images_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """Random images of bytes (SAMPLES, 28, 28, 1) and labels: what a step costs doesn't depend on their content."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (SAMPLES, 28, 28, 1), np.uint8), rng.integers(0, CLASSES, SAMPLES, np.uint8)
