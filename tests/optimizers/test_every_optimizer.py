import numpy as np
import pytest

from mnist_trainer import registry
from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels import updates
from mnist_trainer.optimizers.adam import Adam, AdamW
from mnist_trainer.optimizers.rmsprop import RMSprop
from mnist_trainer.optimizers.sgd import SGD

SIZE, DECAYED = 11, 6


def penalised(o, w, g):
    return g + o.weight_decay * w


def shrunk(o, w, lr):
    return (1 - lr * o.weight_decay) * w


def sgd(o, w, lr):
    v, g = 0.0, (yield)
    while True:
        if o.decay == "l2":
            g[:DECAYED] = penalised(o, w, g)[:DECAYED]
        else:
            w[:DECAYED] = shrunk(o, w, lr)[:DECAYED]
        v = o.momentum * v + g
        w -= lr * (g + o.momentum * v if o.nesterov else v)
        g = yield


def rmsprop(o, w, lr):
    s, g = 0.0, (yield)
    while True:
        g[:DECAYED] = penalised(o, w, g)[:DECAYED]
        s = o.rho * s + (1 - o.rho) * g * g
        w -= lr * g / (np.sqrt(s) + o.epsilon)
        g = yield


def adam(o, w, lr):
    m, v, t, g = 0.0, 0.0, 0, (yield)
    while True:
        t += 1
        if isinstance(o, AdamW):
            w[:DECAYED] = shrunk(o, w, lr)[:DECAYED]
        else:
            g[:DECAYED] = penalised(o, w, g)[:DECAYED]
        m, v = o.beta1 * m + (1 - o.beta1) * g, o.beta2 * v + (1 - o.beta2) * g * g
        w -= lr * (m / (1 - o.beta1**t)) / (np.sqrt(v / (1 - o.beta2**t)) + o.epsilon)
        g = yield


CASES = [
    (lambda: SGD(), sgd),
    (lambda: SGD(momentum=0.0), sgd),
    (lambda: SGD(nesterov=True), sgd),
    (lambda: SGD(weight_decay=0.1), sgd),
    (lambda: SGD(momentum=0.5, nesterov=True, weight_decay=0.1, decay="decoupled"), sgd),
    (lambda: RMSprop(epsilon=1e-3), rmsprop),
    (lambda: RMSprop(rho=0.9, weight_decay=0.1), rmsprop),
    (lambda: Adam(), adam),
    (lambda: Adam(beta1=0.5, beta2=0.9, epsilon=0.01, weight_decay=0.1), adam),
    (lambda: AdamW(), adam),
    (lambda: AdamW(beta1=0.5, beta2=0.9, epsilon=0.01, weight_decay=0.3), adam),
    (lambda: AdamW(weight_decay=0.0), adam),
]
IDS = [repr(make()) for make, _ in CASES]
KINDS = tuple(registry.optimizers.values())


def test_every_registered_optimizer_has_a_reference():
    assert set(KINDS) == {type(make()) for make, _ in CASES}


@pytest.mark.parametrize(("make", "formula"), CASES, ids=IDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 1e-5)])
@pytest.mark.parametrize("block", [1, 4, 10, 11, updates.block_length("float64")])
def test_twenty_steps_follow_the_formula_with_decay_on_the_first_entries_only(
    monkeypatch, make, formula, dtype, tolerance, block
):
    monkeypatch.setattr(updates, "block_length", lambda dtype: block)
    rng, optimizer = np.random.default_rng(0), make()
    w = rng.standard_normal(SIZE).astype(dtype)
    w64 = w.astype(np.float64)
    optimizer.build(SIZE, dtype, DECAYED)
    reference = formula(optimizer, w64, 0.05)
    next(reference)
    for _ in range(20):
        g = rng.standard_normal(SIZE).astype(dtype)
        reference.send(g.astype(np.float64))
        optimizer.step(w, g, 0.05)
        np.testing.assert_allclose(w, w64, rtol=0, atol=tolerance)
    assert w.dtype == dtype


@pytest.mark.parametrize(("make", "formula"), CASES, ids=IDS)
def test_building_again_forgets_the_past(make, formula):
    def run(optimizer):
        optimizer.build(SIZE, np.float64, DECAYED)
        w = np.linspace(-1, 1, SIZE)
        for step in range(3):
            optimizer.step(w, np.cos(w + step), 0.1)
        return w

    optimizer = make()
    np.testing.assert_array_equal(run(optimizer), run(optimizer))


@pytest.mark.parametrize("make", [make for make, _ in CASES], ids=IDS)
def test_a_rate_of_zero_changes_nothing(make):
    optimizer, w = make(), np.linspace(-1, 1, SIZE)
    optimizer.build(SIZE, np.float64)
    optimizer.step(w, np.ones(SIZE), 0.0)
    np.testing.assert_array_equal(w, np.linspace(-1, 1, SIZE))


@pytest.mark.parametrize(
    "optimizer", [SGD(0.0, weight_decay=0.5), RMSprop(weight_decay=0.5), Adam(weight_decay=0.5), AdamW()], ids=repr
)
def test_decay_applies_to_all_entries_unless_told_otherwise(optimizer):
    w = np.full(SIZE, 4.0)
    optimizer.build(SIZE, np.float64)
    optimizer.step(w, np.zeros(SIZE), 0.1)
    assert (w == w[0]).all()
    assert w[0] < 4


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: SGD(momentum=1.0), "momentum=1.0 "),
        (lambda: SGD(momentum=-0.1), "momentum=-0.1 "),
        (lambda: SGD(weight_decay=-1), "weight_decay=-1 "),
        (lambda: SGD(decay="l1"), "decay='l1' is unknown (one of: decoupled, l2)"),
        (lambda: RMSprop(rho=1.0), "rho=1.0 "),
        (lambda: RMSprop(epsilon=0), "epsilon=0 "),
        (lambda: RMSprop(weight_decay=float("nan")), "weight_decay=nan "),
        (lambda: Adam(beta1=1), "beta1=1 "),
        (lambda: Adam(beta2=-1e-9), "beta2=-1e-09 "),
        (lambda: Adam(epsilon=float("inf")), "epsilon=inf "),
        (lambda: Adam(weight_decay=-1e-4), "weight_decay=-0.0001 "),
        (lambda: AdamW(weight_decay=-1e-4), "weight_decay=-0.0001 "),
    ],
)
def test_a_hyperparameter_out_of_range_is_named(make, key):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(key)


def steps(optimizer, w, *gradients, lr, decayed=None):
    w = np.array(w, float)
    optimizer.build(len(w), np.float64, decayed)
    for g in gradients:
        optimizer.step(w, np.array(g, float), lr)
    return w


def test_sgd_with_momentum_by_hand():
    # v = 2, then 0.5 · 2 + 4 = 5
    assert steps(SGD(momentum=0.5), [10], [2], lr=0.1) == pytest.approx([9.8])
    assert steps(SGD(momentum=0.5), [10], [2], [4], lr=0.1) == pytest.approx([9.3])


def test_nesterov_by_hand():
    # g + μ v = 2 + 1, then 4 + 2.5
    assert steps(SGD(momentum=0.5, nesterov=True), [10], [2], [4], lr=0.1) == pytest.approx([10 - 0.3 - 0.65])


def test_weight_decay_by_hand():
    # l2: g = 2 + 0.5 · 10; decoupled: w = 10 (1 − 0.1 · 0.5), then − 0.1 · 2; the second entry isn't decayed
    l2 = SGD(momentum=0.0, weight_decay=0.5)
    assert steps(l2, [10, 10], [2, 2], lr=0.1, decayed=1) == pytest.approx([9.3, 9.8])
    decoupled = SGD(momentum=0.0, weight_decay=0.5, decay="decoupled")
    assert steps(decoupled, [10, 10], [2, 2], lr=0.1, decayed=1) == pytest.approx([9.3, 9.8])
    # in one step of plain SGD both are the same; with momentum only l2 is remembered
    l2, decoupled = (SGD(momentum=0.5, weight_decay=0.5, decay=decay) for decay in ("l2", "decoupled"))
    assert steps(l2, [10], [0], [0], lr=0.1) == pytest.approx([9.5 - 0.1 * (2.5 + 4.75)])
    assert steps(decoupled, [10], [0], [0], lr=0.1) == pytest.approx([10 * 0.95**2])


def test_rmsprop_by_hand():
    # s = 0.25 · 16 = 4, √s + ε = 2.5
    assert steps(RMSprop(rho=0.75, epsilon=0.5), [1], [4], lr=0.1) == pytest.approx([1 - 0.1 * 4 / 2.5])


def test_adam_s_first_step_is_the_rate_whatever_the_gradient_s_size():
    assert steps(Adam(), [1, 1], [3, -0.001], lr=0.1) == pytest.approx([0.9, 1.1], rel=1e-5)
    assert steps(AdamW(weight_decay=0.5), [1], [3], lr=0.1) == pytest.approx([0.95 - 0.1])
