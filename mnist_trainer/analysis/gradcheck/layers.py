"""A layer alone against differences: dL/dx and its parameters' gradients, with L = Σ dy ⊙ forward(x), dy at random."""

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np

from mnist_trainer.analysis.gradcheck.adapters import ForeignLayer
from mnist_trainer.analysis.gradcheck.diagnosis import LayerCase, explain_layer, near_enough
from mnist_trainer.analysis.gradcheck.differences import Measured
from mnist_trainer.analysis.gradcheck.examiner import TIME, CheckSettings, Examiner
from mnist_trainer.analysis.gradcheck.findings import Check, Findings
from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.stack import Stack
from mnist_trainer.model import Parameters, Sequential
from mnist_trainer.slips import checked_array

BATCH = 5
SCALES = (10, 30)  # of inputs, beside 1: where activations saturate, or are capped
ADDS = "adds to what the last call left"
FEW = 2  # random directions, where no entries are moved
MOST_IMAGES, MOST_NUMBERS = 128, 2**17  # of a batch, beside small ones


def nested_layers(layers: Sequence[Layer], in_shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
    """List copies of layers with the shape that each gets, those inside others (named 3.0, 3.1 …) before these."""
    stack = Stack(deepcopy(list(layers)))
    stack.build(in_shape, 1, np.float64)
    for place in stack.places():
        *outer, first = place.path
        for index, (layer, shape) in enumerate(zip(place.layers, place.in_shapes, strict=True), start=first):
            yield ".".join(map(str, (*outer, index))), layer, shape


def scatter_parameters(parameters: Parameters, rng: np.random.Generator) -> None:
    """Move the parameters that begin all alike (biases at 0): there nothing would show, and kinks lie at 0."""
    for view in parameters.views.values():
        if view.size and np.ptp(view) == 0:
            view += 0.1 * rng.standard_normal(view.shape)


def check_layer(
    layer: Layer, in_shape: Shape, node: str, settings: CheckSettings, *, batch: int = BATCH, scale: int = 1
) -> Findings:
    """Check a copy of a layer, newly initialised, in training, on normal inputs of this scale, kept away from 0."""
    place = "".join(
        [f", {checked_images(batch)}" if batch != BATCH else "", f", inputs ×{scale}" if scale != 1 else ""]
    )
    rng = settings.stream()
    model = Sequential([deepcopy(layer)], in_shape, batch, np.float64, settings.stream())
    scatter_parameters(model.parameters, rng)
    examiner = Examiner(node, settings, model.stack, note="masks held fixed")
    found, held = examiner.found, examiner.held
    x = scale * draw_layer_inputs(layer, batch, in_shape, rng)
    kept = x.copy()
    dy: Array = np.empty(0)

    def forward() -> Array:
        return held.call(lambda: model.forward(x, training=True))

    def value() -> float:
        return float(np.vdot(dy, forward()))

    def run() -> tuple[Array, Array, Array | None]:
        y = checked_array(forward(), (batch, *model.out_shape), f"{checked_layer_name(layer)}.forward").astype(
            np.float64
        )
        weights = rng.standard_normal(y.shape)
        return y, weights, back(weights, np.nan)

    def back(weights: Array, before: float) -> Array | None:
        model.parameters.gradients.fill(before)  # backward overwrites, it doesn't add
        dx = model.backward(weights.copy(), need_dx=True)
        return (
            None
            if dx is None
            else checked_array(dx, np.shape(dx), f"{checked_layer_name(layer)}.backward").astype(np.float64)
        )

    def added() -> list[str]:
        forward()
        again = back(dy, 0.0)
        found = ["x"] if dx is not None and again is not None and near_enough(again, 2 * dx) else []
        now = model.parameters.gradient_views
        unset = [name for name, view in now.items() if np.isnan(gradients[name]).any() and view.any()]
        return found + [name.removeprefix("0.") for name in unset]

    what = f"backward, {checked_images(batch)}"
    done = examiner.attempt(what, run, f"{what}: ")
    if done is None:
        return found
    y, dy, dx = done
    if scale != 1 and not np.isfinite(y).all():
        return Findings([Check(node, f"forward{place}", "not judged", where="overflows")])
    why = None
    if not np.array_equal(x, kept):
        why = "writes into its input, which belongs to someone else"
    elif not held.repeats(value):
        why = "is not the same twice: random numbers must come from a numpy Generator that the layer holds"
    if why is not None:
        examiner.refuse("forward", why, f"forward: {why}")
        return found
    size = float(np.linalg.norm(dy * y)) + abs(float(np.vdot(dy, y)))
    gradients = {name: view.copy() for name, view in model.parameters.gradient_views.items()}
    arrays: list[tuple[str, Array, Array | None]] = [("x", x, dx)]
    arrays += [(name.removeprefix("0."), view, gradients[name]) for name, view in model.parameters.views.items()]
    adding = examiner.attempt("backward, twice", added) or []
    for name, array, analytic in arrays:
        what = ("dL/dx" if name == "x" else f"dL/d {name}") + place
        if name in adding:
            words = f"{node}: backward {ADDS}, in {what}: it has to overwrite that, each batch has its own"
            found.note(Check(node, what, "wrong", where=ADDS), words)
            continue

        def explain(measured: Measured, name: str = name) -> str:
            return explain_layer(LayerCase(node + place, name, kept, y, dy, measured))

        examiner.derivative(what, value, array, analytic, size, explain=explain)
    return found


def draw_layer_inputs(layer: Layer, batch: int, in_shape: Shape, rng: np.random.Generator) -> Array:
    """Draw inputs, kept away from 0; those of a foreign function are like its example."""
    if isinstance(layer, ForeignLayer):
        return layer.inputs(batch, rng)
    x = rng.standard_normal((batch, *in_shape))
    return np.asarray(x + np.copysign(0.05, x))


def check_elsewhere(layer: Layer, in_shape: Shape, node: str, settings: CheckSettings, batch_size: int) -> Findings:
    """Check a layer along random directions where mistakes may hide from `check_layer`.

    In batches of 1 and of up to `batch_size`, and at inputs of larger scale, a row each. A layer may refuse a single
    image, and what saturates may have a gradient that is too small to measure: neither makes it wrong.
    """
    found, few = Findings(), replace(settings, samples=0, directions=FEW)
    largest = max(1, min(batch_size, MOST_IMAGES, MOST_NUMBERS // math.prod(in_shape)))
    batches, scales = sorted({1, largest}), " and ".join(f"×{scale}" for scale in SCALES)
    places = {
        f"all, {' and '.join(map(checked_images, batches))}": [(batch, 1) for batch in batches],
        f"all, inputs {scales}": [(BATCH, scale) for scale in SCALES],
    }
    for what, those in places.items():
        with found.one_row(what):
            for batch, scale in those:
                of_place = check_layer(layer, in_shape, node, few, batch=batch, scale=scale)
                rows = [located_check(check) for check in of_place.checks]
                if batch == 1 and rows[-1].verdict == "can't run":
                    rows[-1] = replace(rows[-1], verdict="not judged")
                    of_place.faults.clear()
                if not found.add(Findings(rows, of_place.faults)):
                    break  # the next would say the same again
    return found


def located_check(check: Check) -> Check:
    """Put what was checked before where its worst is: the row is one of many, that become one."""
    return check if check.where == TIME else replace(check, where=f"{check.what}: {check.where}")


def checked_images(n: int) -> str:
    """Say how many."""
    return "1 image" if n == 1 else f"{n} images"


def checked_layer_name(layer: Layer) -> str:
    """Return the layer's class."""
    return type(layer).__name__


def shape_to_check(in_shape: Sequence[int]) -> Shape:
    """Return a shape of whole positive numbers, or raise `ConfigError`."""
    if any(int(n) != n or n < 1 for n in in_shape):
        raise ConfigError(f"in_shape={tuple(in_shape)}: must be whole numbers above 0, without the batch axis")
    return tuple(int(n) for n in in_shape)
