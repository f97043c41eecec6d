import gzip
import hashlib
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mnist_trainer.data import digits
from mnist_trainer.data.loading import load
from mnist_trainer.errors import DataError


@pytest.fixture(scope="module")
def loaded():
    return load("digits")


def test_digits_have_mnists_shape_and_every_class_in_both_parts(loaded):
    assert loaded.images.shape == (1437, 28, 28, 1)
    assert loaded.test_images.shape == (360, 28, 28, 1)
    assert loaded.images.dtype == loaded.labels.dtype == np.uint8
    assert loaded.class_names == tuple("0123456789")
    train, test = np.bincount(loaded.labels), np.bincount(loaded.test_labels)
    assert np.all(np.abs(test - (train + test) / 5) < 1)
    assert 0 < loaded.default_validation_size < 1437
    assert not loaded.fallback


@pytest.mark.long
def test_digits_are_scikit_learns_in_its_order(loaded):
    from sklearn.datasets import load_digits

    original = load_digits()
    np.testing.assert_array_equal(
        np.bincount(original.target), np.bincount(loaded.labels) + np.bincount(loaded.test_labels)
    )
    enlarged = digits.enlarge(original.images.astype(np.uint8))
    both = {image.tobytes() for image in (*loaded.images, *loaded.test_images)}
    assert both == {image.tobytes() for image in enlarged}


def test_enlarging_is_bilinear_and_spans_the_bytes():
    scans = np.random.default_rng(0).integers(0, 17, (20, 8, 8), np.uint8)
    # an independent bilinear interpolation, between pixel centres
    at = np.clip((np.arange(24) + 0.5) / 3 - 0.5, 0, 7)
    rows = np.array([[np.interp(at, range(8), row) for row in scan] for scan in scans])
    both = np.array([[np.interp(at, range(8), column) for column in scan.T] for scan in rows]).swapaxes(1, 2)
    made = digits.enlarge(scans)
    assert np.abs(made[:, 2:-2, 2:-2, 0] - both * 255 / 16).max() < 0.5 + 1e-9
    assert made[:, 2:-2, 2:-2].sum() == made.sum()  # the margin is empty
    assert digits.enlarge(np.full((1, 8, 8), 16, np.uint8)).max() == 255


def test_the_bytes_never_change(loaded):
    # On any machine, with any version of NumPy: results on digits compare.
    digest = hashlib.sha256(loaded.images.tobytes() + loaded.test_images.tobytes()).hexdigest()
    assert digest[:16] == "7f11ca7fa168880d"


def test_scikit_learn_is_not_imported():
    code = (
        "import sys; from mnist_trainer.data.loading import load; load('digits')\n"
        "print([m for m in ('sklearn', 'scipy', 'pandas') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_without_scikit_learn_the_way_out_is_told(monkeypatch):
    monkeypatch.setattr(digits, "find_spec", lambda _: None)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        load("digits")


@pytest.mark.parametrize("text", [b"", b"1,2,3\n", b"a" * 65, (b"99," * 64 + b"1\n") * 400, b"1e9" + b",300" * 64])
def test_a_file_that_is_not_digits_is_named(tmp_path, text):
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(text))
    with pytest.raises(DataError, match=r"digits\.csv\.gz: "):
        load("digits", root=tmp_path)


def test_a_pipe_in_the_file_s_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "digits.csv.gz")
    with pytest.raises(DataError, match=r"digits\.csv\.gz: not a file"):
        load("digits", root=tmp_path)


def test_one_giant_number_among_many_takes_no_memory_for_each(tmp_path):
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(b"1," * 65_000 + b"9" * 100_000))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"digits\.csv\.gz: "):
            load("digits", root=tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_a_folder_that_is_named_and_holds_no_digits_does_not_fall_through(tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        load("digits", root=tmp_path)
