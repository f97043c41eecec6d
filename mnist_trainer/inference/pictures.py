"""A user's own pictures: from files to what a network sees. Pillow is imported when the first is read."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError, error_in_words, error_reason
from mnist_trainer.files import open_file
from mnist_trainer.inference.model_file import Description
from mnist_trainer.inference.preparation import Prepared, as_mnist, as_scaled, as_scikit_digit
from mnist_trainer.process import warnings_as

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF")
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff")
MOST_PIXELS = 100_000_000
LARGE = 1024  # pixels a side, beyond which a picture is reduced as it is read


def read_picture(path: Path, description: Description) -> Prepared:
    """Read a file and prepare it for a model; raises `DataError` naming it if it is no picture."""
    try:
        with open_file(path) as file:
            return prepared_picture(file, str(path), description)
    except (OSError, ValueError) as error:  # the latter of a name with a zero byte
        what = error_in_words(error) if isinstance(error, OSError) else f"{path}: {error}"
        raise DataError(f"{what}: no picture can be read from it") from error


def prepared_picture(file: BinaryIO, name: str, description: Description) -> Prepared:
    """Prepare the picture that a file holds; raises `DataError` with its `name` if it is none."""
    channels = description.image_shape[2]
    pixels, notes = picture_pixels(file, name, grey=channels == 1)
    match description.preparation:
        case "mnist":
            found = as_mnist(pixels)
        case "digits":
            found = as_scikit_digit(pixels)
        case _:
            try:
                found = as_scaled(pixels, tuple(description.image_shape))
            except DataError as error:
                raise DataError(f"{name}: {error}") from error
    return Prepared(found.image, [*notes, *found.notes], found.is_digit)


def picture_pixels(file: BinaryIO, name: str, *, grey: bool) -> tuple[NDArray[np.float64], list[str]]:
    """Return a picture as numbers from 0 to 1, (height, width) if grey, else with three channels; and notes."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    notes: list[str] = []
    content = io.BytesIO(file.read())
    if not content.getvalue():
        raise DataError(f"{name}: empty: no picture can be read from it")
    try:
        with warnings_as("ignore"), Image.open(content, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise DataError(f"{name}: {width:,} x {height:,} pixels: at most {MOST_PIXELS:,} are read")
            pictures = getattr(image, "n_frames", 1)
            if pictures > 1:
                notes.append(f"the first of its {pictures} pictures")
            image.draft("L" if grey else "RGB", (LARGE, LARGE))  # a JPEG is decoded smaller
            upright = ImageOps.exif_transpose(image)
            return _pixels_on_paper(upright, grey=grey), notes
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: no picture: {', '.join(FORMATS)} can be read") from error
    except Exception as error:  # Pillow's readers raise what they like of damaged files
        raise DataError(f"{name}: the picture can't be read: {error_reason(error)}") from error


def _pixels_on_paper(image: "Image", *, grey: bool) -> NDArray[np.float64]:
    """Return a picture's pixels from 0 to 1, on paper where it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits a pixel, or more
        values = np.asarray(image, np.float64)
        most = 65535.0 if values.max() > 255 else 255.0
        plane = np.clip(values / most, 0, 1)
        return plane if grey else np.repeat(plane[..., np.newaxis], 3, axis=-1)
    transparent = image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info
    image = image.convert("RGBA" if transparent else "L" if grey else "RGB")
    factor = max(image.size) // LARGE
    if factor > 1:
        image = image.reduce(factor)
    pixels = np.asarray(image, np.float64) / 255
    if not transparent:
        return pixels
    colours, alpha = pixels[..., :3], pixels[..., 3:]
    ink = float((colours.mean(axis=-1, keepdims=True) * alpha).sum() / max(float(alpha.sum()), 1e-9))
    paper = 1.0 if ink < 0.5 else 0.0  # what makes the ink be seen
    colours = colours * alpha + paper * (1 - alpha)
    return colours @ np.array([0.299, 0.587, 0.114]) if grey else colours
