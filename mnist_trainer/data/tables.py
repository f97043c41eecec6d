"""Tables of pixels as text: a line an image, its label in a column of its own, as Kaggle has them.

With a header (label,pixel0,pixel1,...) or without (the label first); gzipped or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.content import opened_unpacked
from mnist_trainer.data.kept import read_once
from mnist_trainer.data.values import MAX_BYTES, MAX_ITEMS, Bytes, square_image_shape, store_as_bytes
from mnist_trainer.errors import DataError, as_data_errors
from mnist_trainer.process import warnings_as

LONGEST_LINE = 1 << 16
_BLOCK = 1 << 20
_LABELS = ("label", "class", "target", "digit", "letter", "y")
_COMMA, _END = b",\n"


@dataclass(frozen=True)
class Columns:
    """What a table's first line tells of it; `label` is the column of the labels, if there is one."""

    count: int
    label: int | None
    has_header: bool
    image: tuple[int, int, int]


def columns_of(head: bytes) -> Columns | None:
    """Tell the columns from a file's first two lines; None if it is no table of pixels."""
    first, end, rest = head.partition(b"\n")
    fields, following = _table_fields(first), _table_fields(rest.partition(b"\n")[0])
    if not end or len(first) > LONGEST_LINE or len(fields) < 4:
        return None
    if all(_is_numeric_field(field) for field in fields):
        label = 0 if square_image_shape(len(fields) - 1) else None
        has_header = False
    else:
        named = [number for number, field in enumerate(fields) if field.lower() in _LABELS]
        label, has_header = (named[0] if len(named) == 1 else None), True
        numbers = len(following) == len(fields) and all(_is_numeric_field(field) for field in following)
        if not numbers and (rest or label is None):
            return None
    image = square_image_shape(len(fields) - (label is not None))
    return Columns(len(fields), label, has_header, image) if image else None


def _table_fields(line: bytes) -> list[str]:
    try:
        return [field.strip().strip('"') for field in line.decode("utf-8-sig").split(",")]
    except UnicodeDecodeError:
        return []


@read_once
def read_table(path: Path) -> tuple[Bytes, Bytes | None]:
    """Read images (n, h, w, c) and, if the table has them, labels (n,); raises `DataError`."""
    pixels, labels = bytearray(), bytearray()
    with opened_unpacked(path, "a table of pixels is") as stream, as_data_errors(path):
        first = stream.readline(LONGEST_LINE)
        second = stream.readline(LONGEST_LINE)
        columns = columns_of((first if first.endswith(b"\n") else first + b"\n") + second)
        if columns is None:
            raise DataError("not a table of pixels: label,pixel0,pixel1,... with a square image's pixels is wanted")
        blocks = _blocks(stream, second if columns.has_header else first.removeprefix(b"\xef\xbb\xbf") + second)
        line = 1 + columns.has_header
        for block in blocks:
            rows = _parse_rows(block, columns.count, line)
            line += len(rows)
            if columns.label is not None:
                labels += rows[:, columns.label].tobytes()
                rows = np.delete(rows, columns.label, axis=1)
            pixels += rows.tobytes()
            if len(pixels) > MAX_BYTES or line > MAX_ITEMS:
                raise DataError(f"holds more than {MAX_ITEMS:,} images, or {MAX_BYTES:,} pixels")
    if not pixels:
        raise DataError(f"{path}: holds nothing below its header")
    images = np.frombuffer(pixels, np.uint8).reshape(-1, *columns.image)
    return images, np.frombuffer(labels, np.uint8) if columns.label is not None else None


def _blocks(stream: BinaryIO, start: bytes) -> Iterator[bytes]:
    """Go over the lines, many at once, each block ending with a line's end."""
    rest = start
    while block := stream.read(_BLOCK):
        block = rest + block
        cut = block.rfind(b"\n") + 1
        whole, rest = block[:cut], block[cut:]
        if len(rest) > LONGEST_LINE:
            raise DataError(f"has a line of more than {LONGEST_LINE:,} bytes: not a table of pixels")
        if whole:
            yield whole
    if rest.strip():
        yield rest + b"\n"


def _parse_rows(block: bytes, columns: int, line: int) -> Bytes:
    """Parse whole lines to bytes (lines, columns); raises `DataError` with the number of a line that doesn't fit."""
    for sign in (b"\r", b'"', b" "):
        if sign in block:
            block = block.replace(sign, b"")
    block = block.rstrip(b"\n") + b"\n"
    signs = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(signs == _END)
    commas = np.searchsorted(np.flatnonzero(signs == _COMMA), ends)
    widths = np.diff(commas, prepend=0) + 1
    if (wrong := np.flatnonzero(widths != columns)).size:
        raise DataError(f"line {line + wrong[0]}: has {widths[wrong[0]]:,} values; the first line has {columns:,}")
    values = _parse_numbers(block)
    if values is None or values.size != columns * len(ends):
        lines = block.split(b"\n")
        bad = next((at for at, text in enumerate(lines[:-1]) if not _is_table_row(text, columns)), 0)
        raise DataError(f"line {line + bad}: holds something else than numbers")
    rows = np.empty((len(ends), columns), np.uint8)
    try:
        store_as_bytes(values.reshape(rows.shape), rows)
    except DataError as error:
        raise DataError(f"below line {line}: {error}") from error
    return rows


def _parse_numbers(text: bytes) -> NDArray[Any] | None:
    text = text.rstrip(b"\n").replace(b"\n", b",")
    with warnings_as("error", DeprecationWarning):
        for kind in (np.int64, np.float64):
            try:
                return np.fromstring(text, kind, sep=",")
            except (ValueError, DeprecationWarning):  # of what is no number
                continue
    return None


def _is_table_row(text: bytes, columns: int) -> bool:
    found = _parse_numbers(text)
    return found is not None and found.size == columns


def _is_numeric_field(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
