"""Where a run diverged: the step and the layer that the error names, in every mode and kind of network."""

from dataclasses import dataclass

import numpy as np
import pytest

from mnist_trainer.errors import DivergedError
from mnist_trainer.layers.activations import ReLU
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.normalization import BatchNorm
from mnist_trainer.layers.pooling import MaxPool2d
from mnist_trainer.layers.reshape import Flatten
from mnist_trainer.layers.residual import Residual
from mnist_trainer.losses.mistakes import SumForMean
from mnist_trainer.training.callbacks import ParameterFiles
from mnist_trainer.training.trainer import Callback


@dataclass(eq=False)
class Breaks(Layer):
    """A user's layer: from the `at`-th training step on, its output or its gradient is not finite in one place."""

    forward_at: int = 10**9
    backward_at: int = 10**9
    evaluation: bool = False

    def __post_init__(self):
        self.steps = 0

    def forward(self, x, *, training):
        y = x.copy()
        self.steps += training
        if self.steps >= self.forward_at or (self.evaluation and not training):
            y.flat[-1] = np.inf
        return y

    def backward(self, dy, *, need_dx=True):
        dx = dy.copy()
        if self.steps >= self.backward_at:
            dx.flat[-1] = np.nan
        return dx


class Poisons(Callback):
    """After the third update, makes a parameter what `value` is."""

    def __init__(self, name, value=np.nan):
        self.name, self.value, self.updates = name, value, 0

    def on_start(self, trainer):
        self.trainer = trainer

    def on_update(self, samples):
        self.updates += 1
        if self.updates == 3:
            self.trainer.model.parameters.views[self.name].flat[0] = self.value


def error_of(trainer):
    with pytest.raises(DivergedError) as caught:
        trainer.fit()
    return caught.value


@pytest.mark.parametrize("mode", ["fused", "separate"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_message_names_step_layer_rate_and_mode(tiny, mode, dtype):
    trainer = tiny.trainer(mode=mode, dtype=dtype, dropout=0.3, before=[Breaks(forward_at=4)], loss_name=mode)
    error = error_of(trainer)
    assert error.facts == {"step": 4, "layer": "layers.0 (Breaks)", "learning_rate": 0.1, "loss": mode}
    assert str(error) == (
        "diverged at step 4: the loss is nan: the output of layers.0 (Breaks) is not finite; "
        f"the loss mode is {mode}, the learning rate 0.1; try a smaller optimizer.lr, or trainer.clip_norm=1"
    )
    assert trainer.step == 3


def test_the_layer_is_the_first_of_the_computation_with_its_path(tiny):
    nested = Residual([Linear(16), Residual([ReLU(), Breaks(forward_at=2)])])
    error = error_of(tiny.trainer(before=[Flatten(), nested]))
    assert error.facts["layer"] == "layers.1.layers.1.layers.1 (Breaks)"
    error = error_of(tiny.trainer(before=[Flatten(), Residual([Linear(16), BatchNorm(), Breaks(backward_at=2)])]))
    assert error.facts["layer"] == "layers.1.layers.2 (Breaks)"
    assert error.facts["step"] == 2


def test_layers_that_are_computed_as_one_are_named_for_the_first_and_count_each_for_those_behind(tiny):
    before = [Conv2d(4, kernel=3, padding=1), ReLU(), MaxPool2d(2)]
    assert len(tiny.trainer(before=before).model.steps) < 8  # it is computed as one
    trainer = tiny.trainer(before=[Conv2d(4, kernel=3, padding=1), ReLU(), MaxPool2d(2)])
    trainer.model.parameters.views["0.weights"][...] = 3e38
    assert error_of(trainer).facts["layer"] == "layers.0 (Conv2d)"
    trainer = tiny.trainer(before=[*before, Breaks(forward_at=1)])
    assert error_of(trainer).facts["layer"] == "layers.3 (Breaks)"


@pytest.mark.parametrize(("name", "layer"), [("1.weights", "layers.1 (Linear)"), ("4.bias", "layers.4 (Linear)")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_an_update_broke_are_told_with_that_update(tiny, name, layer, value):
    facts = error_of(tiny.trainer(callbacks=[Poisons(name, value)], schedule=Halves())).facts
    assert (facts["step"], facts["layer"], facts["learning_rate"]) == (3, layer, 0.1 / 4)


class Halves:
    def build(self, total_steps, steps_per_epoch):
        pass

    def factor(self, step):
        return 0.5**step


def test_the_gradient_is_looked_at_in_every_step_and_spoils_no_parameter(tiny):
    trainer = tiny.trainer(before=[Flatten(), Linear(16), Breaks(backward_at=3)], log_every=1000)
    steps, step = [], trainer.optimizer.step
    trainer.optimizer.step = lambda *arguments: (steps.append(trainer.step), step(*arguments))
    error = error_of(trainer)
    assert error.facts == {"step": 3, "layer": "layers.2 (Breaks)", "learning_rate": 0.1, "loss": "SoftmaxLoss"}
    assert "the gradient's norm is nan: dL/dx of layers.2 (Breaks) is not finite" in str(error)
    assert steps == [0, 1]
    assert trainer.is_finite()


def test_a_layer_whose_parameters_gradient_overflows_is_named_though_it_passes_on_a_finite_one(tiny):
    trainer = tiny.trainer()
    trainer.loss.backward = lambda upstream: np.full((8, 3), [1e38, -1e38, 0], np.float32)  # eight of them are too much
    error = error_of(trainer)
    assert "the gradient's norm is inf: the parameters' gradient of layers.4 (Linear) is not finite" in str(error)


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_loss_of_finite_predictions_is_named_itself(tiny, stub_loss, loss):
    error = error_of(tiny.trainer(loss=stub_loss([0.5, 0.5, loss])))
    assert error.facts["layer"] == "loss (Stub)"
    assert f"the loss is {loss}: all layers' outputs are finite" in str(error)


def test_a_loss_s_own_gradient_is_named(tiny):
    loss = SumForMean()
    backward = loss.backward
    loss.backward = lambda upstream: backward(1e38) * np.float32(10)
    with np.errstate(over="ignore"):
        error = error_of(tiny.trainer(loss=loss))
    assert error.facts["layer"] == "loss (SumForMean)"
    assert "gradient of the loss (SumForMean)" in str(error)


def test_what_shows_in_the_validation_alone_is_told_with_the_last_update(tiny):
    error = error_of(tiny.trainer(before=[Breaks(evaluation=True)]))
    assert (error.facts["step"], error.facts["layer"]) == (5, "layers.0 (Breaks)")
    assert "the validation loss is nan" in str(error)


def test_a_parameter_that_a_relu_hides_from_every_loss_ends_the_run_with_the_epoch(tiny):
    error = error_of(tiny.trainer(callbacks=[Poisons("1.bias", -np.inf)], validate=False))
    assert error.facts["layer"] == "layers.1 (Linear)"


def test_what_does_not_show_again_has_no_layer(tiny):
    class Once(Breaks):
        def forward(self, x, *, training):
            y = super().forward(x, training=training)
            self.forward_at = 10**9
            return y

    error = error_of(tiny.trainer(before=[Once(forward_at=1)]))
    assert error.facts["layer"] == "unknown"
    assert "no layer shows it again" in str(error)


def test_the_search_leaves_the_layers_as_they_were(tiny):
    trainer = tiny.trainer(before=[Flatten(), Residual([Breaks(forward_at=2), Dropout(0.5)])])
    error_of(trainer)
    layers = [*trainer.model.stack.layers, *trainer.model.stack.layers[1].layers]
    assert [layer for layer in layers if {"forward", "backward"} & vars(layer).keys()] == []


def test_a_run_with_clipping_is_not_advised_to_clip(tiny):
    assert "clip" not in str(error_of(tiny.trainer(before=[Breaks(forward_at=1)], clip_norm=1.0)))


def test_the_files_of_a_run_that_diverges_stay_those_of_its_last_good_epoch(tiny, tmp_path):
    good = tiny.trainer(epochs=1, before=[Breaks()])
    good.fit()
    trainer = tiny.trainer(before=[Breaks(forward_at=8)], callbacks=[ParameterFiles(tmp_path)])
    error_of(trainer)
    assert trainer.is_finite()  # so it is not for that reason that they are not written
    for name in ("last.npz", "best.npz"):
        with np.load(tmp_path / name) as file:
            assert file["2.weights"].tobytes() == good.model.arrays["2.weights"].tobytes()
