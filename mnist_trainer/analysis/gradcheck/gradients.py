"""`check_gradients`: the backward of a layer or a loss, the project's own or a user's, against central differences."""

from collections.abc import Sequence
from copy import deepcopy

from mnist_trainer.analysis.gradcheck.differences import Budget
from mnist_trainer.analysis.gradcheck.examiner import Settings
from mnist_trainer.analysis.gradcheck.findings import Findings
from mnist_trainer.analysis.gradcheck.layers import check_elsewhere, check_layer, checked_shape, name_of, nested
from mnist_trainer.analysis.gradcheck.losses import check_loss, sizes
from mnist_trainer.layers.layer import Layer
from mnist_trainer.losses.loss import Loss


def check_gradients(
    function: Layer | Loss,
    *,
    in_shape: Sequence[int] | None = None,
    classes: int = 10,
    batch_size: int = 32,
    samples: int = 24,
    seconds: float | None = None,
    seed: int = 0,
) -> Findings:
    """Hold the backward of a layer for inputs of `in_shape`, or of a loss of so many `classes`, against differences.

        print(check_gradients(Swish(), in_shape=(5,)))

    In float64 and on random inputs: dL/dx and every parameter's gradient of a layer in training, and of the layers
    inside a residual; `backward` and, if it has one, `targets_gradient` of a loss, in batches of 1, 7, `classes` and
    `batch_size`. Of each array `samples` entries are moved one by one, and all together along random directions.
    Where a layer is right so far, directions are tried at inputs 10 and 30 times as large, too, with one image, and
    with `batch_size` of them (at most 128); a loss at saturated logits, and with targets that don't sum to 1, if it
    takes them. Random numbers of generators that the layer or the loss holds are held fixed; slopes at kinks are left
    out and counted; what there was no time for in so many `seconds` is told. Known mistakes are named in the report's
    `faults`.

    A loss may be right for itself and not the cross-entropy that it is meant to be: that is for `task=gradcheck`.

    The function is copied; its own state stays as it is. Raises `TypeError` for what is neither a layer nor a loss,
    `ConfigError` where `in_shape` doesn't fit the layer.
    """
    settings = Settings(samples, seed, Budget(seconds))
    if isinstance(function, Loss):
        return check_loss(deepcopy(function), classes, sizes(classes, batch_size), settings).found
    if not isinstance(function, Layer):
        hint = f"make one: {function.__name__}()" if isinstance(function, type) else f"not {type(function).__name__}"
        raise TypeError(f"check_gradients takes a layer or a loss: {hint}")
    if in_shape is None:
        raise TypeError("check_gradients of a layer needs in_shape, the input's shape without the batch axis: (784,)")
    found = Findings()
    for path, layer, shape in nested([function], checked_shape(in_shape)):
        inner = path.removeprefix("0").removeprefix(".")
        node = f"{inner} {name_of(layer)}".strip()
        if found.add(check_layer(layer, shape, node, settings)):
            found.add(check_elsewhere(layer, shape, node, settings, batch_size))
    return found
