"""What convolution and pooling say about windows that don't fit."""

from collections.abc import Sequence

from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels.arrays import Shape
from mnist_trainer.kernels.windows import Pair, positions

Size = int | tuple[int, int]


def as_pair(value: Size) -> Pair:
    """Return (n, n) for n, and a pair as it is."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def check_pairs(**sizes: int | Sequence[int]) -> None:
    """Raise `ConfigError` for what is neither one number nor two."""
    wrong = {name: value for name, value in sizes.items() if not isinstance(value, int) and len(value) != 2}
    if wrong:
        raise ConfigError(*(f"{name}={value}: must be one number, or two" for name, value in wrong.items()))


def window_positions(in_shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Return how many positions windows have on images; raises `ConfigError` where they don't fit."""
    if len(in_shape) != 3:
        raise ConfigError(
            f"expects images (height, width, channels), and gets an input of shape {in_shape}: put it before the "
            "`flatten`, or a `reshape` before it"
        )
    height, width, _ = in_shape
    down, across = positions((height, width), kernel, stride, padding)
    if min(down, across) < 1:
        raise ConfigError(
            f"a kernel of {kernel[0]}x{kernel[1]} is larger than its input of {height}x{width} with padding {padding}"
        )
    return down, across
