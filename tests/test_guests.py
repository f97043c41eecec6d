"""The process is not ours alone: `compose` and `train` within others' applications, threads, pools and notebooks."""

import subprocess
import sys

TINY = ("data=digits", "model.hidden=[8]", "epochs=1", "tracking=off")

SPAWNED = f"""
import multiprocessing
from multiprocessing import resource_tracker
multiprocessing.set_start_method("spawn")  # as in a process of a spawned pool
resource_tracker.register = print
from mnist_trainer.api import train
train(*{TINY!r}, "trainer.threads=2")
"""


def test_a_process_of_a_pool_leaves_nothing_behind_of_which_python_would_tell(tmp_path):
    done = subprocess.run([sys.executable, "-c", SPAWNED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
