"""The next Hydra, of which there are release candidates: training, sweeps and what is told of slips, as with today's.

It lies in an environment of its own, before the packages of this one; `pyproject.toml` asks for today's.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest

NEXT = "hydra-core>=1.4.0rc0,<1.5"
TINY = ("data=digits", "tracking=off", "epochs=1", "model.hidden=[4]")
BESIDE = "import site; site.addsitedir({!r})"
WHICH = "import hydra, omegaconf; print(hydra.__version__, omegaconf.__version__)"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python that finds the next Hydra, and all else where this one has it."""
    folder = tmp_path_factory.mktemp("next-hydra")
    if uv := shutil.which("uv"):
        made = [uv, "venv", "--quiet", "--python", sys.executable, str(folder / "env")]
        install = [uv, "pip", "install", "--quiet", "--prerelease=allow", "--python", str(folder / "env")]
        subprocess.run(made, check=True, timeout=300)
    else:
        venv.create(folder / "env", with_pip=True)
        install = [str(folder / "env" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--pre"]
    done = subprocess.run([*install, NEXT], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        pytest.skip(f"{NEXT} can't be had: {done.stderr.strip()[-300:]}")
    program = folder / "env" / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    (packages,) = subprocess.check_output([program, "-c", where], text=True).split()
    beside = BESIDE.format(sysconfig.get_path("purelib"))
    (folder / "env" / os.path.relpath(packages, folder / "env") / "beside.pth").write_text(f"{beside}\n")
    hydra, omegaconf = subprocess.check_output([program, "-W", "ignore", "-c", WHICH], text=True).split()
    assert hydra.startswith("1.4")
    assert not omegaconf.startswith("2.3.")
    return program


@pytest.fixture
def told(python, tmp_path):
    """Run the command with the next Hydra; returns its exit code and what it printed, warnings of its age apart."""

    def run(*arguments):
        command = [python, "-W", "ignore", "-m", "mnist_trainer", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False
        )
        return done.returncode, done.stdout

    return run


def test_a_run_and_a_sweep_that_goes_on(told, tmp_path):
    code, output = told(*TINY)
    assert code == 0, output
    assert "mlp-fused-sgd-b128-s0: test loss " in output
    code, output = told("--multirun", *TINY, "seed=0,1", "data.validation_size=10,1437")
    assert code == 1, output
    (sweep,) = tmp_path.glob("outputs/*/*-sweep-*")
    assert "2 of 4 jobs finished" in output
    code, output = told("--multirun", f"sweep.resume={sweep}")
    assert code == 1, output
    assert "to run: 1, 3" in output


def test_a_mode_in_a_main_file_and_a_run_that_is_resumed(told, tmp_path):
    (tmp_path / "more").mkdir()
    swept = "defaults: [config, _self_]\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '0,1'}}}\n"
    (tmp_path / "more" / "swept.yaml").write_text(swept)
    code, output = told("--config-dir", "more", "--config-name", "swept", *TINY)
    assert code == 0, output
    assert "2 of 2 jobs finished" in output
    (run,) = tmp_path.glob("outputs/*/*/0-*")
    code, output = told(f"resume={run}")
    assert code == 0, output


@pytest.mark.parametrize(
    ("line", "wanted"),
    {
        "loss=fusd": "loss=fusd is unknown; did you mean 'fused'?",
        "lr=0.1": "lr is unknown; say optimizer.lr",
        "optimizer.lrr=0.1": "optimizer.lrr is unknown; did you mean 'lr'?",
        "batch_size=x": "batch_size=x has the wrong type: must be a whole number",
        "model.hidden=8": "as in model.hidden=[8]",
        "data.root=a=b": "say \"data.root='a=b'\"",
        "tracking=false": "say tracking=off",
        "+experiment=tiny": "say experiment=tiny",
        "loss=fused,separate": "add --multirun",
        "seed=${nothing}": "there is no key nothing",
        "--epochs=1": "say epochs=1",
        "--config-name nope": "--config-name nope: not in ",
        "--multirun loss=fused,nope": "job 1 (loss=nope): loss=nope is unknown",
        "--multirun model=mlp,linear": "job 1 (model=linear): model.hidden is unknown",
        "-cd . experiment=tab": "experiment/tab.yaml, line 2: begins with a tab",
        "-cd . experiment=twice": "experiment/twice.yaml, line 3: seed stands in line 2 already",
        "-cd . experiment=off": "experiment/off.yaml, line 3: off without quotes is true or false",
        "-cd . experiment=typo": "experiment/typo.yaml, line 2: seeed is unknown; did you mean 'seed'?",
        "-cd . experiment=range": "experiment/range.yaml, line 2: batch_size=0 is out of range",
        "-cd . experiment=bare": "an experiment's first line is",
    }.items(),
)
def test_slips_are_told_in_the_same_words(told, tmp_path, line, wanted):
    (tmp_path / "experiment").mkdir()
    for name, content in {
        "tab": "\tseed: 1\n",
        "twice": "seed: 1\nseed: 2\n",
        "off": "defaults:\n  - override /tracking: off\n",
        "typo": "seeed: 1\n",
        "range": "batch_size: 0\n",
    }.items():
        (tmp_path / "experiment" / f"{name}.yaml").write_text(f"# @package _global_\n{content}")
    (tmp_path / "experiment" / "bare.yaml").write_text("seed: 1\n")
    code, output = told(*TINY, *line.split())
    assert code == 2, output
    assert wanted in output
    assert "Traceback" not in output
    assert not list(tmp_path.glob("outputs/**/*.json*"))
