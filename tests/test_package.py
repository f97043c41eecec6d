"""The package as users get it: an sdist, and a wheel that works from any directory."""

import os
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import mnist_trainer

ROOT = Path(__file__).parents[1]


def build(target, folder):
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The files of the sdist, by their paths in it."""
    with tarfile.open(build("sdist", tmp_path_factory.mktemp("sdist"))) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def below(*folders, pattern):
    return {str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob(pattern)}


def test_the_wheel_carries_every_configuration_file_and_the_type_marker(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"mnist_trainer/{path}" for path in below("conf", pattern="*.yaml")}
    assert expected
    assert expected | {"mnist_trainer/py.typed"} <= inside


def test_the_wheel_and_the_sdist_carry_the_files_of_the_page(wheel, sdist):
    page = below("mnist_trainer/analysis/explanation/page", pattern="*.*")
    assert len(page) > 10
    assert page <= set(zipfile.ZipFile(wheel).namelist())
    assert page <= sdist


def test_the_wheel_carries_the_licence_the_readme_and_the_one_version(wheel):
    archive = zipfile.ZipFile(wheel)
    (licence,) = [name for name in archive.namelist() if name.endswith("dist-info/licenses/LICENSE")]
    assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    (name,) = [name for name in archive.namelist() if name.endswith("dist-info/METADATA")]
    metadata = message_from_bytes(archive.read(name))
    assert (metadata["Version"], metadata["License-Expression"]) == (mnist_trainer.__version__, "MIT")
    assert metadata.get_payload(decode=True).strip() == (ROOT / "README.md").read_bytes().strip()


def test_the_sdist_carries_what_a_clone_has(sdist):
    code = below("mnist_trainer", "tests", pattern="*.py") | below("conf", pattern="*.yaml")
    read = {"LICENSE", "README.md", "pyproject.toml"} | below("conf", "mnist_trainer", "tests", pattern="README.md")
    drawn = below(".github/images", pattern="*.png")
    assert drawn
    assert code | read | drawn | {".ci/run", ".ci/steps.py", "outputs/.gitkeep"} <= sdist


@pytest.mark.long
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
