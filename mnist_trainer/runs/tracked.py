"""A shipper beside a task, and what the user is told of it."""

import logging
import os
import sys
import uuid
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mnist_trainer.config import TrackingConfig, flattened_config
from mnist_trainer.credentials import with_password
from mnist_trainer.errors import ConfigError, TrackingError
from mnist_trainer.journal.address import check_uri, is_server, resolve_uri
from mnist_trainer.journal.events import Kind, Mode, Start
from mnist_trainer.journal.processes import opener_of
from mnist_trainer.runs.next_steps import next_serve_command
from mnist_trainer.shipping.pages import compared_page, run_page, runs_page
from mnist_trainer.shipping.place import EXPERIMENT, EXPERIMENT_NAME, RUN, Place, Question
from mnist_trainer.shipping.position import Position
from mnist_trainer.shipping.shipment import Shipment
from mnist_trainer.shipping.shipper import Shipper, ask_store, mlflow_ui_command
from mnist_trainer.words import command, given, shown

log = logging.getLogger(__name__)

LOCAL = "http://127.0.0.1:5000"
"""Where the printed command opens MLflow's UI."""
APART_SECONDS = 300.0
"""How long a job waits at least whose results come to its sweep through MLflow alone."""
SEVERAL = "several data sets"
"""The experiment of a sweep over data sets, unless one is named; its runs are in those of their own data."""
LEFT = "since who has opened it is still there and ends it"
LEAVE_SECONDS = 0.5
"""How long an interrupted command waits for what is still to be sent."""


@dataclass(frozen=True)
class Tracked:
    """How a command tracks: the group's configuration, and the folder of the default store."""

    config: TrackingConfig
    store_folder: Path

    @classmethod
    def as_before(
        cls, tracking: TrackingConfig, outputs: str, start: Start | None, changes: Container[str] = ()
    ) -> "Tracked":
        """Return how a run or sweep is tracked whose journal has this start: as before, but for the keys changed."""
        store_folder = Path(outputs).absolute()
        if start is not None:
            if "tracking.uri" not in changes:
                tracking = replace(tracking, uri=start.uri)
            if tracking.experiment is None and start.experiment != SEVERAL:
                tracking = replace(tracking, experiment=start.experiment)
            if "outputs" not in changes and Path(start.store_folder).is_dir():  # not moved since
                store_folder = Path(start.store_folder)
        return cls(tracking, store_folder)

    @property
    def mode(self) -> Mode:
        """Whether journals are sent."""
        return "off" if self.config.name == "off" else "mlflow"

    @property
    def uri(self) -> str:
        """The store, without a password."""
        return resolve_uri(self.config.uri, self.store_folder)

    @property
    def tags(self) -> dict[str, str]:
        """The user's own tags; those in a mapping have its name before theirs."""
        return {key: str(value) for key, value in flattened_config(self.config.tags).items()}

    @property
    def ui_command(self) -> str:
        """The command, or the address, that opens MLflow's UI."""
        return mlflow_ui_command(self.config.uri, self.store_folder)

    def record(self, kind: Kind, *, place: Place, name: str, parent: str | None, apart: str | None = None) -> Start:
        """Return what a new run's journal starts with; `apart` is the run of a job that shares no folder."""
        opener = opener_of(place.into) if place.into is not None else None
        return Start(
            run=apart or uuid.uuid4().hex,
            apart=apart is not None,
            kind=kind,
            experiment=place.experiment,
            name=name,
            uri=self.config.uri,
            mode=self.mode,
            parent=parent,
            store_folder=str(self.store_folder),
            description=self.config.description or place.description if parent is None else None,
            into=place.into,
            opener=opener.pid if opener else 0,
            opener_began=opener.began if opener else 0,
        )

    def again(self, start: Start) -> Start:
        """Return what a reopened journal says: the run that it started with, as it is tracked now."""
        return replace(start, uri=self.config.uri, mode=self.mode, store_folder=str(self.store_folder))

    def check(self) -> None:
        """Raise `TrackingError` if journals can't be kept here, or MLflow can't write to the store that is named."""
        check_name(self.store_folder)
        if self.mode == "mlflow":
            check_uri(self.uri)
        elif self.config.required:
            raise ConfigError("tracking.required=true with tracking=off: nothing is sent then; leave one of them out")

    def place(self, data: str, *, parent: str | None = None) -> Place:
        """Return where a run on these data goes: its experiment and, if somebody has opened one for it, its run.

        What only the store knows, and with `tracking.required` whether it takes what it is sent, it is asked; raises
        `TrackingError` if it doesn't answer, or can't take the run. For a run with a parent that has been asked.
        """
        asked = self._question(data)
        if self.mode == "off" or parent is not None or not asked.is_one:
            return Place(asked.experiment)
        place = ask_store(self.uri, asked, self.store_folder, self.config.wait_seconds)
        if place.used:
            log.warning(f"{RUN}={place.into}: another run of mnist_trainer is in this one, and now both are")
        return place

    def _question(self, data: str) -> Question:
        experiment, named = self.config.experiment, os.environ.get(EXPERIMENT_NAME) or None
        run_id = os.environ.get(RUN) or None
        number = None if experiment or run_id else os.environ.get(EXPERIMENT) or None
        return Question(
            experiment or named or data,
            experiment is not None or (run_id is None and named is not None),
            run_id,
            number,
            self.config.required,
        )

    def place_of(self, start: Start, *, parent: str | None = None) -> Place:
        """Return where the run goes on that a journal tells of: where it is; raises as `place`.

        Raises `ConfigError`, too, if MLflow's environment names another run.
        """
        run_id = os.environ.get(RUN) or None
        if self.mode == "mlflow" and parent is None:
            if run_id not in (None, start.into):
                raise ConfigError(f"{RUN}={run_id}: what goes on is another run in MLflow already; unset {RUN}")
            asked = Question(start.experiment, False, None, None, self.config.required)
            if asked.is_one:
                ask_store(self.uri, asked, self.store_folder, self.config.wait_seconds)
        return Place(start.experiment, start.into)


def check_name(folder: Path) -> None:
    """Raise `TrackingError` for a folder that no journal and no store can name."""
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        name = os.fsencode(folder).decode(errors="backslashreplace")
        raise TrackingError(
            f"{name}: not a name in UTF-8, which journals and MLflow are written in, as read in this system's encoding,"
            f" {sys.getfilesystemencoding()}; name another folder with outputs=..., or set PYTHONUTF8=1 if it is one"
        ) from None


@contextmanager
def shipped(tracked: Tracked, folder: Path, kind: Kind = "run", *, apart: bool = False) -> Iterator[None]:
    """Send the folder's journals while the block runs, then wait for the rest and tell where it is.

    Does nothing with `tracking=off`. A sweep's job that is `apart` has no other way to its sweep: it waits longer, and
    tells only what can't be sent.
    """
    wait, leave = max(tracked.config.wait_seconds, APART_SECONDS if apart else 0.0), False
    shipper = None
    if tracked.mode == "mlflow":
        try:
            shipper = Shipper(folder, deadline=max(60.0, wait))
        except TrackingError as error:
            log.warning(f"{error}; training goes on, and its events are kept")
            log_sync_command(tracked, folder)
    try:
        yield
    except KeyboardInterrupt:
        wait, leave = min(wait, LEAVE_SECONDS), True
        raise
    finally:
        if shipper is not None:
            shipment = None
            try:
                shipment = shipper.finish(wait, leave=leave)
            finally:
                if shipment is None:  # interrupted, before or in here
                    log_still_sending(tracked, folder, kind)
            if shipment is not None and not apart:
                log_shipment(shipment, tracked, folder, kind)
            elif shipment is not None and (problem := shipment.problem()):
                log.warning(f"{folder.name}: MLflow: {problem}; its sweep, resumed, sends it")


def log_shipment(shipment: Shipment, tracked: Tracked, folder: Path, kind: Kind) -> None:
    """Log what was sent, and how to look at it or to send the rest."""
    for run in shipment.runs[:1]:
        if run.run_id is not None and run.experiment_id is not None:
            left = f" for now, {LEFT}" if run.outcome == "sent" and run.status == "RUNNING" else ""
            log.info(f"MLflow: run {run.run_id} is {run.status}{left}; to look at it:")
            children = [child.run_id for child in shipment.runs[1:] if child.run_id is not None]
            log_run_links(tracked, kind, run.experiment_id, run.run_id, children)
            if kind == "run" and run.status == "FINISHED" and tracked.config.model:
                log.info("to serve its model:")
                log.info(f"    {next_serve_command(tracked.uri, run.run_id)}")
    if problem := shipment.problem():
        log.warning(f"MLflow: {problem}")
        log_sync_command(tracked, folder)


def log_sync_command(tracked: Tracked, folder: Path) -> None:
    """Log the command that sends what this one doesn't."""
    password = with_password(tracked.uri) != tracked.uri
    log.warning(f"nothing is lost; to send them later{', with MLFLOW_TRACKING_URI set' if password else ''}:")
    log.warning(f"    {command('mnist_trainer', 'task=sync', given('journal', shown(folder)))}")


def log_still_sending(tracked: Tracked, folder: Path, kind: Kind) -> None:
    """Log, after an interruption, where the run will be."""
    going_on = "still being sent to, by a process that goes on in the background"
    position = Position.load(folder)
    if position is None:
        log.warning(f"MLflow: {going_on}")
    else:
        log.warning(f"MLflow: run {position.run_id} is {going_on}; to look at it:")
        log_run_links(tracked, kind, position.experiment_id, position.run_id)


def log_run_links(tracked: Tracked, kind: Kind, experiment_id: str, run_id: str, children: Sequence[str] = ()) -> None:
    """Log the command and the links that open a run in MLflow's UI."""
    log.info(f"    {tracked.ui_command}")
    on_server = is_server(tracked.uri)
    if on_server and not tracked.uri.startswith("http"):  # Databricks has pages of its own
        return
    address = tracked.uri.rstrip("/") if on_server else LOCAL
    log.info(f"    {address}/{run_page(experiment_id, run_id)}")
    if kind == "comparison" and children:
        log.info("the modes' curves on one another:")
        log.info(f"    {address}/{compared_page(experiment_id, children)}")
    log.info("all runs, with their figures:")
    log.info(f"    {address}/{runs_page(experiment_id)}")
