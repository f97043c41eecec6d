"""Modes in lockstep: trained as if alone, measured at the same parameters, and none takes the others with it."""

import numpy as np
import pytest

from mnist_trainer.analysis.comparison.copies import BOUNDS, Copies
from mnist_trainer.analysis.comparison.lockstep import Entrant, Lockstep
from mnist_trainer.analysis.comparison.summary import sum_up_lockstep
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.composition import compose
from mnist_trainer.errors import DivergedError, MistakeError

TINY = ("data=digits", "model.hidden=[8]", "model.dropout=0.2", "epochs=2", "trainer.log_every=4")
UPDATES = 22


@pytest.fixture(scope="module")
def digits():
    return build_data(compose(TINY).data)


@pytest.fixture(scope="module")
def lockstep_of(digits):
    """Make a lockstep of losses, in a shadow of float64 at every `shadow_every`-th update."""

    def make(*losses, overrides=(), shadow_every=10, seeds=None):
        configs = [compose([*TINY, f"loss={loss}", *overrides]) for loss in losses]
        for config, seed in zip(configs, seeds or [], strict=False):
            config.seed = seed
        trainers = [build_trainer(config, digits)[0] for config in configs]
        modes = [config.loss for config in configs]
        copies, shadow = (
            Copies(configs[0], modes, digits.image_shape, digits.classes, configs[0].batch_size, dtype)
            for dtype in (configs[0].dtype, "float64")
        )
        entrants = [
            Entrant(mode.name, trainer, trainer.updates()) for mode, trainer in zip(modes, trainers, strict=True)
        ]
        return Lockstep(entrants, copies, shadow, shadow_every=shadow_every)

    return make


def test_each_mode_trains_to_the_bits_that_it_trains_to_alone(lockstep_of, digits):
    lockstep = lockstep_of("fused", "separate", "mistakes/posted_answer")
    assert list(lockstep.rounds()) == [*range(1, UPDATES + 1), UPDATES]
    for entrant, loss in zip(lockstep.entrants, ("fused", "separate", "mistakes/posted_answer"), strict=True):
        alone, _ = build_trainer(compose([*TINY, f"loss={loss}"]), digits)
        alone.fit()
        assert entrant.trainer.model.parameters.values.tobytes() == alone.model.parameters.values.tobytes()
        assert [record.validation.loss for record in entrant.epochs][-1] == alone.last.validation.loss
        assert len(entrant.losses) == len(entrant.accuracies) == UPDATES


def test_exact_modes_agree_at_every_update_within_the_bounds_and_rounding_makes_them_drift(lockstep_of):
    lockstep = lockstep_of("fused", "separate")
    list(lockstep.rounds())
    found = lockstep.differences["separate"]
    assert len(found.measured) == len(found.drift) == UPDATES
    assert all(one.logits <= BOUNDS["float32"].of(one.logits_norm) for one in found.measured)
    assert list(found.shadow) == [1, 11, 21]
    assert all(one.logits <= BOUNDS["float64"].of(one.logits_norm) for one in found.shadow.values())
    assert any(one.differs for one in found.measured)
    assert 0 < found.drift[-1] < 1e-3


def test_what_is_measured_is_the_loss_and_not_the_drift(lockstep_of):
    """The gradient of a sum is N times that of the mean, whatever has become of the parameters by then."""
    lockstep = lockstep_of("fused", "mistakes/sum_for_mean", overrides=["optimizer.lr=1e-4"], shadow_every=1)
    list(lockstep.rounds())
    found = lockstep.differences["sum_for_mean"]
    assert found.drift[-1] > 1e-3
    batches = [128] * 10 + [20]
    for update, one in enumerate(found.measured):
        n = batches[update % 11]
        for each, precision in ((one, 1e-5), (found.shadow[update + 1], 1e-12)):
            assert each.logits == pytest.approx((n - 1) * each.logits_norm, rel=precision)
            assert each.parameters == pytest.approx((n - 1) * each.parameters_norm, rel=precision)
            assert each.loss == 0


def test_the_drift_is_the_distance_of_the_trained_parameters(lockstep_of):
    lockstep = lockstep_of("fused", "mistakes/diagonal")
    for step in lockstep.rounds():
        first, other = (entrant.trainer.model.parameters.values.astype(float) for entrant in lockstep.entrants)
        expected = np.linalg.norm(other - first) / np.linalg.norm(first)
        assert lockstep.differences["diagonal"].drift[step - 1] == pytest.approx(expected, rel=1e-5)


def test_a_mode_that_cannot_go_on_drops_out_and_the_others_train_as_ever(lockstep_of):
    lockstep = lockstep_of("fused", "mistakes/posted_question", "separate")
    list(lockstep.rounds())
    fused, question, separate = lockstep.entrants
    assert isinstance(question.failure, MistakeError)
    assert (len(fused.losses), len(question.losses), len(separate.losses)) == (UPDATES, 0, UPDATES)
    assert lockstep.differences["posted_question"].measured == []
    assert len(lockstep.differences["separate"].measured) == UPDATES


def test_when_the_first_drops_out_measuring_ends_and_the_others_go_on(lockstep_of):
    lockstep = lockstep_of("separate", "fused")
    first, fused = lockstep.entrants
    losses = iter([2.3] * 5)
    first.trainer.loss.forward = lambda predictions, labels, forward=first.trainer.loss.forward: (
        forward(predictions, labels) + next(losses, np.nan)
    )
    list(lockstep.rounds())
    assert isinstance(first.failure, DivergedError)
    assert len(first.losses) == len(lockstep.differences["fused"].measured) == 5
    assert len(fused.losses) == UPDATES


def test_other_weights_or_batches_are_noticed(lockstep_of):
    with pytest.raises(RuntimeError, match="separate does not begin with the weights of fused"):
        lockstep_of("fused", "separate", seeds=[0, 1])
    lockstep = lockstep_of("fused", "separate")
    next(iter(lockstep.entrants[1].trainer.train))  # shuffles once more
    with pytest.raises(RuntimeError, match="separate got another batch than fused at update 1"):
        next(lockstep.rounds())


@pytest.mark.parametrize("first_drops_out", [False, True])
def test_the_images_are_compared_at_every_update_as_long_as_two_train(lockstep_of, first_drops_out):
    lockstep = lockstep_of("mistakes/posted_question" if first_drops_out else "mistakes/clipped", "fused", "separate")
    runs = [entrant.run for entrant in lockstep.entrants]

    def another_image(run):
        for number, update in enumerate(run, start=1):
            yield update._replace(x=update.x + np.float32(number == 5))

    lockstep.entrants[2].run = another_image(runs[2])
    name = "fused" if first_drops_out else "clipped"
    with pytest.raises(RuntimeError, match=f"separate got another batch than {name} at update 5"):
        list(lockstep.rounds())


@pytest.mark.parametrize("rate", [0.2, 0.0])
def test_the_summary_knows_whether_there_is_dropout(lockstep_of, rate):
    assert sum_up_lockstep(lockstep_of("fused", "separate", overrides=[f"model.dropout={rate}"])).dropout == (rate > 0)


def test_what_breaks_it_off_ends_every_run_that_is_in_a_pause(lockstep_of):
    lockstep = lockstep_of("fused", "separate")
    heard = []

    def listening(entrant):
        try:
            yield from entrant.trainer.updates()
        except BaseException as error:
            heard.append(error)
            raise

    for entrant in lockstep.entrants:
        entrant.run = listening(entrant)
    stop = KeyboardInterrupt()

    def stopped():
        with lockstep:
            next(lockstep.rounds())
            raise stop

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert heard == [stop, stop]
