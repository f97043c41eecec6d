"""A model is served where neither this project nor Hydra is installed, and answers as its trainer does."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from mnist_trainer import inference
from mnist_trainer.api import compose
from mnist_trainer.build import build_data
from mnist_trainer.words import folder_name
from tests.fixtures.journals import until

README = (Path(inference.__file__).parent / "README.md").read_text()
MODELS = ["linear", "mlp", "lenet5", "cnn", "cnn_small", "resnet_mini", "residual_mlp"]
ASK = """
import json, sys
from importlib.util import find_spec
import mlflow, numpy
assert not [name for name in ("hydra", "mnist_trainer", "omegaconf") if find_spec(name)]
images = numpy.load("images.npy")
for name in sys.argv[1:]:
    numpy.save(name.replace("/", "_").replace(":", "_"), mlflow.pyfunc.load_model(name).predict(images))
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The Python of an environment that has mlflow and numpy, and what they need, alone."""
    import mlflow

    folder = tmp_path_factory.mktemp("elsewhere")
    wanted = [f"mlflow=={mlflow.__version__}", f"numpy=={np.__version__}"]
    python = str(folder / "venv" / "bin" / "python")
    if shutil.which("uv"):
        steps = [["uv", "venv", "-q", "--python", sys.executable, str(folder / "venv")]]
        steps += [["uv", "pip", "install", "-q", "--python", python, *wanted]]
    else:
        steps = [[sys.executable, "-m", "venv", str(folder / "venv")], [python, "-m", "pip", "install", "-q", *wanted]]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"an environment with mlflow and numpy can't be made here: {done.stderr[-300:]}")
    return python


def environment_of(python, **variables):
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, "PATH": f"{Path(python).parent}{os.pathsep}{kept['PATH']}", **variables}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.long
def test_every_shipped_model_answers_elsewhere_as_its_trainer_does(spawn, start, tmp_path, elsewhere):
    data = build_data(compose(["data=digits"]).data)
    images = data.test_images[..., 0]
    np.save(tmp_path / "images.npy", images)
    loaded = {}
    for model in MODELS:
        words = ["data=digits", "epochs=1", f"model={model}", f"name={model}", "tracking.wait_seconds=300"]
        registered = ["tracking.register=digits", "tracking.alias=champion"] if model == MODELS[-1] else []
        process = spawn(*words, *registered)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        (folder,) = tmp_path.glob(f"outputs/*/*-{folder_name(model)}-*")
        shipped = json.loads((folder / "shipped.json").read_text())
        assert shipped["done"], output
        run_id = shipped["run_id"]
        loaded[f"runs:/{run_id}/model"] = inference.load(folder)
    loaded["models:/digits@champion"] = loaded[f"runs:/{run_id}/model"]
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/outputs/mlflow.db"}
    environment = environment_of(elsewhere, **variables)
    subprocess.run([elsewhere, "-W", "ignore", "-c", ASK, *loaded], cwd=tmp_path, env=environment, check=True)
    for name, classifier in loaded.items():
        found = np.load(tmp_path / f"{name.replace('/', '_').replace(':', '_')}.npy")
        assert (found.shape, found.dtype) == ((len(images), 10), np.float32)
        np.testing.assert_allclose(found, classifier.probabilities(images), atol=1e-6)
    served(start, tmp_path, elsewhere, environment, images[:5], classifier)


def served(start, folder, python, environment, images, classifier):
    """Serve the registered model as the README says, but for the port, and post images to it."""
    (command,) = re.findall(r"^python (-m mlflow models serve .*)$", README, re.MULTILINE)
    port = free_port()
    words = [python, *command.replace("5001", str(port)).split()]
    log = (folder / "serve.log").open("wb")
    with log:
        start(words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}/invocations"

    def answer():
        body = json.dumps({"inputs": images.tolist()}).encode()
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read())["predictions"]
        except OSError:
            return None

    np.testing.assert_allclose(until(answer), classifier.probabilities(images), atol=1e-6)


@pytest.mark.long
def test_mlflow_s_own_evaluation_takes_the_table(spawn, tmp_path):
    for words in (["epochs=1"], ["task=evaluate", "checkpoint=latest"]):
        process = spawn("data=digits", *words, "tracking=off")
        output, _ = process.communicate()
        assert process.returncode == 0, output
    (table,) = tmp_path.glob("outputs/*/*/evaluation.csv")
    shutil.copy(table, tmp_path / "evaluation.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    accuracy = np.mean([row["target"] == row["prediction"] for row in rows])
    (code,) = re.findall(r"^```python\n(# evaluate_csv\.py\n.*?)^```", README, re.MULTILINE | re.DOTALL)
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) == pytest.approx(accuracy)
