"""A loss against the cross-entropy of the logits: what differences of the loss alone can't see."""

import numpy as np
import pytest

from mnist_trainer.analysis.gradcheck.against_reference import check_mode
from mnist_trainer.analysis.gradcheck.differences import Budget
from mnist_trainer.analysis.gradcheck.examiner import CheckSettings
from mnist_trainer.analysis.reference import reference_softmax
from mnist_trainer.api import Loss, register_loss
from mnist_trainer.config import ClippedConfig, CustomLossConfig, LossConfig, SoftmaxCrossEntropyConfig

SETTINGS = CheckSettings(24, 0, Budget())


def report_on(config, classes=10, batches=(1, 7, 10, 32)):
    return check_mode(config, classes, batches, SETTINGS)


@pytest.mark.parametrize("name", ["fused", "separate"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("classes", [2, 10, 65])
def test_both_modes_are_the_cross_entropy_to_the_last_digits(name, smoothing, classes):
    report = report_on(SoftmaxCrossEntropyConfig(name, smoothing), classes)
    assert report.exact, report
    assert report.worst <= 1e-12
    whats = [check.what for check in report.checks]
    assert sum("confident and wrong" in what for what in whats) == 3
    assert sum("confident and right" in what for what in whats) == 3
    assert "rows of dL/dz sum to 0" in whats
    assert f"dL/dz equals that of {'fused' if name == 'separate' else 'separate'}" in whats


def failing(report):
    return {check.what for check in report.wrong}


def test_a_clipped_loss_is_right_at_ordinary_logits_and_wrong_at_saturated_ones():
    report = report_on(ClippedConfig("clipped", 1e-7))
    assert failing(report)
    assert all("confident" in what for what in failing(report))
    assert "capped at 16.12 = −log ε, with ε = 1e-07" in report.faults[0]


@pytest.mark.parametrize("epsilon", [1e-3, 1e-15, 1e-30])
def test_the_clip_is_found_wherever_it_is(epsilon):
    report = report_on(ClippedConfig("clipped", epsilon))
    assert f"ε = {epsilon:.3g}" in report.faults[0]


def test_a_double_softmax_shows_in_the_forward():
    report = report_on(LossConfig("double_softmax"))
    assert "softmax is applied twice" in report.faults[0]
    assert "L = cross-entropy, ordinary logits" in failing(report)


def test_rows_that_do_not_sum_to_0_are_seen():
    assert "rows of dL/dz sum to 0" in failing(report_on(LossConfig("diagonal")))
    assert "rows of dL/dz sum to 0" not in failing(report_on(LossConfig("double_jacobian")))


class Own(Loss):
    """A user's cross-entropy of logits: takes class indices alone."""

    def forward(self, predictions, targets):
        self.p, self.t = reference_softmax(predictions), np.eye(predictions.shape[1])[targets]
        return self.value(np.sum(self.t * self.p, axis=1))

    def value(self, true):
        return float(-np.mean(np.log(true)))

    def backward(self, upstream=1.0):
        return upstream * (self.p - self.t) / len(self.p)


class Focal(Own):
    def value(self, true):
        return float(-np.mean((1 - true) ** 2 * np.log(true)))


class Sum(Own):
    def value(self, true):
        return float(-np.sum(np.log(true)))


class Negative(Own):
    def value(self, true):
        return float(np.mean(np.log(true)))


class WithEpsilon(Own):
    def value(self, true):
        return float(-np.mean(np.log(true + 1e-9)))


class Twice(Own):
    expects = "probabilities"


class Unshifted(Own):
    def forward(self, predictions, targets):
        with np.errstate(all="ignore"):
            e = np.exp(predictions)
            super().forward(predictions, targets)
            self.p = e / e.sum(axis=1, keepdims=True)
            return self.value(np.sum(self.t * self.p, axis=1))


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Sum, "the forward is N times the mean cross-entropy"),
        (Negative, "the negative of the cross-entropy"),
        (WithEpsilon, "capped at 20.72 = −log ε, with ε = 1e-09"),
        (Twice, "softmax is applied twice"),
        (Unshifted, "softmax isn't shifted by the maximum of its own row"),
    ],
)
def test_a_users_loss_with_a_known_mistake_is_named(cls, words):
    register_loss("own")(cls)
    report = report_on(CustomLossConfig("own", {}))
    assert not report.exact
    assert words in "\n".join(report.faults)


def test_a_users_right_cross_entropy_is_judged_and_exact():
    register_loss("own")(Own)
    report = report_on(CustomLossConfig("own", {}))
    assert not report.wrong, report
    assert "L = cross-entropy, ordinary logits" in [check.what for check in report.checks if check.verdict == "exact"]


def test_a_users_loss_that_is_something_else_is_not_judged():
    register_loss("own")(Focal)
    report = report_on(CustomLossConfig("own", {}))
    assert [check.verdict for check in report.checks] == ["not judged"]
    assert "a loss of your own" in report.checks[0].where
    assert not report.faults
