#!/usr/bin/env python3
"""What one MLflow server before PostgreSQL carries: several sweeps at once, each with a shipper, of untrained jobs.

A real PostgreSQL and a real `mlflow server`, which takes artifacts, too, are started on this machine (wants the extra
`test`, and PostgreSQL's programs). Each sweep's folder gets jobs with the journals and files of a run that was trained
once; each sweep's own shipper, the one that a command starts, sends them. What is told is of the time when all shippers
are at work: from when each has sent a job until the first has sent all. Of processors are told the seconds for each
job: of the shippers, of the server, and of PostgreSQL.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from mnist_trainer.journal.reading import read_journal
from mnist_trainer.shipping.position import SHIPPED, Position
from mnist_trainer.shipping.shipper import Shipper
from mnist_trainer.shipping.store import load_mlflow
from tests.benchmarks.machine import described, load
from tests.benchmarks.sweep_scale import play, trained
from tests.sweeps.central_server import central_server

CROWD_SECONDS = 30
FAILURE_CHARACTERS = 150
TICKS = os.sysconf("SC_CLK_TCK")
PARTS = ("shippers", "server", "PostgreSQL")


@dataclass(frozen=True)
class Moment:
    """How much was done at some time."""

    time: float
    jobs: int
    seconds: tuple[float, ...]
    """Of processors, by all of `PARTS`."""

    @classmethod
    def now(cls, sweeps, trees):
        """Look at the sweeps' folders, and at each part's processes."""
        return cls(time.monotonic(), sum(len(sent(each)) for each in sweeps), tuple(map(processor_seconds, trees)))


def processor_seconds(pids):
    """Return what these processes, and all that they have started, have taken."""
    ticks, children = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:  # it has ended meanwhile, and is counted with its parent
            continue
        ticks[int(path.parent.name)] = sum(map(int, fields[11:15]))
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    todo, total = list(pids), 0
    while todo:
        pid = todo.pop()
        total += ticks.get(pid, 0)
        todo += children.get(pid, [])
    return total / TICKS


def played(place, template, sweep, count, uri):
    """Write a sweep's folder whose jobs have ended; return it."""
    folder = place / "outputs" / "2026-01-01" / f"sweep-{uuid.uuid4().hex[:6]}"
    folder.mkdir(parents=True)
    for path in filter(Path.is_file, sweep.iterdir()):
        shutil.copy(path, folder)
    record = json.loads((sweep / "sweep.json").read_text())
    (one, *_), run = record["jobs"], uuid.uuid4().hex
    jobs = [[f"seed={seed}", *[each for each in one if not each.startswith("seed=")]] for seed in range(count)]
    (folder / "sweep.json").write_text(json.dumps({**record, "run": run, "jobs": jobs}))
    first, *rest = (sweep / "journal.jsonl").read_text().splitlines()
    start = {**json.loads(first), "run": run, "mode": "mlflow", "uri": uri, "store_folder": str(place / "outputs")}
    (folder / "journal.jsonl").write_text("\n".join([json.dumps(start), *rest, ""]))
    play(folder, template, "mlflow", uri)
    return folder


def sent(sweep):
    """Return when each job of a sweep that MLflow has was there."""
    paths = list(sweep.glob(f"*/{SHIPPED}"))
    return sorted(path.stat().st_mtime for path in paths if (Position.load(path.parent) or path).done is True)


def until(happened, shippers):
    while not happened():
        assert any(each._child.poll() is None for each in shippers), "the shippers have ended"
        time.sleep(0.2)


def measure(place, template, sweep, shippers, jobs, uri, roots):
    """Let so many shippers send so many jobs in all; return what it took."""
    count = max(2, jobs // shippers)
    sweeps = [played(place, template, sweep, count, uri) for _ in range(shippers)]
    started = time.monotonic()
    running = [Shipper(each, deadline=1e6) for each in sweeps]
    for each in running:
        each._child.stdin.close()
        each._child.stdin = None
    trees = [[each._child.pid for each in running], *roots]
    until(lambda: all(map(sent, sweeps)), running)
    first = Moment.now(sweeps, trees)
    until(lambda: any(len(sent(each)) == count for each in sweeps), running)
    last = Moment.now(sweeps, trees)
    told = [each.finish(1e6) for each in running]
    ended = time.monotonic()
    assert not any(each.problem() for each in told), [each.problem() for each in told]
    between = [after - before for each in map(sent, sweeps) for before, after in pairwise(each)]
    done = last.jobs - first.jobs
    seconds = [(after - before) / done for before, after in zip(first.seconds, last.seconds, strict=True)]
    lines = [line for each in sweeps for line in (each / "shipper.log").read_text().splitlines()]
    for line, times in Counter(line.partition(" ERROR ")[2] for line in lines if " ERROR " in line).items():
        print(f"    {times} times tried again: {line}")
    return {
        "jobs a second": done / (last.time - first.time),
        "a job, s, median": statistics.median(between),
        "a job, s, longest": max(between),
        **{f"{name}, processor s a job": each for name, each in zip(PARTS, seconds, strict=True)},
        "all jobs, from the shippers' start, s": ended - started,
    }


def crowd(uri, clients, metrics):
    """Let so many clients send metrics at once; return how that went."""
    client = MlflowClient(uri)
    experiment = client.create_experiment(uuid.uuid4().hex)
    taken, failed, end = [], Counter(), time.monotonic() + CROWD_SECONDS

    def send(_):
        run, step = None, 0
        while (began := time.monotonic()) < end:
            try:
                run = run or client.create_run(experiment).info.run_id
                client.log_batch(run, [Metric(f"m{i % 20}", 0.5, 0, step + i) for i in range(metrics)])
            except MlflowException as error:
                failed[str(error)[-FAILURE_CHARACTERS:]] += 1
            else:
                taken.append(time.monotonic() - began)
                step += metrics

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(send, range(clients)))
    took = time.monotonic() - began
    return {"requests a second": len(taken) / took, "the longest, s": max(taken, default=0.0)}, failed


@contextmanager
def server(place, workers):
    """Start one; give its URI, and the first processes of its own and of PostgreSQL's."""
    with central_server(place, workers) as (started, database):
        port = database.rpartition(":")[2].partition("/")[0]
        told = [path.read_text().split() for path in Path("/tmp").glob("postgres*/data/postmaster.pid")]
        (pid,) = [int(words[0]) for words in told if port in words]
        yield started.uri, ([started.process.pid], [pid])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shippers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--jobs", type=int, default=240, help="in all, for each number of shippers")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[4], help="the server's processes; MLflow's default is 4"
    )
    parser.add_argument(
        "--settings", nargs="*", default=[], help="of the run that was trained: trainer.log_every=50, ..."
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[], help="so many send metrics alone, instead")
    arguments = parser.parse_args()
    print(described())
    load_mlflow()  # which also sets what a shipper sets: how long it waits for an answer, and that it tries once
    with tempfile.TemporaryDirectory(prefix="sweep-server-") as name:
        place = Path(name)
        for folder in ("once", "sweep"):
            (place / folder).mkdir()
        template = trained(place / "once", *arguments.settings)
        sweep = trained(place / "sweep", "--multirun", "seed=0,1")
        metrics = sum(map(len, read_journal(template).metrics.values()))
        for workers in arguments.workers:
            with server(place / f"server-{workers}", workers) as (uri, roots):
                for clients in arguments.clients:
                    told, failed = crowd(uri, clients, metrics)
                    print(
                        f"{clients} clients, {workers} workers of the server, requests of {metrics} metrics; {load()}"
                    )
                    for key, value in told.items():
                        print(f"    {key:<42} {value:10.2f}")
                    for error, times in failed.items():
                        print(f"    {times} times: ...{error}", flush=True)
                if arguments.clients:
                    continue
                measure(place, template, sweep, workers, 4 * workers, uri, roots)  # each worker begins slowly
                for shippers in arguments.shippers:
                    told = measure(place, template, sweep, shippers, arguments.jobs, uri, roots)
                    print(f"{shippers} shippers, {workers} workers, jobs of {metrics} metrics; {load()}")
                    print(f"    {'metrics a second':<42} {metrics * told['jobs a second']:10.0f}")
                    for key, value in told.items():
                        print(f"    {key:<42} {value:10.2f}", flush=True)


if __name__ == "__main__":
    main()
