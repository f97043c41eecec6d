"""Pictures of MLflow's pages with runs of this program in them, and of task=explain's own page.

`python tests/screenshots.py FOLDER` trains on the data that there are (`MNIST_ROOT` names MNIST's folder), in a new
folder, serves what came of it by the command that is printed, and lets Chromium (`chromium`, `chromium-browser`,
`google-chrome`, or the one that `--browser` names) look at each page until that shows what it is to show. The pictures
go to FOLDER; `--only run sweep` takes some of them, and `--outputs` those of runs that there are.
"""

import argparse
import contextlib
import shlex
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from matplotlib.image import imread, imsave

from mnist_trainer.shipping.pages import TRAINING, curves_page, run_page, runs_page
from mnist_trainer.shipping.shipper import mlflow_ui_command

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser import Browser, browsing, installed

SHOWN = 1260
"""How many columns are kept: to the right is MLflow's assistant."""
COMMANDS = {
    "run": ["epochs=5"],
    "diverged": ["optimizer.lr=30", "trainer.clip_norm=null", "trainer.log_every=5", "tracking.experiment=diverging"],
    "sweep": ["--multirun", "epochs=2", "optimizer.lr=0.003,0.03,0.1", "model.hidden=[32],[64]"],
    "comparison": ["task=compare", "task.timing=false", "epochs=2"],
}
EXPLAINED = "page"
SITUATION = "drawn=1e0u2i0s321e2i231y282n2d34322i3r1e3o&true=3"
"""What is drawn on it, and its class: what stands behind its address's #."""
PICTURES = ("experiment", *COMMANDS, "curves", "model", "dataset", EXPLAINED)


@dataclass(frozen=True)
class Page:
    """A page behind the UI's address, what it shows when it is there, and what is clicked on then."""

    path: str
    words: tuple[str, ...]
    clicked: str | None = None
    then: tuple[str, ...] = ()


def main() -> int:
    """Train, serve, look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--browser", default=installed())
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=PICTURES)
    parser.add_argument("--outputs", type=Path, default=None)
    arguments = parser.parse_args()
    if arguments.browser is None:
        parser.error("no browser is in the PATH: name one with --browser")
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mnist-trainer-screenshots-") as work:
        outputs = (arguments.outputs or Path(work, "outputs")).absolute()
        if EXPLAINED in arguments.only:
            with browsing(arguments.browser) as browser:
                shoot_explanation(browser, Path(work), folder / f"{EXPLAINED}.png")
        asked = [name for name in arguments.only if name != EXPLAINED]
        if not asked:
            return 0
        if arguments.outputs is None:
            for words in COMMANDS.values():
                train(words, Path(work))
        with contextlib.chdir(work), served(outputs) as address, browsing(arguments.browser) as browser:
            found = pages(outputs)
            for name in asked:
                show(browser, address, found[name])
                shoot(browser, folder / f"{name}.png", whole=found[name].clicked is not None)
    return 0


def train(words: list[str], folder: Path) -> None:
    """Run a command there; one that diverges may."""
    command = [sys.executable, "-m", "mnist_trainer", *words, "tracking.wait_seconds=600"]
    done = subprocess.run(command, cwd=folder, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.returncode)


def shoot_explanation(browser: Browser, work: Path, path: Path) -> None:
    """Let a network explain itself, draw on its page, and take a picture of that on a projector's screen."""
    train(["task=explain", "tracking=off", f"outputs={work / 'explained'}"], work)
    (page,) = (work / "explained").glob("*/*/explanation.html")
    size = {"width": 1280, "height": 720, "deviceScaleFactor": 1, "mobile": False}
    browser.ask("Emulation.setDeviceMetricsOverride", **size)
    browser.open(f"{page.as_uri()}#{SITUATION}")
    browser.wait_for("A step of learning", "your drawing")
    browser.shoot(path)
    print(path)


@contextmanager
def served(outputs: Path) -> Iterator[str]:
    """Serve the store by the printed command; the UI's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*shlex.split(mlflow_ui_command(f"sqlite:///{outputs / 'mlflow.db'}", outputs)), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, server)
        yield address
    finally:
        server.terminate()
        server.wait()


def wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    """Wait until the server answers."""
    until = time.monotonic() + 300
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=10):
            return
        time.sleep(0.2)
    raise SystemExit("mlflow ui doesn't answer")


def pages(outputs: Path) -> Mapping[str, Page]:
    """Return the page of each picture."""
    with closing(sqlite3.connect(outputs / "mlflow.db")) as store:
        rows = store.execute(
            "select r.run_uuid, r.experiment_id, r.name, r.status from runs r where not exists"
            " (select 1 from tags t where t.run_uuid = r.run_uuid and t.key = 'mlflow.parentRunId')"
        ).fetchall()
        (model,) = store.execute(
            "select model_id from logged_models m join runs r on m.source_run_id = r.run_uuid where r.name like 'mlp%'"
        ).fetchone()
        (dataset,) = store.execute(
            "select name || ' (' || digest || ')' from datasets where digest like '%-t%'"
        ).fetchone()
    found = {}
    for run_id, experiment, name, status in rows:
        path = run_page(str(experiment), run_id)
        if status == "FAILED":
            found["diverged"] = Page(path, ("Failed", "diverged at step"))
        elif name.startswith("sweep"):
            found["sweep"] = Page(path, ("Best by validation", "best/test_loss", "Child runs"))
        elif name.startswith("compare"):
            found["comparison"] = Page(path, ("On the test images", "Child runs"))
        else:
            found["run"] = Page(path, ("Test accuracy", "train/loss", "About this run"))
            found["dataset"] = Page(path, ("Test accuracy", dataset), dataset, ("Digest",))
    experiment = str(rows[0][1])
    found["curves"] = Page(curves_page(experiment), ("train/loss", "Step"))
    found["model"] = Page(f"#/experiments/{experiment}/models/{model}?{TRAINING}", ("test/accuracy", "Ready"))
    return {**found, "experiment": Page(runs_page(experiment), ("test/accuracy", "sweep over", "matching runs"))}


def show(browser: Browser, address: str, page: Page) -> str:
    """Let the browser go to a page, and wait for what it is to show; return its text."""
    browser.open(f"{address}/{page.path}")
    text = browser.wait_for(*page.words)
    if page.clicked is None:
        return text
    browser.click(page.clicked)
    return browser.wait_for(*page.then)


def shoot(browser: Browser, path: Path, *, whole: bool) -> None:
    """Take a picture of what the browser shows; all of it, where a drawer lies over what is at the right."""
    browser.shoot(path)
    if not whole:
        imsave(path, imread(path)[:, :SHOWN])
    print(path)


if __name__ == "__main__":
    sys.exit(main())
