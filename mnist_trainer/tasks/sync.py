"""task=sync: send to MLflow what journals still hold."""

import logging
from pathlib import Path

from mnist_trainer.config import Config
from mnist_trainer.errors import TrackingError, error_reason
from mnist_trainer.runs.tracked import Tracked
from mnist_trainer.shipping.shipper import mlflow_ui_command

log = logging.getLogger(__name__)


def sync(config: Config) -> int:
    """Send what is unsent; return 1 if something is left."""
    from mnist_trainer.shipping.sync import send_unsent as send

    tracked = Tracked(config.tracking, Path(config.outputs).absolute())
    tracked.check()
    paths = [] if config.journal is None else [Path(config.journal)]
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            why = "no such file or folder" if missing else error_reason(error)
            raise TrackingError(f"journal={path}: {why}; name a journal, or a run's or sweep's folder") from error
    wanted = config.tracking
    report = send(paths, store_folder=tracked.store_folder, uri=wanted.uri, experiment=wanted.experiment)
    log.info(report.summary())
    if problem := report.problem():
        log.warning(problem)
        return 1
    stores = dict.fromkeys(run.uri for run in report.runs if run.run_id is not None)  # each run's own
    for uri in stores or [wanted.uri]:
        log.info(f"to look at them: {mlflow_ui_command(uri, tracked.store_folder)}")
    return 0
