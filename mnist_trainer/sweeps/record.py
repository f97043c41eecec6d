"""`sweep.json`: which run a sweep is, and the overrides of all its jobs; a frozen record as soon as it is read."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mnist_trainer.errors import ConfigError
from mnist_trainer.files import SWEEP, read_object, write_whole
from mnist_trainer.hyperparameters import picked_hyperparameters
from mnist_trainer.sweeps.jobs import Job
from mnist_trainer.sweeps.pairs import Comparison


@dataclass(frozen=True)
class SweepRecord:
    """What the file says of a sweep; the comparisons and the best job beside it are for others to read."""

    run: str
    """The parent run's, in MLflow the tag mnist_trainer.run."""
    overrides: list[str]
    jobs: list[list[str]] | None
    """The overrides of each, by number; None if they weren't known beforehand."""
    tuning: list[str] | None = None
    """The overrides of `hydra/sweeper`, where Optuna chooses the jobs; then they are listed as they are chosen."""
    trials: list[int] = field(default_factory=list)
    """Each job's number in its study."""
    apart: bool = False
    """Whether the jobs' hosts don't share the sweep's folder."""

    @classmethod
    def read(cls, folder: Path) -> "SweepRecord | None":
        """Read that of a sweep's folder; None if there is none that can be used."""
        try:
            return picked_hyperparameters(cls, read_object(folder / SWEEP))
        except (OSError, ValueError, ConfigError):
            return None

    def write(self, folder: Path, comparisons: Sequence[Comparison] = (), best: Job | None = None) -> None:
        """Write the file, whole or not at all."""
        found = best and {"job": best.number, "folder": best.folder.name}
        content = {**asdict(self), "pairs": [asdict(each) for each in comparisons], "best": found}
        write_whole(folder / SWEEP, json.dumps(content, indent=2) + "\n")
