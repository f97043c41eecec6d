"""Which pictures are meant: files, folders, patterns, and the standard input."""

import glob
import io
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mnist_trainer.errors import DataError
from mnist_trainer.inference.model_file import Description
from mnist_trainer.inference.pictures import ENDINGS, FORMATS, prepared_picture, read_picture
from mnist_trainer.inference.preparation import Prepared

STDIN = "-"


def read_chosen(given: Sequence[str], description: Description) -> Iterator[tuple[str, Prepared]]:
    """Read what is given, as (name, picture) in the order given; raises `DataError` that says what would fit."""
    for each in given:
        if each == STDIN:
            yield "standard input", prepared_picture(io.BytesIO(sys.stdin.buffer.read()), "standard input", description)
        else:
            for path in picture_files(each):
                yield str(path), read_picture(path, description)


def picture_files(given: str) -> list[Path]:
    """Return the file of that name, the pictures in the folder, or the files that fit the pattern, sorted."""
    path = Path(given).expanduser()
    if not given.strip():
        raise DataError("images has an empty name in it: name a picture, or a folder")
    try:
        there, is_folder = path.exists(), path.is_dir()
    except OSError:  # a name too long: opening it tells so
        return [path]
    if is_folder:
        found = sorted(each for each in path.iterdir() if each.suffix.lower() in ENDINGS)
        if not found:
            raise DataError(f"{path}: no pictures in this folder ({', '.join(FORMATS)} can be read)")
        return found
    if there or not re.search(r"[*?\[]", given):
        return [path]
    matches = glob.glob(str(path), recursive=True)  # noqa: PTH207  (Path.glob takes no absolute patterns)
    found = sorted(each for each in map(Path, matches) if each.is_file())
    if not found:
        raise DataError(f"{given}: no file fits this pattern")
    return found
