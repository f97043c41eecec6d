"""Kill a real training run at random moments, resume it each time, and compare it with one that nobody disturbed.

    python tests/soak.py --kills 100 model=mlp

The signals are SIGKILL, with and without the shipper, SIGTERM and SIGINT. At the end the two runs must have the same
parameters bit by bit, and in MLflow the same metrics at the same steps, once each. The remaining arguments are
overrides of both runs. Exits with 0 if all is equal, and prints what was measured.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from mnist_trainer.errors import DataError
from mnist_trainer.files import CHECKPOINT, PREVIOUS
from mnist_trainer.journal.events import TIMED
from mnist_trainer.shipping.position import Position
from mnist_trainer.training.checkpoint import Checkpoint

OVERRIDES = ("data=digits", "epochs=60", "trainer.progress=false", "trainer.checkpoint_minutes=0.005")
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LEAVE_SECONDS = 2.0
SEND_SECONDS = 300.0  # on a busy machine several processes wait for each other


class Soak:
    """One undisturbed run in `folder/whole`, and any number of disturbed ones in `folder/<number>`."""

    def __init__(self, folder, overrides, seed):
        self.folder, self.overrides = folder, [*OVERRIDES, *overrides]
        self.random = random.Random(seed)
        self.kills, self.codes, self.leaving, self.problems = Counter(), Counter(), [], []
        self.seconds = 1.0

    def start(self, outputs, *arguments):
        """Start a command in the background; its output goes to a file."""
        with (self.folder / "output.txt").open("a") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "mnist_trainer", f"outputs={outputs}", *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def whole(self):
        """Train without a disturbance; see how long it takes."""
        started = time.monotonic()
        code = self.start(self.folder / "whole", *self.overrides).wait()
        self.seconds = time.monotonic() - started
        if code:
            sys.exit(f"the undisturbed run failed: see {self.folder / 'output.txt'}")
        self.send(self.folder / "whole")

    def disturbed(self, number, kills):
        """Train with up to so many kills, resuming after each; return how many there were."""
        outputs = self.folder / str(number)
        done = 0
        while True:
            run = next(iter(runs(outputs)), None)
            process = self.start(outputs, *([f"resume={run}"] if run else self.overrides))
            if done == kills or not self.kill(process, outputs):
                code = process.wait()
                if code == 0:
                    self.send(outputs)
                    return done
                self.problems.append(f"run {number}: exit code {code} after {done} kills")
                return max(done, 1)
            done += 1
            self.check_left(outputs)

    def send(self, outputs):
        """Send what is left where the kill came after the run's end, and wait for a shipper that goes on alone."""
        until = time.monotonic() + SEND_SECONDS
        while any(not (position := Position.load(run)) or not position.done for run in runs(outputs)):
            if time.monotonic() > until:
                self.problems.append(f"{outputs}: not all is sent after {SEND_SECONDS:.0f} s")
                return
            self.start(outputs, "task=sync").wait()

    def kill(self, process, outputs):
        """Kill the process at a random moment; False if it ended before."""
        run = next(iter(runs(outputs)), None)
        before = (run / "journal.jsonl").stat().st_mtime_ns if run else 0
        begun = self.random.random() < 0.1  # or at any moment, from the first import on
        until = time.monotonic() + self.random.uniform(0, 1.5)
        while time.monotonic() < until or not begun:
            if process.poll() is not None:
                return False
            time.sleep(0.002)
            if not begun:
                run = next(iter(runs(outputs)), None)
                begun = run is not None and (run / "journal.jsonl").stat().st_mtime_ns > before
                until = time.monotonic() + self.random.uniform(0, self.seconds / 6)
        number = self.random.choice(SIGNALS)
        trained = run is not None and (run / "journal.jsonl").stat().st_mtime_ns > before
        with_shipper = number == signal.SIGKILL and self.random.random() < 0.5
        children = children_of(process.pid) if with_shipper else []
        asked = time.monotonic()
        process.send_signal(number)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        code = process.wait()
        took = time.monotonic() - asked
        if code == 0:
            return False
        self.kills[number.name + (" with the shipper" if with_shipper else "")] += 1
        if number != signal.SIGKILL and trained:
            self.leaving.append(took)
            self.codes[f"{number.name}: {code}"] += 1
        return True

    def check_left(self, outputs):
        """Note if a kill left no whole checkpoint where there was one."""
        for run in runs(outputs):
            paths = [run / name for name in (CHECKPOINT, PREVIOUS) if (run / name).exists()]
            whole = 0
            for path in paths:
                with contextlib.suppress(DataError):
                    Checkpoint.load(path)
                    whole += 1
            if paths and not whole:
                self.problems.append(f"{run}: no whole checkpoint was left")

    def compare(self, number):
        """Note what differs from the undisturbed run."""
        (whole,), found = runs(self.folder / "whole"), runs(self.folder / str(number))
        if len(found) != 1:
            self.problems.append(f"run {number}: {len(found)} folders")
            return
        for name in ("last.npz", "best.npz"):
            with np.load(whole / name) as one, np.load(found[0] / name) as other:
                for key in one.files:
                    if one[key].tobytes() != other[key].tobytes():
                        self.problems.append(f"run {number}: {name}: {key} differs")
        store = self.folder / str(number) / "mlflow.db"
        until = time.monotonic() + SEND_SECONDS  # a run that was interrupted after its end is still being sent
        while time.monotonic() < until and any(state == "RUNNING" for _, state in rows(store)["runs"]):
            time.sleep(0.5)
        wanted, got = (rows(self.folder / each / "mlflow.db") for each in ("whole", str(number)))
        for what in wanted:
            if wanted[what] != got[what]:
                differing = sorted(set(wanted[what]) ^ set(got[what]))[:5]
                self.problems.append(f"run {number}: {what} in MLflow differ: {differing}")


def runs(outputs):
    """Return the runs' folders that have a journal."""
    return [path.parent for path in outputs.glob("2*/*/journal.jsonl") if path.stat().st_size]


def children_of(pid):
    """Return the process ids of a process's children."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def rows(store):
    """Return what a store holds: the runs' states, and every metric's row, without times."""
    with contextlib.closing(sqlite3.connect(store)) as database:
        metrics = database.execute("select key, step, value, is_nan from metrics").fetchall()
        return {
            "runs": database.execute("select name, status from runs").fetchall(),
            "reasons": database.execute("select value from tags where key = 'failure.reason'").fetchall(),
            "metrics": sorted(
                (key, step) if key in TIMED else (key, step, value, nan) for key, step, value, nan in metrics
            ),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and signals")
    parser.add_argument(
        "--folder", type=Path, help="for the runs, new or empty; removed if nothing differs (default: a temporary one)"
    )
    arguments, overrides = parser.parse_known_args()
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="soak-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        parser.error(f"--folder {folder}: holds something already, and would be removed; name a new folder")
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    soak = Soak(folder, overrides, arguments.seed)
    started = time.monotonic()
    soak.whole()
    done, number = 0, 0
    while done < arguments.kills:
        kills = soak.disturbed(number, arguments.kills - done)
        before = len(soak.problems)
        soak.compare(number)
        print(f"run {number}: {kills} kills, {'equal' if len(soak.problems) == before else 'different'}", flush=True)
        done += kills
        number += 1
    print(
        f"{sum(soak.kills.values())} kills of {number} runs in {time.monotonic() - started:.0f} s: {dict(soak.kills)}"
    )
    if soak.leaving:
        late = sum(each > LEAVE_SECONDS for each in soak.leaving)
        print(f"left after a signal within {np.median(soak.leaving):.2f} s (median), {max(soak.leaving):.2f} s (most)")
        print(f"later than {LEAVE_SECONDS:.0f} s: {late} of {len(soak.leaving)}; exit codes: {dict(soak.codes)}")
    for problem in soak.problems:
        print(problem)
    if not soak.problems:
        print("the parameters are equal bit by bit, and the metrics in MLflow one by one")
        shutil.rmtree(folder)
    return bool(soak.problems)


if __name__ == "__main__":
    sys.exit(main())
