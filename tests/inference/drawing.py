"""Digits drawn with lines, to be read as pictures."""

import numpy as np
from PIL import Image, ImageDraw

SEVEN = [(0.12, 0.07), (0.88, 0.07), (0.5, 0.5), (0.38, 0.95)]


def drawn(line=SEVEN, size=(200, 200), box=(60, 40, 80, 120), width=14, ink=0, paper=255, mode="L"):
    """A picture of `size` with a line within a box (x, y, width, height)."""
    image = Image.new(mode, size, paper)
    pen = ImageDraw.Draw(image)
    x, y, w, h = box
    points = [(x + a * w, y + b * h) for a, b in line]
    pen.line(points, fill=ink, width=width, joint="curve")
    for a, b in points:
        pen.ellipse((a - width / 2, b - width / 2, a + width / 2, b + width / 2), fill=ink)
    return image


def photographed(image, *, shadow, noise=6, seed=0):
    """The picture as a camera sees it: light that a function of x and y from 0 to 1 gives, and noise."""
    pixels = 40 + 190 / 255 * np.asarray(image, float)
    height, width = pixels.shape
    y, x = np.mgrid[:height, :width] / max(height, width)
    rng = np.random.default_rng(seed)
    return Image.fromarray(np.clip(pixels * shadow(x, y) + rng.normal(0, noise, pixels.shape), 0, 255).astype(np.uint8))
