import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import updates

STEPS = 25
# sizes beside block lengths: below, equal, one above, many blocks
SIZES = [(1, 1), (6, 7), (7, 7), (8, 7), (50, 7), (50, 1)]


@pytest.fixture(params=SIZES, ids=str)
def run(request, dtype):
    """Take 25 steps of a kernel, and of plain float64 code, on the same gradients; they must agree.

    The formula is a generator that gets g and w, yields the new w, and keeps its state in its own variables.
    """
    size, block = request.param

    def compare(kernel, formula, states):
        rng = np.random.default_rng(size)
        w = rng.standard_normal(size).astype(dtype)
        w64, scratch = w.astype(np.float64), np.full(block, np.nan, dtype)
        vectors = [np.zeros(size, dtype) for _ in range(states)]
        reference = formula(w64)
        next(reference)
        for step in range(1, STEPS + 1):
            g = rng.standard_normal(size).astype(dtype)
            given_g = g.copy()
            kernel(w, g, *vectors, step=step, scratch=scratch)
            w64 = reference.send(given_g.astype(np.float64))
            np.testing.assert_array_equal(g, given_g)
        np.testing.assert_allclose(w, w64, rtol=0, atol=2 * STEPS * np.finfo(dtype).eps)

    return compare


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("mu", [0.0, 0.9])
def test_momentum_follows_its_formula_across_blocks(run, nesterov, mu):
    def kernel(w, g, v, *, step, scratch):
        updates.momentum(w, g, v, 0.03, mu, nesterov, scratch=scratch)

    def formula(w):
        v, g = 0.0, (yield w)
        while True:
            v = mu * v + g
            w = w - 0.03 * (g + mu * v if nesterov else v)
            g = yield w

    run(kernel, formula, 1)


@pytest.mark.parametrize("rho", [0.0, 0.99])
def test_rmsprop_follows_its_formula_across_blocks(run, rho):
    def kernel(w, g, s, *, step, scratch):
        updates.rmsprop(w, g, s, 0.01, rho, 1e-3, scratch=scratch)

    def formula(w):
        s, g = 0.0, (yield w)
        while True:
            s = rho * s + (1 - rho) * g**2
            w = w - 0.01 * g / (np.sqrt(s) + 1e-3)
            g = yield w

    run(kernel, formula, 1)


@pytest.mark.parametrize(("beta1", "beta2", "epsilon"), [(0.9, 0.999, 1e-8), (0.0, 0.5, 0.1), (0.5, 0.0, 0.1)])
def test_adam_follows_the_paper_across_blocks(run, beta1, beta2, epsilon):
    def kernel(w, g, m, v, *, step, scratch):
        updates.adam(w, g, m, v, 0.01, beta1, beta2, epsilon, step, scratch=scratch)

    def formula(w):  # Kingma and Ba, algorithm 1
        m, v, t, g = 0.0, 0.0, 0, (yield w)
        while True:
            t += 1
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            w = w - 0.01 * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
            g = yield w

    run(kernel, formula, 2)


@given(size=st.integers(0, 40), block=st.integers(1, 12))
def test_blocks_cover_every_entry_once_in_order(size, block):
    parts = list(updates.blocks(size, block))
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(size))
    assert all(part.stop - part.start <= block for part in parts)


@given(size=st.integers(1, 40), block=st.integers(1, 12), seed=st.integers(0, 999))
def test_add_scaled_adds_across_blocks(dtype, size, block, seed):
    vector, other = np.random.default_rng(seed).standard_normal((2, size)).astype(dtype)
    expected, kept = vector + 0.3 * other.astype(np.float64), other.copy()
    assert updates.add_scaled(vector, other, 0.3, scratch=np.full(block, np.nan, dtype)) is vector
    np.testing.assert_allclose(vector, expected, rtol=0, atol=8 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(other, kept)


def test_scale_multiplies_in_place(dtype):
    vector = np.array([1, -2, 4], dtype)
    assert updates.scale(vector, 0.25) is vector
    assert vector.tolist() == [0.25, -0.5, 1]


@given(size=st.integers(1, 400), seed=st.integers(0, 999))
def test_norm_is_euclidean(dtype, size, seed):
    vector = np.random.default_rng(seed).standard_normal(size).astype(dtype)
    norm = updates.norm(vector)
    assert type(norm) is float
    assert norm == pytest.approx(
        math.sqrt(math.fsum(float(x) ** 2 for x in vector)), rel=32 * float(np.finfo(dtype).eps)
    )
