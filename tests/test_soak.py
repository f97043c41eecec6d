"""The soak test itself, with few kills: see tests/soak.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parent / "soak.py"


@pytest.mark.long
def test_a_run_that_is_killed_at_random_ends_like_one_that_is_not(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "MNIST_ROOT"}
    command = [sys.executable, str(SOAK), "--kills", "3", "--folder", str(tmp_path / "soak")]
    choices = ["model.hidden=[8]", "model.dropout=0.2", "optimizer=adam", "epochs=20"]
    done = subprocess.run(
        [*command, *choices], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills" in done.stdout
    assert "equal bit by bit" in done.stdout


def test_a_folder_that_holds_something_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    command = [sys.executable, str(SOAK), "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, "name a new folder" in done.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
