"""`check_gradients`: the backward of a layer or a loss, the project's own or a user's, against central differences."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from mnist_trainer.analysis.gradcheck import single_precision
from mnist_trainer.analysis.gradcheck.adapters import (
    ForeignLayer,
    ForeignLoss,
    as_layer,
    as_loss,
    looks_like_loss,
    why_no_layer,
)
from mnist_trainer.analysis.gradcheck.differences import Budget
from mnist_trainer.analysis.gradcheck.examiner import CheckSettings, cannot_run_check
from mnist_trainer.analysis.gradcheck.findings import Findings
from mnist_trainer.analysis.gradcheck.foreign import ForeignGraph, ForeignPair, understood_function
from mnist_trainer.analysis.gradcheck.layers import (
    BATCH,
    check_elsewhere,
    check_layer,
    checked_layer_name,
    nested_layers,
    shape_to_check,
)
from mnist_trainer.analysis.gradcheck.losses import batch_sizes_to_check, check_loss
from mnist_trainer.analysis.gradcheck.single_precision import INDICES, ROWS
from mnist_trainer.analysis.reference import reference_softmax
from mnist_trainer.kernels.arrays import Array, Indices, Shape
from mnist_trainer.layers.layer import Layer
from mnist_trainer.losses.loss import Loss


def check_gradients(
    function: Any,
    *given: Any,
    node: Any = None,
    in_shape: Sequence[int] | None = None,
    classes: int = 10,
    batch_size: int = 32,
    samples: int = 24,
    seconds: float | None = None,
    seed: int = 0,
) -> Findings:
    """Hold a function's backward against differences: a layer's, a loss's, or that of anybody's code.

        print(check_gradients(Swish(), in_shape=(5,)))              # a layer, for inputs of `in_shape`
        print(check_gradients(MyLoss(), classes=10))                # a loss
        print(check_gradients(forward, backward, z))                # forward(z), and backward(gradient, z)
        print(check_gradients(SoftMax, z))                          # a graph's node, SoftMax(NetNode(z))
        print(check_gradients(CrossEntropy, p, t))                  # one that is a loss: two arrays (N, C)

    In float64 and on random inputs: dL/dx and every parameter's gradient of a layer in training, and of the layers
    inside a residual; `backward` and, if it has one, `targets_gradient` of a loss, in batches of 1, 7, `classes` and
    `batch_size`. Of each array `samples` entries are moved one by one, and all together along random directions.
    Where a layer is right so far, directions are tried at inputs 10 and 30 times as large, too, with one image, and
    with `batch_size` of them (at most 128); a loss at saturated logits. Random numbers of generators that the layer or
    the loss holds are held fixed; slopes at kinks are left out and counted; what there was no time for in so many
    `seconds` is told. Known mistakes are named in the report's `faults`; what is right, and yet to be known, in its
    `notes`.

    Foreign code is given example arrays, of which shapes and kinds are taken: a class or an object with `forward` and
    `backward`; two functions; a node's class, or a function that makes several nodes, of leaves that `node` makes
    (the class that it is derived from, if not given), each with `data`, `g` and `_back`. README.md beside this file has
    a template.

    A loss may be right for itself and not the cross-entropy that it is meant to be: that is for `task=gradcheck`.

    The function is copied; its own state stays as it is. Raises `TypeError` for what it can't take, `ConfigError` where
    `in_shape` doesn't fit the layer.
    """
    settings = CheckSettings(samples, seed, Budget(seconds))
    if isinstance(function, Layer | Loss) and given:
        raise TypeError(f"check_gradients({type(function).__name__}(), ...) takes no arrays: in_shape, or classes")
    if isinstance(function, type) and issubclass(function, Layer | Loss):
        raise TypeError(f"check_gradients takes a layer or a loss, not its class: make one: {function.__name__}()")
    if not isinstance(function, Layer | Loss):
        foreign, arrays = understood_function(function, given, node)
        if not looks_like_loss(arrays):
            return check_foreign_layer(foreign, arrays, settings, batch_size)
        function, classes = as_loss(foreign, arrays), arrays[0].shape[1]
    if isinstance(function, Loss):
        return check_loss_alone(deepcopy(function), classes, batch_size, settings)
    if in_shape is None:
        raise TypeError("check_gradients of a layer needs in_shape, the input's shape without the batch axis: (784,)")
    return check_at(function, shape_to_check(in_shape), settings, batch_size)


def check_foreign_layer(
    function: ForeignPair | ForeignGraph, arrays: Sequence[Array], settings: CheckSettings, batch_size: int
) -> Findings:
    """Check a function of other arrays than predictions and targets, in a batch of the example's size."""
    why, found = why_no_layer(function, arrays), Findings()
    if why is not None:
        found.note(cannot_run_check(function.name, "forward", why), f"{function.name}: forward {why}")
        return found
    return check_at(as_layer(function, arrays), arrays[0].shape[1:], settings, batch_size, batch=len(arrays[0]))


def check_loss_alone(loss: Loss, classes: int, batch_size: int, settings: CheckSettings) -> Findings:
    """Check a loss, and ask it in float32, too: of probabilities, at such as softmax makes."""
    examiner = check_loss(loss, classes, batch_sizes_to_check(classes, batch_size), settings)
    of_logits = loss.expects == "logits"

    def ask(logits: Array, targets: Array | Indices) -> tuple[float, Array]:
        return loss.forward(logits if of_logits else reference_softmax(logits), targets), loss.backward()

    node = examiner.node + ("" if of_logits else ", of p = softmax(z) and the gap in z")
    kinds = loss.kinds if isinstance(loss, ForeignLoss) else [INDICES, ROWS]
    examiner.found.notes += single_precision.notes(node, ask, classes, settings.budget, kinds)
    return examiner.found


def check_at(
    whole: Layer, in_shape: Shape, settings: CheckSettings, batch_size: int, *, batch: int = BATCH
) -> Findings:
    """Check a layer and those inside it; one that can't run with as many images as it has inputs, too."""
    found = Findings()
    for path, layer, shape in nested_layers([whole], in_shape):
        inner = path.removeprefix("0").removeprefix(".")
        node = f"{inner} {checked_layer_name(layer)}".strip()
        alone = not layer.parameter_shapes() or not isinstance(layer, ForeignLayer)
        first = check_layer(layer, shape, node, settings, batch=batch)
        if found.add(first):
            if alone:
                found.add(check_elsewhere(layer, shape, node, settings, batch_size))
        elif alone and any(check.verdict == "can't run" for check in first.checks) and len(shape) == 1:
            as_many = check_layer(layer, shape, node, settings, batch=shape[0])  # N = C may run, and tell more
            if not any(check.verdict == "can't run" for check in as_many.checks):
                found.add(as_many)
    return found
