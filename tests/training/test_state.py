"""Going on from a checkpoint: bit for bit as if nothing had happened, wherever it was taken."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.data.augmentation import Augmentation
from mnist_trainer.errors import DataError
from mnist_trainer.files import CHECKPOINT
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.normalization import BatchNorm
from mnist_trainer.layers.reshape import Flatten
from mnist_trainer.layers.residual import Residual
from mnist_trainer.optimizers.adam import Adam, AdamW
from mnist_trainer.optimizers.rmsprop import RMSprop
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.schedules import Cosine, OneCycle
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.state import State, restore, snapshot
from mnist_trainer.training.trainer import Callback

UPDATES = 15  # 3 epochs of 5


def with_state():
    """Layers that training changes besides their parameters."""
    return BatchNorm(), Dropout(0.2), Flatten(), Residual([Linear(16), BatchNorm(), Dropout(0.3)])


CHANGES = Augmentation(shift=0.3, rotation=20.0, elastic=0.1, erasing=0.3)
RUNS = {
    "sgd": {"optimizer": lambda: SGD(momentum=0.9, nesterov=True, weight_decay=0.01)},
    "adam": {"optimizer": Adam, "learning_rate": lambda: 0.01},
    "adamw": {"optimizer": AdamW, "learning_rate": lambda: 0.01, "schedule": Cosine},
    "rmsprop": {"optimizer": RMSprop, "learning_rate": lambda: 0.003},
    "layers with state": {"before": with_state, "schedule": OneCycle},
    "separate": {"mode": lambda: "separate", "clip_norm": lambda: 0.5},
    "clipped by what is typical": {"clip_norm": lambda: "auto", "learning_rate": lambda: 0.5},
    "float64": {"dtype": lambda: np.float64, "before": with_state},
    "patience": {"patience": lambda: 1, "learning_rate": lambda: 1e-9},
    "without validation": {"validate": lambda: False},
    "records of its own": {"log_every": lambda: 2, "batch_size": lambda: 9},
    "augmented": {"augmentation": lambda: CHANGES},
    "averaged": {"ema_decay": lambda: 0.9, "before": with_state},
    "more classes": {"hidden": lambda: 33, "batch_size": lambda: 7, "log_every": lambda: 4},
}


def trainer_of(tiny, run, **more):
    return tiny.trainer(dropout=0.2, epochs=3, **{key: make() for key, make in RUNS[run].items()}, **more)


class Saves(Callback):
    """Writes a checkpoint at the end of an epoch."""

    def __init__(self, folder, epoch):
        self.folder, self.epoch = folder, epoch

    def on_start(self, trainer):
        self.trainer = trainer

    def on_epoch(self, record):
        if record.epoch == self.epoch:
            snapshot(self.trainer).checkpoint().save(self.folder)


def told(heard, after):
    """What a recorder heard of the steps after some, without times."""
    records = [record for record in heard.told("on_record") if record.step > after]
    epochs = [replace(r, seconds=0, samples_per_second=0) for r in heard.told("on_epoch") if r.step > after]
    plain = [replace(record, validation=None) for record in epochs]
    validations = [
        (r.validation.loss, r.validation.accuracy, r.validation.confusion.tolist()) for r in epochs if r.validation
    ]
    return records, plain, validations


def bits(trainer):
    state = snapshot(trainer).checkpoint()
    numbers = {key: value for key, value in state.document["trainer"].items() if "seconds" not in key}
    for name in ("best", "last"):
        if numbers[name] is not None:
            numbers[name] |= {"seconds": 0, "samples_per_second": 0}
    return {name: array.tobytes() for name, array in state.arrays.items()}, numbers


def gone_on(tiny, recorder, run, folder):
    """Restore the folder's checkpoint into a new trainer, and train it to its end."""
    heard = recorder()
    trainer = trainer_of(tiny, run, callbacks=[heard])
    restore(trainer, State.of(Checkpoint.load(folder / CHECKPOINT)))
    trainer.fit()
    return trainer, heard


@pytest.mark.parametrize("run", RUNS)
@given(stop=st.integers(1, UPDATES))
def test_a_run_that_goes_on_after_any_update_has_the_same_bits_and_tells_the_same(
    tmp_path_factory, tiny, recorder, run, stop
):
    folder, heard = tmp_path_factory.mktemp("run"), recorder()
    whole = trainer_of(tiny, run, callbacks=[heard])
    whole.fit()
    broken = trainer_of(tiny, run)
    for _ in zip(range(stop), broken.updates(), strict=False):
        pass
    snapshot(broken).checkpoint().save(folder)
    resumed, heard_then = gone_on(tiny, recorder, run, folder)
    assert bits(resumed) == bits(whole)
    at_an_end = broken.batch == len(broken.train)  # whose validation is still to come
    after = broken.step
    expected = told(heard, after)
    if at_an_end:
        expected = (expected[0], *told(heard, after - 1)[1:])
    assert told(heard_then, after - at_an_end) == expected


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_run_that_goes_on_after_an_epoch_has_the_same_bits_and_tells_the_same(tmp_path, tiny, recorder, run, epoch):
    heard = recorder()
    whole = trainer_of(tiny, run, callbacks=[heard, Saves(tmp_path, epoch)])
    whole.fit()
    if whole.epoch < epoch:
        assert run == "patience"
        return
    resumed, heard_then = gone_on(tiny, recorder, run, tmp_path)
    assert bits(resumed) == bits(whole)
    assert told(heard_then, 0) == told(heard, epoch * len(whole.train))


class Noise(Dropout):
    """Draws from a generator of any kind, as a plugin's layer may."""

    def __init__(self, kind):
        super().__init__(0.3)
        self.kind = kind

    def bind(self, parameters, gradients, rng):
        super().bind(parameters, gradients, np.random.Generator(self.kind(3)))


@pytest.mark.parametrize("mode", ["fused", "separate"])
def test_the_bits_do_not_depend_on_the_batches_that_came_before(tiny, mode):
    fresh, seasoned = (tiny.trainer(mode=mode, batch_size=7) for _ in range(2))
    seasoned.evaluate(seasoned.validation)  # in batches of 16
    for trainer in (fresh, seasoned):
        trainer.fit()
    np.testing.assert_array_equal(fresh.model.parameters.values, seasoned.model.parameters.values)


@pytest.mark.parametrize("kind", [np.random.Philox, np.random.MT19937, np.random.SFC64, np.random.PCG64DXSM])
def test_generators_of_every_kind_go_on_where_they_were(tmp_path, tiny, kind):
    whole = tiny.trainer(before=[Noise(kind)], callbacks=[Saves(tmp_path, 1)])
    whole.fit()
    resumed = tiny.trainer(before=[Noise(kind)])
    restore(resumed, State.of(Checkpoint.load(tmp_path / CHECKPOINT)))
    resumed.fit()
    assert whole.model.parameters.values.tobytes() == resumed.model.parameters.values.tobytes()


def test_the_best_parameters_come_back_too(tmp_path, tiny):
    whole = trainer_of(tiny, "sgd", callbacks=[Saves(tmp_path, 2)])
    whole.fit()
    resumed = trainer_of(tiny, "sgd")
    restore(resumed, State.of(Checkpoint.load(tmp_path / CHECKPOINT)))
    resumed.fit()
    for trainer in (whole, resumed):
        trainer.restore_best()
    assert whole.model.parameters.values.tobytes() == resumed.model.parameters.values.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 7}, "1.weights is of shape"),
        ({"optimizer": Adam()}, "optimizer/first"),
        ({"dtype": np.float64}, "float64"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_changes_nothing(tmp_path, tiny, changes, message):
    trainer = tiny.trainer()
    trainer.fit()
    snapshot(trainer).checkpoint().save(tmp_path)
    other = tiny.trainer(**changes)
    before = other.model.parameters.values.tobytes()
    with pytest.raises(DataError, match=message):
        restore(other, State.of(Checkpoint.load(tmp_path / CHECKPOINT)))
    assert (other.model.parameters.values.tobytes(), other.step) == (before, 0)


def test_a_trainer_is_not_at_rest_within_an_update(tiny):
    seen = []

    class Looks(Callback):
        def on_start(self, trainer):
            self.trainer = trainer

        def on_update(self, samples):
            seen.append(self.trainer.at_rest)

        def on_epoch(self, record):
            seen.append(self.trainer.at_rest)

    trainer = tiny.trainer(epochs=1, callbacks=[Looks()])
    pauses = [trainer.at_rest for _ in trainer.updates()]
    assert seen == [False] * 6
    assert pauses == [True] * 5


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("step", "3", "step='3' has the wrong type: must be a whole number"),
        ("step", -1, "step=-1 is out of range: must be at least 0"),
        ("step", 4, "its place, update 4 in epoch 0 after batch 3, is none in epochs of 5 batches"),
        ("seconds", float("nan"), "seconds=nan is out of range"),
        ("order", {"bit_generator": "MT19937"}, "doesn't fit this version"),
        ("order", {"bit_generator": "PCG64", "state": {"dtype": "<U10000000", "values": ["1"] * 1000}}, "holds <U"),
        ("means", [1, 2, "x", 4], "no sums over samples"),
        ("last", {"epoch": 1}, "doesn't fit this version"),
    ],
)
def test_a_checkpoint_of_nonsense_is_refused_and_changes_nothing(tiny, key, value, message):
    trainer, other = tiny.trainer(), tiny.trainer()
    for _ in zip(range(3), trainer.updates(), strict=False):
        pass
    found = snapshot(trainer).checkpoint()
    before = bits(other)
    with pytest.raises(DataError, match=message):
        restore(other, State.of(Checkpoint(found.arrays, {"trainer": {**found.document["trainer"], key: value}})))
    assert bits(other) == before


def test_parameters_that_are_not_finite_are_refused(tiny):
    found = snapshot(tiny.trainer())
    found.arrays["model/1.weights"][0, 0] = np.nan
    with pytest.raises(DataError, match=r"model/1\.weights holds values that are not finite"):
        restore(tiny.trainer(), found)
