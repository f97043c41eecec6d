"""IDX, the format of the MNIST files: a magic number, big-endian sizes, then bytes; gzipped or not.

Source: http://yann.lecun.com/exdb/mnist/ ("the IDX file format").
"""

from __future__ import annotations

import hashlib
import math
import zlib
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError

Role = Literal["images", "labels"]
Bytes = NDArray[np.uint8]

MAX_BYTES = 3 << 28
MAX_ITEMS = 1 << 22
MAX_PIXELS = 1 << 20
"""What a file may hold, however well it is packed; the largest sets of this format have 0.6 GB in 0.8 million items."""

_CHUNK = 1 << 16  # for gzip, 1.4 times as fast as 1 MiB: what was inflated is still in the cache when it is copied
_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_ELEMENT_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_DIMENSIONS = {"images": (3, 4), "labels": (1,)}
_LAYOUT = {
    "images": "images have 3 (count, height, width) or 4 (count, height, width, channels)",
    "labels": "labels have 1 (count)",
}


def read_images(path: Path) -> Bytes:
    """Read images (count, height, width, channels); without channels in the file, 1. Raises DataError."""
    images = _read(path, "images")
    return images[..., np.newaxis] if images.ndim == 3 else images


def read_labels(path: Path) -> Bytes:
    """Read labels (count,). Raises DataError."""
    return _read(path, "labels")


def header(array: Bytes) -> bytes:
    """Make the IDX header of images (n, h, w, c) or labels (n,); a single channel is no dimension."""
    shape = array.shape[:3] if array.shape[3:] == (1,) else array.shape
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    return bytes((0, 0, _UNSIGNED_BYTE, len(shape))) + sizes


def content_sha256(array: Bytes) -> str:
    """Compute the SHA-256 (hex) of the bare IDX file that holds this array, however the array was packed."""
    digest = hashlib.sha256(header(array))
    digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def is_gzipped(path: Path) -> bool:
    """Tell whether the file's content (not its name) is gzip's. Raises OSError."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def _read(path: Path, role: Role) -> Bytes:
    try:
        if not path.is_file():  # opening a named pipe would wait for ever
            problem = "not a file" if path.exists() else "no such file"
            raise DataError(f"{path}: {problem}; IDX {role} are wanted here")
        with path.open("rb") as file:
            if file.peek(2)[:2] != _GZIP_MAGIC:
                return _parse(file, path, role)
            from gzip import GzipFile

            with GzipFile(fileobj=file) as stream:
                return _parse(stream, path, role)  # type: ignore[arg-type]  # GzipFile is no BinaryIO to typeshed
    except (zlib.error, EOFError) as error:
        raise DataError(f"{path}: damaged gzip data ({error}); fetch the file again") from error
    except OSError as error:  # gzip's BadGzipFile is one, without an errno
        problem = f"can't be read ({error.strerror})" if error.errno else f"damaged gzip data ({error})"
        raise DataError(f"{path}: {problem}") from error


def _parse(stream: BinaryIO, path: Path, role: Role) -> Bytes:
    shape = _parse_header(stream, path, role)
    size = math.prod(shape)
    unit = "pixels" if role == "images" else "labels"
    if size == 0:
        raise DataError(f"{path}: holds nothing: its header says {_by(shape)}; at least one item is needed")
    for found, most, what in (
        (size, MAX_BYTES, f"bytes of {unit}"),
        (shape[0], MAX_ITEMS, role),
        (size // shape[0], MAX_PIXELS, f"{unit} an image"),
    ):
        if found > most:
            raise DataError(f"{path}: its header promises {found:,} {what} ({_by(shape)}); at most {most:,} fit")
    try:
        array = np.empty(shape, np.uint8)
    except MemoryError as error:
        raise DataError(f"{path}: its {size:,} bytes of {unit} don't fit into memory") from error
    held = _fill(stream, array.reshape(-1).data)
    if held < size:
        raise DataError(f"{path}: truncated: the header promises {size:,} bytes of {unit}, the file holds {held:,}")
    if stream.read(1):  # at its end, gzip also verifies its CRC
        raise DataError(f"{path}: too long: more follows the {size:,} bytes of {unit} that the header promises")
    return array


def _parse_header(stream: BinaryIO, path: Path, role: Role) -> tuple[int, ...]:
    magic = bytearray(4)
    held = _fill(stream, memoryview(magic))
    if held == 0:
        raise DataError(f"{path}: empty; IDX {role} are wanted here")
    if held < 4 or magic[:2] != b"\0\0" or magic[2] not in (_UNSIGNED_BYTE, *_ELEMENT_TYPES):
        raise DataError(
            f"{path}: not an IDX file: it begins with {bytes(magic[:held])!r}, not with 00 00 08 and a count"
        )
    if magic[2] != _UNSIGNED_BYTE:
        raise DataError(f"{path}: holds {_ELEMENT_TYPES[magic[2]]} elements; only unsigned bytes (type 0x08) fit")
    dimensions = magic[3]
    if dimensions not in _DIMENSIONS[role]:
        other: Role = "labels" if role == "images" else "images"
        if dimensions in _DIMENSIONS[other]:
            raise DataError(f"{path}: holds {other}, not {role}: are the images' and the labels' files swapped?")
        raise DataError(f"{path}: has {dimensions} dimensions; {_LAYOUT[role]}")
    sizes = bytearray(4 * dimensions)
    held = _fill(stream, memoryview(sizes))
    if held < len(sizes):
        raise DataError(f"{path}: truncated: its header takes {4 + len(sizes)} bytes, the file holds {4 + held}")
    return tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4))


def _fill(stream: BinaryIO, view: memoryview) -> int:
    """Read until `view` is full or the stream ends, even if early for gzip; return the bytes read."""
    filled = 0
    try:
        while filled < len(view) and (read := stream.readinto1(view[filled : filled + _CHUNK])):  # type: ignore[attr-defined]
            filled += read
    except EOFError:
        pass
    return filled


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in shape)
