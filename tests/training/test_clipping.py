import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.training.clipping import AUTO, SHARE, clip_limit, clip_scale, norm_for_typical

norms = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60)


def scales(gradients, clip_norm=AUTO):
    """What each of a run's gradients is multiplied by, from their norms."""
    total, found = 0.0, []
    for updates, norm in enumerate(gradients):
        typical = total / updates if updates else None
        found.append(clip_scale(norm, clip_limit(clip_norm, typical)))
        total += norm_for_typical(norm, typical)
    return found


@given(norms, st.sampled_from([2.0**-20, 2.0**-7, 2.0**7, 2.0**40]))
def test_a_loss_that_is_too_large_is_clipped_as_one_that_is_not(gradients, factor):
    assert scales([factor * norm for norm in gradients]) == scales(gradients)


@given(norms)
def test_auto_lets_no_gradient_be_longer_than_a_share_of_the_mean_so_far(gradients):
    clipped = [norm * factor for norm, factor in zip(gradients, scales(gradients), strict=True)]
    assert clipped[0] == gradients[0]
    for updates in range(1, len(gradients)):
        assert clipped[updates] <= SHARE * np.mean(gradients[:updates]) * (1 + 1e-9)


@given(st.floats(1e-3, 1e3), st.floats(1.0, 1e6))
def test_a_burst_does_not_move_the_limit(norm, burst):
    assert scales([norm] * 5 + [norm * burst] * 5 + [norm])[-1] == pytest.approx(SHARE)


def test_gradients_of_0_say_nothing_of_what_is_typical_and_stop_nothing():
    assert scales([0.0, 0.0, 3.0, 0.5]) == [1.0, 1.0, 1.0, 1.0]


@given(st.floats(0, 1e6), st.floats(1e-3, 1e3))
def test_a_number_is_the_largest_norm_and_null_is_none(norm, largest):
    assert norm * scales([norm], largest)[0] == pytest.approx(min(norm, largest))
    assert scales([norm], None) == [1.0]


class Large(SoftmaxLoss):
    def backward(self, upstream=1.0):
        return super().backward(64 * upstream)


def test_auto_does_not_hide_a_gradient_that_is_too_large(tiny):
    moved = []
    for loss in (SoftmaxLoss(), Large()):
        trainer = tiny.trainer(loss=loss, optimizer=SGD(momentum=0.0), learning_rate=1e-6, dtype=np.float64)
        trainer.clip_norm = AUTO
        before = trainer.model.parameters.values.copy()
        trainer.fit()
        moved.append(np.linalg.norm(trainer.model.parameters.values - before))
    assert moved[1] == pytest.approx(64 * moved[0], rel=1e-3)


def test_auto_follows_the_trainer_s_own_gradients(tiny, recorder):
    heard = recorder()
    trainer = tiny.trainer(clip_norm=AUTO, optimizer=SGD(momentum=0.0), log_every=1, callbacks=[heard])
    sizes, updates = [], trainer.updates()
    before = trainer.model.parameters.values.copy()
    for _ in updates:
        sizes.append(np.linalg.norm(trainer.model.parameters.values - before) / 0.1)
        before = trainer.model.parameters.values.copy()
    gradients = [record.gradient_norm for record in heard.told("on_record")]
    expected = [norm * factor for norm, factor in zip(gradients, scales(gradients), strict=True)]
    assert min(scales(gradients)) < 0.9
    assert sizes == pytest.approx(expected, rel=1e-3)
