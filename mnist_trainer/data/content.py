"""A file's content as a stream: unpacked if it is gzipped, whatever its name says, and never more than is asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from mnist_trainer.errors import DataError
from mnist_trainer.files import open_file

CHUNK = 1 << 16  # for gzip, 1.4 times as fast as 1 MiB: what was inflated is still in the cache when it is copied
GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def opened_unpacked(path: Path, wanted: str) -> Iterator[BinaryIO]:
    """Open a file, unpacked; raises `DataError`, also for a damaged gzip stream that is read within."""
    try:
        if not path.is_file():  # opening a named pipe would wait for ever
            problem = "not a file" if path.exists() else "no such file"
            raise DataError(f"{path}: {problem}; {wanted} wanted here")
        with open_file(path) as file:
            if file.peek(2)[:2] != GZIP_MAGIC:  # type: ignore[attr-defined]  # a BufferedReader
                yield file
                return
            from gzip import GzipFile

            with GzipFile(fileobj=file) as stream:
                yield cast(BinaryIO, stream)
    except (zlib.error, EOFError) as error:
        raise DataError(f"{path}: damaged gzip data ({error}); fetch the file again") from error
    except OSError as error:  # gzip's BadGzipFile is one, without an errno
        problem = f"can't be read ({error.strerror})" if error.errno else f"damaged gzip data ({error})"
        raise DataError(f"{path}: {problem}") from error


def read_into(stream: BinaryIO, view: memoryview) -> int:
    """Read until `view` is full or the stream ends, even if early for gzip; return the bytes read."""
    filled = 0
    try:
        while filled < len(view) and (read := stream.readinto1(view[filled : filled + CHUNK])):  # type: ignore[attr-defined]
            filled += read
    except EOFError:
        pass
    return filled


def unpacked_head(path: Path, size: int = CHUNK) -> bytes:
    """Return the first bytes of a file, unpacked, as far as they can be had; raises `OSError`."""
    with open_file(path) as file:
        head = file.read(size) or b""  # a file of the kernel's may have nothing to say, yet
    if head[:2] != GZIP_MAGIC:
        return head
    try:
        return zlib.decompressobj(31).decompress(head, size)
    except zlib.error:
        return head
