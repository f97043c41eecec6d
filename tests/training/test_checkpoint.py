"""Checkpoints on disk: whole or refused, whatever happened to the file."""

import contextlib
import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_trainer import parameter_files
from mnist_trainer.errors import DataError
from mnist_trainer.files import CHECKPOINT, PREVIOUS
from mnist_trainer.training.checkpoint import Checkpoint


def checkpoint(step=1):
    arrays = {
        "model/1.weights": np.arange(12, dtype=np.float32).reshape(3, 4) + step,
        "optimizer/steps": np.array([step]),
    }
    return Checkpoint(arrays, {"trainer": {"step": step, "order": {"state": 2**127 + step, "loss": float("nan")}}})


def same(one, other):
    assert one.arrays.keys() == other.arrays.keys()
    assert all(one.arrays[name].tobytes() == other.arrays[name].tobytes() for name in one.arrays)
    assert one.document["trainer"]["step"] == other.document["trainer"]["step"]


def test_what_is_read_is_what_was_written(tmp_path):
    checkpoint().save(tmp_path)
    read = Checkpoint.load(tmp_path / CHECKPOINT)
    same(read, checkpoint())
    assert read.document["trainer"]["order"]["state"] == 2**127 + 1
    assert np.isnan(read.document["trainer"]["order"]["loss"])


def test_the_one_before_is_kept_and_nothing_else(tmp_path):
    for step in (1, 2, 3):
        checkpoint(step).save(tmp_path)
    same(Checkpoint.load(tmp_path / CHECKPOINT), checkpoint(3))
    same(Checkpoint.load(tmp_path / PREVIOUS), checkpoint(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CHECKPOINT, PREVIOUS])


def test_a_full_disk_leaves_both_as_they_were(tmp_path, monkeypatch):
    for step in (1, 2):
        checkpoint(step).save(tmp_path)

    def fails(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parameter_files.np, "savez", fails)
    with pytest.raises(OSError, match=r"No space left on device.*checkpoint\.npz"):
        checkpoint(3).save(tmp_path)
    same(Checkpoint.load(tmp_path / CHECKPOINT), checkpoint(2))
    same(Checkpoint.load(tmp_path / PREVIOUS), checkpoint(1))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    checkpoint().save(folder)
    return (folder / CHECKPOINT).read_bytes()


@given(st.data())
@settings(max_examples=300)
def test_flipped_bytes_are_found_or_change_nothing(tmp_path_factory, content, data):
    mutated = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flipped") / CHECKPOINT
    path.write_bytes(mutated)
    with contextlib.suppress(DataError):
        same(Checkpoint.load(path), checkpoint())


@given(st.data())
def test_truncated_files_are_refused(tmp_path_factory, content, data):
    path = tmp_path_factory.mktemp("truncated") / CHECKPOINT
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(DataError, match=r"checkpoint\.npz: not a readable checkpoint"):
        Checkpoint.load(path)


class Evil:
    ran = False

    def __reduce__(self):
        return setattr, (Evil, "ran", True)


def foreign():
    parameters, zipped, objects = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(parameters, **{"1.weights": np.zeros(3)})
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("document.npy", pickle.dumps(Evil()))
    np.savez(objects, document=np.array([Evil()], dtype=object), sha256=np.zeros(32, np.uint8))
    return {
        "parameters": (parameters.getvalue(), "no checkpoint"),
        "a pickle in a zip": (zipped.getvalue(), "no checkpoint|not a readable checkpoint"),
        "an array of objects": (objects.getvalue(), "not a readable checkpoint"),
        "a pickle": (pickle.dumps(Evil()), "not a readable checkpoint"),
        "nothing": (b"", "not a readable checkpoint"),
        "text": (b"hello\n", "not a readable checkpoint"),
    }


@pytest.mark.parametrize("kind", foreign())
def test_foreign_files_are_refused_and_no_pickle_is_read(tmp_path, kind):
    content, message = foreign()[kind]
    path = tmp_path / CHECKPOINT
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        Checkpoint.load(path)
    assert str(path) in str(error.value)
    assert not Evil.ran


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    Checkpoint({}, {"format": 2}).save(tmp_path)
    with pytest.raises(DataError, match="format 2; this version reads 1"):
        Checkpoint.load(tmp_path / CHECKPOINT)


def test_changed_content_does_not_fit_the_checksum(tmp_path):
    checkpoint().save(tmp_path)
    with np.load(tmp_path / CHECKPOINT, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["model/1.weights"][0, 0] += 1
    np.savez(tmp_path / CHECKPOINT, **arrays)
    with pytest.raises(DataError, match="damaged"):
        Checkpoint.load(tmp_path / CHECKPOINT)


def test_an_archive_that_is_packed_is_refused_before_it_is_unpacked(tmp_path):
    np.savez_compressed(tmp_path / CHECKPOINT, document=np.zeros(100 << 20, np.uint8), sha256=np.zeros(32, np.uint8))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="bytes are packed"):
            Checkpoint.load(tmp_path / CHECKPOINT)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / CHECKPOINT)
    with pytest.raises(DataError, match="not a file"):
        Checkpoint.load(tmp_path / CHECKPOINT)


@pytest.mark.parametrize("text", [b"[1]", b"{", b"[" * 100_000, b"\xff"], ids=["list", "half", "deep", "bytes"])
def test_a_document_that_is_none_is_told_though_its_checksum_is_right(tmp_path, monkeypatch, text):
    monkeypatch.setattr("mnist_trainer.sealed.json.dumps", lambda document: text.decode("latin-1"))
    checkpoint().save(tmp_path)
    with pytest.raises(DataError, match=r"checkpoint\.npz: its document can't be read"):
        Checkpoint.load(tmp_path / CHECKPOINT)


@pytest.mark.parametrize("dtype", ["M8[s]", "U3", "c8", [("a", "f4")]], ids=str)
def test_arrays_of_something_else_than_numbers_are_refused(tmp_path, dtype):
    np.savez(tmp_path / CHECKPOINT, document=np.zeros(3, dtype), sha256=np.zeros(32, np.uint8))
    with pytest.raises(DataError, match="document is no array of numbers"):
        Checkpoint.load(tmp_path / CHECKPOINT)
