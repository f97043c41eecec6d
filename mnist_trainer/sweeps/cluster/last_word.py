"""The last word of jobs that their cluster ended without giving them time for it.

A journal without an end is that of a running job, as far as another host can tell: MLflow would wait for it. The
command that has launched the jobs knows from the cluster that they are over, and why.
"""

import logging
from collections.abc import Container, Sequence

from mnist_trainer.errors import DiskError, TrackingError
from mnist_trainer.files import JOURNAL
from mnist_trainer.journal.events import Status
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.reading import read_end
from mnist_trainer.sweeps.jobs import Job

log = logging.getLogger(__name__)


def say_it(jobs: Sequence[Job], over: Container[int]) -> None:
    """Write an end into the journals that lack one, of jobs that the cluster says are over."""
    for job in jobs:
        silent = job.number in over and not job.finished and (job.folder / JOURNAL).exists()
        if not silent or read_end(job.folder) is not None:
            continue
        status: Status = "KILLED" if job.ending.status in ("CANCELLED", "KILLED") else "FAILED"
        try:
            journal = Journal(job.folder, reopened=True)
            journal.end(status, job.ending.reason)
            journal.close()
        except (TrackingError, DiskError) as error:
            log.warning(str(error))
