"""Pictures in a folder per class, whose name is the class's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mnist_trainer.data.values import Bytes, check_array_size
from mnist_trainer.errors import DataError, as_data_errors, error_reason
from mnist_trainer.files import open_file
from mnist_trainer.process import warnings_as

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
FORMATS = ("PNG", "JPEG", "BMP")  # no decoder runs but these, whatever a name says
_GREY = ("1", "L", "LA")


def classes_in_order(names: Sequence[str]) -> list[str]:
    """Sort classes by their names, numbers by their size."""
    return sorted(names, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name))


def read_pictures(classes: Sequence[tuple[Path, Sequence[str]]], labels: Sequence[int]) -> tuple[Bytes, Bytes]:
    """Read images (n, h, w, c) and labels (n,) of folders with their files' names; each folder has its own label.

    The first picture says how large all have to be, and whether they are grey or coloured. Raises `DataError`.
    """
    first_folder, first_names = classes[0]
    height, width, mode = _picture_size(first_folder / first_names[0])
    count = sum(len(names) for _, names in classes)
    shape = (count, height, width, 1 if mode == "L" else 3)
    with as_data_errors(first_folder):
        check_array_size(shape)
    images, targets, at = np.empty(shape, np.uint8), np.empty(count, np.uint8), 0
    for (folder, names), label in zip(classes, labels, strict=True):
        for name in sorted(names):
            _read_picture(folder / name, mode, images[at])
            targets[at] = label
            at += 1
    return images, targets


def _picture_size(path: Path) -> tuple[int, int, str]:
    from PIL import Image

    with _decoding_picture(path), open_file(path) as file, Image.open(file, formats=FORMATS) as picture:
        return picture.height, picture.width, "L" if picture.mode in _GREY or picture.mode.startswith("I") else "RGB"


def _read_picture(path: Path, mode: str, out: Bytes) -> None:
    from PIL import Image

    height, width = out.shape[:2]
    with _decoding_picture(path), open_file(path) as file, Image.open(file, formats=FORMATS) as picture:
        if picture.size != (width, height):
            raise DataError(f"a picture of {picture.height} x {picture.width} pixels; the first has {height} x {width}")
        if picture.mode.startswith(("I", "F")):
            values = np.asarray(picture)
            if not 0 <= values.min() <= values.max() <= 255:
                raise DataError(f"a picture with values from {values.min()} to {values.max()}; 0 to 255 fit")
            out[:] = values.astype(np.uint8)[..., np.newaxis]
        else:
            out[:] = np.asarray(picture.convert(mode)).reshape(out.shape)


@contextmanager
def _decoding_picture(path: Path) -> Iterator[None]:
    """Name the file in whatever a decoder raises."""
    from PIL.Image import DecompressionBombWarning

    try:
        with warnings_as("error", DecompressionBombWarning):
            yield
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except Exception as error:  # decoders raise many kinds
        raise DataError(f"{path}: no picture that can be read: {error_reason(error)}") from error
