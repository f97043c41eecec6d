"""Every command and every piece of code in the README works as it stands, on small data."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines() if line.strip()]
TRAINER = "python -m mnist_trainer "
SMALL = ["data=digits", "epochs=1", "tracking=off"]

# What the other commands are, and what stands for them here: a test, or .ci/run, which CI runs.
SETUP = {
    "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/python -m mnist_trainer loss=fused": ".ci/run",
    '.venv/bin/pip install -e ".[test]" && .venv/bin/python -m pytest': ".ci/run",
    "ruff format && ruff check && mypy && python -m pytest": ".ci/run",
    "python -m pytest tests/fuzz --hypothesis-profile=long": "tests/fuzz",
    ".ci/run": ".ci/run",
    "python -m mlflow ui --backend-store-uri sqlite:///outputs/mlflow.db": "tests/tracking",
    'pip install -e ".[bench]" && python tests/benchmarks/peers.py': "tests/benchmarks",
    "python tests/benchmarks/step.py": "tests/benchmarks",
    "python tests/benchmarks/losses.py": "tests/benchmarks",
    "python tests/benchmarks/recipes.py": "tests/benchmarks",
    "python tests/benchmarks/scaling.py": "tests/benchmarks",
    "python tests/soak.py --kills 100 model=mlp": "tests/test_soak.py",
}


def trainer_commands():
    for command in COMMANDS:
        for part in command.split("&&"):
            if TRAINER in part:
                yield part.partition(TRAINER)[2].partition("  #")[0].strip()


def test_every_command_is_either_run_here_or_known():
    unknown = [command for command in COMMANDS if TRAINER not in command and command not in SETUP]
    assert unknown == []
    assert set(SETUP) <= set(COMMANDS)


def test_ci_runs_the_readmes_install_test_lint_and_type_commands():
    ci = (ROOT / ".ci" / "run").read_text()
    for words in (
        "-m venv",
        'pip" install --quiet -e ".[test]"',
        "ruff check",
        "ruff format --check",
        "mypy",
        "-m pytest",
    ):
        assert words in ci


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("readme")
    (module,) = [block for kind, block in BLOCKS if kind == "python" and block.startswith("# my_module.py")]
    (path / "my_module.py").write_text(module)
    return path


def run(command, folder):
    environment = {key: value for key, value in os.environ.items() if key != "MNIST_ROOT"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def interrupted(folder):
    """Make a run that could not write down its end; return its folder."""
    assert run([sys.executable, "-m", "mnist_trainer", *SMALL], folder).returncode == 0
    outcome = max(folder.glob("outputs/*/*/outcome.json"), key=lambda path: path.stat().st_mtime)
    outcome.unlink()
    journal = outcome.with_name("journal.jsonl")
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    return outcome.parent


def interrupted_sweep(folder):
    """Make a sweep that was killed in its last job; return its folder."""
    sweep = ["--multirun", "seed=0,1", *SMALL]
    assert run([sys.executable, "-m", "mnist_trainer", *sweep], folder).returncode == 0
    outcome = max(folder.glob("outputs/*/*/1-*/outcome.json"), key=lambda path: path.stat().st_mtime)
    outcome.unlink()
    return outcome.parents[1]


@pytest.mark.parametrize("arguments", list(trainer_commands()))
def test_the_commands_run(arguments, folder):
    words = shlex.split(arguments)
    if any(word.startswith("sweep.resume=") for word in words):
        newest = interrupted_sweep(folder)
        words = [f"sweep.resume={newest}" if word.startswith("sweep.resume=outputs/") else word for word in words]
    if any(word.startswith("resume=") for word in words):
        newest = interrupted(folder)
        words[0] = words[0] if words[0] == "resume=latest" else f"resume={newest}"
    if "hydra/launcher=joblib" in words:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the extra `joblib` is not installed")
    if not {"--help", "--cfg", "task=sync"} & set(words):
        words = [word for word in words if not word.startswith(("data=", "epochs="))] + SMALL
    if "task=compare" in words:
        words.append("task.timing=false")  # half a minute
    if "task=profile" in words:
        words.append("task.updates=2")
    done = run([sys.executable, "-m", "mnist_trainer", *words], folder)
    wrong = "task=gradcheck" in words and any(word.startswith("loss=mistakes/") for word in words)
    assert done.returncode == wrong, done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_python_code_runs(folder):
    blocks = [block for kind, block in BLOCKS if kind == "python" and not block.startswith("# my_module.py")]
    code = "\n".join(blocks).replace('"epochs=1"', '"epochs=1", "data=digits", "tracking=off"')
    done = run([sys.executable, "-c", code], folder)
    assert done.returncode == 0, done.stderr
    assert "Evaluation(loss=" in done.stdout
    assert re.search(r"Swish\n  dL/dx .* exact", done.stdout)


def test_the_error_in_the_readme_is_what_the_command_says(folder):
    (said,) = [block.strip() for kind, block in BLOCKS if kind == "text" and block.startswith("mnist_trainer: ")]
    layers = "model.layers=[{kind:flatten},{kind:linear,unitz:128},{kind:linear,units:10}]"
    done = run([sys.executable, "-m", "mnist_trainer", "model=custom", layers, *SMALL], folder)
    assert done.returncode == 2
    assert said in done.stderr


SCRIPTS = [word for command in COMMANDS for word in command.split() if word.startswith("tests/benchmarks/")]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_benchmarks_explain_themselves_without_the_other_libraries(script, folder):
    done = run([sys.executable, str(ROOT / script), "--help"], folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")


def test_pictures_and_links_are_there():
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
