"""A sheet of augmented images, to be looked at before a run is long: what it trains on, beside what the data are.

Written without matplotlib, which the training process doesn't load.
"""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.batches import Batches
from mnist_trainer.files import naming_file, replacing

SHEET = "augmented.png"
COLUMNS = 16
MOST_ROWS = 8
MOST_PIXELS = 1_000_000
"""Of the images above."""
GAP = 2  # pixels
SEPARATOR = 96  # grey
LARGE = 2  # times an image's size, unless it is large itself
LARGE_SIDE = 64

Bytes = NDArray[np.uint8]


def write_sheet(folder: Path, batches: Batches) -> Sequence[str]:
    """Write the next batch of augmented images, each under what it was; return the file's name; [] if none are."""
    if batches.augmenter is None:
        return []
    path = folder / SHEET
    with naming_file(path), replacing(path) as file:
        file.write(sheet_as_png(augmented_sheet(*batches.preview())))
    return [SHEET]


def augmented_sheet(images: Bytes, augmented: Bytes) -> Bytes:
    """Lay out images (n, height, width, channels), as many as fit, in lines: the images above, augmented below."""
    _, height, width, channels = images.shape
    n = min(len(images), COLUMNS * MOST_ROWS, max(1, MOST_PIXELS // (height * width)))
    rows, columns = -(-n // COLUMNS), min(n, COLUMNS)
    pairs = np.full((rows * columns, 2 * height + GAP, width + GAP, channels), SEPARATOR, np.uint8)
    pairs[:n, :height, :width] = images[:n]
    pairs[:n, height : 2 * height, :width] = augmented[:n]
    lines = pairs.reshape(rows, columns, *pairs.shape[1:]).swapaxes(1, 2)
    sheet: Bytes = lines.reshape(rows * pairs.shape[1], columns * pairs.shape[2], channels)[:-GAP, :-GAP]
    if max(height, width) <= LARGE_SIDE:
        sheet = sheet.repeat(LARGE, axis=0).repeat(LARGE, axis=1)
    return sheet


def sheet_as_png(image: Bytes) -> bytes:
    """Encode an image (height, width, channels): three channels as colours, of any other number the first as grey."""
    height, width, channels = image.shape
    colours = channels == 3
    pixels = image if colours else image[..., :1]
    lines = np.zeros((height, 1 + width * pixels.shape[2]), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if colours else 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(sheet_png_chunk(kind, data) for kind, data in parts)


def sheet_png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG's chunk: its length, kind, data and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
