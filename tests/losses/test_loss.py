"""Targets as rows: class indices and rows of any type become (1 − ε) t + ε/C in the predictions' type."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.losses.loss import target_rows

TYPES = [bool, np.int8, np.uint8, np.int64, np.float16, np.float32, np.float64, np.longdouble]


@given(
    shape=st.tuples(st.integers(1, 33), st.integers(1, 12)),
    seed=st.integers(0, 2**32 - 1),
    smoothing=st.sampled_from([0.0, 0.1, 0.9]),
    kind=st.sampled_from(TYPES),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_rows_of_any_type_are_mixed_with_the_uniform_ones_in_the_predictions_type(shape, seed, smoothing, kind, dtype):
    rng = np.random.default_rng(seed)
    drawn = rng.random(shape) if np.dtype(kind).kind == "f" else rng.integers(0, 2, shape)
    targets, kept = drawn.astype(kind), drawn.astype(kind)
    rows = target_rows(targets, np.empty(shape, dtype), smoothing)
    assert rows.dtype == dtype
    exact = (1 - smoothing) * targets.astype(np.float64) + smoothing / shape[1]
    np.testing.assert_allclose(rows, exact, rtol=0, atol=2 * np.finfo(dtype).eps)
    rows[...] = -1
    np.testing.assert_array_equal(targets, kept)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.intp])
def test_class_indices_are_one_hot_rows(kind, smoothing):
    rows = target_rows(np.array([2, 0], kind), np.empty((2, 3), np.float32), smoothing)
    one_hot = np.array([[0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(rows, (1 - smoothing) * one_hot + smoothing / 3, rtol=2e-7)
    assert rows.dtype == np.float32
