"""What is asked of a store before anything begins, and its answer: where a run is to go there.

A name is none of a store's business: an experiment is made when it is needed. A number, or a run that somebody has
opened, only the store knows.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_trainer.errors import TrackingError
from mnist_trainer.journal.address import folder_path, sqlite_path
from mnist_trainer.journal.events import DESCRIPTION

if TYPE_CHECKING:
    from mnist_trainer.shipping.store import Store

RUN, EXPERIMENT, EXPERIMENT_NAME = "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"


@dataclass(frozen=True)
class Question:
    """What is wanted: a run, or an experiment by its number, else `experiment`.

    `named` says that the configuration names that. With `required`, the store has to take something, too.
    """

    experiment: str
    named: bool
    run_id: str | None
    experiment_id: str | None
    required: bool

    @property
    def is_one(self) -> bool:
        """Whether the store has to be asked."""
        return self.required or self.run_id is not None or self.experiment_id is not None

    @property
    def about(self) -> str:
        """What only the store knows, as its variable says it; "" if nothing is."""
        if self.run_id is not None:
            return f"{RUN}={self.run_id}"
        return f"{EXPERIMENT}={self.experiment_id}" if self.experiment_id is not None else ""

    def why(self, wait_seconds: float) -> str:
        """Say why the store is asked."""
        begins = f"nothing begins before the store answers, within tracking.wait_seconds={wait_seconds:g}"
        if self.required:
            more = "without it, training begins at once, and what can't be sent is kept"
            return f"tracking.required: {begins}{'' if self.about else f'; {more}'}"
        return f"{self.about}: {begins}"

    def check(self, uri: str) -> None:
        """Raise `TrackingError` where what is named can't be, since there is no store: to ask would make one."""
        path = sqlite_path(uri) or folder_path(uri)
        if self.about and path is not None and not path.exists():
            raise TrackingError(f"{self.about}: {path}: there is no store; set MLFLOW_TRACKING_URI to the one meant")

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Question":
        """Invert `as_json`."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Place:
    """Where a run goes: the experiment's name, and the run that it is if somebody has opened that.

    Of that, `description` is what it has been described as, `used` whether this program has logged into it before.
    """

    experiment: str
    into: str | None = None
    description: str | None = None
    used: bool = False


def place_in(store: "Store", asked: Question, store_folder: Path) -> Place:
    """Return where a run goes; raises `TrackingError`, saying what would fit, where it can't go."""
    place = _place(store, asked)
    if asked.required:
        store.touch(place.experiment, store_folder)
    return place


def _place(store: "Store", asked: Question) -> Place:
    if asked.run_id is not None:
        return _opened(store, asked, asked.run_id)
    if asked.experiment_id is None:
        return Place(asked.experiment)
    found, why = store.experiment_of(asked.experiment_id), asked.about
    if found is None:
        raise TrackingError(f"{why}: {store.uri} has no such experiment; name one of its own, or leave it unset")
    store.check_active(found)
    if asked.named and found.name != asked.experiment:
        raise TrackingError(
            f"{why} is the experiment {found.name}, and {EXPERIMENT_NAME}={asked.experiment} another: leave one unset"
        )
    return Place(found.name)


def _opened(store: "Store", asked: Question, run_id: str) -> Place:
    """Return the place of a run that somebody has opened, and that is not ended yet."""
    run, why = store.run_of(run_id), asked.about
    alone = f"unset {RUN} for a run of its own"
    if run is None:
        raise TrackingError(f"{why}: {store.uri} has no such run; {alone}, or name the store that has it")
    state = "deleted" if run.info.lifecycle_stage == "deleted" else run.info.status
    if state != "RUNNING":
        raise TrackingError(f"{why}: in {store.uri} it is {state}, and only a RUNNING run is logged into; {alone}")
    experiment = store.client.get_experiment(run.info.experiment_id).name
    if asked.named and experiment != asked.experiment:
        raise TrackingError(
            f"{why} is in the experiment {experiment}, and tracking.experiment={asked.experiment} is another: "
            f"leave that out, or {alone}"
        )
    used = any(tag.startswith("mnist_trainer.") for tag in run.data.tags)
    return Place(experiment, run_id, run.data.tags.get(DESCRIPTION) or None, used)
