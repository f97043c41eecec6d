"""A run on a disk that is full, for a while or for good: a real one, of three megabytes."""

import json
import signal
import subprocess
from contextlib import suppress

import pytest

from mnist_trainer.files import CHECKPOINT, PREVIOUS
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.trainer import Trainer

pytestmark = pytest.mark.long

TINY = ("data=digits", "tracking=off", "model.hidden=[8]", "trainer.progress=false", "trainer.log_every=1")
UPDATES = 11  # of an epoch


@pytest.fixture
def disk(tmp_path):
    """A disk of its own; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(disk):
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.fixture
def fill(disk, monkeypatch):
    """Fill the disk up after some update of the next run, and perhaps give the space back after another."""
    update = Trainer.update

    def between(first, last=None):
        def updated(self, x, labels):
            found = update(self, x, labels)
            if self.step == first:
                fill_up(disk)
            if self.step == last:
                (disk / "filler").unlink()
            return found

        monkeypatch.setattr(Trainer, "update", updated)

    return between


def recorded(events_of, folder):
    return [event["step"] for event in events_of(folder, "metrics") if "train/loss" in event["metrics"]]


def test_a_disk_that_is_full_for_some_epochs_costs_nothing_and_is_told_once(command, disk, fill, events_of):
    fill(2 * UPDATES + 3, 5 * UPDATES + 3)
    done = command(*TINY, "epochs=8", f"outputs={disk}")
    assert done.code == 0, done.output
    assert "Traceback" not in done.output
    for told in ("no checkpoint after", "are not saved", "waits in memory", "written again"):
        assert done.output.count(told) == 1
    assert done.output.count("mnist_trainer.log: No space left") <= 1  # its last block may have had room enough
    (run,) = disk.glob("2*/*")
    assert recorded(events_of, run) == list(range(1, 8 * UPDATES + 1))
    assert Checkpoint.load(run / CHECKPOINT).document["trainer"]["step"] == 8 * UPDATES
    assert json.loads((run / "outcome.json").read_text())["status"] == "FINISHED"
    assert list(run.glob(".*.npz*")) == []


def test_a_disk_that_stays_full_ends_in_one_line_a_file_and_leaves_what_was_there(command, disk, fill, events_of):
    fill(2 * UPDATES + 3)
    done = command(*TINY, "epochs=5", f"outputs={disk}")
    assert done.code == 1, done.output
    assert "Traceback" not in done.output
    assert "test loss" in done.output  # it trained to its end
    (run,) = disk.glob("2*/*")
    told = recorded(events_of, run)
    assert told == list(range(1, len(told) + 1))
    assert f"metrics from step {len(told) + 1} on, the run's end" in done.output
    for name, step in ((CHECKPOINT, 2 * UPDATES), (PREVIOUS, UPDATES)):
        document = Checkpoint.load(run / name).document
        assert document["trainer"]["step"] == step
        assert document["journal"] <= (run / "journal.jsonl").stat().st_size
    (disk / "filler").unlink()
    fill(None)
    again = command(f"resume={run}")  # with space again it goes on from there
    assert again.code == 0, again.output
    assert recorded(events_of, run) == list(range(1, 5 * UPDATES + 1))


def test_an_interruption_on_a_full_disk_stays_one(command, disk, fill, monkeypatch):
    fill(2 * UPDATES + 3)
    update = Trainer.update

    def interrupted(self, x, labels):
        found = update(self, x, labels)
        if self.step == 3 * UPDATES + 2:
            signal.raise_signal(signal.SIGTERM)
        return found

    monkeypatch.setattr(Trainer, "update", interrupted)
    done = command(*TINY, "epochs=5", f"outputs={disk}")
    assert done.code == 143
    assert "Traceback" not in done.output
    assert done.output.rstrip().endswith("mnist_trainer: interrupted by SIGTERM")


def test_a_run_that_can_not_begin_says_so(command, disk):
    fill_up(disk)
    done = command(*TINY, f"outputs={disk}")
    assert done.code == 2
    assert done.output == "mnist_trainer: the run's folder can't be written to: No space left on device\n"
