"""A SQLite store that is full or can only be read: training goes on, and later all is sent, once."""

import os
import shutil
import stat
import subprocess

import pytest

from mnist_trainer.shipping.sync import send_unsent

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)\n"
RUN = "from mnist_trainer.__main__ import main; main()"


def mounted(folder, options):
    """Mount a small file system in memory, or change the options of the one that is; skip where one may not."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted(folder, "size=1000k")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def train(spawn, tiny):
    """Run the command with a store's file, and with files that can't get larger than `limit`; return its output."""

    def run(store, limit=1 << 30):
        arguments = [str(limit), *tiny, f"tracking.uri=sqlite:///{store}", "tracking.wait_seconds=5000"]
        process = spawn(*arguments, before=("-c", LIMITED + RUN))
        output, _ = process.communicate(timeout=300)  # far less than it would wait for a store that may come back
        assert process.returncode == 0, output
        return output

    return run


@pytest.fixture
def assert_kept_and_sent_later(tmp_path, events_of, assert_all_is_there):
    def check(output, store, problem, mend=lambda: None):
        (folder,) = tmp_path.glob("outputs/[0-9]*/*")
        assert events_of(folder)[-1]["status"] == "FINISHED"
        (message,) = [line for line in output.splitlines() if "not sent" in line]
        assert message.endswith(f" events are not sent: {store}: {problem}")
        assert f"task=sync journal={folder.relative_to(tmp_path)}" in output
        assert "Traceback" not in output
        mend()
        assert send_unsent([], store_folder=tmp_path / "outputs").summary() == "sent 1 run"
        assert_all_is_there(folder, f"sqlite:///{store}")

    return check


def test_files_that_can_not_grow(train, empty_store, tmp_path, assert_kept_and_sent_later):
    store = tmp_path / "full.db"
    shutil.copy(empty_store, store)
    output = train(store, store.stat().st_size)
    assert_kept_and_sent_later(output, store, "disk I/O error")


def test_a_full_disk(train, empty_store, small_disk, assert_kept_and_sent_later):
    store = small_disk / "mlflow.db"
    shutil.copy(empty_store, store)
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    output = train(store)
    assert_kept_and_sent_later(
        output, store, "database or disk is full", lambda: mounted(small_disk, "remount,size=8m")
    )


def test_a_disk_that_can_only_be_read(train, empty_store, small_disk, assert_kept_and_sent_later):
    store = small_disk / "mlflow.db"
    shutil.copy(empty_store, store)
    mounted(small_disk, "remount,ro")
    problem = f"{store}.lock: Read-only file system"
    assert_kept_and_sent_later(train(store), store, problem, lambda: mounted(small_disk, "remount,rw,size=8m"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write what nobody may")
def test_a_file_that_can_only_be_read(train, empty_store, tmp_path, assert_kept_and_sent_later):
    store = tmp_path / "mlflow.db"
    shutil.copy(empty_store, store)
    store.chmod(stat.S_IREAD)
    problem = "attempt to write a readonly database"
    assert_kept_and_sent_later(train(store), store, problem, lambda: store.chmod(stat.S_IREAD | stat.S_IWRITE))
