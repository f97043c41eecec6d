import itertools

import numpy as np
import pytest

from mnist_trainer.kernels.windows import positions

LAYOUTS = {
    "C": lambda shape, dtype: np.empty(shape, dtype),
    "F": lambda shape, dtype: np.empty(shape, dtype, "F"),
    "leading slice of C": lambda shape, dtype: np.empty((shape[0] + 3, *shape[1:]), dtype)[: shape[0]],
    "leading slice of F": lambda shape, dtype: np.empty((shape[0] + 3, *shape[1:]), dtype, "F")[: shape[0]],
}


def naive_convolution(x, w, stride, padding):
    """y, and the gradients of Σ dy · y in x and w as functions of dy: a loop over every position and every tap."""
    (n, height, width, _), (kh, kw, _, filters) = x.shape, w.shape
    down, across = positions((height, width), (kh, kw), stride, padding)

    def taps():
        for i, j, k, l in itertools.product(range(down), range(across), range(kh), range(kw)):  # noqa: E741
            row, column = stride[0] * i + k - padding[0], stride[1] * j + l - padding[1]
            if 0 <= row < height and 0 <= column < width:
                yield i, j, k, l, row, column

    y = np.zeros((n, down, across, filters))
    for i, j, k, l, row, column in taps():  # noqa: E741
        y[:, i, j] += x[:, row, column] @ w[k, l]

    def gradients(dy):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i, j, k, l, row, column in taps():  # noqa: E741
            dx[:, row, column] += dy[:, i, j] @ w[k, l].T
            dw[k, l] += x[:, row, column].T @ dy[:, i, j]
        return dx, dw

    return y, gradients


@pytest.fixture(scope="session", params=[np.float32, np.float64])
def dtype(request):
    return request.param


@pytest.fixture(scope="session", params=LAYOUTS.values(), ids=LAYOUTS)
def empty(request, dtype):
    """Make a buffer of a shape in one of the memory layouts, full of NaN: what isn't written shows."""

    def make(*shape):
        buffer = request.param(shape, dtype)
        buffer.fill(np.nan)
        return buffer

    return make


@pytest.fixture(scope="session")
def placed(empty):
    """Copy values into such a buffer; also give what the buffer holds of them, in float64."""

    def place(values):
        buffer = empty(*values.shape)
        buffer[...] = values
        return buffer, buffer.astype(np.float64)

    return place


@pytest.fixture(scope="session")
def assert_close(dtype):
    """Fail unless `actual` is `reference` up to `roundings` of its dtype, relative to the larger of 1 and |reference|.

    A reference of a sum gives `scale`, the sum of the terms' sizes, instead.
    """

    def check(actual, reference, *, roundings=4, scale=None):
        assert actual.dtype == dtype
        assert actual.shape == reference.shape
        size = np.maximum(np.abs(reference), 1) if scale is None else scale
        error = np.max(np.abs(actual.astype(np.float64) - reference) / size)
        assert error <= roundings * np.finfo(dtype).eps

    return check


@pytest.fixture(scope="session")
def naive():
    """Give convolution and its gradients as naive loops."""
    return naive_convolution
