"""Layers that are right at small inputs and in small batches, and wrong, or special, elsewhere."""

from dataclasses import dataclass

import numpy as np
import pytest

from mnist_trainer.api import Layer, check_gradients
from mnist_trainer.layers.activations import Sigmoid, Tanh
from mnist_trainer.layers.linear import Linear

LARGER = "all, inputs ×10 and ×30"


@dataclass(eq=False)
class Capped(Layer):
    """min(max(x, 0), 6); `right` or not, backward may forget the cap."""

    right: bool = True

    def forward(self, x, *, training):
        self.x = x.copy()
        return np.clip(x, 0, 6)

    def backward(self, dy, *, need_dx=True):
        return dy * ((self.x > 0) & (self.x < 6 if self.right else True))


def test_a_cap_that_backward_forgets_is_seen_at_larger_inputs():
    report = check_gradients(Capped(right=False), in_shape=(50,))
    assert [check.what for check in report.wrong] == [LARGER]
    (fault,) = report.faults
    assert fault.startswith("Capped, inputs ×10: backward's dL/dx is not the derivative")
    assert check_gradients(Capped(), in_shape=(50,)).exact


@dataclass(eq=False)
class OfBatch(Layer):
    """tanh, whose backward is twice too large for batches that `wrong` says."""

    wrong: object

    def forward(self, x, *, training):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy, *, need_dx=True):
        return dy * (1 - self.y**2) * (2 if self.wrong(len(dy)) else 1)


@pytest.mark.parametrize(
    ("wrong", "batch_size", "exact"),
    [
        (lambda n: n > 8, 128, False),
        (lambda n: n > 100, 128, False),
        (lambda n: n > 100, 32, True),  # such batches are not asked for
        (lambda n: n == 1, 32, False),
        (lambda n: n % 2 == 0, 32, False),
    ],
)
def test_a_layer_is_checked_in_batches_up_to_the_one_that_is_asked_for(wrong, batch_size, exact):
    report = check_gradients(OfBatch(wrong), in_shape=(20,), batch_size=batch_size)
    assert report.exact == exact, report
    assert {check.what for check in report.wrong} <= {f"all, 1 image and {batch_size} images"}


def test_inputs_of_many_numbers_come_in_smaller_batches():
    report = check_gradients(OfBatch(lambda n: n > 128), in_shape=(100, 100), samples=1, batch_size=500)
    assert report.exact
    assert "all, 1 image and 13 images" in [check.what for check in report.checks]


def test_a_layer_may_refuse_a_single_image_and_no_other_batch():
    @dataclass(eq=False)
    class Some(Layer):
        least: int

        def forward(self, x, *, training):
            if len(x) < self.least:
                raise ValueError(f"needs {self.least} images")
            return 2 * x

        def backward(self, dy, *, need_dx=True):
            return 2 * dy

    assert check_gradients(Some(2), in_shape=(3,)).exact
    assert check_gradients(Some(2), in_shape=(3,), batch_size=1).exact
    assert not check_gradients(Some(6), in_shape=(3,)).exact


@pytest.mark.parametrize("kind", [Tanh, Sigmoid])
def test_a_gradient_that_vanishes_at_larger_inputs_is_not_wrong_and_the_report_complete(kind):
    for seed in range(20):
        report = check_gradients(kind(), in_shape=(1,), batch_size=1, seed=seed)
        assert report.exact, report


def test_a_function_that_overflows_at_larger_inputs_alone_is_not_judged_there():
    class Towers(Layer):
        def forward(self, x, *, training):
            self.x, self.y = x, np.exp(np.exp(x))
            return self.y

        def backward(self, dy, *, need_dx=True):
            return dy * self.y * np.exp(self.x)

    report = check_gradients(Towers(), in_shape=(4,))
    assert not report.wrong, report
    assert {check.verdict for check in report.checks if check.what == LARGER} == {"not judged"}


def test_parameters_are_checked_there_too():
    class Forgetful(Linear):
        def backward(self, dy, *, need_dx=True):
            dx = super().backward(dy, need_dx=need_dx)
            if len(dy) > 8:
                self.gradients["bias"] *= 0.5
            return dx

    report = check_gradients(Forgetful(4), in_shape=(3,))
    assert [check.what for check in report.wrong] == ["all, 1 image and 32 images"]
    assert "32 images: backward's dL/d bias" in report.faults[0]
