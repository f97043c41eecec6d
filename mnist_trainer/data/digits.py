"""scikit-learn's digits, 1,797 real 8 x 8 scans, as a small offline stand-in of MNIST's shape.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits",
UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.kept import read_once
from mnist_trainer.data.split import apportion
from mnist_trainer.data.values import Bytes
from mnist_trainer.errors import DataError, error_reason

FILE_NAME = "digits.csv.gz"
TEST_SIZE = 360
_SIDE, _LEVELS, _ENLARGE, _MARGIN = 8, 16, 3, 2
_MAX_BYTES = 1 << 20  # four times the file's


def digits_path() -> Path:
    """Find scikit-learn's own data file, without importing it. DataError if it isn't installed."""
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError("data=digits reads a file of scikit-learn's, which is not installed: pip install scikit-learn")
    return Path(spec.origin).parent / "datasets" / "data" / FILE_NAME


@read_once
def read_digits(path: Path) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Read training images (1437, 28, 28, 1) and labels, then test images (360, 28, 28, 1) and labels.

    The file has no official split. Here a fifth of every class, evenly spaced over its samples in the file's
    order, is the test set: the same everywhere, and spread over the writers, whose samples lie side by side.
    Raises DataError.
    """
    table = _read_scans(path)
    images, labels = enlarge(table[:, :-1].reshape(-1, _SIDE, _SIDE)), np.ascontiguousarray(table[:, -1])
    test = np.zeros(len(labels), np.bool_)
    for label, share in enumerate(apportion(np.bincount(labels).astype(np.int64), TEST_SIZE)):
        members = np.flatnonzero(labels == label)
        test[members[(2 * np.arange(share) + 1) * len(members) // (2 * share)]] = True
    return images[~test], labels[~test], images[test], labels[test]


def enlarge(scans: Bytes) -> Bytes:
    """Make scans (n, 8, 8) of 0..16 images (n, 28, 28, 1) of 0..255: 3 times as large, bilinear, margin 2.

    In integers (every weight is a number of thirds), so that the bytes are the same on every machine.
    """
    weights = _bilinear_thirds()
    ninths = weights @ scans.astype(np.int32) @ weights.T  # 0 .. 16 * 3 * 3
    full = _LEVELS * _ENLARGE**2
    margin = (_MARGIN, _MARGIN)
    return np.pad((ninths * 255 + full // 2) // full, ((0, 0), margin, margin)).astype(np.uint8)[..., np.newaxis]


def _bilinear_thirds() -> NDArray[np.int32]:
    """(24, 8): how many thirds of each old pixel make a new one: those of three neighbours on the grid of the new.

    At the edge, the edge's own value goes on.
    """
    repeated = np.repeat(np.eye(_SIDE, dtype=np.int32), _ENLARGE, axis=0)
    padded = np.pad(repeated, ((1, 1), (0, 0)), mode="edge")
    return padded[:-2] + padded[1:-1] + padded[2:]


def _read_scans(path: Path) -> Bytes:
    """(1797, 65): 64 pixels 0..16 and the label."""
    from gzip import GzipFile

    try:
        if path.exists() and not path.is_file():  # opening a named pipe would wait for ever
            raise DataError(f"{path}: not a file; scikit-learn's digits are wanted here")
        with GzipFile(path) as file:
            numbers = file.read(_MAX_BYTES).replace(b"\n", b",").strip(b",").split(b",")
        table = np.array(list(map(int, numbers)), np.uint8).reshape(-1, _SIDE**2 + 1)
    except (OSError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise DataError(f"{path}: scikit-learn's digits can't be read from it: {error_reason(error)}") from error
    if table[:, :-1].max() > _LEVELS or table[:, -1].max() > 9 or len(table) <= TEST_SIZE:
        raise DataError(f"{path}: not scikit-learn's digits (1,797 lines of 64 pixels 0..16 and a digit are wanted)")
    return table
