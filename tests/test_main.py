"""The command as a process: what it loads, how it answers signals, and that it works without MLflow."""

import errno
import json
import os
import signal

import pytest

from mnist_trainer import __version__
from mnist_trainer.analysis.comparison.files import ComparisonFiles
from mnist_trainer.errors import UNFIT
from mnist_trainer.runs import tracked
from mnist_trainer.training.trainer import Trainer

TINY = ("data=digits", "model.hidden=[8]", "epochs=1")
HEAVY = ("mlflow", "matplotlib", "sklearn", "pandas", "scipy")
CHECKED = f"""
import sys
from mnist_trainer.__main__ import main
try:
    main()
finally:
    print("loaded:", sorted({{name.partition(".")[0] for name in sys.modules}} & set({HEAVY!r})))
"""
WITHOUT_MLFLOW = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY[:2]!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from mnist_trainer.__main__ import main
main()
"""

SIGNALLED = """
import os, sys

def send(*args, **kwargs):
    os.kill(os.getpid(), {number})

class Imports:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy" and "{moment}" == "importing":
            send()
        if name == "mnist_trainer.tasks.train" and "{moment}" != "importing":
            from mnist_trainer import build
            from hydra._internal.hydra import Hydra
            if "{moment}" == "composing":
                Hydra.compose_config = send
            else:
                build.build_data = send

sys.meta_path.insert(0, Imports())
from mnist_trainer.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long),
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.long),
    ],
)
def test_an_interrupted_run_ends_as_killed_and_keeps_its_parameters(spawn, wait_for, tmp_path, events_of, number, code):
    process = spawn(*TINY, "tracking=off", "epochs=100000")
    (last,) = wait_for(lambda: list(tmp_path.glob("outputs/*/*/last.npz")), process)
    before = last.stat().st_mtime_ns
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code
    assert "Traceback" not in output
    assert output.rstrip().endswith(f"mnist_trainer: interrupted by {number.name}")
    (end,) = events_of(last.parent, "end")
    assert (end["status"], end["reason"]) == ("KILLED", f"interrupted by {number.name}")
    assert events_of(last.parent)[-1] == end
    assert last.stat().st_mtime_ns >= before
    assert (last.parent / "checkpoint.npz").exists()
    outcome = json.loads((last.parent / "outcome.json").read_text())
    assert (outcome["status"], outcome["reason"]) == ("KILLED", f"interrupted by {number.name}")


WINDOWS = """
import signal, sys
for name in ("fcntl", "resource", "pwd", "termios"):
    sys.modules[name] = None
for name in ("HUP", "QUIT", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "PWR", "POLL", "STKFLT"):
    vars(signal).pop(f"SIG{name}", None)
"""


@pytest.mark.long
@pytest.mark.parametrize("arguments", [(), ("--multirun", "seed=0,1")])
def test_on_windows_the_first_command_names_what_it_runs_in(spawn, arguments):
    process = spawn(*arguments, before=("-c", f"{WINDOWS}from mnist_trainer.__main__ import main; main()"))
    output, _ = process.communicate(timeout=300)
    assert (process.returncode, output) == (2, f"mnist_trainer: {UNFIT}\n")


@pytest.mark.long
def test_on_windows_python_names_it_too_where_more_than_a_trained_model_is_wanted(spawn):
    code = "import mnist_trainer.inference.loading\nprint('has that')\nimport mnist_trainer.api"
    process = spawn(before=("-c", WINDOWS + code))
    output, _ = process.communicate(timeout=300)
    assert output.startswith("has that\n")
    assert output.endswith(f"\nImportError: {UNFIT}\n")


IGNORING = (
    "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); from mnist_trainer.__main__ import main; main()"
)
HANDLED = """
import signal, sys
signal.signal(signal.SIGUSR2, lambda *args: sys.exit(7))  # a cluster's, which sees to the job's being started again
from mnist_trainer.api import train
train(*sys.argv[1:])
"""


@pytest.mark.long
def test_a_run_under_nohup_outlives_its_terminal(spawn, wait_for, tmp_path):
    process = spawn(*TINY, "tracking=off", "epochs=100000", before=("-c", IGNORING))
    (last,) = wait_for(lambda: list(tmp_path.glob("outputs/*/*/last.npz")), process)
    process.send_signal(signal.SIGHUP)
    before = last.stat().st_mtime_ns
    wait_for(lambda: last.stat().st_mtime_ns > before, process)  # it goes on
    process.send_signal(signal.SIGTERM)
    assert "interrupted by SIGTERM" in process.communicate(timeout=300)[0]


@pytest.mark.long
def test_a_handler_that_was_there_before_finds_a_checkpoint_and_may_leave(spawn, wait_for, tmp_path, events_of):
    process = spawn(*TINY, "tracking=off", "epochs=100000", before=("-c", HANDLED))
    (last,) = wait_for(lambda: list(tmp_path.glob("outputs/*/*/last.npz")), process)
    process.send_signal(signal.SIGUSR2)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 7, output
    assert (last.parent / "checkpoint.npz").exists()
    outcome = json.loads((last.parent / "outcome.json").read_text())
    assert (outcome["status"], outcome["reason"]) == ("KILLED", "interrupted by SIGUSR2")
    assert events_of(last.parent, "end")[0]["status"] == "KILLED"


@pytest.mark.long
@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        ("importing", signal.SIGINT, 130),
        ("importing", signal.SIGTERM, 143),
        ("composing", signal.SIGTERM, 143),
        ("loading data", signal.SIGINT, 130),
    ],
)
def test_a_signal_before_training_is_told_by_its_name_and_leaves_nothing(spawn, tmp_path, moment, number, code):
    process = spawn(*TINY, "tracking=off", before=("-c", SIGNALLED.format(moment=moment, number=int(number))))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code
    assert output == f"mnist_trainer: interrupted by {number.name}\n"
    assert not list(tmp_path.glob("outputs/*/*/journal.jsonl"))


@pytest.mark.long
@pytest.mark.parametrize(("task", "moment"), [("train", "evaluate"), ("compare", "update"), ("compare", "study")])
def test_a_signal_in_the_midst_of_something_else_is_told_by_its_name(command, events_of, monkeypatch, task, moment):
    owner = {"evaluate": Trainer, "update": Trainer, "study": ComparisonFiles}[moment]
    whole = getattr(owner, moment)

    def asked(*args, **kwargs):
        signal.raise_signal(signal.SIGTERM)
        return whole(*args, **kwargs)

    monkeypatch.setattr(owner, moment, asked)
    done = command(*TINY, "tracking=off", f"task={task}")
    assert done.code == 143
    assert "Traceback" not in done.output
    assert done.output.rstrip().endswith("mnist_trainer: interrupted by SIGTERM")
    (end,) = events_of(done.run, "end")
    assert (end["status"], end["reason"]) == ("KILLED", "interrupted by SIGTERM")


@pytest.mark.long
def test_a_signal_while_the_shipper_is_waited_for_leaves_a_finished_run(command, events_of, monkeypatch):
    class Waiting:
        def __init__(self, folder, deadline):
            pass

        def finish(self, wait, *, leave):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(tracked, "Shipper", Waiting)
    done = command(*TINY)
    assert done.code == 130
    assert "still being sent to, by a process that goes on in the background" in done.output
    assert done.output.rstrip().endswith("mnist_trainer: interrupted by SIGINT")
    assert json.loads((done.run / "outcome.json").read_text())["status"] == "FINISHED"
    assert events_of(done.run, "end")[0]["status"] == "FINISHED"


@pytest.mark.long
def test_a_second_signal_leaves_at_once_and_in_order(command, monkeypatch):
    update = Trainer.update

    def asked(self, x, labels):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        return update(self, x, labels)

    monkeypatch.setattr(Trainer, "update", asked)
    done = command(*TINY, "tracking=off")
    assert done.code == 143
    assert done.output.rstrip().endswith("mnist_trainer: interrupted by SIGTERM")
    assert "Traceback" not in done.output
    assert not (done.run / "checkpoint.npz").exists()


@pytest.mark.long
def test_an_interrupted_sweep_tells_what_finished_and_starts_no_more_jobs(spawn, wait_for, tmp_path, events_of):
    process = spawn("--multirun", *TINY, "tracking=off", "epochs=1,100000,2")
    (running,) = wait_for(lambda: list(tmp_path.glob("outputs/*/*/1-*/last.npz")), process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in output
    sweep = running.parent.parent
    (end,) = events_of(sweep, "end")
    assert (end["status"], end["reason"]) == ("KILLED", "interrupted by SIGINT")
    assert sorted(path.name[0] for path in sweep.glob("*-*/")) == ["0", "1"]
    report = (sweep / "sweep.md").read_text()
    assert "| digits | fused epochs=" in report
    assert "KILLED: interrupted by SIGINT" in report
    assert "MISSING: it never began" in report
    assert "1 of 3 jobs finished" in output


def test_training_loads_neither_mlflow_nor_what_draws(spawn):
    process = spawn(*TINY, "tracking=off", before=("-W", "error", "-c", CHECKED))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert output.splitlines()[-1] == "loaded: []"


@pytest.mark.long
def test_without_mlflow_installed_untracked_training_works(spawn, tmp_path):
    process = spawn(*TINY, "tracking=off", before=("-c", WITHOUT_MLFLOW))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert list(tmp_path.glob("outputs/*/*/outcome.json"))


@pytest.mark.long
def test_overrides_may_stand_on_either_side_of_the_options(command):
    for arguments in (("seed=5", "--cfg", "job"), ("--cfg", "job", "seed=5"), ("seed=5", "-c", "job", "epochs=2")):
        done = command(*arguments)
        assert done.code == 0
        assert "seed: 5" in done.output


@pytest.mark.long
def test_looking_at_the_configuration_leaves_no_folder(command):
    done = command("--cfg", "job", "--resolve")
    assert done.code == 0
    assert "name: mlp-fused-sgd-b128-s0" in done.output
    assert list(done.folder.iterdir()) == []


@pytest.mark.long
def test_the_version_that_is_told_is_this_programs(spawn):
    process = spawn("--version")
    output, _ = process.communicate(timeout=300)
    assert (process.returncode, output) == (0, f"mnist_trainer {__version__}\n")


@pytest.mark.long
def test_what_the_user_may_not_read_is_unusable_input(command, monkeypatch):
    def refused(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("mnist_trainer.inference.loading.model_beside", refused)
    done = command("task=predict", "checkpoint=theirs", "images=[0]")
    assert (done.code, done.output) == (2, "mnist_trainer: theirs: Permission denied\n")


def test_a_bug_is_told_with_its_traceback_and_exit_code_1(command, tmp_path, monkeypatch):
    from mnist_trainer.tasks import dispatch

    def buggy(*args, **kwargs):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(dispatch, "train", buggy)
    with pytest.raises(ZeroDivisionError):  # Python then prints the traceback and exits with 1
        command(*TINY, "tracking=off")
    (outcome,) = tmp_path.glob("outputs/*/*/outcome.json")
    assert json.loads(outcome.read_text())["reason"] == "ZeroDivisionError: a bug"
