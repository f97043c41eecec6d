"""A run's folder: what is in it, and that its numbers are the run's."""

import dataclasses
import json
import re

import numpy as np
import pytest
from omegaconf import OmegaConf

from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.composition import compose
from mnist_trainer.journal.events import TIMED
from mnist_trainer.runs.provenance import flattened_config

TINY = ("data=digits", "tracking=off", "model.hidden=[8]", "epochs=2")
UPDATES = 11  # of an epoch: 1,300 images in batches of 128, the last one of 20
METRICS = {
    *("train/loss", "train/accuracy", "learning_rate", "gradient_norm", "epoch"),
    *("validation/loss", "validation/accuracy", "samples_per_second", "epoch_seconds"),
    *("test/loss", "test/accuracy", "test/precision", "test/recall"),
    *("system/process_cpu_percentage", "system/process_memory_megabytes"),
}


def test_a_run_leaves_its_journal_configuration_parameters_and_outcome(command):
    done = command(*TINY)
    assert done.code == 0
    files = {path.name for path in done.run.iterdir()}
    assert files == {
        *("journal.jsonl", "config.yaml", "model_summary.txt", "last.npz", "best.npz", "model.npz", "outcome.json"),
        *("checkpoint.npz", "checkpoint.previous.npz", "mnist_trainer.log", ".hydra"),
    }
    assert done.run.name.split("-", 3)[3].startswith("mlp-fused-sgd-b128-s0-")
    assert not (done.folder / "mlruns").exists()


def test_the_outcome_holds_the_figures_of_the_journal(command, metrics_of, events_of):
    done = command(*TINY, "seed=3", "loss=separate")
    outcome = json.loads((done.run / "outcome.json").read_text())
    for key in ("test", "validation"):
        for what in ("loss", "accuracy"):
            step, value = metrics_of(done.run, f"{key}/{what}")[-1]
            assert (step, value) == (2 * UPDATES, outcome[f"{key}_{what}"])
    seconds = sum(value for _, value in metrics_of(done.run, "epoch_seconds"))
    assert outcome["training_seconds"] == pytest.approx(seconds)
    expected = {
        "status": "FINISHED",
        "reason": None,
        "run": events_of(done.run, "start")[0]["run"],
        "name": "mlp-separate-sgd-b128-s3",
        "data": "digits",
        "loss": "separate",
        "seed": 3,
        "updates": 2 * UPDATES,
        "epochs": 2,
        "overrides": [*TINY, "seed=3", "loss=separate"],
    }
    assert {key: outcome[key] for key in expected} == expected
    (confusion,) = events_of(done.run, "confusion")
    matrix = np.array(confusion["matrix"])
    assert matrix.sum() == 360
    assert np.trace(matrix) / 360 == outcome["test_accuracy"]
    assert confusion["class_names"] == list("0123456789")


def test_the_runs_config_file_composes_to_the_same_configuration_again(command):
    overrides = [*TINY, "optimizer=adamw", "trainer.clip_norm=1", "model.hidden=[8,4]", "tracking.uri=sqlite:///a.db"]
    done = command(*overrides)
    saved = OmegaConf.load(done.run / "config.yaml")
    groups = ("data", "model", "loss", "optimizer", "schedule", "tracking")
    values = flattened_config(OmegaConf.to_container(saved))
    again = [f"{group}={saved[group].name}" for group in groups]
    again += [f"{key}={'null' if value is None else value}" for key, value in values.items()]
    assert dataclasses.asdict(compose(again)) == dataclasses.asdict(compose(overrides))


def test_the_journal_tells_what_was_run_on_what_and_how_it_ended(run, configured, events_of):
    config = configured(loss__label_smoothing=0.1)
    _, folder = run(config)
    kinds = [event["event"] for event in events_of(folder)]
    assert kinds[:4] == ["start", "params", "tags", "dataset"]
    assert kinds[-1] == "end"
    params = events_of(folder, "params")[0]["params"]
    resolved = flattened_config(dataclasses.asdict(config)) | {"data.validation_size": 137}  # the digits' own default
    assert params.pop("model.parameters") == 784 * 8 + 8 + 8 * 10 + 10
    assert params.items() <= resolved.items()
    plumbing = r"name$|task\.|tracking\.|outputs$|journal$|resume$"
    plumbing += r"|data\.(root|cache|download)$|trainer\.(threads|progress|checkpoint_minutes)$"
    assert resolved.keys() - params.keys() == {key for key in resolved if re.match(plumbing, key)}
    tags = events_of(folder, "tags")[0]["tags"]
    wanted = {"loss.mode": "fused", "loss.exact": "true", "data.name": "digits", "data.fallback": "false"}
    assert tags.items() >= wanted.items()
    assert {"host", "version.numpy", "version.mnist_trainer", "version.python"} <= tags.keys()
    sets = {each.get("context", "training"): each["profile"]["num_rows"] for each in events_of(folder, "dataset")}
    assert sets == {"training": 1300, "validation": 137, "testing": 360}
    assert len({each["digest"] for each in events_of(folder, "dataset")}) == 3
    declared = {event["name"] for event in events_of(folder, "artifact")}
    assert declared == {"config.yaml", "model_summary.txt", "last.npz", "best.npz"}
    assert "6,370" in (folder / "model_summary.txt").read_text()
    (end,) = events_of(folder, "end")
    assert (end["status"], end["reason"]) == ("FINISHED", None)


def test_metrics_have_the_names_that_users_rely_on_and_steps_that_count_updates(run, configured, events_of, metrics_of):
    _, folder = run(configured(trainer__log_every=4))
    events = events_of(folder, "metrics")
    assert set().union(*(event["metrics"] for event in events)) == METRICS
    steps = [event["step"] for event in events]
    assert steps == sorted(steps)
    assert [step for step, _ in metrics_of(folder, "train/loss")] == [4, 8, 11, 12, 16, 20, 22]
    assert [step for step, _ in metrics_of(folder, "validation/loss")] == [11, 22]
    assert [step for step, _ in metrics_of(folder, "test/loss")] == [22]


@pytest.mark.parametrize("name", ["train/loss", "train/accuracy"])
def test_train_metrics_are_means_over_the_samples_since_the_last_record(run, configured, metrics_of, name):
    _, every = run(configured(trainer__log_every=1, epochs=1), "every")
    _, some = run(configured(trainer__log_every=5, epochs=1), "some")
    single = [value for _, value in metrics_of(every, name)]
    sizes = [128] * 10 + [20]
    expected = [np.average(single[a:b], weights=sizes[a:b]) for a, b in ((0, 5), (5, 10), (10, 11))]
    assert [value for _, value in metrics_of(some, name)] == pytest.approx(expected, rel=1e-12)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(run, configured, metrics_of):
    config = configured(model__dropout=0.2)
    folders = [run(config, name)[1] for name in ("first", "second")]
    _, other = run(configured(model__dropout=0.2, seed=1), "other")
    first, second = ((folder / "last.npz").read_bytes() for folder in folders)
    assert first == second != (other / "last.npz").read_bytes()
    for name in METRICS - set(TIMED):
        assert metrics_of(folders[0], name) == metrics_of(folders[1], name)


def test_fused_and_separate_start_from_the_same_weights_see_the_same_batches_and_end_alike(run, configured, metrics_of):
    settings = {"epochs": 4, "model__hidden": [32]}
    fused, separate = configured(**settings), configured("loss=separate", **settings)
    dataset = build_data(fused.data)
    trainers = [build_trainer(config, dataset)[0] for config in (fused, separate)]
    assert np.array_equal(*(trainer.model.parameters.values for trainer in trainers))
    assert all(
        np.array_equal(a, b) for a, b in zip(*([y for _, y in trainer.train] for trainer in trainers), strict=True)
    )
    curves = []
    for config in (fused, separate):
        result, folder = run(config, config.loss.name)
        curves.append([value for _, value in metrics_of(folder, "train/loss")])
        assert result.test_accuracy > 0.5
    # float32 rounds at 6e-8; what the two ways round differently has grown in 44 updates, but stays small
    np.testing.assert_allclose(*curves, rtol=1e-3)
    assert curves[0] != curves[1]  # the two really are two
    assert curves[0][-1] < 0.7 * curves[0][0]
