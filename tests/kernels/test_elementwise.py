import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import elementwise

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 17)) | st.tuples(*[st.integers(1, 5)] * 3)
SEEDS = st.integers(0, 2**32 - 1)


def values(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


@given(shape=SHAPES, seed=SEEDS)
def test_add_is_the_sum_even_into_an_operand(placed, empty, assert_close, shape, seed):
    (a, a64), (b, b64) = placed(values(shape, seed)), placed(values(shape, seed + 1))
    out = empty(*shape)
    assert elementwise.add(a, b, out=out) is out
    assert_close(out, a64 + b64, roundings=1)
    np.testing.assert_array_equal(elementwise.add(a, b, out=a), out)


@given(shape=SHAPES, seed=SEEDS)
def test_copy_is_exact(placed, empty, shape, seed):
    a, out = placed(values(shape, seed))[0], empty(*shape)
    assert elementwise.copy(a, out=out) is out
    np.testing.assert_array_equal(out, a)


@given(shape=SHAPES, seed=SEEDS, factor=st.floats(1, 100))
def test_masked_is_factor_times_x_where_the_mask_is_true_even_in_place(
    placed, empty, assert_close, shape, seed, factor
):
    x, x64 = placed(values(shape, seed))
    mask = values(shape, seed + 1) > 0
    out = empty(*shape)
    assert elementwise.masked(x, mask, factor, out=out) is out
    assert_close(out, np.where(mask, factor * x64, 0), roundings=2)
    np.testing.assert_array_equal(elementwise.masked(x, mask, factor, out=x), out)


def test_unbuffered_sets_the_buffer_back():
    size = np.getbufsize()
    with elementwise.unbuffered_ufuncs():
        assert np.getbufsize() < size
    assert np.getbufsize() == size
