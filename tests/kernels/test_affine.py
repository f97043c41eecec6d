import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import affine

SIZES = st.tuples(st.sampled_from([1, 2, 3, 7, 16, 33]), st.integers(1, 12), st.integers(1, 12))
SEEDS = st.integers(0, 2**32 - 1)


def operands(placed, sizes, seed):
    """x (N, I), W (I, O), b (O,), dy (N, O), each as a pair of the buffer and its values in float64."""
    n, inputs, outputs = sizes
    rng = np.random.default_rng(seed)
    return tuple(
        placed(rng.standard_normal(shape)) for shape in ((n, inputs), (inputs, outputs), (outputs,), (n, outputs))
    )


@pytest.mark.parametrize("with_bias", [True, False])
@given(sizes=SIZES, seed=SEEDS)
def test_affine_is_x_w_plus_b(placed, empty, assert_close, with_bias, sizes, seed):
    (x, x64), (w, w64), (b, b64), (_, dy64) = operands(placed, sizes, seed)
    out = empty(*dy64.shape)
    assert affine.affine(x, w, b if with_bias else None, out=out) is out
    bias = b64 if with_bias else 0 * b64
    size = 1 + np.einsum("ni,io->no", abs(x64), abs(w64)) + abs(bias)
    assert_close(out, np.einsum("ni,io->no", x64, w64) + bias, scale=size)


@given(sizes=SIZES, seed=SEEDS, room=st.sampled_from([0, 3, 2000]))
def test_the_gradients_are_the_three_contractions(placed, empty, assert_close, dtype, sizes, seed, room):
    (x, x64), (w, w64), _, (dy, dy64) = operands(placed, sizes, seed)
    dx, dw = empty(*x.shape), empty(*w.shape)
    assert affine.input_gradient(dy, w, scratch=np.full(room, np.nan, dtype), out=dx) is dx
    assert affine.weights_gradient(x, dy, out=dw) is dw
    assert_close(dx, np.einsum("no,io->ni", dy64, w64), scale=1 + np.einsum("no,io->ni", abs(dy64), abs(w64)))
    assert_close(dw, np.einsum("ni,no->io", x64, dy64), scale=1 + np.einsum("ni,no->io", abs(x64), abs(dy64)))


@given(sizes=SIZES, seed=SEEDS)
def test_the_bias_gradient_sums_over_the_batch(placed, assert_close, dtype, sizes, seed):
    _, _, _, (dy, dy64) = operands(placed, sizes, seed)
    db = np.full(dy.shape[1], np.nan, dtype)
    assert affine.bias_gradient(dy, out=db) is db
    assert_close(db, dy64.sum(0), scale=1 + abs(dy64).sum(0))
