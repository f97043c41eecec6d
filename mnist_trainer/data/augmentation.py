"""Augmentation: training images moved, turned, stretched, bent and partly erased, anew each time they are seen.

An affine map and an elastic displacement are one map of places: each image is resampled once (`kernels.resampling`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.hyperparameters import check, hyperparameter
from mnist_trainer.kernels import resampling
from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.kernels.resampling import Bytes, ResamplingRoom

EXPLAINED = 0.999
"""The share of an elastic displacement's variance that its modes keep."""
AFFINE = 3
"""The fields that an affine map is made of."""

Numbers = NDArray[np.floating[Any]]
Number = Numbers | float
Pair = tuple[Number, Number]


@dataclass(frozen=True)
class Augmentation:
    """How far images may be changed; everything is drawn for each image by itself, uniformly but for `elastic`.

    Lengths are shares of the image's side. An image is sheared and scaled, turned about its middle, and shifted. The
    elastic displacement is a smooth random field, as Simard, Steinkraus and Platt's, "Best practices for convolutional
    neural networks applied to visual document analysis" (2003): noise through a Gaussian of width `smoothness`.
    """

    shift: float = hyperparameter(0.0, minimum=0, maximum=1)
    """The most that it is moved, down or up, and to the right or left."""
    rotation: float = hyperparameter(0.0, minimum=0, maximum=180)
    """The largest angle, in degrees, either way."""
    scale: float = hyperparameter(0.0, minimum=0, below=1)
    """Height and width are multiplied by 1 / (1 + scale) to 1 + scale, each for itself."""
    shear: float = hyperparameter(0.0, minimum=0, maximum=1)
    """The most that a row is moved to the side, as a share of its distance from the middle."""
    elastic: float = hyperparameter(0.0, minimum=0, maximum=1)
    """The standard deviation of a pixel's displacement, vertical and horizontal."""
    smoothness: float = hyperparameter(0.15, minimum=0.05, maximum=1)
    """The Gaussian's standard deviation."""
    erasing: float = hyperparameter(0.0, minimum=0, maximum=1)
    """The share of images in which a rectangle is made black."""
    erased: float = hyperparameter(0.4, above=0, maximum=1)
    """Its sides are half of this to all of it; of what lies beyond the image nothing is seen."""

    def __post_init__(self) -> None:
        """Check the ranges; raises `ConfigError`."""
        check(self)

    @property
    def moves(self) -> bool:
        """Whether pixels change their places."""
        return any((self.shift, self.rotation, self.scale, self.shear, self.elastic))


class Augmenter:
    """Changes batches of up to `max_batch` images, as `generator` draws: that much for each, however it is changed."""

    def __init__(
        self, augmentation: Augmentation, image_shape: Shape, max_batch: int, generator: np.random.Generator
    ) -> None:
        self.augmentation, self.generator = augmentation, generator
        self._shape = image_shape
        self._room = ResamplingRoom.make(image_shape, max_batch)
        height, width, _ = image_shape
        fields = [affine_fields(height, width)]
        if augmentation.elastic:
            fields.append(elastic_modes(height, width, augmentation.smoothness))
        self._fields = np.concatenate(fields).astype(np.float32)

    def apply(self, pixels: Bytes) -> None:
        """Change images (n, height, width, channels) in place."""
        if self.augmentation.moves:
            resampling.resample(pixels, self._draw_map(len(pixels)), self._fields, self._room, out=pixels)
        if self.augmentation.erasing:
            self._erase(pixels)

    def _draw_map(self, count: int) -> Array:
        """Return the coefficients (2, count, K) of the fields."""
        how, (height, width, _), rng = self.augmentation, self._shape, self.generator
        down, right, angle, tall, wide, shear = rng.uniform(-1, 1, (6, count))
        coefficients = np.empty((2, count, len(self._fields)), np.float32)
        coefficients[:, :, :AFFINE] = affine_coefficients(
            self._shape,
            shift=(how.shift * height * down, how.shift * width * right),
            rotation=np.deg2rad(how.rotation * angle),
            scale=((1 + how.scale) ** tall, (1 + how.scale) ** wide),
            shear=how.shear * shear,
        )
        bends = coefficients[:, :, AFFINE:]
        if bends.size:
            bends[...] = rng.standard_normal(bends.shape, np.float32)
            bends[0] *= how.elastic * height
            bends[1] *= how.elastic * width
        return coefficients

    def _erase(self, pixels: Bytes) -> None:
        """Make a rectangle black, its middle anywhere, in each image that is drawn."""
        how = self.augmentation
        chosen, *sizes_and_middles = self.generator.random((5, len(pixels), 1))
        inside = []
        for side, size, middle in zip(self._shape, sizes_and_middles[:2], sizes_and_middles[2:], strict=False):
            distance = np.abs(np.arange(side) + 0.5 - side * middle)
            inside.append(distance < how.erased * side * (1 + size) / 4)
        inside[0] &= chosen < how.erasing
        rows, columns = inside
        np.copyto(pixels, 0, where=(rows[:, :, np.newaxis] & columns[:, np.newaxis])[..., np.newaxis])


def affine_fields(height: int, width: int) -> Numbers:
    """Return the fields (3, H·W) that an affine map is made of: 1, and each pixel's row and column from the middle."""
    row, column = np.mgrid[:height, :width].reshape(2, -1)
    return np.stack([np.ones(height * width), row - (height - 1) / 2, column - (width - 1) / 2])


def affine_coefficients(
    image_shape: Shape, *, shift: Pair, rotation: Number = 0.0, scale: Pair = (1.0, 1.0), shear: Number = 0.0
) -> Numbers:
    """Return the coefficients (2, n, 3) of the fields with which images are scaled, sheared, turned, and then shifted.

    `shift` is down and to the right, in pixels; `rotation` is counter-clockwise as one sees it, in radians; `scale` is
    that of the height and of the width; a row is sheared to the right by `shear` times how far below the middle it is.
    A pixel at p from the middle shows what was at S⁻¹ (p − shift), S being the three in this order.
    """
    height, width, _ = image_shape
    (down, right), (tall, wide) = shift, scale
    cos, sin = np.cos(rotation), np.sin(rotation)
    by_row = cos / tall, (-sin - shear * cos) / wide
    by_column = sin / tall, (cos - shear * sin) / wide
    middles = (height - 1) / 2, (width - 1) / 2
    halves = [
        np.stack(np.broadcast_arrays(middle - a * down - b * right, a, b), axis=-1)
        for middle, a, b in zip(middles, by_row, by_column, strict=True)
    ]
    return np.stack(halves)


def elastic_modes(height: int, width: int, smoothness: float) -> Numbers:
    """Return fields (K, H·W) that, each times a standard normal number, add up to a smooth random field.

    Its variance is 1, its covariance that of white noise through a Gaussian of width `smoothness`, a share of the side:
    exp(−d²/4σ²) at distance d. That is a product of one of rows and one of columns, and so are its eigenvectors; those
    that tell least are left out.
    """
    sides = [eigenvectors_of_smooth_noise(side, smoothness * side) for side in (height, width)]
    (down, rows), (across, columns) = sides
    variances = np.outer(down, across).reshape(-1)
    order = np.argsort(-variances, kind="stable")
    kept = order[: 1 + int(np.searchsorted(np.cumsum(variances[order]), EXPLAINED * variances.sum()))]
    of_row, of_column = np.divmod(kept, width)
    modes = rows[:, of_row].T[:, :, np.newaxis] * columns[:, of_column].T[:, np.newaxis]
    scaled: Numbers = np.sqrt(variances[kept])[:, np.newaxis] * modes.reshape(len(kept), -1)
    return scaled


def eigenvectors_of_smooth_noise(side: int, sigma: float) -> tuple[Numbers, Numbers]:
    """Return the eigenvalues (side,), none below 0, and eigenvectors, as columns, of the covariance along one side."""
    place = np.arange(side)
    values, vectors = np.linalg.eigh(np.exp(-((place[:, np.newaxis] - place) ** 2) / (4 * sigma**2)))
    return np.maximum(values, 0), vectors
