"""The whole check of a configuration: the loss and its nodes, every layer alone, and the stack on real images."""

from collections.abc import Sequence

import numpy as np

from mnist_trainer import registry
from mnist_trainer.analysis.gradcheck.against_reference import check_mode
from mnist_trainer.analysis.gradcheck.diagnosis import explain_chain
from mnist_trainer.analysis.gradcheck.differences import Budget
from mnist_trainer.analysis.gradcheck.examiner import Held, Settings, attempt, cannot_run, derivative, scatter, unique
from mnist_trainer.analysis.gradcheck.findings import Check, Report
from mnist_trainer.analysis.gradcheck.layers import BATCH, Found, check_elsewhere, check_layer, images, name_of, nested
from mnist_trainer.analysis.gradcheck.losses import MOST, check_loss, size_of, sizes
from mnist_trainer.build import build_layers, build_loss
from mnist_trainer.config import Config
from mnist_trainer.kernels.arrays import Array, Indices, Shape
from mnist_trainer.layers.layer import Layer
from mnist_trainer.losses.loss import Loss
from mnist_trainer.model import Sequential

MOST_IMAGES = 8
NOISE = 0.05


def check_configuration(
    config: Config, model: Sequential, x: Array, labels: Indices, *, samples: int, seconds: float
) -> Report:
    """Check all of a configuration, given its model in float64, built with the loss's tail, and a batch of its data.

    What there is no time for within so many `seconds` is told in the report, as not checked.
    """
    settings = Settings(samples, config.seed, Budget(seconds))
    classes = model.out_shape[0]
    batches = sizes(classes, config.batch_size)
    tail = registry.tail_layers(config.loss.name)
    n = config.batch_size
    of_tail = check_layers(tail, (classes,), "tail", settings, n, batches=[classes, min(n, MOST)])
    of_loss = check_loss(build_loss(config.loss), classes, batches, settings)
    of_mode = check_mode(config.loss, classes, batches, settings)
    layers = build_layers(config.model, classes)
    of_layers = check_layers(layers, model.in_shape, "layers", settings, config.batch_size)
    n = min(config.batch_size, MOST_IMAGES, len(labels))
    of_stack = check_stack(model, build_loss(config.loss), x[:n], labels[:n], settings)
    parts: Sequence[Found] = (of_tail, of_loss, of_mode, of_layers, of_stack)
    faults = [fault for part in parts[:-1] for fault in part.faults]
    chain = explain_chain(of_loss.wrong, tail_exact=not of_tail.faults and bool(tail))
    if chain:
        faults.append(chain)
    if not faults:  # the parts are right, and yet what they make together isn't
        faults += of_stack.faults
    checks = [check for part in parts for check in part.checks]
    if not faults and (wrong := [check for check in checks if check.verdict in ("wrong", "can't run")]):
        faults += [f"{check.node}: {check.what}: {check.where}" for check in wrong]
    return Report(checks, unique(faults))


def check_layers(
    layers: Sequence[Layer],
    in_shape: Shape,
    path: str,
    settings: Settings,
    batch_size: int,
    *,
    batches: Sequence[int] = (BATCH,),
) -> Found:
    """Check each layer alone, those inside others too; layers alike in kind, parameters and input are one row."""
    alike: dict[tuple[str, Shape], list[tuple[str, Layer]]] = {}
    for name, layer, shape in nested(layers, in_shape):
        alike.setdefault((repr(layer), shape), []).append((name, layer))
    found = Found()
    for (_, shape), those in alike.items():
        layer = those[0][1]
        node = f"{path}.{', '.join(name for name, _ in those)} {name_of(layer)}"
        right = [found.add(check_layer(layer, shape, node, settings, batch=batch)) for batch in sorted({*batches})]
        if all(right):
            found.add(check_elsewhere(layer, shape, node, settings, batch_size))
    return found


def check_stack(model: Sequential, loss: Loss, x: Array, labels: Indices, settings: Settings) -> Found:
    """Check the loss of the whole model in all its parameters and in its input, in training.

    Pixels get a little noise: where they are blank, gradients are 0, maxima tie, and nothing is told.
    """
    rng = settings.stream()
    scatter(model.parameters, rng)
    held = Held(model.stack, loss)
    x = x + NOISE * rng.standard_normal(x.shape)
    node = f"whole, {images(len(labels))}"
    kept = x.copy()

    def value() -> float:
        return held.call(lambda: loss.forward(model.forward(x, training=True), labels))

    def run() -> tuple[float, Array | None]:
        first = value()
        model.parameters.gradients.fill(np.nan)
        dx = model.backward(np.array(loss.backward()), need_dx=True)
        return first, None if dx is None else np.array(dx, np.float64)

    done = attempt(run)
    if isinstance(done, str):
        return Found([cannot_run(node, "backward", done)], [done])
    first, dx = done
    notes = ["masks held fixed"] if held.used else []
    if not np.array_equal(x, kept):
        return Found([cannot_run(node, "forward", "writes into its input")], [f"{node}: forward writes into its input"])
    if not held.repeats(value):
        return Found([Check(node, "forward", "wrong", where="is not the same twice")], [f"{node}: forward is random"])
    found, parameters = Found(), model.parameters
    gradients = {name: view.copy() for name, view in parameters.gradient_views.items()}
    arrays: list[tuple[str, Array, Array | None]] = [("x", x, dx)]
    names = sorted(gradients, key=lambda name: [int(part) for part in name.split(".") if part.isdigit()])
    arrays += [(f" {name}", parameters.views[name], gradients[name]) for name in names]
    for name, array, analytic in arrays:
        check, _ = derivative(node, f"dL/d{name}", value, array, analytic, size_of(first), settings, notes=notes)
        found.checks.append(check)
        if check.verdict == "wrong":
            found.faults.append(f"{node}: {check.what} {check.where}")
    of_targets(model, loss, x, labels, node, held, settings, found)
    return found


def of_targets(
    model: Sequential,
    loss: Loss,
    x: Array,
    labels: Indices,
    node: str,
    held: Held,
    settings: Settings,
    found: Found,
) -> None:
    """Check the gradient with respect to the targets, as one-hot rows, of a loss that has it."""
    if type(loss).targets_gradient is Loss.targets_gradient:
        return
    targets = np.eye(model.out_shape[0])[labels]

    def value() -> float:
        return held.call(lambda: loss.forward(model.forward(x, training=True), targets))

    done = attempt(lambda: (value(), np.array(loss.targets_gradient(), np.float64)))
    if isinstance(done, str):  # it takes class indices only, as the loss's own rows say
        return
    first, analytic = done
    check, _ = derivative(node, "dL/d targets", value, targets, analytic, size_of(first), settings)
    found.checks.append(check)
    if check.verdict == "wrong":
        found.faults.append(f"{node}: {check.what} {check.where}")
