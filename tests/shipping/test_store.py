"""Making a store: whole or not at all, whenever the process that makes it is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

MAKE = "import sys; from mnist_trainer.shipping.store import connect; connect(sys.argv[1])"


def size_of(path):
    """Tell a file's size; 0 of one that is gone, as SQLite's journals are at any moment."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@pytest.mark.long
def test_a_store_whose_maker_is_killed_is_made_by_the_next(tmp_path, start):
    path = tmp_path / "mlflow.db"
    uri = f"sqlite:///{path}"
    process = start([sys.executable, "-W", "ignore", "-c", MAKE, uri], env=dict(os.environ))
    until = time.monotonic() + 300
    # half of the tables are there: MLflow's own makes of an empty store
    while time.monotonic() < until and sum(map(size_of, tmp_path.glob(".mlflow.db.new-*"))) < 100_000:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path.exists()
    assert list(tmp_path.glob(".mlflow.db.new*"))
    subprocess.run([sys.executable, "-W", "ignore", "-c", MAKE, uri], timeout=300, check=True)
    assert path.exists()
    assert not list(tmp_path.glob(".mlflow.db.new*"))
