"""IDX, the format of the MNIST files: a magic number, big-endian sizes, then bytes; gzipped or not.

Source: http://yann.lecun.com/exdb/mnist/ ("the IDX file format").
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from mnist_trainer.data.content import CHUNK, GZIP_MAGIC, opened_unpacked, read_into
from mnist_trainer.data.kept import computed_once, read_once
from mnist_trainer.data.values import Bytes, check_array_size, store_as_bytes
from mnist_trainer.errors import DataError, as_data_errors
from mnist_trainer.files import open_file

Role = Literal["images", "labels"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_DIMENSIONS = {"images": (3, 4), "labels": (1,)}
_LAYOUT = {
    "images": "images have 3 (count, height, width) or 4 (count, height, width, channels)",
    "labels": "labels have 1 (count)",
}
_QMNIST = (0x0C, 2)  # its labels: rows of 8 integers, of which the first is the class
_QMNIST_COLUMNS = 8


@read_once
def read_images(path: Path) -> Bytes:
    """Read images (count, height, width, channels); without channels in the file, 1. Raises DataError."""
    images = _read_idx(path, "images")
    return images[..., np.newaxis] if images.ndim == 3 else images


@read_once
def read_labels(path: Path) -> Bytes:
    """Read labels (count,). Raises DataError."""
    return _read_idx(path, "labels")


def idx_header(array: Bytes) -> bytes:
    """Make the IDX header of images (n, h, w, c) or labels (n,); a single channel is no dimension."""
    shape = array.shape[:3] if array.shape[3:] == (1,) else array.shape
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    return bytes((0, 0, 0x08, len(shape))) + sizes


@computed_once
def content_sha256(array: Bytes) -> str:
    """Compute the SHA-256 (hex) of the bare IDX file that holds this array, however the array was packed."""
    digest = hashlib.sha256(idx_header(array))
    digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def is_gzipped(path: Path) -> bool:
    """Tell whether the file's content (not its name) is gzip's. Raises OSError."""
    with open_file(path) as file:
        return file.read(2) == GZIP_MAGIC


def idx_role(head: bytes) -> Role | None:
    """Tell from a file's first bytes what it holds, if it is one of IDX."""
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        return None
    if tuple(head[2:4]) == _QMNIST:
        return "labels"
    return next((role for role in ("images", "labels") if head[3] in _DIMENSIONS[role]), None)


def _read_idx(path: Path, role: Role) -> Bytes:
    with opened_unpacked(path, f"IDX {role} are") as stream:
        return _parse_idx(stream, path, role)


def _parse_idx(stream: BinaryIO, path: Path, role: Role) -> Bytes:
    shape, dtype, each = _parse_idx_header(stream, path, role)
    unit = "pixels" if role == "images" else "labels"
    with as_data_errors(path):
        check_array_size(shape, unit)
        try:
            array = np.empty(shape, np.uint8)
        except MemoryError as error:
            raise DataError(f"its {math.prod(shape):,} bytes of {unit} don't fit into memory") from error
        if dtype.itemsize == 1 and dtype.kind == "u":
            held = read_into(stream, array.reshape(-1).data)
        else:
            held = _convert_wide_numbers(stream, array.reshape(-1), dtype, each)
        size = array.size * dtype.itemsize * each
        if held < size:
            raise DataError(f"truncated: the header promises {size:,} bytes of {unit}, the file holds {held:,}")
        if stream.read(1):  # at its end, gzip also verifies its CRC
            raise DataError(f"too long: more follows the {size:,} bytes of {unit} that the header promises")
    return array


def _convert_wide_numbers(stream: BinaryIO, out: Bytes, dtype: np.dtype[Any], each: int) -> int:
    """Read wider numbers, the first of every `each`, into bytes; return how many bytes there were."""
    buffer = memoryview(bytearray(CHUNK))
    most, held = CHUNK // (dtype.itemsize * each), 0
    for start in range(0, len(out), most):
        into = out[start : start + most]
        size = len(into) * dtype.itemsize * each
        read = read_into(stream, buffer[:size])
        held += read
        if read < size:
            break
        store_as_bytes(np.frombuffer(buffer[:size], dtype)[::each], into)
    return held


def _parse_idx_header(stream: BinaryIO, path: Path, role: Role) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return the array's shape, the type of the file's numbers, and how many of these there are for each of ours."""
    magic = bytearray(4)
    held = read_into(stream, memoryview(magic))
    if held == 0:
        raise DataError(f"{path}: empty; IDX {role} are wanted here")
    if held < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise DataError(
            f"{path}: not an IDX file: it begins with {bytes(magic[:held])!r}, not with 00 00 08 and a count"
        )
    kind, dimensions = magic[2:4]
    many = role == "labels" and (kind, dimensions) == _QMNIST
    if dimensions not in _DIMENSIONS[role] and not many:
        other: Role = "labels" if role == "images" else "images"
        if dimensions in _DIMENSIONS[other] or (kind, dimensions) == _QMNIST:
            raise DataError(f"{path}: holds {other}, not {role}: are the images' and the labels' files swapped?")
        raise DataError(f"{path}: has {dimensions} dimensions; {_LAYOUT[role]}")
    sizes = bytearray(4 * dimensions)
    held = read_into(stream, memoryview(sizes))
    if held < len(sizes):
        raise DataError(f"{path}: truncated: its header takes {4 + len(sizes)} bytes, the file holds {4 + held}")
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4))
    if many and shape[1] != _QMNIST_COLUMNS:
        raise DataError(f"{path}: has 2 dimensions, {shape[0]:,} x {shape[1]:,}; {_LAYOUT[role]}, QMNIST's count x 8")
    return shape[:1] if many else shape, np.dtype(_TYPES[kind]), _QMNIST_COLUMNS if many else 1
