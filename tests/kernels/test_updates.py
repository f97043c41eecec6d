import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import updates


@given(size=st.integers(0, 40), block=st.integers(1, 12))
def test_blocks_cover_every_entry_once_in_order(size, block):
    parts = list(updates.blocks(size, block))
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(size))
    assert all(part.stop - part.start <= block for part in parts)


@given(size=st.integers(1, 40), block=st.integers(1, 12))
def test_vectors_are_walked_side_by_side_with_as_much_scratch(dtype, size, block):
    one, two, seen = np.arange(size, dtype=dtype), np.zeros(size, dtype), 0
    for a, b, scratch in updates.in_blocks(one, two, scratch=np.empty(block, dtype)):
        assert len(a) == len(b) == len(scratch)
        b += a  # views
        seen += 1
    np.testing.assert_array_equal(two, one)
    assert seen == -(-size // block)


@given(size=st.integers(1, 40), block=st.integers(1, 12), seed=st.integers(0, 999))
def test_add_scaled_adds_across_blocks(dtype, size, block, seed):
    vector, other = np.random.default_rng(seed).standard_normal((2, size)).astype(dtype)
    expected, kept = vector + 0.3 * other.astype(np.float64), other.copy()
    assert updates.add_scaled(vector, other, 0.3, scratch=np.full(block, np.nan, dtype)) is vector
    np.testing.assert_allclose(vector, expected, rtol=0, atol=8 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(other, kept)


@given(size=st.integers(1, 400), seed=st.integers(0, 999))
def test_norm_is_euclidean(dtype, size, seed):
    vector = np.random.default_rng(seed).standard_normal(size).astype(dtype)
    norm = updates.vector_norm(vector)
    assert type(norm) is float
    assert norm == pytest.approx(
        math.sqrt(math.fsum(float(x) ** 2 for x in vector)), rel=32 * float(np.finfo(dtype).eps)
    )
