"""Convolution as products of patches and weights, walked a few images at a time, and its gradients.

Shapes: x (N, H, W, C), weights (KH, KW, C, F), bias (F,), y and dy (N, OH, OW, F). A patch is a window of x as a row of
K = KH·KW·C numbers, so that y = patches · weights.reshape(K, F) + b.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from mnist_trainer.kernels.arrays import Array
from mnist_trainer.kernels.channels import over_rows
from mnist_trainer.kernels.convolution_room import ConvRoom, wide_kernel
from mnist_trainer.kernels.updates import blocks
from mnist_trainer.kernels.windows import by_pixel, interior, pieces, windows

SMALL_PRODUCT = 1_000_000
FEW_COLUMNS = 64


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


def patches(view: Array, *, out: Array) -> Array:
    """Copy windows (…, KH, KW, C) to the flat buffer `out`; return them as a matrix (positions, K).

    With several channels, KW·C numbers lie side by side and are copied at a time. With one, that is KW numbers: then
    columns are written instead of rows, OW numbers at a time, and the matrix is a transposed view.
    """
    target = out[: view.size]
    if view.shape[-1] == 1:
        axes = np.moveaxis(view[..., 0], (-2, -1), (0, 1))
        np.copyto(target.reshape(axes.shape), axes)
    else:
        np.copyto(target.reshape(view.shape), view)
    return matrix_of(target, math.prod(view.shape[-3:]), view.shape[-1])


def matrix_of(target: Array, columns: int, channels: int) -> Array:
    """Return the matrix (positions, K) that `patches` wrote."""
    return target.reshape(columns, -1).T if channels == 1 else target.reshape(-1, columns)


def walk_patches(x: Array, room: ConvRoom, *, again: bool = False) -> Iterator[tuple[slice, Array]]:
    """Yield the images chunk by chunk: their slice, and the matrix of their patches (chunk · OH · OW, columns).

    With `again`, the room was walked with the same x last: the patches are there still, if it has place for all.
    """
    kernel, stride, pool, padded, channels = room.kernel, room.stride, room.pool, room.padded, x.shape[3]
    pads, inside = any(room.padding), interior(padded, room.padding)
    source = padded if pads else x
    if channels == 1:
        views = windows(source, wide_kernel(kernel, stride, pool), (pool[0] * stride[0], pool[1] * stride[1]))
    else:
        views = by_pixel(windows(source, kernel, stride), pool)
    fit = len(x) <= len(room.patches)
    for part in blocks(len(x), len(padded)):
        count = part.stop - part.start
        place = room.patches[part if fit else slice(count)].reshape(-1)
        if again and fit:
            yield part, matrix_of(place, len(room.scratch), channels)
            continue
        if pads:
            np.copyto(inside[:count], x[part])
        chosen = slice(count) if pads else part
        yield part, patches(views[chosen] if channels == 1 else views[:, :, chosen], out=place)


def convolve(x: Array, weights: Array, bias: Array | None, room: ConvRoom, *, out: Array) -> Array:
    """Write y_nijf = Σ_klc x_n,si+k−p,sj+l−p,c w_klcf + b_f to `out`."""
    filters = weights.shape[3]
    for part, rows in walk_patches(x, room):
        y = multiply(rows, weights.reshape(-1, filters), out=out[part].reshape(-1, filters))
        if bias is not None:
            over_rows(np.add, y, bias, out=y)
    return out


def weights_gradient(x: Array, dy: Array, room: ConvRoom, *, out: Array) -> Array:
    """Write dL/dw = Σ over the positions of patchᵀ dy to `out`."""
    filters = out.shape[3]
    out.fill(0)
    for part, rows in walk_patches(x, room):
        add_product(rows, dy[part].reshape(-1, filters), scratch=room.scratch, out=out.reshape(-1, filters))
    return out


def flip_kernel(weights: Array, *, out: Array) -> Array:
    """Write the weights of the input gradient, w'_klfc = w_k,KW−1−l,c,f, to `out` (KH, KW, F, C)."""
    np.copyto(out, weights[:, ::-1].swapaxes(2, 3))
    return out


def kernel_reach(count: int, size: int, kernel: int, stride: int, padding: int) -> tuple[slice, slice]:
    """Return which of `count` positions o, moved to s·o + K − 1 − p, lie in 0 … size + K − 2, and these places.

    There, with zeros elsewhere, is where dy lies for a convolution with flipped weights to give the input's gradient.
    """
    shift = kernel - 1 - padding
    first = max(0, -(shift // stride))
    last = min(count - 1, (size + kernel - 2 - shift) // stride)
    return slice(first, last + 1), slice(stride * first + shift, stride * last + shift + 1, stride)


def input_gradient(dy: Array, weights: Array, room: ConvRoom, *, out: Array) -> Array:
    """Write dL/dx to `out`: dy convolved with the flipped weights, or what each position gives to its window."""
    if room.strided:
        return give_to_windows(dy, weights, room, out=out)
    flip_kernel(weights, out=room.flipped)
    source, target = kernel_reach(dy.shape[2], out.shape[2], room.kernel[1], room.stride[1], room.padding[1])
    inside, dy = room.spread[:, :, target], dy[:, :, source]
    for part in blocks(len(dy), len(room.spread)):
        np.copyto(inside[: part.stop - part.start], dy[part])
        add_rows(room, out=out[part])
    return out


def give_to_windows(dy: Array, weights: Array, room: ConvRoom, *, out: Array) -> Array:
    """Write dL/dx, the sum of the gradients of all patches, dy · wᵀ, where they lie, to `out`.

    As many columns of a window as the stride is wide are computed at a time: those of neighbours lie side by side. With
    a stride of 2, dy convolved would be between zeros: a step of two layers of 5×5 takes 6 % more that way.
    """
    (kh, kw), across, channels, filters = room.kernel, room.stride[1], out.shape[3], dy.shape[3]
    matrices = room.flipped.reshape(kh, filters, kw * channels)
    np.copyto(matrices.reshape(kh, filters, kw, channels), weights.transpose(0, 3, 1, 2))
    for part in blocks(len(dy), len(room.products)):
        rows = dy[part].reshape(-1, filters)
        images = room.products[: part.stop - part.start]
        images.fill(0)
        for k, left in itertools.product(range(kh), range(0, kw, across)):
            width = min(across, kw - left)
            matrix = matrices[k, :, left * channels : (left + width) * channels]
            given = room.patches.reshape(-1)[: len(rows) * width * channels].reshape(len(rows), -1)
            multiply(rows, matrix, out=given)
            target = pieces(images[:, k:, left:], dy.shape[1:3], room.stride, width)
            np.add(target, given.reshape(target.shape), out=target)
        np.copyto(out[part], interior(images, room.padding))
    return out


def add_rows(room: ConvRoom, *, out: Array) -> Array:
    """Write dL/dx of a few images to `out`, given the flipped weights, and dy's rows where `spread` has them.

    A convolution across, with one product for each row of the kernel, that is added to the row of x which it belongs
    to. Patches of all KH rows would be KH times as large, with zeros above and below:
    backward of lenet5's second convolution takes 4.4 ms for 128 images this way, and 5.3 that way; of cnn's, 26.7 and
    27.0.
    """
    count, channels = len(out), out.shape[3]
    (stride, _), (padding, _) = room.stride, room.padding
    rows = patches(windows(room.spread[:count], (1, room.kernel[1]), (1, 1)), out=room.spread_patches)
    product = room.products[:count]
    out.fill(0)
    for k, matrix in enumerate(room.flipped):
        multiply(rows, matrix.reshape(-1, channels), out=product.reshape(-1, channels))
        first = max(0, -((k - padding) // stride))  # row o of dy and row k of the kernel meet row s·o + k − p of x
        last = min(product.shape[1] - 1, (out.shape[1] - 1 + padding - k) // stride)
        if first <= last:
            target = out[:, stride * first + k - padding : stride * last + k - padding + 1 : stride]
            np.add(target, product[:, first : last + 1], out=target)
    return out
