"""resume=: going on with a run in its own folder, bit for bit, and what is told where that can't be."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import yaml

from mnist_trainer.api import train
from mnist_trainer.errors import DivergedError, TeamError
from mnist_trainer.files import CHECKPOINT, PREVIOUS
from mnist_trainer.journal.reading import read_start
from mnist_trainer.journal.unsent import listed
from mnist_trainer.parameter_files import write_arrays
from mnist_trainer.runs import checkpoints
from mnist_trainer.runs.folder import outcome_of, unfinished_runs
from mnist_trainer.tasks.resume import resume
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.team import Team
from mnist_trainer.training.trainer import Trainer

TINY = ("data=digits", "tracking=off", "model.hidden=[8]", "epochs=3", "trainer.progress=false", "trainer.log_every=4")
UPDATES = 33  # 3 epochs of 11
DYING = """
import os
from mnist_trainer.training.trainer import Trainer
update = Trainer.update
def dying(self, x, labels):
    found = update(self, x, labels)
    if self.step == {step}:
        os.kill(os.getpid(), 9)
    return found
Trainer.update = dying
from mnist_trainer.__main__ import main
main()
"""


@pytest.fixture
def stop_at(monkeypatch):
    """Let the next run get a signal in an update; with None, in none."""
    update = Trainer.update

    def stop(step, number=signal.SIGTERM):
        def stopped(self, x, labels):
            found = update(self, x, labels)
            if self.step == step:
                signal.raise_signal(number)
            return found

        monkeypatch.setattr(Trainer, "update", stopped)

    return stop


@pytest.fixture
def stopped(command, stop_at):
    """Run a command that gets a signal in an update."""

    def run(*arguments, step=15, number=signal.SIGTERM, **kwargs):
        stop_at(step, number)
        done = command(*TINY, *arguments, **kwargs)
        stop_at(None)
        assert done.code == 128 + number, done.output
        return done

    return run


@pytest.fixture
def killed(spawn, tmp_path):
    """Run a command that is killed outright in an update; return its folder."""

    def run(*arguments, step):
        process = spawn(*TINY, *arguments, before=("-c", DYING.format(step=step)))
        output, _ = process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, output
        (folder,) = (path for path in tmp_path.glob("outputs/[0-9]*/*") if path.is_dir())
        return folder

    return run


@pytest.fixture(scope="module")
def wholes():
    """Runs that nobody disturbed, by their arguments."""
    return {}


@pytest.fixture
def whole(command, content, wholes, tmp_path):
    def run(*arguments):
        if arguments not in wholes:
            wholes[arguments] = content(command(*TINY, *arguments, folder=tmp_path / "whole").run)
        return wholes[arguments]

    return run


def files(folder):
    ignored = {"mnist_trainer.log"}
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in ignored}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("step", [33, *(pytest.param(step, marks=pytest.mark.long) for step in (1, 11, 15))])
def test_a_run_that_was_stopped_goes_on_in_its_folder_as_if_it_had_not(
    stopped, command, content, whole, step, number, code
):
    first = stopped("model.dropout=0.2", "optimizer=adam", step=step, number=number)
    assert Checkpoint.load(first.run / CHECKPOINT).document["trainer"]["step"] == step
    done = command("resume=latest")
    assert done.code == 0, done.output
    assert f"goes on after update {step}, in epoch" in done.output
    assert content(done.run) == whole("model.dropout=0.2", "optimizer=adam")
    outcome = json.loads((done.run / "outcome.json").read_text())
    assert (outcome["status"], outcome["updates"]) == ("FINISHED", UPDATES)
    assert outcome["overrides"] == [*TINY, "model.dropout=0.2", "optimizer=adam"]
    assert yaml.safe_load((done.run / ".hydra" / "overrides.yaml").read_text()) == outcome["overrides"]


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.long)])
def test_what_is_drawn_for_augmentation_and_averaged_goes_on_too(stopped, command, content, whole, threads):
    how = ("augment=elastic", "augment.erasing=0.3", "trainer.ema_decay=0.9", f"trainer.threads={threads}")
    first = stopped(*how, step=15)
    assert (first.run / "augmented.png").exists()
    assert command("resume=latest").code == 0
    assert content(first.run) == whole(*how)


@pytest.mark.long
def test_it_may_be_stopped_again_and_again(stopped, stop_at, command, content, whole):
    stopped(step=3)
    for step in (8, 11, 12, 30):
        stop_at(step)
        assert command("resume=latest").code == 143
    stop_at(None)
    done = command("resume=latest")
    assert content(done.run) == whole()


@pytest.mark.long
@pytest.mark.parametrize("step", [5, 25])
def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(killed, command, content, events_of, whole, step):
    folder = killed(step=step)
    before = {(event["step"], *event["metrics"]): event for event in events_of(folder, "metrics")}
    run = events_of(folder, "start")[0]["run"]
    assert (folder / CHECKPOINT).exists() == (step > 11)
    done = command(f"resume={folder}")
    assert done.code == 0, done.output
    assert ("starts again" if step < 11 else "goes on after update 22, in epoch 3 of 3") in done.output
    assert content(folder) == whole()
    assert events_of(folder, "start")[0]["run"] == run
    after = {(event["step"], *event["metrics"]): event for event in events_of(folder, "metrics")}
    assert before
    assert {key: after[key] for key in before} == before  # with their times, by which MLflow knows them again


@pytest.mark.long
def test_a_run_whose_team_broke_off_an_update_says_how_to_go_on(command, monkeypatch, content, tmp_path):
    step, steps = Team.step, []

    def broken(self, *args):
        steps.append(1)
        if len(steps) == 25:
            raise TeamError("process 7 was killed")
        step(self, *args)

    monkeypatch.setattr(Team, "step", broken)
    first = command(*TINY, "trainer.threads=2")
    assert (first.code, outcome_of(first.run)["status"]) == (1, "FAILED")
    assert first.output.endswith("mnist_trainer: process 7 was killed\n")
    offered = first.output.split("to go on with it:\n")[1].splitlines()[0]
    done = command(*shlex.split(offered)[3:])
    assert "goes on after update 22, in epoch 3 of 3" in done.output
    undisturbed = command(*TINY, "trainer.threads=2", folder=tmp_path / "undisturbed")
    assert content(done.run) == content(undisturbed.run)


@pytest.mark.long
def test_to_go_on_is_not_offered_where_it_would_diverge_again(command, monkeypatch):
    update = Trainer.update

    def diverging(self, x, labels):
        if self.step == 25:
            raise DivergedError("nan")
        return update(self, x, labels)

    monkeypatch.setattr(Trainer, "update", diverging)
    done = command(*TINY)
    assert done.code == 1
    assert (done.run / CHECKPOINT).exists()
    assert "to go on with it" not in done.output


@pytest.mark.long
def test_a_checkpoint_may_be_named_an_older_one_too(stopped, command, content, whole):
    first = stopped(step=25)
    done = command(f"resume={first.run / PREVIOUS}")
    assert "goes on after update 22" in done.output
    assert content(first.run) == whole()


@pytest.mark.long
@pytest.mark.parametrize("damage", ["missing", "of an abandoned timeline"])
def test_the_best_parameters_file_is_part_of_what_comes_back(stopped, stop_at, command, parameters_of, damage):
    first = stopped(step=25)
    best = parameters_of(first.run / "best.npz")
    if damage == "missing":
        (first.run / "best.npz").unlink()
    else:
        write_arrays(first.run / "best.npz", {name: 0 * array for name, array in best.items()})
    stop_at(26)
    assert command("resume=latest").code == 143
    found = parameters_of(first.run / "best.npz")
    assert {name: array.tobytes() for name, array in found.items()} == {n: a.tobytes() for n, a in best.items()}


@pytest.mark.long
def test_patience_and_the_best_parameters_outlive_a_stop(stopped, command, content, whole):
    judged = ("epochs=40", "trainer.patience=2", "trainer.restore_best=true", "optimizer.lr=0.4")
    expected = whole(*judged)
    first = stopped(*judged, step=25)
    assert command("resume=latest").code == 0
    assert content(first.run) == expected


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("seed=7", "seed=7: the run has seed=0"),
        ("optimizer=adam", "optimizer.name=adam: the run has optimizer.name=sgd"),
        ("optimizer.lr=0.2", "optimizer.lr=0.2: the run has optimizer.lr=0.1"),
        ("model=cnn", "model.name=cnn: the run has model.name=mlp"),
        ("model.hidden=[16]", "model.hidden=[16]: the run has model.hidden=[8]"),
        ("name=other", "name=other: the run has name=mlp-fused-sgd-b128-s0"),
        ("epochs=1", "epochs=1: the run is in its epoch 2 already"),
        ("trainer.checkpoint_minutes=0", "trainer.checkpoint_minutes=0.0 is out of range"),
        ("task=explain", "leave task=explain out"),
        ("hydra.run.dir=elsewhere", "leave hydra.run.dir out"),
        ("seeds=7", "seeds is unknown"),
    ],
)
def test_what_contradicts_the_run_is_told_and_changes_nothing(stopped, command, given, message):
    first = stopped()
    before = files(first.run)
    done = command("resume=latest", given)
    assert done.code == 2
    assert message in done.output
    assert "Traceback" not in done.output
    assert files(first.run) == before


@pytest.mark.long
def test_what_does_not_contradict_may_be_given_again(stopped, command, content, whole):
    first = stopped("optimizer=adam")
    assert command("resume=latest", *TINY, "optimizer=adam", "seed=0").code == 0
    assert content(first.run) == whole("optimizer=adam")


@pytest.mark.long
def test_a_plugin_s_loss_may_be_given_again_as_it_was(stopped, command, tmp_path):
    (tmp_path / "my_losses.py").write_text(
        "from dataclasses import dataclass\n"
        "from mnist_trainer.api import register_loss\n"
        "from mnist_trainer.losses.softmax_loss import SoftmaxLoss\n"
        "@register_loss('mine')\n"
        "@dataclass(eq=False)\n"
        "class Mine(SoftmaxLoss):\n"
        "    pass\n"
    )
    chosen = ("plugins=[my_losses]", "loss=custom", "loss.name=mine")
    stopped(*chosen)
    done = command("resume=latest", "loss=fused")
    assert (done.code, "loss.name=fused: the run has loss.name=mine" in done.output) == (2, True)
    done = command("resume=latest", "loss=custom")
    assert done.code == 0, done.output


@pytest.mark.long
def test_what_may_change_does_and_becomes_a_tag(stopped, command, events_of):
    stopped()
    done = command("resume=latest", "epochs=4", "trainer.checkpoint_minutes=null", "trainer.threads=2")
    assert done.code == 0, done.output
    assert "with another value than before: epochs=4" in done.output
    changed = {key: value for event in events_of(done.run, "tags") for key, value in event["tags"].items()}
    assert changed["changed.epochs"] == "4"
    assert changed["changed.trainer.threads"] == "2"
    assert changed["changed.trainer.checkpoint_minutes"] == "None"
    assert events_of(done.run, "params")[0]["params"]["epochs"] == 3
    assert yaml.safe_load((done.run / "config.yaml").read_text())["epochs"] == 4
    assert json.loads((done.run / "outcome.json").read_text())["epochs"] == 4


@pytest.fixture
def killed_on_resume(spawn, stopped):
    """Stop a run in its update 25, then resume it until it is killed in another update; return its folder."""

    def run(named, *arguments, step):
        first = stopped(step=25)
        process = spawn(f"resume={first.run / named}", *arguments, before=("-c", DYING.format(step=step)))
        output, _ = process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, output
        return first.run

    return run


@pytest.mark.long
def test_what_a_resume_changed_outlives_a_kill_before_its_first_checkpoint(killed_on_resume, command, events_of):
    folder = killed_on_resume(CHECKPOINT, "epochs=4", "trainer.threads=2", step=26)
    assert Checkpoint.load(folder / CHECKPOINT).document["processes"] == 2
    done = command("resume=latest")
    assert done.code == 0, done.output
    assert "goes on after update 25, in epoch 3 of 4" in done.output
    outcome = json.loads((folder / "outcome.json").read_text())
    assert outcome["epochs"] == 4
    assert {"epochs=4", "trainer.threads=2"} < set(outcome["overrides"])
    assert {"changed.epochs": "4", "changed.trainer.threads": "2"} in [e["tags"] for e in events_of(folder, "tags")]


@pytest.mark.long
def test_an_older_checkpoint_that_was_named_is_where_the_run_is_from_then_on(killed_on_resume, command, content, whole):
    folder = killed_on_resume(PREVIOUS, step=23)
    assert [Checkpoint.load(folder / name).document["trainer"]["step"] for name in (CHECKPOINT, PREVIOUS)] == [22, 22]
    done = command("resume=latest")
    assert done.code == 0, done.output
    assert "goes on after update 22" in done.output
    assert content(folder) == whole()


@pytest.mark.long
@pytest.mark.parametrize("changes", [("outputs=other",), ("tracking=off",)])
def test_a_run_that_goes_elsewhere_leaves_the_list_it_was_entered_into(stopped, command, monkeypatch, changes):
    monkeypatch.setattr("mnist_trainer.tasks.train.shipped", lambda tracked, folder, **_: nullcontext())
    first = stopped("tracking=mlflow")
    entered = first.folder / "outputs" / ".unsent"
    assert len(list(entered.iterdir())) == 1
    done = command(f"resume={first.run}", *changes)
    assert done.code == 0, done.output
    assert list(entered.iterdir()) == []
    assert len(listed(first.folder / "other")) == (changes == ("outputs=other",))


@pytest.mark.long
def test_a_shipper_is_started_when_the_journal_tells_where_the_run_goes_from_now_on(stopped, command, monkeypatch):
    stopped()
    uris = []
    monkeypatch.setattr(
        "mnist_trainer.tasks.train.shipped", lambda _, folder, **more: nullcontext(uris.append(read_start(folder).uri))
    )
    assert command("resume=latest", "tracking.uri=sqlite:////elsewhere/mlflow.db").code == 0
    assert uris == ["sqlite:////elsewhere/mlflow.db"]


def test_a_finished_run_says_so_and_is_left_alone(command):
    first = command(*TINY)
    before = files(first.run)
    for named in (first.run, first.run / CHECKPOINT):
        done = command(f"resume={named}")
        assert done.code == 0
        assert "this run is finished, after 3 epochs" in done.output
        assert files(first.run) == before
    done = command("resume=latest")
    assert (done.code, "no unfinished run in outputs" in done.output) == (2, True)


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "messages"),
    [
        (("seed=7", "model=cnn"), ["seed=7: the run has seed=0", "model.name=cnn: the run has model.name=mlp"]),
        (("epochs=4",), ["epochs=4: the run is finished, with epochs=3", "or start a new run"]),
        (("seeds=7",), ["seeds is unknown"]),
    ],
)
def test_what_a_finished_run_is_no_answer_to_is_told(command, given, messages):
    first = command(*TINY)
    assert command(f"resume={first.run}", *TINY, "trainer.threads=2").code == 0
    before = files(first.run)
    done = command(f"resume={first.run}", *given)
    assert done.code == 2
    for message in messages:
        assert message in done.output
    assert files(first.run) == before


@pytest.mark.long
def test_a_finished_run_whose_shipper_is_waited_for_keeps_its_result_whatever_comes(command, monkeypatch):
    found = []

    @contextmanager
    def shipped(tracked, folder, **_):
        yield
        found.extend(unfinished_runs(folder.parents[1]))  # what another process sees, the lock being free
        before = files(folder)
        assert resume(str(folder), folder, []).test_accuracy == outcome_of(folder)["test_accuracy"]
        assert files(folder) == before
        raise KeyboardInterrupt

    monkeypatch.setattr("mnist_trainer.tasks.train.shipped", shipped)
    done = command(*TINY)
    assert (done.code, found) == (130, [])
    assert "finished, and its result kept" in done.output
    assert outcome_of(done.run)["status"] == "FINISHED"
    assert "nothing is left to do" in command(f"resume={done.run}").output


@pytest.mark.long
def test_a_finished_run_that_has_lost_its_result_is_tested_again_when_it_is_named(command, content, monkeypatch):
    first = command(*TINY)
    before, outcome = content(first.run), json.loads((first.run / "outcome.json").read_text())
    (first.run / "outcome.json").unlink()
    assert command("resume=latest").code == 2
    assert command(f"resume={first.run}").code == 0
    assert content(first.run) == before
    assert json.loads((first.run / "outcome.json").read_text()) == outcome


@pytest.mark.long
def test_the_latest_is_the_newest_that_can_go_on(stopped, command):
    first = stopped("name=first")
    stopped("name=second")
    command(*TINY, "name=finished")
    command(*TINY, "name=diverged", "optimizer.lr=1e30")
    command("--multirun", *TINY, "name=sweep", "optimizer.lr=1e30")
    for name in ("second", "first"):
        done = command("resume=latest")
        assert done.code == 0
        assert f"-{name}-" in done.output.splitlines()[0]
    assert command("resume=latest").code == 2
    assert json.loads((next(path for path in first.folders if "-first-" in path.name) / "outcome.json").read_text())


@pytest.mark.long
@pytest.mark.parametrize("seconds_ago", [60, 4000])
@pytest.mark.parametrize("ended", [False, True])
def test_the_latest_is_none_that_another_host_may_be_at(stopped, command, seconds_ago, ended):
    journal = stopped().run / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    start = {**json.loads(lines[0]), "host": "another"}
    journal.write_text(json.dumps(start) + "\n" + "".join(lines[1 : None if ended else -1]))
    then = time.time() - seconds_ago
    os.utime(journal, (then, then))
    found = unfinished_runs(journal.parents[2])
    assert found == ([journal.parent] if ended or seconds_ago > 3600 else [])


@pytest.mark.long
@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_taken(stopped, command, content, whole, damage):
    first = stopped()
    content_of = bytearray((first.run / CHECKPOINT).read_bytes())
    content_of[len(content_of) // 2] ^= 0xFF
    (first.run / CHECKPOINT).write_bytes(content_of[:-20] if damage == "truncated" else content_of)
    done = command("resume=latest")
    assert done.code == 0, done.output
    assert "taking the one before" in done.output
    assert "goes on after update 11" in done.output
    assert content(first.run) == whole()


@pytest.mark.long
def test_two_damaged_checkpoints_end_it_and_change_nothing(stopped, command):
    first = stopped()
    for name in (CHECKPOINT, PREVIOUS):
        (first.run / name).write_bytes(b"PK")
    before = files(first.run)
    done = command("resume=latest")
    assert done.code == 2
    assert f"{CHECKPOINT}: not a readable checkpoint" in done.output
    assert files(first.run) == before


@pytest.mark.long
def test_other_data_are_refused(stopped, command):
    first = stopped()
    read = Checkpoint.load(first.run / CHECKPOINT)
    Checkpoint(read.arrays, {**read.document, "data": "0123"}).save(first.run)
    done = command("resume=latest")
    assert done.code == 2
    assert "the run was on other data" in done.output


@pytest.mark.long
def test_a_checkpoint_whose_journal_is_missing_is_told_and_leaves_no_journal(stopped, command):
    first = stopped().run
    (first / "journal.jsonl").unlink()
    done = command(f"resume={first}")
    assert done.code == 2
    assert "journal.jsonl: missing" in done.output
    assert not (first / "journal.jsonl").exists()


@pytest.mark.long
def test_a_checkpoint_of_another_run_is_refused(stopped, command):
    first = stopped("name=first").run
    second = next(path for path in stopped("name=second").folders if path != first)
    (first / CHECKPOINT).write_bytes((second / CHECKPOINT).read_bytes())
    done = command(f"resume={first}")
    assert done.code == 2
    assert "a checkpoint of another run" in done.output


@pytest.mark.long
@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nowhere", "no such file or folder"),
        (".", "no run in there"),
        ("latest", "no unfinished run in outputs"),
        ("a" * 300, "can't be read: File name too long"),
    ],
)
def test_what_is_no_run_is_told_and_leaves_nothing(command, named, message):
    done = command(f"resume={named}")
    assert done.code == 2
    assert message in done.output
    assert list(done.folder.iterdir()) == []


@pytest.mark.long
def test_sweeps_and_comparisons_can_not_be_resumed(command):
    sweep = command("--multirun", *TINY, "seed=0")
    done = command(f"resume={sweep.run}")
    assert (done.code, f"--multirun sweep.resume={sweep.run} goes on with it" in done.output) == (2, True)
    done = command("--multirun", "resume=latest")
    assert (done.code, "leave --multirun out" in done.output) == (2, True)
    comparison = command("task=compare", *TINY, "epochs=1", "task.timing=false", folder=sweep.folder / "other").run
    done = command(f"resume={comparison / '0-fused'}")
    assert (done.code, "part of a comparison" in done.output) == (2, True)


@pytest.mark.long
def test_a_sweep_s_jobs_have_checkpoints(command):
    sweep = command("--multirun", *TINY, "seed=0,1").run
    jobs = sorted(path.parent for path in sweep.glob(f"*/{CHECKPOINT}"))
    assert [path.name[0] for path in jobs] == ["0", "1"]
    assert [Checkpoint.load(path / CHECKPOINT).document["config"]["seed"] for path in jobs] == [0, 1]


def test_a_run_that_is_running_is_left_alone(spawn, command, wait_for, tmp_path):
    process = spawn(*TINY, "epochs=100000")
    (journal,) = wait_for(lambda: list(tmp_path.glob("outputs/*/*/journal.jsonl")), process)
    wait_for(lambda: (journal.parent / CHECKPOINT).exists(), process)
    done = command(f"resume={journal.parent}")
    assert done.code == 2
    assert "another process is writing this journal; wait for its end" in done.output
    assert not (journal.parent / "outcome.json").exists()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 143


@pytest.mark.long
def test_by_the_clock_checkpoints_come_within_epochs_too(command, monkeypatch, tmp_path):
    saved = []
    save = checkpoints.Checkpoints._save
    monkeypatch.setattr(checkpoints.Checkpoints, "_save", lambda self: (saved.append(self._trainer.step), save(self)))
    assert command(*TINY, "trainer.checkpoint_minutes=1e-9").code == 0
    assert saved == sorted([*range(1, UPDATES + 1), 11, 22, 33])
    saved.clear()
    assert command(*TINY, "trainer.checkpoint_minutes=null", folder=tmp_path / "other").code == 0
    assert saved == [11, 22, 33]


@pytest.mark.long
def test_a_full_disk_costs_the_checkpoint_and_not_the_run(command, monkeypatch):
    def full(self, folder):
        raise OSError(28, "No space left on device", str(folder / CHECKPOINT))

    monkeypatch.setattr(Checkpoint, "save", full)
    done = command(*TINY)
    assert done.code == 0
    assert done.output.count("No space left on device") == 1
    assert "no checkpoint after update 11" in done.output


@pytest.mark.long
def test_a_run_that_diverges_keeps_its_last_good_checkpoint(command, monkeypatch):
    update = Trainer.update

    def poisoned(self, x, labels):
        if self.step == 15:
            self.model.parameters.values[0] = np.nan
        return update(self, x, labels)

    monkeypatch.setattr(Trainer, "update", poisoned)
    done = command(*TINY)
    assert done.code == 1
    good = Checkpoint.load(done.run / CHECKPOINT)
    assert good.document["trainer"]["step"] == 11
    assert np.isfinite(good.arrays["model/1.weights"]).all()


@pytest.mark.long
def test_from_python_too(stopped, whole, content, monkeypatch):
    first = stopped()
    monkeypatch.chdir(first.folder)
    result = train("resume=latest")
    assert result.updates == UPDATES
    assert train(f"resume={first.run}") == result
    assert content(first.run) == whole()


@pytest.mark.long
def test_a_plugin_s_optimizer_without_state_is_warned_of(stopped, command, tmp_path):
    (tmp_path / "my_module.py").write_text(
        "from dataclasses import dataclass\n"
        "from mnist_trainer.api import Optimizer, register_optimizer\n"
        "@register_optimizer('forgetful')\n"
        "@dataclass(eq=False)\n"
        "class Forgetful(Optimizer):\n"
        "    def step(self, parameters, gradients, learning_rate):\n"
        "        parameters -= learning_rate * gradients\n"
    )
    stopped("plugins=[my_module]", "optimizer=custom", "optimizer.name=forgetful", "optimizer.lr=0.1")
    done = command("resume=latest")
    assert done.code == 0, done.output
    assert "Forgetful tells no state()" in done.output


@pytest.mark.long
def test_two_at_once_do_not_share_a_run(stopped, start, tmp_path):
    first = stopped("epochs=30")
    command = [sys.executable, "-m", "mnist_trainer", f"resume={first.run}"]
    environment = {key: value for key, value in os.environ.items() if key != "MNIST_ROOT"}
    both = [start(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=300)[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 2], [0, 0]), errors  # the second one may come when the first has finished
    assert json.loads((first.run / "outcome.json").read_text())["status"] == "FINISHED"


def test_a_folder_of_somebody_else_s_with_a_configuration_is_no_run_and_stays_as_it_is(command, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "config.yaml").write_text("theirs: 1\n")
    done = command(f"resume={folder}")
    assert (done.code, f"resume={folder}: no run in there" in done.output) == (2, True)
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
