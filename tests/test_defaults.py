"""The shipped configurations learn what they can of the data that come without internet: scikit-learn's digits."""

import pytest

from mnist_trainer.api import build_data, build_trainer, compose

MODELS = (
    *("lenet5", "cnn", "cnn_small", "cnn_pooled", "cnn_pooled_small", "cnn_deep"),
    *("resnet_mini", "residual_mlp"),
)
CHOICES = {
    "linear": (["model=linear"], 0.95),
    **{name: ([f"model={name}"], 0.955) for name in MODELS},
    **{name: ([f"optimizer={name}"], 0.955) for name in ("rmsprop", "adam", "adamw")},
    **{name: ([f"experiment={name}"], 0.955) for name in ("fast99", "best", "regularized")},
    "fast98": (["experiment=fast98"], 0.94),  # in 46 updates
    "tiny": (["experiment=tiny"], 0.9),
    "float64": (["dtype=float64"], 0.955),
}


def accuracy(*overrides):
    config = compose(["data=digits", *overrides])
    trainer, test = build_trainer(config, build_data(config.data))
    trainer.fit()
    return trainer.evaluate(test).accuracy


@pytest.mark.parametrize("seed", [0, 1, 4])  # with gradients of any length, 12.8, 97.8 and 45.8 %
@pytest.mark.parametrize("loss", ["fused", "separate"])
def test_the_defaults_learn_the_digits(loss, seed):
    assert accuracy(f"loss={loss}", f"seed={seed}") >= 0.955


@pytest.mark.parametrize("choice", ["linear", "rmsprop", "fast98", "tiny"])
def test_quick_choices_learn_the_digits(choice):
    overrides, least = CHOICES[choice]
    assert accuracy(*overrides) >= least


@pytest.mark.long
def test_the_defaults_learn_the_digits_from_twenty_seeds():
    found = [accuracy(f"loss={loss}", f"seed={seed}") for loss in ("fused", "separate") for seed in range(20)]
    assert sum(found) / len(found) >= 0.97
    assert min(found) >= 0.955


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_learns_the_digits(choice, seed):
    overrides, least = CHOICES[choice]
    assert accuracy(*overrides, f"seed={seed}") >= least
