"""Every command and every piece of code in the READMEs works as it stands, on small data."""

import importlib.machinery
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fixtures import slurm
from tests.inference.drawing import drawn

ROOT = Path(__file__).parents[1]
ROOMS = [ROOT / room for room in ("conf", "mnist_trainer", "tests")]
TEXTS = [
    path.read_text() for path in [ROOT / "README.md", *(each for room in ROOMS for each in room.rglob("README.md"))]
]
BLOCKS = [
    (kind, block)
    for text in TEXTS
    for kind, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
]
MODULES = {
    match[1]: block for kind, block in BLOCKS if kind == "python" and (match := re.match(r"# (\w+\.py)\n", block))
}
TRAINER = "python -m mnist_trainer"
UI = "env MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false python -m mlflow ui"
SMALL = ["data=digits", "epochs=1", "tracking=off"]

# Other commands, and what stands for them here: a file that runs them, or the name of a test below.
ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install -e .": ".ci/run",
    '.venv/bin/pip install -e ".[test]"': ".ci/run",
    ".venv/bin/python -m pytest": ".ci/run",
    ".venv/bin/python -m pytest -m long": ".ci/run",
    "ruff format && ruff check && mypy": ".ci/run",
    ".ci/run": ".github/workflows/ci.yml",
    f"{UI} --backend-store-uri sqlite:///outputs/mlflow.db --workers 1": "tests/shipping/test_ui.py",
    "export MLFLOW_TRACKING_URI=sqlite:///outputs/mlflow.db": "tests/shipping/test_serving.py",
    "python -m mlflow models serve -m models:/digits@champion --env-manager local --port 5001": (
        "tests/shipping/test_serving.py"
    ),
    "curl http://127.0.0.1:5001/invocations -H 'Content-Type: application/json' -d @images.json": (
        "tests/shipping/test_serving.py"
    ),
    "export RAY_AUTH_MODE=token": "tests/sweeps/ray_cluster.py",
    "ray get-auth-token --generate": "tests/sweeps/ray_cluster.py",
    "ray start --head --port=6379": "tests/sweeps/ray_cluster.py",
    "ray start --address=first-node:6379": "tests/sweeps/ray_cluster.py",
    "python -m mnist_trainer --multirun loss=fused,separate seed=0,1,2 hydra/launcher=ray"
    " hydra.launcher.ray.init.address=auto": "tests/sweeps/test_on_ray.py",
    'pip install "psycopg[binary]"': "tests/sweeps/central_server.py",
    "python -m mlflow server --backend-store-uri postgresql+psycopg://mlflow@127.0.0.1/mlflow"
    " --artifacts-destination artifacts --serve-artifacts --port 5000": "tests/sweeps/central_server.py",
    "python -m mnist_trainer --multirun loss=fused,separate seed=0,1,2 hydra/launcher=ray"
    " hydra.launcher.ray.init.address=auto sweep.shared_folder=false tracking.uri=http://127.0.0.1:5000": (
        "tests/sweeps/test_apart_on_ray.py"
    ),
    "python my_nodes.py": "tests/analysis/gradcheck/test_template.py",
    "python tests/soak.py --kills 100 model=mlp": "tests/test_soak.py",
}
SCRIPT = re.compile(r"python (tests/\S+\.py)( --help)?")
EXTRA = re.compile(r'pip install -e "\.\[(\w+)\]"')


def commands():
    """The lines of the blocks of commands, and what is typed in the middle of a sentence; each once."""
    lines = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
    prose = [re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL) for text in TEXTS]
    spans = [span for text in prose for span in re.findall(r"`([^`\n]+)`", text)]
    typed = [span for span in spans if re.match(r"(\.venv/bin/)?(python3?|pip) (-|\w+\.py)|\.ci/run$", span)]
    found = [line.partition("  #")[0].strip() for line in [*lines, *typed]]
    return list(dict.fromkeys(filter(None, found)))


COMMANDS = commands()
TRAINERS = [
    command.partition(TRAINER)[2].strip() for command in COMMANDS if TRAINER in command and command not in ELSEWHERE
]
PYTESTS = [command.partition("-m pytest ")[2] for command in COMMANDS if command.startswith("python -m pytest ")]
SCRIPTS = sorted({match[1] for command in COMMANDS if (match := SCRIPT.fullmatch(command))})
EXTRAS = sorted({match[1] for command in COMMANDS if (match := EXTRA.fullmatch(command))})


def test_every_command_is_either_run_here_or_known():
    here = (re.compile(rf"(\.venv/bin/)?{TRAINER}( .*)?"), re.compile(r"python -m pytest( .*)?"), SCRIPT, EXTRA)
    unknown = [each for each in COMMANDS if each not in ELSEWHERE and not any(kind.fullmatch(each) for kind in here)]
    assert unknown == []
    assert set(ELSEWHERE) <= set(COMMANDS)
    assert [place for place in ELSEWHERE.values() if not (ROOT / place).exists()] == []


def test_ci_types_what_the_readmes_say():
    loader = importlib.machinery.SourceFileLoader("ci_run", str(ROOT / ".ci" / "steps.py"))
    ci = importlib.util.module_from_spec(importlib.util.spec_from_loader("ci_run", loader))
    loader.exec_module(ci)
    said = [command for command, place in ELSEWHERE.items() if place == ".ci/run"]
    quick_start = ".venv/bin/python -m mnist_trainer loss=fused"
    assert ci.commands() == [said[0], quick_start, *said[1:4], "ruff format --check", *said[4:]]
    assert set(ci.commands()) - {"ruff format --check"} <= set(COMMANDS)
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("readme")
    assert "my_module.py" in MODULES
    for name, module in MODULES.items():
        (path / name).write_text(module)
    return path


def run(command, folder, **variables):
    environment = {key: value for key, value in os.environ.items() if key != "MNIST_ROOT"} | variables
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


def small(words, folder):
    """Return the same words on small data, after there is something to go on with where they want it."""
    if any(word.startswith("checkpoint=") for word in words):
        assert run([sys.executable, "-m", "mnist_trainer", *SMALL], folder).returncode == 0
        drawn().save(folder / "mine.png")
    if any(word.startswith("sweep.resume=") for word in words):
        newest = interrupted_sweep(folder)
        words = [f"sweep.resume={newest}" if word.startswith("sweep.resume=outputs/") else word for word in words]
    if any(word.startswith("resume=") for word in words):
        newest = interrupted(folder)
        words = [words[0] if words[0] == "resume=latest" else f"resume={newest}", *words[1:]]
    if not {"--help", "--version", "--cfg", "task=sync"} & set(words):
        own = [] if "data=custom" in words else ["data="]
        words = [word for word in words if not word.startswith((*own, "epochs="))] + (SMALL if own else SMALL[1:])
    if "task=compare" in words:
        words.append("task.timing=false")  # half a minute
    if "task=profile" in words:
        words.append("task.updates=2")
    if {"hydra/sweeper=optuna", "experiment=tune_mlp"} & set(words):
        words = [word for word in words if "n_trials" not in word] + ["hydra.sweeper.n_trials=2"]
    return words


@pytest.mark.long
@pytest.mark.parametrize("arguments", TRAINERS)
def test_the_commands_run(arguments, folder, tmp_path_factory):
    words = small(shlex.split(arguments), folder)
    if "format=onnx" in words:
        pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    if "hydra/launcher=joblib" in words:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the extra `joblib` is not installed")
    if "hydra.sweeper.n_trials=2" in words:
        pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
    if any("=submitit_" in word for word in words):
        pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the extra `slurm` is not installed")
    with ExitStack() as stack:
        environment = {}
        if "hydra/launcher=submitit_slurm" in words:
            if problem := slurm.why_not():
                pytest.skip(problem)
            environment = stack.enter_context(slurm.cluster(tmp_path_factory.mktemp("slurm"))).environment
        done = run([sys.executable, "-m", "mnist_trainer", *words], folder, **environment)
    wrong = "task=gradcheck" in words and any(word.startswith("loss=mistakes/") for word in words)
    assert done.returncode == wrong, done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", TRAINERS)
def test_no_shell_takes_a_bracket_for_a_pattern(arguments):
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", arguments)
    assert re.findall(r"[\[\]{}*?()]", bare) == []


@pytest.mark.long
@pytest.mark.parametrize("arguments", PYTESTS)
def test_the_commands_for_tests_find_some(arguments, tmp_path):
    command = [sys.executable, "-m", "pytest", *shlex.split(arguments), "--collect-only", "-q", "-n", "0"]
    done = run(command, ROOT, COVERAGE_FILE=str(tmp_path / "coverage"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+(/\d+)? tests collected", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_extras_are_there(extra):
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_the_python_code_runs(folder):
    blocks = [block for kind, block in BLOCKS if kind == "python" and block not in MODULES.values()]
    code = "\n".join(blocks).replace('"epochs=1"', '"epochs=1", "data=digits", "tracking=off"')
    done = run([sys.executable, "-c", code], folder)
    assert done.returncode == 0, done.stderr
    assert "Evaluation(loss=" in done.stdout
    assert re.search(r"Swish\n  dL/dx .* exact", done.stdout)


def test_the_errors_in_the_readmes_are_what_the_command_says(command):
    (block,) = [block.strip() for kind, block in BLOCKS if kind == "text" and block.startswith("mnist_trainer: ")]
    layers = "model.layers=[{kind:flatten},{kind:linear,unitz:128},{kind:linear,units:10}]"
    done = command("model=custom", layers, *SMALL)
    layer, _, job = block.splitlines()
    assert done.code == 2
    assert layer in done.output
    done = command("--multirun", "loss=fused,fusd", *SMALL)
    assert done.code == 2
    assert job.partition("(one of")[0] in done.output


@pytest.mark.long
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_explain_themselves_without_the_other_libraries(script, folder):
    done = run([sys.executable, str(ROOT / script), "--help"], folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
