"""Several modes at the same parameters: whatever the layers, with the same masks, in either precision."""

import numpy as np
import pytest

from mnist_trainer.analysis.comparison.copies import BOUNDS, Copies, gradient_norm_of_copy
from mnist_trainer.composition import compose
from mnist_trainer.errors import ConfigError

LOSSES = [compose([f"loss={loss}"]).loss for loss in ("fused", "separate", "mistakes/diagonal")]
LAYERS = {
    kind: f"[{{kind: flatten}}, {{kind: linear, units: 12}}, {layer}, {{kind: linear, units: 10}}]"
    for kind, layer in {
        "gelu": "{kind: gelu}",
        "dropout": "{kind: dropout, rate: 0.5}",
        "residual": "{kind: residual, layers: [{kind: relu}, {kind: linear, units: 12}]}",
        "softmax": "{kind: softmax}",
    }.items()
}


def batch(dtype, n=16):
    rng = np.random.default_rng(5)
    return rng.standard_normal((n, 4, 4, 1)).astype(dtype), rng.integers(0, 10, n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", LAYERS)
def test_exact_modes_agree_and_an_inexact_one_does_not(kind, dtype):
    config = compose(["model=custom", f"model.layers={LAYERS[kind]}"])
    copies = Copies(config, LOSSES, (4, 4, 1), 10, 16, dtype)
    copies.take(0.3 * np.random.default_rng(0).standard_normal(copies.parameters.size).astype(dtype))
    x, labels = batch("float32")
    for _ in range(2):  # of dropout's masks, the second is another one
        found = copies.differences([loss.name for loss in LOSSES], x, labels)
        separate, diagonal = found["separate"], found["diagonal"]
        bound = BOUNDS[dtype]
        assert separate.logits <= bound.of(separate.logits_norm)
        assert separate.parameters <= 10 * bound.of(separate.parameters_norm)
        assert abs(separate.loss) <= 10 * bound.relative
        assert diagonal.logits > 0.1 * diagonal.logits_norm
        assert diagonal.parameters > 0.1 * diagonal.parameters_norm


def test_the_norms_are_those_of_the_formulas():
    config = compose(["model=linear"])
    copies = Copies(config, LOSSES[:2], (4, 4, 1), 10, 16, "float64")
    x, labels = batch("float64")
    found = copies.differences(["fused", "separate"], x, labels)["separate"]
    weights, bias = copies.parameters[:160].reshape(16, 10), copies.parameters[160:]
    logits = x.reshape(16, 16) @ weights + bias
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    dz = (p - np.eye(10)[labels]) / 16
    dtheta = np.concatenate([(x.reshape(16, 16).T @ dz).ravel(), dz.sum(axis=0)])
    assert found.logits_norm == pytest.approx(np.linalg.norm(dz), rel=1e-12)
    assert found.parameters_norm == pytest.approx(np.linalg.norm(dtheta), rel=1e-12)


def test_rows_on_the_floor_are_counted():
    copies = Copies(compose(["model=linear"]), LOSSES[:2], (4, 4, 1), 10, 16, "float32")
    x, labels = batch("float32")
    copies.take(1000 * np.random.default_rng(0).standard_normal(copies.parameters.size).astype("float32"))
    found = copies.differences(["fused", "separate"], x, labels)["separate"]
    assert 0 < found.clamped_rows <= 16
    assert found.clamped_rows_of_first == 0
    turned = copies.differences(["separate", "fused"], x, labels)["fused"]
    assert (turned.clamped_rows_of_first, turned.clamped_rows) == (found.clamped_rows, 0)


def test_parameters_behind_the_model_are_refused():
    copies = Copies(compose(["model=linear"]), LOSSES[:2], (4, 4, 1), 10, 16, "float32")
    with pytest.raises(ConfigError, match=r"task\.modes: there are 3 parameters behind the model"):
        copies.take(np.zeros(copies.parameters.size + 3, np.float32))


@pytest.mark.parametrize("size", [1e-30, 1e-18, 1.0, 1e25])
def test_a_float32_norm_is_right_where_its_squares_are_not(size):
    vector = np.full(1000, size, np.float32)
    assert gradient_norm_of_copy(vector) == pytest.approx(np.linalg.norm(vector.astype(np.float64)), rel=1e-5)
