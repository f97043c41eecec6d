"""What makes of a picture of a digit an image like those that MNIST's makers made of theirs.

LeCun et al., "Gradient-based learning applied to document recognition" (1998), section III A: "size normalized to fit
in a 20 × 20 pixel box while preserving their aspect ratio ... centered in a 28 × 28 image by computing the center of
mass of the pixels". Theirs were black on white and clean; what comes before is for photographs.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError
from mnist_trainer.kernels.arrays import Shape

Grey = NDArray[np.float64]
"""(height, width), 0 black to 1 white."""
InkPiece = NDArray[np.intp]
"""The pixels (n, 2) of a connected part: rows and columns."""

SIDE, BOX = 28, 20
SCAN, BLOCK = 32, 4  # of scikit-learn's digits: bitmaps of 32 × 32, of which every 4 × 4 became a number from 0 to 16
FAINTEST = 0.1  # of black to white: what stands out less is no ink
LARGEST = 160  # pixels at which ink is told from paper
SHADOWS = 5
"""The part of a picture's side that is wider than a stroke, and narrower than a shadow."""
SPECK = 0.04  # of the largest piece's area: what is smaller is dust
MARGIN = 0.3  # of a digit's size, around it
STROKE = (1.6, 4.2)  # the widths of strokes, in a box of 20, that are left as they are


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network is to see; `is_digit` is false where nothing stands out from the background."""

    image: NDArray[np.uint8]  # (height, width, channels)
    notes: Sequence[str]
    is_digit: bool = True


def as_mnist(picture: Grey) -> Prepared:
    """Find the ink, fit it into 20 × 20, and centre it by its centre of mass in 28 × 28."""
    ink, notes = ink_of(picture)
    if ink is None:
        return Prepared(np.zeros((SIDE, SIDE, 1), np.uint8), notes, is_digit=False)
    digit = stretched_ink(fitted_digit(ink, BOX))
    return Prepared(picture_as_bytes(centred_digit(digit, SIDE))[..., np.newaxis], notes)


def as_scikit_digit(picture: Grey) -> Prepared:
    """Find the ink, and make of it what scikit-learn's digits are, and then what `data=digits` makes of these."""
    from mnist_trainer.data.digits import enlarge

    ink, notes = ink_of(picture)
    if ink is None:
        return Prepared(np.zeros((SIDE, SIDE, 1), np.uint8), notes, is_digit=False)
    digit = stretched_ink(fitted_digit(ink, SCAN))
    canvas = np.zeros((SCAN, SCAN))
    top, left = (SCAN - digit.shape[0]) // 2, (SCAN - digit.shape[1]) // 2
    canvas[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    levels = canvas.reshape(SCAN // BLOCK, BLOCK, SCAN // BLOCK, BLOCK).mean(axis=(1, 3)) * 16
    return Prepared(enlarge(np.rint(levels).astype(np.uint8)[np.newaxis])[0], notes)


def as_scaled(picture: NDArray[np.float64], shape: Shape) -> Prepared:
    """Bring a picture, (height, width) or with a last axis of channels, to a network's shape, and nothing else."""
    height, width, channels = shape
    planes = picture[..., np.newaxis] if picture.ndim == 2 else picture
    if planes.shape[2] != channels:
        raise DataError(f"the network sees {channels} channels, and the picture has {planes.shape[2]}")
    scaled = np.stack([resized_picture(planes[..., k], height, width) for k in range(channels)], axis=-1)
    note = f"scaled to {height}x{width}, and not prepared otherwise"
    return Prepared(picture_as_bytes(scaled), [note])


def ink_of(picture: Grey) -> tuple[Grey | None, list[str]]:
    """Return how much ink there is, 0 to 1, cropped to the digit; None for none. And what is to be told of it."""
    small = reduced_picture(picture, LARGEST)
    light = is_light_background(small)
    notes = ["inverted: its background is light"] if light else []
    ink = ink_on_paper(small, light=light)
    if float(np.quantile(ink, 0.998)) < FAINTEST:
        return None, [*notes, "no digit in it: nothing stands out from the background"]
    threshold = ink_threshold(ink)
    pieces = without_dust(ink_pieces(ink > threshold), ink.shape)
    if digits_stand_apart(pieces):
        notes.append("there may be more than one digit in it")
    rows, columns = np.concatenate(pieces).T
    box = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    near = cut_around(box, picture, max(small.shape))
    if max(near.shape) < max(picture.shape) / 1.5:  # a small digit: once more, from nearer
        nearer, _ = ink_of(near)
        return nearer, notes
    mask = np.zeros(ink.shape, np.bool_)
    mask[rows, columns] = True
    low, full = threshold / 2, float(np.quantile(ink[mask], 0.75))
    ink = np.clip((ink - low) / max(full - low, 1e-6), 0, 1) * grown_strokes(mask)
    return ink[box[0] : box[1], box[2] : box[3]], notes


def ink_on_paper(picture: Grey, *, light: bool) -> Grey:
    """Return how far each pixel is from the paper towards the ink."""
    if not light:
        return picture - paper_of(picture)
    paper = paper_of(1 - picture)
    ink: Grey = (1 - picture - paper) / np.maximum(1 - paper, FAINTEST)  # with less light there is less contrast
    return ink


def without_dust(pieces: Sequence[InkPiece], shape: Shape) -> list[InkPiece]:
    """Leave out what is small beside the largest piece, and smaller shadows and edges that come from outside."""
    largest = max(map(len, pieces))
    inner = [piece for piece in pieces if not touches_border(piece, shape)]
    most = max(map(len, inner), default=0)
    return [
        piece
        for piece in pieces
        if len(piece) >= SPECK * largest and not (touches_border(piece, shape) and most >= len(piece))
    ]


def touches_border(piece: InkPiece, shape: Shape) -> bool:
    """Tell whether a piece has a pixel at the picture's border."""
    return bool((piece == 0).any() or (piece == np.array(shape) - 1).any())


def cut_around(box: tuple[int, int, int, int], picture: Grey, side: int) -> Grey:
    """Return a picture's part around a box, which was found when its longer side was so many pixels."""
    scale = max(picture.shape) / side
    top, bottom, left, right = (scale * edge for edge in box)
    margin = MARGIN * max(bottom - top, right - left) + scale
    rows = slice(max(0, int(top - margin)), int(bottom + margin) + 1)
    columns = slice(max(0, int(left - margin)), int(right + margin) + 1)
    return picture[rows, columns]


def is_light_background(picture: Grey) -> bool:
    """Tell whether the background, the median along the border, is farther from the darkest than from the lightest."""
    darkest, lightest = np.quantile(picture, [0.005, 0.995])
    background = float(np.median(border_of(picture)))
    return bool(background - darkest > lightest - background)


def border_of(picture: Grey) -> Grey:
    """Return the pixels along the border."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def paper_of(picture: Grey) -> Grey:
    """Return how bright each pixel would be without the ink, which is bright; one number, unless there are shadows."""
    darker, middle, lighter = np.quantile(border_of(picture), [0.1, 0.5, 0.9])
    if lighter - darker < FAINTEST:
        return np.full(picture.shape, middle)
    return paper_without_ink(picture, max(picture.shape) // SHADOWS)


def ink_threshold(ink: Grey) -> float:
    """Return the threshold that parts ink from paper best: the variance between the two is largest (Otsu, 1979)."""
    counts, edges = np.histogram(ink, 128)
    middles = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), counts.sum() - np.cumsum(counts)
    sums = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(spread))])


def paper_without_ink(picture: Grey, window: int) -> Grey:
    """Take away what is bright and narrower than a window: the paper that is left, with its shadows."""
    return sliding_extreme(sliding_extreme(picture, window, np.minimum), window, np.maximum)


def sliding_extreme(picture: Grey, window: int, function: np.ufunc) -> Grey:
    """Return the least, or the most, within a square window around each pixel; outside there is nothing."""
    for axis in (0, 1):
        found, reach = picture.copy(), window // 2
        lines, source = np.moveaxis(found, axis, 0), np.moveaxis(picture, axis, 0)
        for shift in range(1, min(reach, len(source) - 1) + 1):
            function(lines[shift:], source[:-shift], out=lines[shift:])
            function(lines[:-shift], source[shift:], out=lines[:-shift])
        picture = found
    return picture


def grown_strokes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask and its neighbours: the soft edge of a stroke belongs to it."""
    return sliding_extreme(mask.astype(np.float64), 3, np.maximum).astype(np.bool_)


def ink_pieces(mask: NDArray[np.bool_]) -> list[InkPiece]:
    """Return the pixels (n, 2) of each connected piece of a mask, corners counted."""
    unseen = set(map(tuple, np.argwhere(mask).tolist()))
    pieces = []
    while unseen:
        piece = [unseen.pop()]
        for row, column in piece:  # it grows meanwhile
            around = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & unseen
            unseen -= around
            piece += around
        pieces.append(np.array(piece))
    return pieces


def digits_stand_apart(pieces: Sequence[InkPiece]) -> bool:
    """Tell whether two large pieces lie beside each other, with a gap between."""
    large = [piece for piece in pieces if len(piece) >= 0.3 * max(map(len, pieces))]
    spans = sorted((int(piece[:, 1].min()), int(piece[:, 1].max())) for piece in large)
    return any(end < start for (_, end), (start, _) in itertools.pairwise(spans))


def fitted_digit(ink: Grey, box: int) -> Grey:
    """Scale a digit, its strokes first made of a usual width, so that its longer side is that of the box."""
    height, width = ink.shape
    usual = [stroke * max(height, width) / BOX for stroke in STROKE]
    found = stroke_width(ink)
    if found < usual[0]:
        reach = round((usual[0] - found) / 2)
        ink = sliding_extreme(np.pad(ink, reach), 2 * reach + 1, np.maximum)
    elif found > usual[1]:
        reach = round((found - usual[1]) / 2)
        thinner = sliding_extreme(np.pad(ink, 1), 2 * reach + 1, np.minimum)
        ink = thinner if thinner.max() > 0.5 else ink
    rows, columns = np.nonzero(ink > 0.25)
    ink = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = box / max(ink.shape)
    return resized_picture(ink, *(max(1, round(scale * side)) for side in ink.shape))


def stroke_width(ink: Grey) -> float:
    """Return the mean width of strokes: twice the area over the length of the edge."""
    mask = np.pad(ink > 0.5, 1)
    edge = np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1])
    return (
        2 * int(np.count_nonzero(mask)) / max(int(edge), 1) * (4 / np.pi)
    )  # an edge in steps is longer than a smooth one


def stretched_ink(digit: Grey) -> Grey:
    """Let the strongest ink be 1: of thin strokes little is left when they are scaled."""
    return np.clip(digit / max(float(np.quantile(digit, 0.98)), 0.2), 0, 1)


def centred_digit(digit: Grey, side: int) -> Grey:
    """Put a digit into a square so that its centre of mass is the square's, as far as it fits."""
    height, width = digit.shape
    mass = digit.sum()
    row = float(digit.sum(axis=1) @ np.arange(height) / mass)
    column = float(digit.sum(axis=0) @ np.arange(width) / mass)
    middle = (side - 1) / 2
    top = int(np.clip(round(middle - row), 0, side - height))
    left = int(np.clip(round(middle - column), 0, side - width))
    canvas = np.zeros((side, side))
    canvas[top : top + height, left : left + width] = digit
    return canvas


def reduced_picture(picture: Grey, most: int) -> Grey:
    """Scale a picture down, if need be, so that no side is longer."""
    scale = min(1.0, most / max(picture.shape))
    return resized_picture(picture, *(max(1, round(scale * side)) for side in picture.shape))


def resized_picture(plane: Grey, height: int, width: int) -> Grey:
    """Scale to a height and a width; each new pixel is a mean of old ones, weighted by a triangle around it."""
    scaled: Grey = triangle_weights(plane.shape[0], height) @ plane @ triangle_weights(plane.shape[1], width).T
    return scaled


def triangle_weights(old: int, new: int) -> Grey:
    """Return the weights (new, old) of old pixels in new ones; the triangle widens where pixels are lost."""
    if old == new:
        return np.eye(old)
    ratio = old / new
    middles = (np.arange(new) + 0.5) * ratio - 0.5
    weights: Grey = np.maximum(0, 1 - np.abs(np.arange(old) - middles[:, np.newaxis]) / max(ratio, 1.0))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def picture_as_bytes(image: Grey) -> NDArray[np.uint8]:
    """Return 0 to 1 as 0 to 255."""
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
