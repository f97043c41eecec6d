"""Profiles of training steps: every part is there, the arithmetic is right, and training is what it was."""

import json
from pathlib import Path

import numpy as np
import pytest

from mnist_trainer import kernels
from mnist_trainer.analysis.profile.parts import KERNELS, profiled_part_title, step_parts
from mnist_trainer.analysis.profile.profile import Profile, ProfileRow
from mnist_trainer.analysis.profile.steps import profile_steps
from mnist_trainer.analysis.profile.subnormal import Tally, tally_update
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.composition import compose

LAYERS = (
    "{kind: conv2d, filters: 2, kernel: 3, padding: 1}, {kind: relu}, {kind: max_pool2d, kernel: 2}, "
    "{kind: conv2d, filters: 3, kernel: 5, stride: 3}, {kind: flatten}, {kind: residual, layers: [{kind: tanh}, "
    "{kind: linear, units: 48}]}, {kind: linear, units: 10}"
)


@pytest.fixture
def trainer():
    """Build the trainer of a configuration on digits."""

    def build(*overrides):
        config = compose(["data=digits", "batch_size=8", *overrides])
        return build_trainer(config, build_data(config.data))[0]

    return build


def test_every_module_of_kernels_is_timed():
    named = {path.stem for path in Path(kernels.__file__).parent.glob("*.py")}
    without = {
        "__init__",
        "arrays",
        "shared",
        "cache",
        "windows",
        "convolution_room",
        "winograd_room",
        "subnormals",
    }  # types, views and memory, and what is entered once
    assert named - without == {module.__name__.rpartition(".")[2] for module in KERNELS}


def test_layers_are_named_joined_ones_as_one_and_nested_ones_before_what_holds_them(trainer):
    found = trainer("model=custom", f"model.layers=[{LAYERS}]").model.stack.places()
    assert [profiled_part_title(place) for place in found] == [
        "0–2 Conv2d + ReLU + MaxPool2d",
        "3 Conv2d 3",
        "4 Flatten",
        "5.0 Tanh",
        "5.1 Linear 48",
        "5 Residual",
        "6 Linear 10",
    ]


def test_the_products_arithmetic_is_counted_by_hand(trainer):
    one = trainer("model=custom", f"model.layers=[{LAYERS}]")
    parts = step_parts(one, 8)
    counted = {(part.what[:3].strip(), part.does): part.operations for part in parts if part.operations}
    first = 2 * 8 * 28 * 28 * 9 * 1 * 2
    second = 2 * 8 * 4 * 4 * 25 * 2 * 3
    assert counted == {
        ("0–2", "forward"): first,
        ("3 C", "forward"): second,
        ("5.1", "forward"): 2 * 8 * 48 * 48,
        ("6 L", "forward"): 2 * 8 * 48 * 10,
        ("6 L", "backward"): 2 * 2 * 8 * 48 * 10,
        ("5.1", "backward"): 2 * 2 * 8 * 48 * 48,
        ("3 C", "backward"): 2 * second,
        ("0–2", "backward"): first,  # nobody asks for dL/dx of the images
    }


@pytest.mark.parametrize("overrides", [(), ("loss=separate", "model=residual_mlp"), ("model=cnn_small",)])
def test_a_profiled_run_learns_what_a_plain_one_does(trainer, overrides):
    profiled, plain = trainer(*overrides), trainer(*overrides, "epochs=1")
    found = profile_steps(profiled, 2)
    assert profiled.step == 12  # five to warm up, two of each kind, and one to count subnormal numbers
    plain.schedule.build(profiled.schedule.total_steps, profiled.schedule.steps_per_epoch)
    for x, labels in plain.train:
        plain.update(x, labels)
        if plain.step == profiled.step:
            break
    np.testing.assert_array_equal(profiled.model.parameters.values, plain.model.parameters.values)
    layers = {profiled_part_title(place) for place in plain.model.stack.places()}
    assert layers <= {row.what for row in found.parts}
    assert all(row.seconds > 0 for row in found.parts if row.does == "forward")
    assert {row.what for row in found.kernels} >= {"affine.affine", "affine.weights_gradient", "SGD.step"}


def test_kernels_that_others_have_imported_are_timed_too(trainer):
    layers = "{kind: conv2d, filters: 2, kernel: 3}, {kind: batch_norm}, {kind: flatten}, {kind: linear, units: 10}"
    found = profile_steps(trainer("model=custom", f"model.layers=[{layers}]"), 1)
    named = {row.what for row in found.kernels}
    assert named >= {"sums.sum_rows", "channels.over_rows", "normalization.batch_statistics", "affine.bias_gradient"}


def test_batches_that_are_short_are_left_out(trainer):
    found = profile_steps(trainer("batch_size=1000"), 1)
    assert found.batch == 1000  # of 1,257: every second batch is short


ROWS = [
    ProfileRow("batch", "gather", 1e-6),
    ProfileRow("0 Linear 10", "forward", 3e-6, 6e3),
    ProfileRow("nothing", "", 1e-12),
]


TALLIES = {"activations": Tally(4000), "optimizer's state": Tally(2000)}


def profile(**changes):
    kernels = [ProfileRow("affine.affine", "", 1e-6), ProfileRow("Adam.step", "", 3e-6)]
    values = {"step": 4e-6, "timed_step": 5e-6, "batch": 8, "updates": 2, "peak": 5e9, "dtype": "float32"}
    values |= {"tallies": TALLIES, **changes}
    return Profile(parts=ROWS, kernels=kernels, **values)


def test_the_tables_have_shares_and_rates():
    assert profile().rows() == [
        ("batch", "gather", "1.0", "25.0%", "", ""),
        ("0 Linear 10", "forward", "3.0", "75.0%", "2.0", "40%"),
        ("sum", "", "4.0", "100.0%", "1.5", "30%"),
    ]
    assert profile().kernel_rows() == [("Adam.step", "3.0", "75.0%"), ("affine.affine", "1.0", "25.0%")]


def test_the_verdict_tells_what_the_timing_itself_costs():
    assert profile().verdict == (
        "A step takes 4 µs: 2,000,000 samples/s. Its matrix products come to 1.5 GFLOP/s, 30% of the 5.0 that a large "
        "product reaches in float32. Timing its parts changes it by +25.0%; they add up to 4 µs. Of the 6,000 numbers "
        "in an update's activations, optimizer's state, none is subnormal."
    )


def test_it_says_which_numbers_are_subnormal():
    found = profile(tallies={**TALLIES, "activations": Tally(4000, 12)}).subnormal_numbers
    assert found.endswith("these are subnormal, which some processors are slow with: 12 of 4,000 in the activations.")


def test_an_update_s_numbers_are_counted_by_kind(trainer):
    one = trainer("optimizer=adam", "model=custom", f"model.layers=[{LAYERS}]")
    batch = next(iter(one.train))
    first, *_ = one.optimizer.state().values()

    def update():
        one.update(*batch)
        first[:7] = 1e-40

    found = tally_update(one, update)
    size = one.model.parameters.size
    assert {name: tally.subnormal for name, tally in found.items() if tally.subnormal} == {"optimizer's state": 7}
    assert found["parameters' gradients"].numbers == size
    assert found["optimizer's state"].numbers == 2 * size
    outputs = [
        14 * 14 * 2,
        4 * 4 * 3,
        48,
        48,
        48,
        48,
        10,
    ]  # joined layers, convolution, flat, tanh, linear, sum, linear
    assert found["activations"].numbers == 8 * sum(outputs)
    one.update(*batch)  # as before
    assert found["activations"].numbers == 8 * sum(outputs)


def test_the_record_is_json():
    record = json.loads(json.dumps(profile().as_record()))
    assert record["step_seconds"] == 4e-6
    assert record["operations"] == 6e3
    assert record["subnormal"]["activations"] == {"numbers": 4000, "subnormal": 0}
    assert [part["what"] for part in record["parts"]] == ["batch", "0 Linear 10", "nothing"]


def test_augmentation_is_a_part_of_its_own(trainer):
    augmented = trainer("model.hidden=[4]", "augment=elastic")
    profile = profile_steps(augmented, updates=3)
    (row,) = (row for row in profile.parts if row.does == "augment")
    assert 0 < row.seconds < profile.timed_step
    assert {"resampling.resample", "resampling.interpolate_corners"} <= {row.what for row in profile.kernels}
    assert not [row for row in profile_steps(trainer("model.hidden=[4]"), updates=3).parts if row.does == "augment"]
