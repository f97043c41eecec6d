#!/usr/bin/env python3
"""What a large sweep costs its command, and the store that it is sent to: jobs that write real journals, untrained.

The real command sweeps over seeds with `hydra/launcher=submitit_slurm`, on a Slurm that is played: its `sbatch` writes
each job's folder, with the journal of a run that was trained once, under the job's own names. So all that the command
does is real, and what is sent to MLflow, too; nothing of it is the jobs' own time.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mnist_trainer.journal.reading import read_journal

ROOT = Path(__file__).resolve().parents[2]
TINY = ("data=digits", "model.hidden=[8]", "epochs=10", "trainer.log_every=5")
SBATCH = """#!/bin/sh
echo "Submitted batch job 7"
exec {python} {script} --play "$(dirname "$(dirname "$1")")" {template}
"""
SQUEUE = """#!/bin/sh
exit 0
"""
SCONTROL = """#!/bin/sh
echo "MaxArraySize = 1000000"
"""


def play(sweep, template, mode, uri=None):
    """Write the folders of all jobs that `sweep.json` lists, for MLflow at this URI, or to be kept from it."""
    record = json.loads((sweep / "sweep.json").read_text())
    first, params, *rest = (template / "journal.jsonl").read_text().splitlines()
    outcome = json.loads((template / "outcome.json").read_text())
    names = ("config.yaml", "model_summary.txt", "last.npz", "best.npz", "model.npz")
    files = {name: (template / name).read_bytes() for name in names}
    where = {"parent": record["run"], "store_folder": str(sweep.parents[1]), "mode": mode}
    where |= {"uri": uri} if uri else {}
    for number, overrides in enumerate(record["jobs"]):
        (seed,) = [int(each.partition("=")[2]) for each in overrides if each.startswith("seed=")]
        own = {"run": uuid.uuid4().hex, "name": f"mlp-fused-sgd-b128-s{seed}"}
        told = json.loads(params)
        told["params"]["seed"] = seed
        start = json.dumps({**json.loads(first), **where, **own})
        folder = sweep / f"{number}-{own['name']}"
        folder.mkdir()
        (folder / "journal.jsonl").write_text("\n".join([start, json.dumps(told), *rest, ""]))
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / "outcome.json").write_text(json.dumps({**outcome, "overrides": overrides, "seed": seed, **own}))


def trained(place, *more):
    """Train once, or sweep; return the run's folder, or the sweep's."""
    command = [sys.executable, "-m", "mnist_trainer", *TINY, "tracking=off", *more]
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
    (folder,) = place.glob("outputs/2*/*")
    return folder


def stage(place, template):
    """Write Slurm's commands, which are played; return the folder."""
    folder = place / "bin"
    folder.mkdir()
    played = SBATCH.format(python=sys.executable, script=Path(__file__).resolve(), template=template)
    commands = {"sbatch": played, "squeue": SQUEUE, "scontrol": SCONTROL, "srun": SQUEUE, "scancel": SQUEUE}
    for name, text in commands.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def measure(jobs, uri):
    """Run the command; return its times by name, and how many metrics a job has."""
    with tempfile.TemporaryDirectory(prefix="sweep-scale-") as name:
        place = Path(name)
        (place / "once").mkdir()
        template = trained(place / "once")
        path = f"{stage(place, template)}{os.pathsep}{os.environ['PATH']}"
        tracking = ["tracking=off"] if uri == "off" else ["tracking.wait_seconds=100000", "tracking.model=false"]
        tracking += [f"tracking.uri={uri}"] if uri not in ("off", "sqlite") else []
        environment = {**os.environ, "PATH": path, "PLAYED_MODE": "off" if uri == "off" else "mlflow"}
        environment |= {"PLAYED_URI": uri} if uri not in ("off", "sqlite") else {}
        sweep = ["--multirun", f"seed=range({jobs})", "hydra/launcher=submitit_slurm"]
        command = [sys.executable, "-m", "mnist_trainer", *sweep, *TINY, *tracking]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        ended, after = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        (folder,) = place.glob("outputs/2*/*")
        report = (folder / "sweep.md").stat().st_mtime
        written = max(path.stat().st_mtime for path in folder.glob("*/outcome.json"))
        metrics = sum(map(len, read_journal(template).metrics.values()))
    return {
        "until all are submitted and written, s": written - started,
        "from there to the report, s": report - written,
        "from there to the end, s": ended - report,
        "in all, s": ended - started,
        "of processors, s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory, MB": after.ru_maxrss / 1024,
        "metrics of a job": metrics,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", default=[250, 500, 1000])
    parser.add_argument("--store", default="off", help="off, sqlite, or any store's or server's URI")
    parser.add_argument("--play", nargs=2, type=Path, metavar=("SWEEP", "TEMPLATE"), help="what the played sbatch does")
    arguments = parser.parse_args()
    if arguments.play:
        return play(*arguments.play, os.environ["PLAYED_MODE"], os.environ.get("PLAYED_URI"))
    for jobs in arguments.jobs:
        print(f"{jobs:,} jobs, {arguments.store}")
        for name, value in measure(jobs, arguments.store).items():
            print(f"    {name:<42} {value:10.1f}", flush=True)
    return None


if __name__ == "__main__":
    main()
