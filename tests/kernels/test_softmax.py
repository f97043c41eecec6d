import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import softmax

SHAPES = st.tuples(st.integers(1, 33), st.integers(1, 12))
SEEDS = st.integers(0, 2**32 - 1)
SPREADS = st.sampled_from([0.1, 1.0, 10.0, 1e4])
OFFSETS = st.sampled_from([0.0, -1e4, 1e4])


def logits(shape, seed, spread=1.0, offset=0.0):
    return spread * np.random.default_rng(seed).standard_normal(shape) + offset


def ones(classes, like):
    return np.ones((classes, 1), like.dtype)


def log_softmax(z):
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@given(shape=SHAPES, seed=SEEDS, spread=SPREADS, offset=OFFSETS)
def test_softmax_is_its_formula_at_any_spread_and_offset_even_in_place(
    placed, empty, assert_close, shape, seed, spread, offset
):
    z, z64 = placed(logits(shape, seed, spread, offset))
    row, out = empty(len(z), 1), empty(*shape)
    assert softmax.softmax(z, ones=ones(shape[1], z), row=row, out=out) is out
    assert_close(out, np.exp(log_softmax(z64)), roundings=8)
    np.testing.assert_array_equal(softmax.softmax(z, ones=ones(shape[1], z), row=row, out=z), out)


@given(shape=SHAPES, seed=SEEDS, spread=SPREADS, offset=OFFSETS)
def test_shift_and_exponentials_give_the_maxima_and_the_sums(placed, empty, assert_close, shape, seed, spread, offset):
    z, z64 = placed(logits(shape, seed, spread, offset))
    row, out = empty(len(z), 1), empty(*shape)
    assert softmax.shift_by_maximum(z, row=row, out=out) is out
    np.testing.assert_array_equal(row, z.max(axis=1, keepdims=True))
    assert_close(out, z64 - z64.max(axis=1, keepdims=True), roundings=1)
    shifted = out.astype(np.float64)
    assert softmax.exponentials(out, ones=ones(shape[1], z), row=row, out=out) is out
    assert_close(out, np.exp(shifted))
    assert_close(row, np.exp(shifted).sum(axis=1, keepdims=True), roundings=8)


@pytest.mark.parametrize("classes", [1, 10, 64, 65, 1000])
def test_sums_over_classes_are_their_formula_and_the_same_in_every_buffer(placed, empty, assert_close, dtype, classes):
    x, x64 = placed(logits((7, classes), 0))
    out = softmax.sum_classes(x, ones=ones(classes, x), out=empty(7, 1))
    sizes = np.abs(x64).sum(axis=1, keepdims=True)
    assert_close(out, x64.sum(axis=1, keepdims=True), scale=sizes, roundings=8)
    elsewhere = np.empty((100, classes), dtype, softmax.layout(classes))[:7]
    np.copyto(elsewhere, x)
    plain = np.array(x, order=softmax.layout(classes))
    np.testing.assert_array_equal(
        *(softmax.sum_classes(each, ones=ones(classes, x), out=empty(7, 1)) for each in (plain, elsewhere))
    )


@given(shape=SHAPES, seed=SEEDS, spread=st.sampled_from([0.1, 1.0, 10.0]))
def test_backward_is_the_jacobian_of_each_row_applied_to_dp_even_into_dp(
    placed, empty, assert_close, shape, seed, spread
):
    p, p64 = placed(np.exp(log_softmax(logits(shape, seed, spread))))
    dp, dp64 = placed(logits(shape, seed + 1))
    jacobians = np.einsum("ni,ij->nij", p64, np.eye(shape[1])) - np.einsum("ni,nj->nij", p64, p64)
    out, row, scratch = empty(*shape), empty(len(p), 1), empty(*shape)
    assert softmax.softmax_backward(p, dp, ones=ones(shape[1], p), row=row, scratch=scratch, out=out) is out
    assert_close(out, np.einsum("nij,nj->ni", jacobians, dp64), roundings=8)
    np.testing.assert_array_equal(
        softmax.softmax_backward(p, dp, ones=ones(shape[1], p), row=row, scratch=scratch, out=dp), out
    )


def test_a_row_is_shifted_by_its_own_maximum_not_by_the_batch_s(empty, dtype):
    z = empty(2, 3)
    z[...] = [[1e4, 0, -1e4], [-1e4, -1e4, -1e4]]
    p = softmax.softmax(z, ones=ones(3, z), row=empty(2, 1), out=empty(2, 3))
    np.testing.assert_allclose(p, [[1, 0, 0], [1 / 3] * 3], rtol=np.finfo(dtype).eps)


def test_probabilities_are_raised_to_the_floor_of_their_dtype(empty, dtype):
    floor = softmax.probability_floor(dtype)
    assert floor == {np.float32: 1e-30, np.float64: 1e-300}[dtype]
    p = empty(1, 3)
    p[...] = [[0, dtype(floor) * dtype(2), 1]]
    out = softmax.raise_to_floor(p, floor, out=p)
    np.testing.assert_array_equal(out, np.array([[floor, dtype(floor) * dtype(2), 1]], dtype))


def test_the_floor_leaves_room_for_the_gradient_of_the_largest_batch(dtype):
    floor = dtype(softmax.probability_floor(dtype))
    assert np.isfinite(1 / floor)
    assert floor * (1 / floor / dtype(1e6)) == pytest.approx(1e-6)
    assert floor >= np.finfo(dtype).tiny  # subnormal numbers are slow and lose digits


@pytest.mark.parametrize(("classes", "order"), [(2, "F"), (10, "F"), (64, "F"), (65, "C"), (1000, "C")])
def test_few_classes_lie_in_columns(classes, order):
    assert softmax.layout(classes) == order
