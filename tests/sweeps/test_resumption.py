"""sweep.resume=: a sweep that ended early goes on with what it has no result of, in its own folder and run."""

import json
import shutil
import signal

import pytest

from mnist_trainer.api import train
from mnist_trainer.errors import ConfigError
from mnist_trainer.files import CHECKPOINT, PREVIOUS
from mnist_trainer.journal.journal import Journal
from mnist_trainer.tasks import dispatch
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("no_picture")

TINY = ("data=digits", "tracking=off", "model.hidden=[8]", "epochs=2", "trainer.progress=false", "trainer.log_every=4")
SWEPT = ("loss=fused,separate", "seed=0,1")
STEPS = 22  # a job's
DYING = """
import os
from mnist_trainer.training.trainer import Trainer
update, steps = Trainer.update, 0
def dying(self, x, labels):
    global steps
    found, steps = update(self, x, labels), steps + 1
    if steps == {steps}:
        os.kill(os.getpid(), 9)
    return found
Trainer.update = dying
from mnist_trainer.__main__ import main
main()
"""


@pytest.fixture
def stopped(command, monkeypatch):
    """Run a sweep that gets SIGTERM after so many updates of all its jobs; return its folder."""

    def run(*arguments, after):
        update, steps = Trainer.update, []

        def counted(self, x, labels):
            found = update(self, x, labels)
            steps.append(self.step)
            if len(steps) == after:
                signal.raise_signal(signal.SIGTERM)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "update", counted)
            done = command("--multirun", *TINY, *arguments)
        assert done.code == 143, done.output
        return done.folders[-1]

    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folders of sweeps that ended by themselves, by their arguments: each is run once."""
    return {}, tmp_path_factory.mktemp("undisturbed")


@pytest.fixture
def whole(undisturbed, command):
    """Return the folder of a sweep that ended by itself; to be looked at only."""

    def run(*arguments):
        folders, place = undisturbed
        if arguments not in folders:
            done = command("--multirun", *TINY, *arguments, folder=place / str(len(folders)))
            assert done.code == 0
            folders[arguments] = done.run
        return folders[arguments]

    return run


@pytest.fixture
def finished(whole, tmp_path):
    """A finished sweep's folder."""
    folder = whole(*SWEPT)
    return shutil.copytree(folder, tmp_path / "outputs" / "2026-01-01" / folder.name)


def jobs_of(sweep):
    return sorted((path for path in sweep.glob("[0-9]*-*") if path.is_dir()), key=lambda path: int(path.name[0]))


def outcomes(sweep):
    return [json.loads((job / "outcome.json").read_text()) for job in jobs_of(sweep)]


def files(folder):
    ignored = {"mnist_trainer.log", "multirun.yaml"}
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in ignored}


def without_times(report):
    rows = [[cell.strip() for cell in line.split("|")] for line in report.splitlines() if "training time" not in line]
    return [row[:-2] if len(row) > 2 else row for row in rows if set("".join(row)) != {"-"}]


@pytest.fixture
def assert_whole(whole, content, events_of):
    """Fail unless the sweep is what it would be had nobody disturbed it."""

    def told(folder):
        keys = ("overrides", "seed", "loss", "updates", "epochs", "test_loss", "test_accuracy")
        metrics = {(event["step"], name) for event in events_of(folder, "metrics") for name in event["metrics"]}
        results = [{key: job[key] for key in keys} for job in outcomes(folder)]
        return [job.name for job in jobs_of(folder)], [content(job) for job in jobs_of(folder)], results, metrics

    def check(sweep, *arguments):
        assert told(sweep) == told(whole(*arguments))
        reports = [(folder / "sweep.md").read_text() for folder in (sweep, whole(*arguments))]
        assert without_times(reports[0]) == without_times(reports[1])
        (start,), (end,) = events_of(sweep, "start"), events_of(sweep, "end")
        assert (end["status"], end["reason"]) == ("FINISHED", None)
        assert {events_of(job, "start")[0]["parent"] for job in jobs_of(sweep)} == {start["run"]}

    return check


@pytest.mark.long
def test_a_sweep_that_was_stopped_twice_goes_on_as_if_it_had_not(stopped, command, events_of, assert_whole):
    sweep = stopped(*SWEPT, after=STEPS + 15)
    assert [event["status"] for event in events_of(sweep, "end")] == ["KILLED"]
    report = (sweep / "sweep.md").read_text()
    assert "Job 1 KILLED: interrupted by SIGTERM\nJobs 2, 3 MISSING: it never began" in report
    run, done_before = events_of(sweep, "start"), files(jobs_of(sweep)[0])
    assert stopped("sweep.resume=latest", after=STEPS - 15 + 3) == sweep
    done = command("--multirun", *TINY, *SWEPT, f"sweep.resume={sweep}")  # the command again, or by its folder alone
    assert done.code == 0, done.output
    assert "2 of 4 jobs are finished; to run: 2, 3" in done.output
    assert "goes on after update 3, in epoch 1 of 2" in done.output
    assert (events_of(sweep, "start"), files(jobs_of(sweep)[0])) == (run, done_before)
    assert_whole(sweep, *SWEPT)


@pytest.mark.long
def test_a_sweep_that_was_killed_outright_goes_on_from_anywhere(spawn, command, tmp_path, assert_whole, events_of):
    arguments = ("--multirun", *TINY, *SWEPT)
    process = spawn(*arguments, before=("-c", DYING.format(steps=STEPS + 15)))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, output
    (sweep,) = tmp_path.glob("outputs/2*/*")
    elsewhere = command("--multirun", f"sweep.resume={sweep}", folder=tmp_path / "elsewhere")
    assert elsewhere.code == 0, elsewhere.output
    assert "goes on after update 11, in epoch 2 of 2" in elsewhere.output
    assert_whole(sweep, *SWEPT)
    assert list(elsewhere.folder.iterdir()) == []
    assert {events_of(job, "start")[0]["store_folder"] for job in jobs_of(sweep)} == {str(tmp_path / "outputs")}


def test_a_finished_sweep_says_so_and_is_left_alone(finished, command):
    before = files(finished)
    for given in ((), SWEPT, ("seed=0",)):
        done = command("--multirun", *given, f"sweep.resume={finished}")
        assert done.code == 0
        assert "this sweep is finished: all 4 jobs have a result" in done.output
    assert files(finished) == before
    done = command("--multirun", "sweep.resume=latest")
    assert (done.code, "no unfinished sweep in outputs" in done.output) == (2, True)
    assert "Traceback" not in done.output


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "added"),
    [
        (("seed=0,1,2",), [["loss=fused", "seed=2"], ["loss=separate", "seed=2"]]),
        (("seed=7",), [["loss=fused", "seed=7"], ["loss=separate", "seed=7"]]),
        (("model.hidden=[8],[4]", "seed=1"), [["model.hidden=[4]", f"loss={loss}"] for loss in ("fused", "separate")]),
    ],
)
def test_values_that_the_command_adds_make_further_jobs(finished, command, events_of, given, added):
    before = {job: files(job) for job in jobs_of(finished)}
    done = command("--multirun", *given, f"sweep.resume={finished}")
    assert done.code == 0, done.output
    assert {job: files(job) for job in jobs_of(finished)[:4]} == before
    jobs = outcomes(finished)[4:]
    for own in added:
        assert any(set(own) <= set(job["overrides"]) for job in jobs)
    assert [job.name.partition("-")[0] for job in jobs_of(finished)] == [str(number) for number in range(4 + len(jobs))]
    assert [event["status"] for event in events_of(finished, "end")] == ["FINISHED"]
    assert f"sweep: {4 + len(jobs)} of {4 + len(jobs)} jobs finished" in done.output
    again = command("--multirun", f"sweep.resume={finished}")
    assert f"all {4 + len(jobs)} jobs have a result" in again.output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("epochs=3", "epochs=3: the sweep has epochs=2, and goes on with that; epochs=2,3 adds jobs"),
        ("optimizer.lr=0.2", "optimizer.lr=0.2: the sweep was begun without; leave optimizer.lr out"),
        ("optimizer=sgd,adam", "optimizer=sgd,adam: the sweep was begun without"),
        ("task=gradcheck", "task=gradcheck: the sweep was begun without"),
        ("resume=latest", "leave --multirun out"),
        ("hydra/sweeper=other", "other"),
    ],
)
def test_what_contradicts_the_sweep_is_told_and_changes_nothing(finished, command, given, message):
    before = files(finished)
    done = command("--multirun", given, f"sweep.resume={finished}")
    assert done.code == 2
    assert message in done.output
    assert "Traceback" not in done.output
    assert files(finished) == before


@pytest.mark.long
def test_how_jobs_are_done_may_change_without_parting_the_pairs(stopped, command, events_of):
    sweep = stopped(*SWEPT, after=STEPS + 15)
    done = command("--multirun", "sweep.resume=latest", "trainer.checkpoint_minutes=null", "tracking.wait_seconds=7")
    assert done.code == 0, done.output
    tags = {key: value for event in events_of(jobs_of(sweep)[1], "tags") for key, value in event["tags"].items()}
    assert tags["changed.trainer.checkpoint_minutes"] == "None"
    (pairs,) = json.loads((sweep / "sweep.json").read_text())["pairs"]
    assert (pairs["seeds"], pairs["left_out"]) == ([0, 1], 0)
    documents = [Checkpoint.load(job / CHECKPOINT).document for job in jobs_of(sweep)]
    assert not any("resume" in override for document in documents for override in document["overrides"])
    assert not any(document["config"]["resume"] or "sweep" in document["config"] for document in documents)


@pytest.mark.long
def test_a_job_that_diverged_is_not_run_again(command, events_of):
    first = command("--multirun", *TINY, "schedule=constant", "optimizer.lr=1e6,0.01")
    assert first.code == 1
    before = files(jobs_of(first.run)[0])
    assert command("--multirun", "sweep.resume=latest").code == 2
    done = command("--multirun", f"sweep.resume={first.run}")
    assert done.code == 1
    assert "1 of 2 jobs are finished; none is to run" in done.output
    assert "not run, since they would diverge again: 0" in done.output
    assert files(jobs_of(first.run)[0]) == before
    (end,) = events_of(first.run, "end")
    assert (end["status"], end["reason"]) == ("FAILED", "1 of 2 jobs have no result: see sweep.md")


@pytest.mark.long
def test_a_job_that_failed_or_whose_folder_is_gone_starts_again(command, monkeypatch, assert_whole):
    build = dispatch.train

    def buggy(config, *args, **kwargs):
        if config.seed == 0:
            raise ZeroDivisionError("a bug")
        return build(config, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "train", buggy)
        first = command("--multirun", *TINY, "seed=0,1")
    assert (first.code, "to run what has no result:" in first.output) == (1, True)
    shutil.rmtree(jobs_of(first.run)[1])
    done = command("--multirun", "sweep.resume=latest")
    assert done.code == 0, done.output
    assert "0 of 2 jobs are finished; to run: 0, 1" in done.output
    assert_whole(first.run, "seed=0,1")


@pytest.mark.long
def test_jobs_that_were_resumed_one_by_one_end_the_sweep(stopped, command, assert_whole):
    sweep = stopped("seed=0,1", after=STEPS + 15)
    assert command(f"resume={jobs_of(sweep)[1]}").code == 0
    done = command("--multirun", f"sweep.resume={sweep}")
    assert done.code == 0
    assert "2 of 2 jobs are finished; none is to run" in done.output
    assert_whole(sweep, "seed=0,1")


@pytest.mark.long
def test_a_job_that_cannot_go_on_says_why_in_the_report(stopped, command):
    sweep = stopped("seed=0,1", after=15)
    for name in (CHECKPOINT, PREVIOUS):
        (jobs_of(sweep)[0] / name).write_bytes(b"PK")
    done = command("--multirun", "sweep.resume=latest")
    assert done.code == 1
    assert [job["status"] for job in outcomes(sweep)] == ["FAILED", "FINISHED"]
    report = (sweep / "sweep.md").read_text()
    assert f"Job 0 FAILED: {jobs_of(sweep)[0] / CHECKPOINT}: not a readable checkpoint" in report
    assert "Traceback" not in done.output


@pytest.mark.parametrize("what", ["the sweep", "a job"])
def test_what_is_still_running_is_refused(finished, command, what):
    before = files(finished)
    journal = Journal(finished if what == "the sweep" else jobs_of(finished)[0], reopened=True)
    done = command("--multirun", f"sweep.resume={finished}")
    journal.close()
    assert done.code == 2
    assert ("this sweep is still running" if what == "the sweep" else "still running: job 0") in done.output
    assert "wait for its end" in done.output
    assert files(finished) == before


@pytest.mark.parametrize(
    ("named", "message"),
    [("nowhere", "no such folder"), (".", "no sweep in there"), ("latest", "no unfinished sweep in outputs")],
)
def test_what_is_no_sweep_is_told_and_leaves_nothing(command, named, message):
    done = command("--multirun", f"sweep.resume={named}")
    assert done.code == 2
    assert message in done.output
    assert "Traceback" not in done.output
    assert list(done.folder.iterdir()) == []


def test_without_multirun_it_is_told_what_it_needs(command):
    done = command("sweep.resume=latest")
    assert (done.code, "it needs --multirun" in done.output) == (2, True)
    assert list(done.folder.rglob("*.*")) == []
    with pytest.raises(ConfigError, match="it needs --multirun"):
        train("sweep.resume=latest")
