"""One file from the first mirror that serves it right: bounded, verified, and put into place in one step."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from mnist_trainer.data.sources import KnownFile
from mnist_trainer.errors import DataError, error_reason
from mnist_trainer.files import replacing

TIMEOUT = 10.0  # seconds, to connect and for every read
MAX_BYTES = 64 << 20  # for files of unpublished size; the largest, Fashion-MNIST's training images, has 26 MB
_CHUNK = 1 << 16
_REMEDY = "If you have the files, say where: data.root=FOLDER (or, for MNIST, MNIST_ROOT=FOLDER)."
_log = logging.getLogger(__name__)


class _MirrorError(Exception):
    """A mirror's answer that can't be used; the message is the reason."""


def download(file: KnownFile, algorithm: str, mirrors: Sequence[str], folder: Path, *, progress: bool = True) -> str:
    """Put `file`, gzipped as it is served, into `folder`; return the mirror that served it.

    `mirrors` are URLs that end in /; `algorithm` is that of the file's checksum. Raises DataError when every
    mirror fails, with each one's reason, or when `folder` can't be written. Leaves nothing but the verified
    file behind.
    """
    reasons = []
    try:
        with replacing(folder / file.packed_name) as target:
            for mirror in mirrors:
                target.seek(0)
                target.truncate()
                try:
                    _fetch(mirror + file.packed_name, file, algorithm, target, progress=progress)
                except _MirrorError as error:
                    reasons.append(f"  {mirror}: {error}")
                    _log.debug("%s%s: %s", mirror, file.packed_name, error)
                else:
                    return mirror
            raise DataError("\n".join((f"{file.packed_name}: no mirror serves it:", *reasons, f"  {_REMEDY}")))
    except OSError as error:
        raise DataError(
            f"{folder}: can't be written ({error_reason(error)}), and {file.packed_name} is to be "
            "downloaded into it; data.cache=FOLDER chooses another"
        ) from error


def _fetch(url: str, file: KnownFile, algorithm: str, target: BinaryIO, *, progress: bool) -> None:
    """Write the file at `url` to `target`. Raises _MirrorError, or OSError when `target` can't be written."""
    from mnist_trainer.bar import Bar

    limit = file.packed_bytes or MAX_BYTES
    digest = hashlib.new(algorithm, usedforsecurity=False)
    received = 0
    try:
        response = urlopen(url, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        raise _MirrorError(f"HTTP status {error.code}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise _MirrorError(_mirror_reason(error)) from error
    total = file.packed_bytes or response.length  # None if the server doesn't announce it
    with response, Bar(total, "B", wanted=progress, unit_scale=True, desc=file.packed_name) as bar:
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, HTTPException, ValueError) as error:
                raise _MirrorError(f"{_mirror_reason(error)} after {received:,} bytes") from error
            if not chunk:
                break
            received += len(chunk)
            if received > limit:
                raise _MirrorError(f"too long: more than {limit:,} bytes")
            digest.update(chunk)
            target.write(chunk)
            bar.update(len(chunk))
    if total is not None and received < total:
        raise _MirrorError(f"too short: {received:,} of {total:,} bytes")
    if digest.hexdigest() != file.packed:
        raise _MirrorError(f"wrong {algorithm.upper()}: {digest.hexdigest()[:12]}..., not {file.packed[:12]}...")


def _mirror_reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "timed out"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__
