"""Journals and the files beside them, half written or mangled; see conftest.py for the long run."""

import json
import logging
import os
import shutil
import warnings
from dataclasses import asdict

import pytest
from hypothesis import event, given

from mnist_trainer.files import JOURNAL
from mnist_trainer.journal.events import Start
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.reading import read_events, read_journal, read_start
from mnist_trainer.runs.cutting import cut_back
from mnist_trainer.runs.folder import LATEST, run_folder
from mnist_trainer.shipping import delivery
from mnist_trainer.shipping.pictures import pairs_of
from mnist_trainer.shipping.position import SHIPPED, count_left
from mnist_trainer.shipping.sync import send_unsent
from mnist_trainer.sweeps.jobs import read_jobs
from mnist_trainer.sweeps.pairs import as_metrics, compare_modes
from mnist_trainer.sweeps.record import SweepRecord
from mnist_trainer.sweeps.report import as_markdown
from tests.fixtures.journals import OLDER
from tests.fuzz.nonsense import SEEDS, cases, changed

RUN = "ab" * 16


def events(outputs):
    """Return what the journal of a small run holds."""
    found = [json.loads(line) for line in OLDER.read_text().splitlines()]
    return [each | {key: str(outputs) for key in ("store_folder",) if key in each} for each in found]


def journal_of(rng, outputs):
    """Return a journal's bytes, with something wrong."""
    found = events(outputs)
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        changed(rng, found[0] if rng.random() < 0.3 else found)
    lines = [json.dumps(each, separators=(",", ":")).encode() for each in found]
    for _ in range(rng.randrange(3)):
        odd = [
            b"",
            b"\0" * 99,
            rng.randbytes(60),
            b"\xff\xfe",
            b"{" * 5000,
            b"[" * 100000,
            b'"start"',
            b"null",
            b"9" * 9999,
        ]
        long = b'{"event":"tags","time":1,"tags":{"a":"' + b"x" * (5 << 20) + b'"}}' if rng.random() < 0.05 else b"{}"
        lines.insert(rng.randrange(len(lines) + 1), rng.choice([*odd, long, rng.choice(lines)]))
    if rng.random() < 0.2:
        rng.shuffle(lines)
    data = b"\n".join(lines) + rng.choice([b"\n", b"\n", b"", b"\r\n", b"\n{"])
    match rng.randrange(8):
        case 0:
            data = data[: rng.randrange(len(data))]
        case 1:
            mutated = bytearray(data)
            for _ in range(rng.randrange(1, 6)):
                mutated[rng.randrange(min(len(data), 3000))] = rng.randrange(256)
            data = bytes(mutated)
        case 2 if rng.random() < 0.3:
            data = rng.choice([b"", b"\n", rng.randbytes(999), bytes(9999), b"SQLite format 3\0"])
    return data


def position_of(rng, outputs):
    """Return the bytes of a position, with something wrong."""
    found = {"run": RUN, "uri": f"sqlite:///{outputs / 'mlflow.db'}", "experiment_id": "1", "run_id": "0" * 32}
    found |= {"offset": rng.choice([0, 5, 300, 10**9]), "done": rng.random() < 0.3, "status": "RUNNING"}
    for _ in range(rng.randrange(3)):
        changed(rng, found)
    data = json.dumps(found).encode()
    return rng.choice([data, data, data, data[:-9], b"", b"[]", b"[" * 99999, b"\xff", rng.randbytes(20)])


@pytest.fixture(scope="module")
def emptied(tmp_path_factory):
    """Return an empty folder; it is the same each time."""
    folder = tmp_path_factory.mktemp("cases")

    def make():
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "precious").write_text("not to be lost")
        return folder

    logging.disable()
    yield make
    logging.disable(logging.NOTSET)


def put(rng, path, data):
    """Write a file, or now and then put something else into its place."""
    if rng.random() > 0.03:
        path.write_bytes(data)
        return
    places = [lambda: path.symlink_to(path.name), lambda: path.symlink_to("/dev/zero"), lambda: path.symlink_to("none")]
    rng.choice([*places, path.mkdir, lambda: os.mkfifo(path)])()


@given(SEEDS)
@cases(10)
def test_the_readers_skip_what_is_no_event_and_name_what_they_cannot_use(harmless, emptied, rng):
    outputs = emptied()
    run = outputs / "2026-01-01" / "a"
    run.mkdir(parents=True)
    put(rng, run / JOURNAL, journal_of(rng, outputs))
    if rng.random() < 0.5:
        put(rng, run / SHIPPED, position_of(rng, outputs))
    with harmless(outputs) as told:
        found = run_folder(str(rng.choice([run, run / JOURNAL, LATEST])), outputs)
        start, history = read_start(found), read_journal(found)
        events, offset = read_events(found / JOURNAL, 0, 100)
        assert offset <= (found / JOURNAL).stat().st_size
        assert start is None or isinstance(start, Start)
        assert count_left(found) >= 0
        assert len(history.artifacts) + len(events) >= 0
    event("refused" if told else "read")
    assert all("resume=" in line for line in told)


@given(SEEDS)
@cases(3)
def test_cutting_back_refuses_or_leaves_a_beginning_of_the_journal(harmless, emptied, rng):
    run = emptied() / "a"
    run.mkdir()
    data = journal_of(rng, run.parent)
    (run / JOURNAL).write_bytes(data)
    if rng.random() < 0.5:
        (run / "journal.cut.jsonl").write_bytes(journal_of(rng, run.parent))
    (run / SHIPPED).write_bytes(position_of(rng, run.parent))
    journal = Journal(run, reopened=True)
    with harmless(run, unchanged=False) as told:
        cut_back(journal, rng.choice([None, 0, 300, 700, len(data), 1 << 40]), f"sqlite:///{run.parent / 'mlflow.db'}")
        journal.metrics(200, {"train/loss": 0.25, "gradient_norm": float("inf")})
    journal.close()
    left = (run / JOURNAL).read_bytes()
    event("refused" if told else "cut")
    assert left == data if told else data.startswith(left[: left.rfind(b'{"event":"metrics"')])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """An empty store: a SQLite file with MLflow's tables; making one takes 2 s. No pictures are drawn meanwhile."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mnist_trainer.shipping.store import connect

        connect(f"sqlite:///{path}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "draw_pictures", lambda folder: [])
        yield path


@pytest.mark.long
@given(SEEDS)
@cases(1)
def test_sync_sends_what_it_can_and_says_what_it_cannot(harmless, emptied, store, rng):
    outputs = emptied()
    run = outputs / "2026-01-01" / "a"
    run.mkdir(parents=True)
    (run / "last.npz").write_text("weights")
    data = journal_of(rng, store.parent)
    put(rng, run / JOURNAL, data)
    if rng.random() < 0.3:
        put(rng, run / SHIPPED, position_of(rng, store.parent))
    os.utime(run / JOURNAL, (0, 0), follow_symlinks=False)  # its writer, on another host, has been silent for long
    (store.parent / ".unsent").mkdir(exist_ok=True)
    report = None
    with harmless(run, unchanged=False) as told, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = send_unsent(
            [rng.choice([run, run / JOURNAL, outputs])], store_folder=store.parent, uri=f"sqlite:///{store}"
        )
    event("refused" if told else str(report.summary()))
    assert all(str(outputs) in line for line in told)
    assert (outputs / "precious").read_text() == "not to be lost"
    if (run / JOURNAL).is_file() and not (run / JOURNAL).is_symlink():
        assert (run / JOURNAL).read_bytes() == data


OUTCOME = {"status": "FINISHED", "reason": None, "overrides": ["loss=fused", "seed=0"], "run": RUN, "name": "a"}
OUTCOME |= {
    "data": "mnist",
    "loss": "fused",
    "seed": 0,
    "test_loss": 0.1,
    "test_accuracy": 0.9,
    "training_seconds": 2.0,
}


@pytest.mark.long
@given(SEEDS)
@cases(3)
def test_a_sweep_s_report_is_written_whatever_its_jobs_left(harmless, emptied, rng):
    sweep = emptied()
    for number in range(rng.randrange(1, 5)):
        job = sweep / rng.choice([f"{number}-a", f"{number}-a", f"{number}-a", "²-a", "١-a", "-a", "x"])
        if job.exists():
            continue
        (job / ".hydra").mkdir(parents=True)
        loss = rng.choice(["fused", "separate"])
        outcome = {**OUTCOME, "overrides": [f"loss={loss}", f"seed={number // 2}"], "loss": loss, "seed": number // 2}
        for _ in range(rng.choice([0, 0, 1, 2])):
            changed(rng, outcome)
        data = json.dumps(outcome).encode()
        if rng.random() < 0.2:
            data = rng.choice(
                [data[: rng.randrange(len(data))], b"", b"[]", b"null", b"[" * 99999, b"\xff", b"1" * 9999]
            )
        put(rng, job / "outcome.json", data)
        if rng.random() < 0.3:
            data = rng.choice([b"- seed=1\n", b"- [", b"a: &a [*a]", b"[" * 3000, b"\xff", b"- {a: 1}\n- 3\n- null\n"])
            put(rng, job / ".hydra" / "overrides.yaml", data)
    pairs = rng.sample([{"seeds": [0]}, {}, 3, {"seeds": 1}], 2)
    content = {"run": RUN, "overrides": ["seed=0,1"], "jobs": [["seed=0"], ["seed=1"]], "pairs": pairs}
    changed(rng, content)
    put(rng, sweep / "sweep.json", rng.choice([json.dumps(content).encode(), b"", b"[]", b"[" * 99999]))
    with harmless(sweep) as told, warnings.catch_warnings():
        record = SweepRecord.read(sweep)
        assert record is None or isinstance(record.run, str)
        jobs = read_jobs(sweep, None if record is None else record.jobs)
        comparisons = compare_modes(jobs)
        assert as_markdown(jobs, comparisons)
        json.dumps([asdict(each) for each in comparisons])
        assert all(isinstance(value, int | float) for value in as_metrics(comparisons).values())
        pairs_of(sweep)
    assert not told
