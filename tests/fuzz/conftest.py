"""What the fuzzers share: how many cases they run, and what no case may do, however bad its input is.

CI runs a few hundred cases, the same ones each time. The long run draws 44,000 new ones, in about half an hour:

    python -m pytest -m "long or not long" tests/fuzz --hypothesis-profile=long --hypothesis-show-statistics
"""

import contextlib
import os
import signal
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mnist_trainer.errors import MnistTrainerError

SECONDS = 60  # on a machine that is busy with other things, too
MOST_BYTES = 1 << 29
PEAK = Path("/proc/self/clear_refs")

slow = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("long", max_examples=1000, derandomize=False, print_blob=True, **slow)


def content(folder):
    """What lies in a folder, whatever it is: mode, size and bytes, or where a link leads."""
    found = {}
    for root, names, files in os.walk(folder):
        for name in [*names, *files]:
            path = Path(root, name)
            status = path.lstat()
            inside = None
            if stat.S_ISLNK(status.st_mode):
                inside = path.readlink()
            elif stat.S_ISREG(status.st_mode):
                inside = path.read_bytes()
            found[path] = (status.st_mode, inside)
    return found


def peak_memory():
    """Return the most memory that this process had since it was last forgotten, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


@pytest.fixture(autouse=True, scope="module")
def _no_data_of_the_machine_s():
    """The real files would be found instead of the mangled ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MNIST_ROOT", raising=False)
        yield


@pytest.fixture(scope="session")
def harmless():
    """A block that must end soon, take little memory, and leave a folder as it was; yields a list of what was told.

    An error of the project's own that ends the command with exit code 2 is told in words, and goes into the list.
    """

    @contextlib.contextmanager
    def watched(folder, *, unchanged=True):
        told = []
        before = content(folder) if unchanged else None
        measured = PEAK.exists()  # on Linux
        if measured:
            PEAK.write_text("5")
            start = peak_memory()
        previous = signal.signal(signal.SIGALRM, hang)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            yield told
        except MnistTrainerError as error:
            if error.exit_code != 2 or not str(error).strip():
                raise
            told.append(str(error))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        if measured:
            assert peak_memory() - start < MOST_BYTES
        if unchanged:
            assert content(folder) == before

    return watched


def hang(number, frame):
    raise AssertionError(f"still busy after {SECONDS} s")
