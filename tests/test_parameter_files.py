import contextlib
import errno
import pickle

import numpy as np
import pytest

from mnist_trainer import parameter_files
from mnist_trainer.errors import DataError
from mnist_trainer.parameter_files import load_parameters, write_arrays


def parameters(dtype=np.float32):
    rng = np.random.default_rng(0)
    return {"0.weights": rng.standard_normal((3, 2)).astype(dtype), "0.bias": rng.standard_normal(2).astype(dtype)}


def blank():
    return {name: np.full_like(array, 7) for name, array in parameters().items()}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "last.npz"
    write_arrays(path, parameters())
    return path


def assert_refused(path, *words):
    """The file is named in a DataError, and nothing was loaded."""
    into = blank()
    with pytest.raises(DataError) as caught:
        load_parameters(path, into)
    assert str(caught.value).startswith(f"{path}: ")
    assert all(word in str(caught.value) for word in words)
    assert all((array == 7).all() for array in into.values())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_round_trip_keeps_every_bit(tmp_path, dtype):
    into = {name: np.zeros_like(array) for name, array in parameters(dtype).items()}
    write_arrays(tmp_path / "a.npz", parameters(dtype))
    load_parameters(tmp_path / "a.npz", into)
    for name, array in parameters(dtype).items():
        assert into[name].tobytes() == array.tobytes()


def test_the_file_is_plain_numpy(path):
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == {"0.weights", "0.bias"}
        np.testing.assert_array_equal(file["0.weights"], parameters()["0.weights"])


def test_float64_parameters_are_rounded_into_float32_ones(tmp_path):
    write_arrays(tmp_path / "a.npz", parameters(np.float64))
    into = blank()
    load_parameters(tmp_path / "a.npz", into)
    np.testing.assert_array_equal(into["0.bias"], parameters()["0.bias"])


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(path):
    write_arrays(path, {"0.bias": np.ones(2)})
    with np.load(path) as file:
        assert file.files == ["0.bias"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("where", ["savez", "fsync"])
def test_a_write_that_fails_names_the_file_and_leaves_the_old_one_and_no_temporary_one(path, monkeypatch, where):
    def fails(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "disk full")

    kept = path.read_bytes()
    monkeypatch.setattr(parameter_files.np if where == "savez" else parameter_files.os, where, fails)
    with pytest.raises(OSError, match=f"disk full: '{path}'"):
        write_arrays(path, {"0.bias": np.ones(2)})
    assert path.read_bytes() == kept
    assert list(path.parent.iterdir()) == [path]


def test_a_truncated_file_is_refused(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert_refused(path)


def test_a_file_with_a_flipped_bit_is_refused_or_gives_the_very_parameters(path):
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        broken = bytearray(whole)
        broken[position] ^= 1 << position % 8
        path.write_bytes(broken)
        into = blank()
        with contextlib.suppress(DataError):
            load_parameters(path, into)
            for name, array in parameters().items():
                np.testing.assert_array_equal(into[name], array)


class Harm:
    def __reduce__(self):
        return pytest.fail, ("a pickle was run",)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"not at all numpy"),
        lambda path: path.write_bytes(pickle.dumps(Harm())),
        lambda path: np.savez(path, **{"0.weights": np.array([Harm()]), "0.bias": np.zeros(2)}),
    ],
    ids=["text", "pickle", "objects in an npz"],
)
def test_a_foreign_file_is_refused_and_no_pickle_runs(path, write):
    write(path)
    assert_refused(path)


def test_a_bare_npy_array_is_refused(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert_refused(path)


@pytest.mark.parametrize("value", [np.full((3, 2), "x"), np.full((3, 2), 1j)], ids=["words", "complex"])
def test_arrays_that_are_no_real_numbers_are_refused_before_any_is_loaded(path, value):
    np.savez(path, **{"0.bias": np.zeros(2), "0.weights": value})
    assert_refused(path, "0.weights")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert_refused(tmp_path / "none.npz", "No such file")
    assert_refused(tmp_path)


def test_another_model_s_parameters_are_refused_with_their_names(path):
    write_arrays(path, {"0.weights": np.zeros((3, 2)), "1.bias": np.zeros(2)})
    assert_refused(path, "missing ['0.bias']", "unknown ['1.bias']")


def test_another_shape_is_refused_with_both_shapes(path):
    write_arrays(path, {"0.bias": np.zeros(2), "0.weights": np.zeros((3, 4))})
    assert_refused(path, "0.weights is of shape (3, 4) and type float64: must be (3, 2)")
