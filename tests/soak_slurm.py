#!/usr/bin/env python3
"""Ends sweeps on a real Slurm at random, goes on with them, and compares them with one that nobody disturbed.

Each round begins a sweep of three jobs on a Slurm of two nodes on this machine (`MNIST_TRAINER_SLURM` names the script
that starts it), and at a random moment kills a job, or the command, outright; sends SIGTERM or Ctrl-C to the command;
lets other jobs preempt a node's; takes a node down; or kills the MLflow server and starts it again. Then it goes on
with `sweep.resume=` until all is done. The parameter files and metrics must be those of the undisturbed sweep, bit for
bit, and the server must have every metric once. It needs root, and the extra `slurm`.
"""

import argparse
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from mnist_trainer.journal.events import TIMED
from tests.fixtures.slurm import LAUNCHER, Sweep, cluster, why_not

ENDS = ("kill a job", "kill the command", "SIGTERM", "SIGINT", "preempt a node", "take a node down", "kill the server")
SMALL = ("data=digits", "model.hidden=[8]", "epochs=6", "plugins=[slow]")
SEEDS = "seed=0,1,2"


class Server:
    """An MLflow server on a SQLite file."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        store = f"sqlite:///{self.folder}/mlflow.db"
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(self.port)]
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--artifacts-destination", str(self.folder / "artifacts"), "--workers", "1"],
                stdout=log,
                stderr=log,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                start_new_session=True,
            )

    def wait(self):
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.2)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def metrics(self, run):
        """Return how often the server has each metric of each step of the run that a journal is of."""
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as database:
            ids = [
                uuid
                for (uuid,) in database.execute(
                    "select run_uuid from tags where key='mnist_trainer.run' and value=?", [run]
                )
            ]
            found = database.execute(
                f"select run_uuid, key, step from metrics where run_uuid in ({','.join('?' * len(ids))})", ids
            ).fetchall()
        return Counter((key, step) for _, key, step in found)


def content(folder):
    """Return what a job's folder tells, without times."""
    events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    metrics = [
        (event["step"], {key: value for key, value in event["metrics"].items() if key not in TIMED})
        for event in events
        if event["event"] == "metrics"
    ]
    parameters = {}
    for name in ("last.npz", "best.npz"):
        with np.load(folder / name) as file:
            parameters |= {f"{name}/{key}": file[key].tobytes() for key in file.files}
    return metrics, parameters, [(event["status"], event["reason"]) for event in events if event["event"] == "end"]


def told(folder):
    """Return the run of a job's journal, and each metric of each step that it tells."""
    events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    metrics = {(key, event["step"]) for event in events if event["event"] == "metrics" for key in event["metrics"]}
    return events[0]["run"], metrics


def disturb(sweep, slurm, server, how, rng):
    """Do it; returns what puts it right again, later."""
    if how == "kill a job":
        with suppress(OSError, IndexError, ProcessLookupError):
            os.kill(sweep.pid(rng.randrange(3)), signal.SIGKILL)
    elif how in ("kill the command", "SIGTERM", "SIGINT"):
        sweep.process.send_signal(getattr(signal, how, signal.SIGKILL))
    elif how == "preempt a node":
        other = slurm.preempt(rng.choice(["n1", "n2"]))
        return lambda: slurm.ask("scancel", other)
    elif how == "take a node down":
        node = f"NodeName={rng.choice(['n1', 'n2'])}"
        slurm.ask("scontrol", "update", node, "State=down", "Reason=soak")
        return lambda: slurm.try_to("scontrol", "update", node, "State=resume")  # it may have come back by itself
    else:
        server.kill()
        return server.start
    return lambda: None


def goes_on(sweep):
    """Run `sweep.resume=` until there is nothing left; returns how often it took."""
    for attempt in range(1, 200):
        sweep.start("--multirun", f"sweep.resume={sweep.folder}", LAUNCHER)
        code, output = sweep.end()
        if code == 0:
            return attempt
        if "still running" not in output:
            print(f"    code {code}: {output.strip().splitlines()[-1] if output.strip() else ''}")
        assert "Traceback" not in output, output
        time.sleep(1)
    raise AssertionError(output)


def wrong(sweep, undisturbed, server):
    """Return what is not as it should be; nothing, if all is."""
    found = []
    if [job.name for job in sweep.jobs] != [job.name for job in undisturbed.jobs]:
        found.append("other jobs")
    for job, whole in zip(sweep.jobs, undisturbed.jobs, strict=False):
        if content(job) != content(whole):
            found.append(f"{job.name}: other parameters or metrics")
        run, metrics = told(job)
        sent = server.metrics(run)
        if set(sent) != metrics:
            found.append(f"{job.name}: {len(metrics - set(sent))} metrics are missing, {len(set(sent) - metrics)} more")
        if set(sent.values()) != {1}:
            found.append(f"{job.name}: {sum(count > 1 for count in sent.values())} metrics twice")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ends", type=int, default=15, help="how many sweeps are ended")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices")
    arguments = parser.parse_args()
    if problem := why_not():
        parser.error(problem)
    rng, failures, kinds = random.Random(arguments.seed), 0, Counter()
    with tempfile.TemporaryDirectory(prefix="soak-slurm-") as place, cluster(Path(place) / "slurm") as slurm:
        place = Path(place)
        server = Server(place / "server")
        try:
            server.wait()
            whole = Sweep(slurm, place / "whole", SEEDS, "tracking=off", launcher="hydra/launcher=basic", tiny=SMALL)
            assert whole.end()[0] == 0, whole.output.read_text()
            for number in range(arguments.ends):
                how = ENDS[(number + arguments.seed) % len(ENDS)]
                kinds[how] += 1
                folder = place / f"sweep-{number}"
                folder.mkdir()
                (folder / "slow").touch()
                sweep = Sweep(slurm, folder, SEEDS, f"tracking.uri={server.uri}", tiny=SMALL)
                began = time.monotonic()
                sweep.wait_for(sweep.has_begun, "a job's beginning")
                time.sleep(rng.uniform(0, 10))
                mend = disturb(sweep, slurm, server, how, rng)
                time.sleep(rng.uniform(3, 12))
                mend()
                server.wait()
                code, _ = sweep.end()
                sweep.hurry()
                attempts = goes_on(sweep)
                problems = wrong(sweep, whole, server)
                failures += bool(problems)
                verdict = "; ".join(problems) or "as if undisturbed"
                seconds = time.monotonic() - began
                what = f"{how}: code {code}, {attempts} × sweep.resume"
                print(f"{number + 1:>3} {what}: {verdict} ({seconds:.0f} s)", flush=True)
        finally:
            server.kill()
    done = ", ".join(f"{count} × {how}" for how, count in kinds.items())
    print(f"{arguments.ends} ends ({done}): {failures} went wrong")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
