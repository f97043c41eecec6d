"""Convolution as products of patches and weights, walked a few images at a time, and its gradients.

Shapes: x (N, H, W, C), weights (KH, KW, C, F), bias (F,), y and dy (N, OH, OW, F). A patch is a window of x as a row of
K = KH·KW·C numbers, so that y = patches · weights.reshape(K, F) + b.
"""

import math
from collections.abc import Iterator

import numpy as np

from mnist_trainer.kernels.arrays import Array
from mnist_trainer.kernels.updates import blocks
from mnist_trainer.kernels.windows import Pair, by_pixel, interior, windows

PATCH_BYTES = 1_500_000
SMALL_PRODUCT = 1_000_000


FEW_COLUMNS = 64


def images_a_chunk(values: int, itemsize: int, max_batch: int) -> int:
    """Tell how many images, with patches of `values` numbers each, are worked on at a time: what stays in the cache.

    A step of cnn takes 44.6 ms with patches of up to 1.5 MB, 45.6 with 0.75 MB and 50.5 with 0.4 MB (L2: 1 MB).
    """
    return min(max_batch, max(1, PATCH_BYTES // (values * itemsize)))


def small_products(rows: int, matrix: Array) -> Iterator[slice]:
    """Yield the blocks of rows in which a product with a (K, columns) matrix is quickest.

    OpenBLAS packs no operand of a small product, of up to a million multiplications, and where the matrix has few
    columns packing is most of the work: (392 × 400) · (400 × 6) runs at 90 GFLOP/s, one of twice the rows at 33.
    """
    return blocks(rows, max(1, SMALL_PRODUCT // matrix.size) if matrix.shape[1] <= FEW_COLUMNS else rows)


def multiply(rows: Array, matrix: Array, *, out: Array) -> Array:
    """Write rows · matrix to `out`."""
    for part in small_products(len(rows), matrix):
        np.matmul(rows[part], matrix, out=out[part])
    return out


def add_product(rows: Array, dy: Array, *, scratch: Array, out: Array) -> Array:
    """Add rowsᵀ · dy to `out`; `scratch` is of its shape."""
    for part in small_products(len(rows), out):
        np.matmul(rows[part].T, dy[part], out=scratch)
        np.add(out, scratch, out=out)
    return out


def room(kernel: Pair, pool: Pair, channels: int, windows: int) -> int:
    """Tell how many numbers the patches of so many pooling windows take."""
    return windows * (math.prod(wide(kernel, pool)) if channels == 1 else math.prod(kernel + pool) * channels)


def wide(kernel: Pair, pool: Pair) -> Pair:
    """Return the size of what a pooling window depends on."""
    return kernel[0] + pool[0] - 1, kernel[1] + pool[1] - 1


def patches(view: Array, *, out: Array) -> Array:
    """Copy windows (…, KH, KW, C) to the flat buffer `out`; return them as a matrix (positions, K).

    With several channels, KW·C numbers lie side by side and are copied at a time. With one, that is KW numbers: then
    columns are written instead of rows, OW numbers at a time, and the matrix is a transposed view.
    """
    columns = view.shape[-3] * view.shape[-2] * view.shape[-1]
    rows = view.size // columns
    target = out[: view.size]
    if view.shape[-1] == 1:
        axes = np.moveaxis(view[..., 0], (-2, -1), (0, 1))
        np.copyto(target.reshape(axes.shape), axes)
        return target.reshape(columns, rows).T
    np.copyto(target.reshape(view.shape), view)
    return target.reshape(rows, columns)


def walk(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, *, padded: Array, buffer: Array, pool: Pair | None = None
) -> Iterator[tuple[slice, Array]]:
    """Yield the images chunk by chunk: their slice, and the matrix of their patches (chunk · OH · OW, K).

    `padded` is (chunk, H + 2 PH, W + 2 PW, C), zero on its border, and unused without padding; `buffer` is flat and
    has room for a chunk's patches. With `pool`, the patches of the pooling windows' first pixels come first, then
    those of their second ones, …; pixels beyond the last whole window are left out. Of one channel, a pooling window
    has a single patch, of all that its pixels depend on.
    """
    pads = any(padding)
    source, inside = padded if pads else x, interior(padded, padding)
    single = pool is not None and x.shape[3] == 1
    if pool is None:
        views = windows(source, kernel, stride)
    elif single:
        views = windows(source, wide(kernel, pool), pool)
    else:
        views = by_pixel(windows(source, kernel, stride), pool)
    for part in blocks(len(x), len(padded)):
        count = part.stop - part.start
        if pads:
            np.copyto(inside[:count], x[part])
        chosen = slice(0, count) if pads else part
        yield part, patches(views[chosen] if pool is None or single else views[:, :, chosen], out=buffer)


def convolve(
    x: Array,
    weights: Array,
    bias: Array | None,
    stride: Pair,
    padding: Pair,
    *,
    padded: Array,
    buffer: Array,
    out: Array,
) -> Array:
    """Write y_nijf = Σ_klc x_n,si+k−p,sj+l−p,c w_klcf + b_f to `out`."""
    kernel, filters = (weights.shape[0], weights.shape[1]), weights.shape[3]
    matrix = weights.reshape(-1, filters)
    for part, rows in walk(x, kernel, stride, padding, padded=padded, buffer=buffer):
        y = out[part].reshape(-1, filters)
        multiply(rows, matrix, out=y)
        if bias is not None:
            np.add(y, bias, out=y)
    return out


def weights_gradient(
    x: Array, dy: Array, stride: Pair, padding: Pair, *, padded: Array, buffer: Array, scratch: Array, out: Array
) -> Array:
    """Write dL/dw = Σ over the positions of patchᵀ dy to `out`; `scratch` is of its shape."""
    kernel, filters = (out.shape[0], out.shape[1]), out.shape[3]
    total, more = out.reshape(-1, filters), scratch.reshape(-1, filters)
    total.fill(0)
    for part, rows in walk(x, kernel, stride, padding, padded=padded, buffer=buffer):
        add_product(rows, dy[part].reshape(-1, filters), scratch=more, out=total)
    return out


def flip(weights: Array, *, out: Array) -> Array:
    """Write the weights of the input gradient, w'_klfc = w_k,KW−1−l,c,f, to `out` (KH, KW, F, C)."""
    np.copyto(out, weights[:, ::-1].swapaxes(2, 3))
    return out


def reach(count: int, size: int, kernel: int, stride: int, padding: int) -> tuple[slice, slice]:
    """Return which of `count` positions o, moved to s·o + K − 1 − p, lie in 0 … size + K − 2, and these places.

    There, with zeros elsewhere, is where dy lies for a convolution with flipped weights to give the input's gradient.
    """
    shift = kernel - 1 - padding
    first = max(0, -(shift // stride))
    last = min(count - 1, (size + kernel - 2 - shift) // stride)
    return slice(first, last + 1), slice(stride * first + shift, stride * last + shift + 1, stride)


def input_gradient(
    dy: Array, flipped: Array, stride: Pair, padding: Pair, *, padded: Array, buffer: Array, products: Array, out: Array
) -> Array:
    """Write dL/dx to `out`.

    `padded` is (chunk, OH, W + KW − 1, F), zero where dy doesn't lie; `buffer` is flat and as large as its windows of
    one row, `products` (chunk, OH, W, C).
    """
    source, target = reach(dy.shape[2], out.shape[2], flipped.shape[1], stride[1], padding[1])
    inside, dy = padded[:, :, target], dy[:, :, source]
    for part in blocks(len(dy), len(padded)):
        count = part.stop - part.start
        np.copyto(inside[:count], dy[part])
        add_rows(padded[:count], flipped, stride[0], padding[0], buffer=buffer, products=products, out=out[part])
    return out


def add_rows(
    padded: Array, flipped: Array, stride: int, padding: int, *, buffer: Array, products: Array, out: Array
) -> Array:
    """Write dL/dx of a few images to `out`, from the rows of dy with zeros between and beside the pixels.

    A convolution across, with one product for each row of the kernel, that is added to the row of x which it belongs
    to. Patches of all KH rows would be KH times as large, with zeros above and below:
    backward of lenet5's second convolution takes 4.4 ms for 128 images this way, and 5.3 that way; of cnn's, 26.7 and
    27.0.
    """
    kernel, channels, count = flipped.shape[:2], flipped.shape[3], len(padded)
    rows = patches(windows(padded, (1, kernel[1]), (1, 1)), out=buffer)
    product = products[:count]
    out.fill(0)
    for k in range(kernel[0]):
        multiply(rows, flipped[k].reshape(-1, channels), out=product.reshape(-1, channels))
        first = max(0, -((k - padding) // stride))  # row o of dy and row k of the kernel meet row s·o + k − p of x
        last = min(product.shape[1] - 1, (out.shape[1] - 1 + padding - k) // stride)
        if first <= last:
            target = out[:, stride * first + k - padding : stride * last + k - padding + 1 : stride]
            np.add(target, product[:, first : last + 1], out=target)
    return out
