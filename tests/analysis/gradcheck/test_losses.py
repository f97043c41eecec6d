"""Losses right only for targets that sum to 1, or at ordinary logits; and losses that draw random numbers."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from mnist_trainer.analysis.gradcheck.against_reference import check_mode
from mnist_trainer.analysis.gradcheck.differences import Budget
from mnist_trainer.analysis.gradcheck.examiner import CheckSettings
from mnist_trainer.api import Loss, check_gradients, register_loss
from mnist_trainer.config import CustomLossConfig
from mnist_trainer.losses.softmax_loss import SoftmaxLoss

UNEQUAL = "dL/d predictions, targets that don't sum to 1"
SATURATED = "dL/d predictions, saturated"


def verdicts(report):
    return {check.what: check.verdict for check in report.checks}


@dataclass(eq=False)
class Own(Loss):
    """The cross-entropy of logits, each row with a weight."""

    def forward(self, predictions, targets):
        e = np.exp(predictions - predictions.max(axis=1, keepdims=True))
        self.t = np.eye(predictions.shape[1])[targets] if targets.ndim == 1 else targets
        self.p, self.weights = e / e.sum(axis=1, keepdims=True), self.draw((len(predictions), 1))
        return float(-np.sum(self.weights * self.t * np.log(self.p)) / len(self.p))

    def draw(self, shape):
        return np.ones(shape)

    def backward(self, upstream=1.0):
        return upstream * self.weights * (self.p * self.t.sum(axis=1, keepdims=True) - self.t) / len(self.p)


class OfSumOne(Own):
    def backward(self, upstream=1.0):
        return upstream * (self.p - self.t) / len(self.p)


def mode_of(cls):
    register_loss("own")(cls)
    return check_mode(CustomLossConfig("own", {}), 10, (1, 7, 10), CheckSettings(24, 0, Budget()))


def test_a_loss_that_is_right_for_targets_that_sum_to_1_is_exact_and_a_note_says_what_it_is_for_others():
    report = check_gradients(OfSumOne())
    assert report.exact, report
    assert verdicts(report)[UNEQUAL] == "not judged"
    assert "(p − t)/N, which is right only for targets whose rows sum to 1" in "\n".join(report.notes)
    assert check_gradients(Own()).exact
    assert not any("sum to 1" in note for note in check_gradients(Own()).notes)
    mode = mode_of(OfSumOne)
    assert mode.exact, mode
    assert {check.what for check in mode.checks if check.verdict == "not judged"} == {
        "dL/dz = (p − t)/N, targets that don't sum to 1"
    }


def test_what_a_targets_gradient_is_for_targets_that_do_not_sum_to_1_is_told_too():
    class Normalised(SoftmaxLoss):
        def forward(self, predictions, targets):
            self.total = 1 if targets.ndim == 1 else targets.sum() / len(targets)
            return super().forward(predictions, targets)

        def targets_gradient(self, upstream=1.0):
            return self.total * super().targets_gradient(upstream)

    report = check_gradients(Normalised())
    assert report.exact
    assert any("loss Normalised: targets_gradient is 2.2" in note for note in report.notes)


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError])
def test_a_loss_may_refuse_targets_that_do_not_sum_to_1_and_it_is_told(error):
    class Strict(OfSumOne):
        def forward(self, predictions, targets):
            if targets.ndim == 2 and not np.allclose(targets.sum(axis=1), 1):
                raise error("rows must sum to 1")
            return super().forward(predictions, targets)

    report = check_gradients(Strict())
    assert report.exact, report
    (row,) = [check for check in report.checks if check.what == UNEQUAL]
    assert (row.verdict, row.where) == ("not judged", f"{error.__name__}: rows must sum to 1")


@dataclass(eq=False)
class Squares(Loss):
    """The squared error of softmax(z), with a backward that is wrong where |z| > 15, or isn't."""

    right: bool = True

    def forward(self, predictions, targets):
        e = np.exp(predictions - predictions.max(axis=1, keepdims=True))
        self.z, self.p = predictions.copy(), e / e.sum(axis=1, keepdims=True)
        self.t = np.eye(predictions.shape[1])[targets] if targets.ndim == 1 else targets
        return float(np.sum((self.p - self.t) ** 2) / len(self.p))

    def backward(self, upstream=1.0):
        dp = 2 * (self.p - self.t) / len(self.p)
        dz = self.p * (dp - np.sum(dp * self.p, axis=1, keepdims=True))
        return upstream * np.where(np.abs(self.z) > 15, dz if self.right else 7.0, dz)


def test_a_loss_of_ones_own_is_checked_where_logits_saturate():
    assert check_gradients(Squares()).exact
    report = check_gradients(Squares(right=False))
    assert [check.what for check in report.wrong] == [SATURATED]
    (fault,) = report.faults
    assert "backward, logits of standard deviation 10, is not the derivative" in fault


@dataclass(eq=False)
class OfProbabilities(Loss):
    """−log p, whose backward keeps p above a floor, which forward doesn't."""

    floor: float = 0.0
    expects = "probabilities"

    def forward(self, predictions, targets):
        self.p, self.rows = predictions, (np.arange(len(targets)), targets)
        return float(-np.log(predictions[self.rows]).mean())

    def backward(self, upstream=1.0):
        gradient = np.zeros_like(self.p)
        gradient[self.rows] = -upstream / (len(self.p) * np.maximum(self.p[self.rows], self.floor))
        return gradient


def test_a_loss_of_probabilities_is_checked_there_through_a_softmax():
    assert check_gradients(OfProbabilities()).exact
    report = check_gradients(OfProbabilities(1e-4))
    assert [check.what for check in report.wrong] == [SATURATED]


@dataclass(eq=False)
class Noisy(Own):
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3), repr=False)

    def draw(self, shape):
        return self.rng.random(shape)


def test_a_right_loss_with_a_generator_of_its_own_is_exact_and_its_numbers_are_held_fixed():
    report = check_gradients(Noisy())
    assert report.exact, report
    assert "random numbers held fixed" in report.checks[0].where
    (row,) = mode_of(Noisy).checks
    assert (row.verdict, row.where.split(":")[0]) == ("not judged", "it draws random numbers")


def test_a_wrong_one_is_still_wrong():
    class Sign(Noisy):
        def backward(self, upstream=1.0):
            return -super().backward(upstream)

    assert check_gradients(Sign()).faults == ["loss Sign: backward has the wrong sign"]


def test_a_loss_whose_random_numbers_nothing_can_hold_is_called_random_and_no_factor_is_told():
    class Wild(Own):
        def draw(self, shape):
            return np.random.default_rng().random(shape)

    (fault,) = check_gradients(Wild()).faults
    assert fault.startswith("loss Wild: forward is random: random numbers must come from a numpy Generator")
    assert [check.verdict for check in mode_of(Wild).checks] == ["not judged"]


def test_a_confident_single_image_is_no_false_alarm():
    """Its loss is the log of a number near 1: rounding is relative to 1, not to the loss."""
    assert check_gradients(SoftmaxLoss(), classes=2, samples=12, seed=13).exact
