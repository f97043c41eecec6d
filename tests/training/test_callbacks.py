import contextlib
import logging

import numpy as np
import pytest

from mnist_trainer import bar
from mnist_trainer.errors import DiskError
from mnist_trainer.layers.normalization import BatchNorm
from mnist_trainer.parameter_files import load_parameters, write_arrays
from mnist_trainer.training import callbacks
from mnist_trainer.training.callbacks import Console, ParameterFiles
from mnist_trainer.training.state import restore, snapshot
from mnist_trainer.training.trainer import Callback


def test_hooks_come_in_order_and_callback_by_callback(tiny, recorder):
    events = []
    tiny.trainer(batch_size=20, log_every=2, callbacks=[recorder(events, "a "), recorder(events, "b ")]).fit()
    epoch = ["on_update", "on_update", "on_record", "on_epoch"]
    expected = ["on_start", *epoch, *epoch, "on_end"]
    assert [event[0] for event in events] == [name + hook for hook in expected for name in ("a ", "b ")]
    assert [event[1] for event in events if event[0] == "a on_update"] == [20] * 4


def test_on_end_comes_even_when_a_callback_fails(tiny, recorder):
    heard = recorder()

    class Fails(Callback):
        def on_update(self, samples):
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        tiny.trainer(callbacks=[heard, Fails()]).fit()
    assert heard.events[-1] == ("on_end",)


def test_a_bare_callback_listens_and_does_nothing(tiny):
    trainer = tiny.trainer(callbacks=[Callback()])
    trainer.fit()
    assert trainer.step == 10


def table(caplog):
    return [record.message for record in caplog.records if record.name == "mnist_trainer.training.callbacks"]


def test_the_console_prints_a_line_an_epoch_and_marks_the_best(tiny, caplog):
    caplog.set_level(logging.INFO)
    trainer = tiny.trainer(epochs=3, callbacks=[Console()])
    trainer.fit()
    header, *lines = table(caplog)
    assert header == Console.HEADER
    assert {len(line) for line in (header, *lines)} == {80}  # as wide as a terminal, and no wider
    assert [line.split()[:2] for line in lines] == [["1/3", "5"], ["2/3", "10"], ["3/3", "15"]]
    last = lines[-1].split()
    assert last[2:4] == [f"{trainer.last.train_loss:.4f}", f"{trainer.last.train_accuracy:.2%}"]
    assert last[4] == f"{trainer.last.validation.loss:.4f}"
    assert [index + 1 for index, line in enumerate(lines) if "*" in line][-1] == trainer.best.epoch


def test_without_validation_the_table_shows_dashes(tiny, caplog):
    caplog.set_level(logging.INFO)
    tiny.trainer(epochs=1, validate=False, callbacks=[Console(bar=False)]).fit()
    assert table(caplog)[1].split()[4:6] == ["-", "-"]


@pytest.mark.parametrize("wanted", [True, False])
def test_the_bar_moves_by_samples_and_is_closed_at_the_end(tiny, monkeypatch, wanted):
    bars = []

    class Bar:
        def __init__(self, total, unit, **options):
            self.total, self.done, self.notes, self.closed = total, 0, [], 0
            bars.append(self)

        def update(self, samples):
            self.done += samples

        def set_postfix_str(self, note, *, refresh):
            self.notes.append(note)

        def close(self):
            self.closed += 1

        @staticmethod
        def external_write_mode():
            return contextlib.nullcontext(aside.append("a line"))

    aside = []
    monkeypatch.setattr(bar, "Bar", Bar)
    monkeypatch.setattr(callbacks, "is_terminal", lambda stream: True)
    trainer = tiny.trainer(callbacks=[Console(bar=wanted)])
    trainer.fit()
    assert len(aside) == trainer.epochs  # the bar is taken away for every epoch's line
    if not wanted:
        assert bars == []
        return
    (only,) = bars
    assert (only.done, only.total, only.closed) == (80, 80, 1)
    assert only.notes
    assert only.notes[0].startswith("loss ")


def test_parameter_files_keep_the_last_and_the_best(tiny, tmp_path):
    trainer = tiny.trainer(
        epochs=12, by_loss=True, learning_rate=0.2, callbacks=[ParameterFiles(tmp_path)], before=[BatchNorm()]
    )
    trainer.fit()
    assert trainer.best.epoch < 12  # otherwise both are the same
    for file, arrays in (("last.npz", trainer.model.arrays), ("best.npz", trainer.best_arrays)):
        loaded = tiny.trainer(seed=9, before=[BatchNorm()])
        load_parameters(tmp_path / file, loaded.model.arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded.model.arrays[name], array)
        evaluations = [t.evaluate(t.validation) for t in (loaded, trainer)]
        assert (evaluations[0].loss == evaluations[1].loss) == (file == "last.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.npz", "last.npz"]


class Stops(Callback):
    """Raises in the 13th update, which is in the third epoch; before, may spoil the parameters."""

    def __init__(self, spoiled=False):
        self.updates, self.spoiled, self.trainer = 0, spoiled, None

    def on_start(self, trainer):
        self.trainer = trainer

    def on_update(self, samples):
        self.updates += 1
        if self.updates == 13:
            if self.spoiled:
                self.trainer.model.parameters.values[3] = np.nan
            raise KeyboardInterrupt


@pytest.mark.parametrize("spoiled", [False, True])
def test_a_run_that_stops_within_an_epoch_keeps_what_it_learned_unless_it_blew_up(tiny, tmp_path, spoiled):
    trainer = tiny.trainer(epochs=4, callbacks=[ParameterFiles(tmp_path), Stops(spoiled)])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    until = tiny.trainer(epochs=2) if spoiled else trainer
    if spoiled:
        until.fit()
    loaded = tiny.trainer(seed=9)
    load_parameters(tmp_path / "last.npz", loaded.model.parameters.views)
    np.testing.assert_array_equal(loaded.model.parameters.values, until.model.parameters.values)


def test_a_resumed_run_that_stops_at_once_keeps_what_it_began_with(tiny, tmp_path):
    first = tiny.trainer(epochs=4)
    first.fit()
    trainer = tiny.trainer(epochs=4)
    restore(trainer, snapshot(first))
    files = ParameterFiles(tmp_path)
    files.on_start(trainer)
    assert [path.name for path in tmp_path.iterdir()] == ["best.npz"]
    files.on_end()
    for name, arrays in (("best", first.best_arrays), ("last", first.model.arrays)):
        found = dict(np.load(tmp_path / f"{name}.npz"))
        assert all((found[key] == array).all() for key, array in arrays.items())


def test_a_run_that_fails_before_its_start_writes_nothing(tiny, tmp_path):
    class Fails(Callback):
        def on_start(self, trainer):
            raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        tiny.trainer(callbacks=[Fails(), ParameterFiles(tmp_path)]).fit()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_for_a_while_costs_no_run_and_in_the_end_no_file(tiny, tmp_path, monkeypatch, caplog):
    full = [True]

    def save(path, parameters):
        if full[0]:
            raise OSError(28, "No space left on device", str(path))
        write_arrays(path, parameters)

    class Frees(Callback):
        def on_end(self):
            full[0] = False

    monkeypatch.setattr(callbacks, "write_arrays", save)
    trainer = tiny.trainer(callbacks=[Frees(), ParameterFiles(tmp_path)])
    trainer.fit()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left on device" in caplog.text
    for name, arrays in (("last.npz", trainer.model.arrays), ("best.npz", trainer.best_arrays)):
        read = {key: np.empty_like(array) for key, array in arrays.items()}
        load_parameters(tmp_path / name, read)
        assert all(read[key].tobytes() == arrays[key].tobytes() for key in arrays)


def test_a_disk_that_stays_full_is_told_when_it_is_asked_in_the_end(tiny, tmp_path, monkeypatch, caplog):
    files = ParameterFiles(tmp_path)
    tiny.trainer(epochs=1, callbacks=[files]).fit()
    files.check()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def save(path, parameters):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(callbacks, "write_arrays", save)
    trainer = tiny.trainer(callbacks=[files], seed=1)
    trainer.fit()
    assert trainer.epoch == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    with pytest.raises(DiskError, match=r"last\.npz: No space left on device"):
        files.check()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
