"""The package as users get it: a wheel, from any directory."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_carries_every_configuration_file_and_the_type_marker(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"mnist_trainer/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert expected
    assert expected | {"mnist_trainer/py.typed"} <= inside


def test_an_installed_wheel_trains_from_any_directory(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    command = [sys.executable, "-m", "mnist_trainer", "experiment=tiny", "tracking=off", "epochs=1"]
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "test loss" in done.stdout
    where = subprocess.run(
        [sys.executable, "-c", "import mnist_trainer, mnist_trainer.composition as c; print(c.conf_folder())"],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()) == site / "mnist_trainer" / "conf"
    assert [path.name for path in elsewhere.iterdir()] == ["outputs"]
