"""What a model takes a picture for, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_trainer.kernels.arrays import Array

SURE = 0.6
"""What is given less is told as unsure."""


@dataclass(frozen=True)
class Prediction:
    """A picture, the class that it is taken for, and what is to be told of it."""

    picture: str
    predicted: str
    probabilities: dict[str, float]
    notes: tuple[str, ...]
    label: str | None = None  # its true class, if it is known

    @property
    def probability(self) -> float:
        """That of the class that it is taken for."""
        return self.probabilities[self.predicted]

    @property
    def runner_up(self) -> str:
        """The class that comes next."""
        return sorted(self.probabilities, key=lambda name: -self.probabilities[name])[1]

    @property
    def told(self) -> tuple[str, ...]:
        """All that is to be told, the model's doubts first."""
        doubts = [f"unsure: or {self.runner_up}"] if self.probability < SURE and len(self.probabilities) > 1 else []
        wrong = [f"wrong: it is {self.label}"] if self.label not in (None, self.predicted) else []
        return (*wrong, *doubts, *self.notes)


def predictions_of_pictures(
    names: Sequence[str],
    probabilities: Array,
    class_names: Sequence[str],
    notes: Sequence[Sequence[str]],
    labels: Sequence[str | None],
) -> list[Prediction]:
    """Put together what is known of each picture; probabilities (N, C)."""
    return [
        Prediction(
            name,
            class_names[int(row.argmax())],
            dict(zip(class_names, map(float, row), strict=True)),
            tuple(told),
            label,
        )
        for name, row, told, label in zip(names, probabilities, notes, labels, strict=True)
    ]
