"""Pictures of MLflow's pages with runs of this program in them: `python tests/screenshots.py FOLDER`.

It trains on the data that there are (`MNIST_ROOT` names MNIST's folder), in a new folder, serves what came of it by the
command that is printed, and lets Chromium (`chromium`, `chromium-browser`, `google-chrome`, or the one that
`--browser` names) look at each page. The pictures go to FOLDER; `--only run sweep` takes some of them.
"""

import argparse
import contextlib
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from matplotlib.image import imread, imsave

from mnist_trainer.shipping.pages import TRAINING, run_page, runs_page
from mnist_trainer.shipping.shipper import ui_command

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SIZE = (1700, 900)
SHOWN = 1260
"""How many columns are kept: to the right is MLflow's assistant."""
RENDERING_MS = 20_000  # of the browser's own clock, which jumps ahead where the page waits
COMMANDS = {
    "run": ["epochs=5"],
    "diverged": ["optimizer.lr=30", "trainer.log_every=5"],
    "sweep": ["--multirun", "epochs=2", "optimizer.lr=0.003,0.03,0.1", "model.hidden=[32],[64]"],
    "comparison": ["task=compare", "task.timing=false", "epochs=2"],
}


def main() -> int:
    """Train, serve, look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--browser", default=next(filter(None, map(shutil.which, BROWSERS)), None))
    parser.add_argument("--only", nargs="+", choices=[*COMMANDS, "experiment", "curves", "model"], default=None)
    arguments = parser.parse_args()
    if arguments.browser is None:
        parser.error(f"no browser: none of {', '.join(BROWSERS)} is in the PATH; name one with --browser")
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mnist-trainer-screenshots-") as work, contextlib.chdir(work):
        for words in COMMANDS.values():
            train(words, Path(work))
        outputs = Path(work, "outputs")
        with served(outputs) as address:
            for name, page in pages(outputs).items():
                if arguments.only is None or name in arguments.only:
                    shoot(arguments.browser, f"{address}/{page}", folder / f"{name}.png")
    return 0


def train(words: list[str], folder: Path) -> None:
    """Run a command there; one that diverges may."""
    command = [sys.executable, "-m", "mnist_trainer", *words, "tracking.wait_seconds=600"]
    done = subprocess.run(command, cwd=folder, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.returncode)


@contextmanager
def served(outputs: Path) -> Iterator[str]:
    """Serve the store by the printed command; the UI's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*shlex.split(ui_command(f"sqlite:///{outputs / 'mlflow.db'}", outputs)), "--port", str(port)]
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


def pages(outputs: Path) -> Mapping[str, str]:
    """Return the page of each picture."""
    with closing(sqlite3.connect(outputs / "mlflow.db")) as store:
        rows = store.execute(
            "select r.run_uuid, r.experiment_id, r.name, r.status from runs r where not exists"
            " (select 1 from tags t where t.run_uuid = r.run_uuid and t.key = 'mlflow.parentRunId')"
        ).fetchall()
        model = store.execute("select experiment_id, model_id from logged_models").fetchone()
    found = {"model": f"#/experiments/{model[0]}/models/{model[1]}?{TRAINING}"} if model else {}
    for run_id, experiment, name, status in rows:
        if status == "FINISHED" and name.startswith("mlp"):
            found["curves"] = f"#/experiments/{experiment}/runs/{run_id}/model-metrics?{TRAINING}"
        kind = "sweep" if name.startswith("sweep") else "comparison" if name.startswith("compare") else "run"
        found["diverged" if status == "FAILED" else kind] = run_page(str(experiment), run_id)
    return {**found, "experiment": runs_page(str(rows[0][1]))}


def shoot(browser: str, url: str, path: Path) -> None:
    """Let the browser open a page, with a profile of its own, and take its picture."""
    with tempfile.TemporaryDirectory() as profile:
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        options = [f"--user-data-dir={profile}", size, f"--virtual-time-budget={RENDERING_MS}", f"--screenshot={path}"]
        subprocess.run([browser, *QUIET, *options, url], check=True, stderr=subprocess.DEVNULL, timeout=300)
    imsave(path, imread(path)[:, :SHOWN])
    print(path)


if __name__ == "__main__":
    sys.exit(main())
