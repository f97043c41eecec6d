"""The whole check of a configuration: the loss and its nodes, every layer alone, and the stack on real images."""

from collections.abc import Sequence

import numpy as np

from mnist_trainer import registry
from mnist_trainer.analysis.gradcheck.against_reference import check_mode
from mnist_trainer.analysis.gradcheck.differences import Budget
from mnist_trainer.analysis.gradcheck.examiner import CheckSettings, Examiner, attempt_call, coarseness
from mnist_trainer.analysis.gradcheck.findings import Check, Findings
from mnist_trainer.analysis.gradcheck.layers import (
    BATCH,
    check_elsewhere,
    check_layer,
    checked_images,
    checked_layer_name,
    nested_layers,
    scatter_parameters,
)
from mnist_trainer.analysis.gradcheck.loss_diagnosis import explain_chain
from mnist_trainer.analysis.gradcheck.loss_examiner import size_of
from mnist_trainer.analysis.gradcheck.losses import MOST, batch_sizes_to_check, check_loss
from mnist_trainer.build import build_layers, build_loss
from mnist_trainer.config import Config
from mnist_trainer.kernels.arrays import Array, Indices, Shape
from mnist_trainer.layers.layer import Layer
from mnist_trainer.losses.loss import Loss, loss_gradient, loss_value
from mnist_trainer.model import Sequential

MOST_IMAGES = 8
NOISE = 0.05


def check_configuration(
    config: Config, model: Sequential, x: Array, labels: Indices, *, samples: int, seconds: float
) -> Findings:
    """Check all of a configuration, given its model in float64, built with the loss's tail, and a batch of its data.

    What there is no time for within so many `seconds` is told in the findings, as not checked.
    """
    settings = CheckSettings(samples, config.seed, Budget(seconds))
    classes, n = model.out_shape[0], config.batch_size
    batches = batch_sizes_to_check(classes, n)
    tail = registry.tail_layers(config.loss.name)
    found = check_layers(tail, (classes,), "tail", settings, n, batches=[classes, min(n, MOST)])
    tail_exact = bool(tail) and not found.faults
    of_loss = check_loss(build_loss(config.loss), classes, batches, settings)
    found.add(of_loss.found)
    found.add(check_mode(config.loss, classes, batches, settings))
    found.add(check_layers(build_layers(config.model, classes), model.in_shape, "layers", settings, n))
    found.blame(explain_chain(of_loss.wrong, tail_exact=tail_exact))
    few = min(n, MOST_IMAGES, len(labels))
    of_stack = check_stack(model, build_loss(config.loss), x[:few], labels[:few], settings)
    if found.faults:
        found.checks += of_stack.checks
    else:  # the parts are right, and yet what they make together may not be
        found.add(of_stack)
    if not found.faults:
        found.blame(*(f"{check.node}: {check.what}: {check.where}" for check in found.wrong))
    return found


def check_layers(
    layers: Sequence[Layer],
    in_shape: Shape,
    path: str,
    settings: CheckSettings,
    batch_size: int,
    *,
    batches: Sequence[int] = (BATCH,),
) -> Findings:
    """Check each layer alone, those inside others too; layers alike in kind, parameters and input are one row."""
    alike: dict[tuple[str, Shape], list[tuple[str, Layer]]] = {}
    for name, layer, shape in nested_layers(layers, in_shape):
        alike.setdefault((repr(layer), shape), []).append((name, layer))
    found = Findings()
    for (_, shape), those in alike.items():
        layer = those[0][1]
        node = f"{path}.{', '.join(name for name, _ in those)} {checked_layer_name(layer)}"
        right = [found.add(check_layer(layer, shape, node, settings, batch=batch)) for batch in sorted({*batches})]
        if all(right):
            found.add(check_elsewhere(layer, shape, node, settings, batch_size))
    return found


def check_stack(model: Sequential, loss: Loss, x: Array, labels: Indices, settings: CheckSettings) -> Findings:
    """Check the loss of the whole model in all its parameters and in its input, in training; in its targets, if it can.

    Pixels get a little noise: where they are blank, gradients are 0, maxima tie, and nothing is told.
    """
    rng = settings.stream()
    scatter_parameters(model.parameters, rng)
    node = f"whole, {checked_images(len(labels))}"
    examiner = Examiner(node, settings, model.stack, loss, note="masks held fixed")
    found, held, parameters = examiner.found, examiner.held, model.parameters
    x = x + NOISE * rng.standard_normal(x.shape)
    kept = x.copy()

    def value(targets: Array | Indices = labels) -> float:
        return held.call(lambda: loss_value(loss, model.forward(x, training=True), targets))

    def run() -> tuple[float, float, Array | None]:
        predictions = held.call(lambda: model.forward(x, training=True)).copy()
        coarse = coarseness(loss.forward(predictions, labels))
        parameters.gradients.fill(np.nan)
        dx = model.backward(loss_gradient(loss, predictions).copy(), need_dx=True)
        return value(), coarse, None if dx is None else np.array(dx, np.float64)

    done = examiner.attempt("backward", run)
    if done is None:
        return found
    first, coarse, dx = done
    if not np.array_equal(x, kept):
        examiner.refuse("forward", "writes into its input", "forward writes into its input")
        return found
    if not held.repeats(value):
        found.note(Check(node, "forward", "wrong", where="is not the same twice"), f"{node}: forward is random")
        return found
    gradients = {name: view.copy() for name, view in parameters.gradient_views.items()}
    arrays: list[tuple[str, Array, Array | None]] = [("x", x, dx)]
    names = sorted(gradients, key=lambda name: [int(part) for part in name.split(".") if part.isdigit()])
    arrays += [(f" {name}", parameters.views[name], gradients[name]) for name in names]
    for name, array, analytic in arrays:
        examiner.derivative(f"dL/d{name}", value, array, analytic, size_of(first), coarse=coarse)
    if type(loss).targets_gradient is not Loss.targets_gradient:
        targets = np.eye(model.out_shape[0])[labels]
        told = attempt_call(lambda: (value(targets), np.array(loss.targets_gradient(), np.float64)))
        if not isinstance(told, str):  # else it takes class indices only, as the loss's own rows say
            first, analytic = told
            examiner.derivative("dL/d targets", lambda: value(targets), targets, analytic, size_of(first))
    return found
