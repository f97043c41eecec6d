"""task=compare: a parent and a child a mode, a report from the data, and what becomes of modes that can't go on."""

import json
import math
import os
import re
import signal
import time

import pytest

from mnist_trainer.analysis.comparison import files
from mnist_trainer.build import build_data
from mnist_trainer.runs import provenance
from mnist_trainer.shipping.position import Position
from mnist_trainer.tasks.loss_modes import mode_configs
from mnist_trainer.training.interruption import Interrupted
from mnist_trainer.words import at_most

TINY = (
    *("task=compare", "task.timing=false", "data=digits", "tracking=off", "model.hidden=[8]", "epochs=2"),
    "trainer.log_every=4",
)
UPDATES = 22
CHILD = {"journal.jsonl", "config.yaml", "model_summary.txt", "last.npz", "model.npz", "best.npz"}
FIGURES = {"curves.png", "gradient_differences.png", "saturation.png", "parting_of_ways.png"}
NUMBER = r"\d[\d.]*(?:e-\d+)?"


@pytest.fixture
def _no_figures(monkeypatch):
    """Drawing takes 3 s."""
    monkeypatch.setattr(files, "draw_for_report", lambda *arguments: None)


@pytest.mark.long
def test_pictures_that_can_not_be_drawn_take_nothing_else_with_them(command, monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(files, "draw_for_report", fail)
    done = command(*TINY)
    assert done.code == 0
    assert "curves.png can't be drawn: MemoryError" in done.output
    assert ".png" not in (done.run / "comparison.md").read_text()


def numbers_of(done):
    return json.loads((done.run / "comparison.json").read_text(), parse_constant=pytest.fail)


def ends(done, events_of):
    folders = [done.run, *sorted(path.parent for path in done.run.glob("*/journal.jsonl"))]
    return [(end["status"], end["reason"]) for folder in folders for end in events_of(folder, "end")]


@pytest.mark.long
def test_figures_of_other_kinds_on_request(command, events_of):
    done = command(*TINY, "epochs=1", "task.figures=[svg,pdf]")
    files = {path.name for path in done.run.iterdir()}
    assert {name.replace("png", kind) for name in FIGURES for kind in ("png", "svg", "pdf")} <= files
    assert {event["name"] for event in events_of(done.run, "artifact")} >= {"curves.svg", "curves.pdf"}
    assert "curves.png" in (done.run / "comparison.md").read_text()


def test_the_folder_holds_the_report_the_figures_and_a_run_a_mode(command, events_of, metrics_of):
    done = command(*TINY)
    assert done.code == 0, done.output
    found = {path.name for path in done.run.iterdir()}
    assert found - {".hydra", "mnist_trainer.log"} == {
        *("journal.jsonl", "config.yaml", "model_summary.txt", "outcome.json", "comparison.md", "comparison.json"),
        *("0-fused", "1-separate"),
        *FIGURES,
    }
    assert all((done.run / name).read_bytes().startswith(b"\x89PNG") for name in FIGURES)
    assert re.search(rf"\n  1/2      11   fused  +{NUMBER}  +{NUMBER}%\n {{16}}separate  .*%  +{NUMBER}  ", done.output)
    assert re.search(r"\n  2/2      22   fused .*\n.*\nmlp-fused-sgd-b128-s0: test loss", done.output)
    (parent,) = events_of(done.run, "start")
    assert parent["kind"] == "comparison"
    for name, mode in (("0-fused", "fused"), ("1-separate", "separate")):
        child = done.run / name
        assert {path.name for path in child.iterdir()} == CHILD
        (start,), (tags,), (params,) = (events_of(child, kind) for kind in ("start", "tags", "params"))
        assert (start["kind"], start["parent"]) == ("run", parent["run"])
        assert start["name"] == f"mlp-{mode}-sgd-b128-s0"
        assert (tags["tags"]["loss.mode"], tags["tags"]["loss.exact"]) == (mode, "true")
        assert params["params"]["loss.name"] == mode
        assert [step for step, _ in metrics_of(child, "train/loss")] == [4, 8, 11, 12, 16, 20, 22]
        assert [step for step, _ in metrics_of(child, "test/accuracy")] == [UPDATES]
        assert len(events_of(child, "confusion")) == 1
    assert ends(done, events_of) == [("FINISHED", None)] * 3
    assert {event["name"] for event in events_of(done.run, "artifact")} == {
        *("config.yaml", "model_summary.txt", "comparison.md", "comparison.json"),
        *FIGURES,
    }


@pytest.mark.usefixtures("_no_figures")
def test_the_verdict_the_report_the_outcome_and_mlflow_tell_the_same_measured_numbers(command, metrics_of, events_of):
    done = command(*TINY, "task.shadow_every=4")
    numbers = numbers_of(done)
    (pair,) = numbers["comparison"]["pairs"]
    record = numbers["comparison"]["record"]["differences"]["separate"]
    assert max(record["logits"]) == pair["measured"]["logits_largest"]
    assert (pair["measured"]["updates"], pair["shadow"]["updates"]) == (UPDATES, 6)
    assert all(one <= bound for one, bound in zip(record["logits"], record["bound"], strict=True))
    assert all(one <= bound for one, bound in zip(record["shadow_logits"], record["shadow_bound"], strict=True))
    first = numbers["verdict"][0]
    assert f"at most {at_most(pair['measured']['logits_largest'], '.1e')} in float32" in first
    assert (
        "1e-05·‖g‖ + 1e-07 at all 22 updates in float32 and 1e-12·‖g‖ + 1e-15 at all 6 updates looked at in float64"
        in first
    )
    assert f"- {first}\n" in (done.run / "comparison.md").read_text()
    assert " ".join(first.split()) in " ".join(done.output.split())
    assert json.loads((done.run / "outcome.json").read_text())["verdict"] == numbers["verdict"]
    windows = [(0, 4), (4, 8), (8, 11), (11, 12), (12, 16), (16, 20), (20, 22)]
    assert metrics_of(done.run, "difference/log10_logits_gradient") == [
        (end, math.log10(max(record["logits"][start:end]))) for start, end in windows
    ]
    drift = math.log10(record["drift"][-1])
    assert metrics_of(done.run, "difference/log10_parameter_drift")[-1] == (UPDATES, drift)
    told = {name for event in events_of(done.run, "metrics") for name in event["metrics"]}
    assert all(len(metrics_of(done.run, name)) > 1 for name in told)  # a single dot is no curve


@pytest.mark.long
@pytest.mark.usefixtures("_no_figures")
def test_the_page_in_mlflow_says_which_mode_was_better_by_how_much_and_then_the_verdict(command, events_of):
    done = command(*TINY)
    numbers = numbers_of(done)
    fused, separate = (one["result"]["test_accuracy"] for one in numbers["comparison"]["outcomes"])
    said = [event["tags"] for event in events_of(done.run, "tags")][-1]["mlflow.note.content"]
    better, by = ("fused", fused - separate) if fused > separate else ("separate", separate - fused)
    how = f"{better} is better by {100 * by:.2f} points" if by else "equally accurate"
    assert said.startswith("**On the test images ")
    assert how in said.splitlines()[0]
    assert all(f"- {sentence}" in said for sentence in numbers["verdict"])
    assert len(said) < 8000


@pytest.mark.long
@pytest.mark.usefixtures("_no_figures")
def test_mistakes_are_told_from_the_numbers_and_those_that_cannot_go_on_fail_alone(command, events_of):
    done = command(*TINY, "task.modes=[fused,mistakes/posted_answer,mistakes/posted_question]")
    assert done.code == 0
    said = " ".join(numbers_of(done)["verdict"])
    off = re.search(rf"posted_answer does not have the gradient of fused: .* is off by ({NUMBER}) of the norm", said)
    assert 0.5 < float(off[1]) < 1
    assert done.output.count("posted_question drops out after 0 updates: the posted backward") == 1
    assert "posted_question dropped out after 0 updates: the posted backward of softmax can't run on 128" in said
    (parent, fused, answer, question) = ends(done, events_of)
    assert parent == fused == answer == ("FINISHED", None)
    assert question[0] == "FAILED"
    assert "can't run on 128 images" in question[1]
    names = {name for event in events_of(done.run, "metrics") for name in event["metrics"]}
    assert "difference/posted_answer/log10_logits_gradient" in names
    assert not any("posted_question" in name for name in names)


@pytest.mark.long
@pytest.mark.usefixtures("_no_figures")
def test_when_no_mode_gets_to_its_end_the_command_fails_with_the_reasons_and_a_report(command, events_of):
    done = command(*TINY, "task.modes=[mistakes/posted_question,fused]", "optimizer.lr=1e25", "schedule=constant")
    assert done.code == 1
    assert "no mode got to its end: posted_question: the posted backward" in done.output
    assert "fused: diverged" in done.output
    assert "Traceback" not in done.output
    assert [status for status, _ in ends(done, events_of)] == ["FAILED"] * 3
    assert "dropped out" in (done.run / "comparison.md").read_text()


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("task.modes=[fused]", "task.modes=[fused]: must be two or more different losses"),
        ("task.modes=[posted_answer,mistakes/posted_answer]", "must be two or more different losses"),
        ("task.modes=[fused,sepparate]", "task.modes: 'sepparate' is unknown; did you mean 'separate'?"),
        ("task.modes=[fused,custom]", "task.modes: 'custom' is unknown"),
        ("trainer.patience=2", "trainer.patience: task=compare trains all modes for the same number of epochs"),
        ("loss.label_smoothing=2", "loss.label_smoothing=2.0 is out of range"),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_is_written(command, override, problem):
    done = command(*TINY, override)
    assert done.code == 2
    assert problem in done.output
    assert "Traceback" not in done.output
    assert done.folders == []


@pytest.mark.long
@pytest.mark.usefixtures("_no_figures")
def test_a_name_of_ones_own_is_in_the_names_of_the_runs(command, events_of):
    done = command(*TINY, "name=mine", "epochs=1")
    starts = [events_of(done.run / name, "start")[0] for name in (".", "0-fused", "1-separate")]
    assert [start["name"] for start in starts] == ["mine", "mine-fused", "mine-separate"]


def test_modes_take_over_what_they_share_with_the_jobs_own_loss(configured):
    config = configured("task=compare", "loss=mistakes/clipped", loss__epsilon=1e-3)
    fused, clipped = mode_configs(config, ["fused", "mistakes/clipped"])
    assert (fused.loss.label_smoothing, clipped.loss.epsilon) == (0.0, 1e-3)
    config = configured("task=compare", loss__label_smoothing=0.1)
    separate, clipped, own = mode_configs(config, ["separate", "clipped", "fused"])
    assert separate.loss.label_smoothing == own.loss.label_smoothing == 0.1
    assert clipped.loss.epsilon == 1e-7
    assert {each.name for each in (separate, clipped, own)} == {
        f"mlp-{loss}-sgd-b128-s0" for loss in ("separate", "clipped", "fused")
    }


@pytest.mark.long
@pytest.mark.usefixtures("_no_figures")
def test_a_plugins_loss_is_a_mode_by_the_name_it_registered(command, tmp_path):
    (tmp_path / "brier_plugin.py").write_text(
        "from dataclasses import dataclass\n"
        "import numpy as np\n"
        "from mnist_trainer.api import Loss, register_loss\n"
        "@register_loss('brier')\n"
        "@dataclass(eq=False)\n"
        "class Brier(Loss):\n"
        "    expects = 'probabilities'\n"
        "    def forward(self, p, labels):\n"
        "        self.d = p - np.eye(p.shape[1], dtype=p.dtype)[labels]\n"
        "        return float(np.mean(np.sum(self.d**2, axis=1)))\n"
        "    def backward(self, upstream=1.0):\n"
        "        return upstream * 2 * self.d / len(self.d)\n"
    )
    done = command(*TINY, "plugins=[brier_plugin]", "task.modes=[fused,brier]", "epochs=1")
    assert done.code == 0, done.output
    assert [one["mode"] for one in numbers_of(done)["comparison"]["outcomes"]] == ["fused", "brier"]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_every_journal_killed(spawn, events_of, tmp_path, number):
    process = spawn(*TINY, "epochs=100000")
    until = time.monotonic() + 300
    while not (found := list(tmp_path.glob("outputs/*/*/1-separate/last.npz"))):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert "Traceback" not in output
    parent = found[0].parents[1]
    for folder in (parent, parent / "0-fused", parent / "1-separate"):
        (end,) = events_of(folder, "end")
        assert (end["status"], end["reason"]) == ("KILLED", f"interrupted by {number.name}")


@pytest.mark.long
@pytest.mark.parametrize(("number", "at"), [(signal.SIGINT, "comparison.md"), (signal.SIGTERM, "parting_of_ways.png")])
def test_an_interruption_after_training_leaves_a_report_of_what_was_measured(spawn, events_of, tmp_path, number, at):
    process = spawn(*TINY, "task.timing=true")
    until = time.monotonic() + 300
    while not (found := list(tmp_path.glob(f"outputs/*/*/{at}"))):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.01)
    sent = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert time.monotonic() - sent < 5
    assert "Traceback" not in output
    assert re.search(r"interrupted; what was measured until then: outputs/.*/comparison\.md", output)
    folder = found[0].parent
    numbers = json.loads((folder / "comparison.json").read_text(), parse_constant=pytest.fail)
    assert numbers["verdict"][0].startswith("fused and separate are one function at every batch measured: ")
    assert numbers["timing"] is None
    report = (folder / "comparison.md").read_text()
    pictures = re.findall(r"!\[.*\]\((.*)\)", report)
    declared = [event["name"] for event in events_of(folder, "artifact")]
    written = ["config.yaml", "model_summary.txt", "comparison.md", "comparison.json"]
    assert sorted(declared) == sorted([*written, *pictures])
    assert all((folder / name).read_bytes().endswith(b"IEND\xaeB`\x82") for name in pictures)
    assert not list(folder.glob(".comp*")) + list(folder.glob(".*.png"))
    assert [events_of(path, "end")[0]["status"] for path in (folder, folder / "0-fused")] == ["KILLED", "FINISHED"]
    assert json.loads((folder / "outcome.json").read_text())["status"] == "KILLED"


@pytest.mark.long
@pytest.mark.usefixtures("_no_figures")
def test_losses_of_different_functions_are_not_measured_against_each_other(command, events_of):
    done = command(*TINY, "task.modes=[fused,clipped]", "loss.label_smoothing=0.1", "epochs=1")
    (pair,) = numbers_of(done)["comparison"]["pairs"]
    assert pair["measured"]["loss_largest"] > 1e-3
    page = [event["tags"] for event in events_of(done.run, "tags")][-1]["mlflow.note.content"]
    assert "| test accuracy |" in page
    assert "test loss" not in page
    assert not any("test loss" in sentence for sentence in numbers_of(done)["verdict"])
    setting = numbers_of(done)["setting"]
    assert setting["losses"] == "fused (label_smoothing 0.1); clipped (epsilon 1e-07)"
    assert setting["training"] == "1 epoch of 11 updates, batches of up to 128"
    done = command(*TINY, "task.modes=[fused,separate]", "epochs=1", folder=done.folder / "same")
    page = [event["tags"] for event in events_of(done.run, "tags")][-1]["mlflow.note.content"]
    assert "| test loss |" in page


@pytest.mark.long
@pytest.mark.usefixtures("_no_figures")
def test_a_mistake_is_not_called_one_function_though_it_agreed(command):
    done = command(*TINY, "task.modes=[fused,sum_for_mean]", "epochs=1", "batch_size=1", "optimizer.lr=0.001")
    first, second, *_ = numbers_of(done)["verdict"]
    assert first.startswith("fused and sum_for_mean had the same gradient at every batch measured here, though")
    assert "Rounding" not in second


@pytest.mark.parametrize(
    ("total", "usable", "words"), [(2, 2, "2 logical CPUs"), (1, 1, "1 logical CPU"), (8, 3, "3 of 8 logical CPUs")]
)
def test_the_cpus_are_counted_as_what_they_are(monkeypatch, total, usable, words):
    monkeypatch.setattr(os, "cpu_count", lambda: total)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(usable)), raising=False)
    assert provenance.logical_cpus() == words


@pytest.mark.long
@pytest.mark.usefixtures("_no_figures")
def test_timing_is_of_the_losses_and_of_the_whole_step_without_learning(command, monkeypatch):
    time_losses = files.timing.time_losses
    time_steps = files.timing.time_steps
    monkeypatch.setattr(
        files.timing,
        "time_losses",
        lambda losses: time_losses(losses, batch_sizes=(1, 4), class_counts=(10,), seconds=0.05),
    )
    monkeypatch.setattr(files.timing, "time_steps", lambda steps: time_steps(steps, seconds=0.05))
    done = command(*TINY, "task.timing=true", "epochs=1")
    timing = numbers_of(done)["timing"]
    assert set(timing["steps"]) == {"fused", "separate"}
    assert all(seconds > 0 for seconds in timing["steps"].values())
    assert {(one["mode"], one["batch_size"]) for one in timing["losses"]} == {
        (mode, size) for mode in ("fused", "separate") for size in (1, 4)
    }
    assert "\n## Timing\n" in (done.run / "comparison.md").read_text()


def test_a_timed_step_does_the_work_and_leaves_the_weights(configured):
    from mnist_trainer.build import build_trainer
    from mnist_trainer.runs.run import Run

    config = configured()
    dataset = build_data(config.data)
    run = Run(config, None, dataset, *build_trainer(config, dataset), None)
    step = files.mode_step_to_time(run)
    (trainer,) = [cell.cell_contents for cell in step.__closure__ if hasattr(cell.cell_contents, "optimizer")]
    before = trainer.model.parameters.values.copy()
    step()
    step()
    assert trainer.step == 2
    assert trainer.model.parameters.values.tobytes() == before.tobytes()
    assert trainer.optimizer.state()["velocity"].any()  # the gradients were found


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' plans
def test_in_mlflow_it_is_a_parent_with_the_report_and_a_child_a_mode(command):
    rest = [argument for argument in TINY if argument != "tracking=off"]
    done = command(*rest, "epochs=1", "tracking.wait_seconds=300")
    assert done.code == 0, done.output
    address = next(line for line in done.output.splitlines() if "/#/compare-runs?runs=" in line)
    from mnist_trainer.shipping.store import connect

    client = connect(f"sqlite:///{done.folder}/outputs/mlflow.db").client
    found = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert sorted(run.info.run_name for run in children) == ["mlp-fused-sgd-b128-s0", "mlp-separate-sgd-b128-s0"]
    assert {run.info.status for run in found} == {"FINISHED"}
    assert all(run.info.run_id in address for run in children)
    assert parent.info.run_id not in address
    found = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert found >= {"comparison.md", "comparison.json", *FIGURES}
    assert "learning_curves.png" not in found
    assert parent.data.tags["loss.exact"] == "true, true"
    assert all("test/accuracy" in run.data.metrics for run in children)


def is_sent(folder):
    position = Position.load(folder)
    return position is not None and position.done


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' plans
def test_in_mlflow_an_interrupted_comparison_is_killed_and_has_what_was_there(command, monkeypatch):
    def interrupted(losses):
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(files.saturation, "study_saturation", interrupted)
    rest = [argument for argument in TINY if argument != "tracking=off"]
    done = command(*rest, "epochs=1", "tracking.wait_seconds=300")
    assert done.code == 143, done.output
    until = time.monotonic() + 300  # the command leaves its shipper to finish in the background
    while not all(map(is_sent, [done.run, *done.run.glob("[01]-*")])) and time.monotonic() < until:
        time.sleep(0.05)
    from mnist_trainer.shipping.store import connect

    client = connect(f"sqlite:///{done.folder}/outputs/mlflow.db").client
    found = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.status == "KILLED"
    assert [run.info.status for run in found if run is not parent] == ["FINISHED"] * 2
    found = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert found >= {"comparison.md", "comparison.json", "curves.png", "gradient_differences.png"}
    description = parent.data.tags["mlflow.note.content"]
    assert description.startswith("**Stopped**: interrupted by SIGTERM\n\n**On the test images ")
