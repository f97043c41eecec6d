"""What several rooms' tests share."""

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("mnist_trainer", deadline=None, derandomize=True, database=None, max_examples=15)
settings.load_profile("mnist_trainer")


@pytest.fixture(scope="session")
def assert_is_gradient():
    """Fail unless `gradient` is d value()/d x, by central differences along random directions in float64.

    `value` reads x, which is moved in place. A standard normal direction d gives |Δ·d| ≈ ‖Δ‖ for an error Δ.
    """

    def check(value, x, gradient, *, step=1e-5, directions=8):
        assert x.dtype == np.float64
        assert gradient.shape == x.shape
        start, gradient, rng = x.copy(), gradient.copy(), np.random.default_rng(0)
        bound = 1e-7 * np.linalg.norm(gradient) + 1e-9
        for _ in range(directions):
            direction = rng.standard_normal(x.shape)
            h = step / np.linalg.norm(direction)
            x[...] = start + h * direction
            above = value()
            x[...] = start - h * direction
            below = value()
            x[...] = start
            numeric = (above - below) / (2 * h)
            assert abs(numeric - np.sum(gradient * direction)) <= bound

    return check
