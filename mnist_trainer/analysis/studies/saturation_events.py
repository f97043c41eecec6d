"""What first happens to a loss mode as its logits grow, and at which gap: found among those tried, then by halving."""

from dataclasses import dataclass, fields, replace

import numpy as np

from mnist_trainer.analysis.studies.saturation_curves import SMALLEST, Node, Rows, SaturationCurve, saturation_curve
from mnist_trainer.kernels.arrays import Array, Mask, probability_floor

OFF = 1e-3  # relative: three digits are left
LOSS_OFF = "loss off by 0.1 %"
LOSS_STAYS = "loss stays the same"
LOSS_ZERO = "loss is 0"
LOSS_NOT_FINITE = "loss is inf or nan"
GRADIENT_OFF = "gradient off by 0.1 %"
GRADIENT_VANISHED = "gradient at the true class vanishes"  # it is less than 0.1 % of the true one
GRADIENT_NOT_FINITE = "gradient is inf or nan"
UNDERFLOW = f"p from softmax underflows or is at its floor ({probability_floor(np.float32):.0e})"  # the true class's
EVENTS = (
    LOSS_OFF,
    LOSS_STAYS,
    LOSS_ZERO,
    LOSS_NOT_FINITE,
    GRADIENT_OFF,
    GRADIENT_VANISHED,
    GRADIENT_NOT_FINITE,
    UNDERFLOW,
)
HALVINGS = 12  # of 4 % at most: four digits are right


@dataclass(frozen=True)
class SaturationEvent:
    """What first happens to a mode at a scale; from the first scale on it is wrong, rather than numerically off."""

    mode: str
    rows: Rows
    what: str
    scale: float
    lasts: bool  # whether it was seen at all larger scales, too


def saturation_events(
    node: Node, one: SaturationCurve, scales: Array, classes: int, seed: int
) -> list[SaturationEvent]:
    """Tell what first happens to a mode where, in the order of the scales; the node is asked again in between them."""
    for _ in range(HALVINGS):
        firsts = {int(np.argmax(happens)) for happens in saturation_masks(one).values() if happens.any()}
        middles = np.array([(scales[at - 1] + scales[at]) / 2 for at in firsts if at])
        if middles.size:
            between = saturation_curve(node, one.rows, middles, classes, seed)
            one, scales = curve_with(one, scales, between, middles)
    found = []
    for what, happens in saturation_masks(one).items():
        if happens.any():
            first = int(np.argmax(happens))
            lasts = what == LOSS_STAYS or bool(happens[first:].all())
            found.append(SaturationEvent(one.mode, one.rows, what, float(scales[first]), lasts))
    return sorted(found, key=lambda event: event.scale)


def curve_with(
    one: SaturationCurve, scales: Array, other: SaturationCurve, more: Array
) -> tuple[SaturationCurve, Array]:
    """Return a curve with another one's points between its own, and their scales."""
    along = np.concatenate([scales, more])
    order = np.argsort(along)
    lists = [each.name for each in fields(one) if isinstance(getattr(one, each.name), list)]
    points = {name: np.concatenate([getattr(one, name), getattr(other, name)])[order].tolist() for name in lists}
    return replace(one, **points), along[order]


@np.errstate(invalid="ignore")
def saturation_masks(one: SaturationCurve) -> dict[str, Mask]:
    """Tell by what may happen at which of a curve's points it does."""
    loss, true_loss, p = np.array(one.loss), np.array(one.true_loss), np.array(one.probability)
    at_true, true_at_true = np.array(one.gradient_at_true), np.array(one.true_gradient_at_true)
    true_loss_moves = np.maximum(true_loss, true_loss[-1]) > 2 * np.minimum(true_loss, true_loss[-1])
    return {
        LOSS_OFF: ~(np.array(one.loss_error) <= OFF),
        LOSS_STAYS: saturates_from(loss) & true_loss_moves,
        LOSS_ZERO: (loss == 0) & (true_loss > SMALLEST),
        LOSS_NOT_FINITE: ~np.isfinite(loss),
        GRADIENT_OFF: ~(np.array(one.gradient_error) <= OFF),
        GRADIENT_VANISHED: (np.abs(at_true) <= OFF * np.abs(true_at_true)) & (np.abs(true_at_true) > SMALLEST),
        GRADIENT_NOT_FINITE: ~np.isfinite(np.array(one.gradient_error)),
        UNDERFLOW: ((p < SMALLEST) | saturates_from(p)) & (one.rows == "wrong"),
    }


def saturates_from(values: Array) -> Mask:
    """Tell from where on values no longer change, up to rounding; nothing is told of what ends at 0."""
    same = np.abs(values - values[-1]) <= 1e-5 * abs(values[-1])
    from_here: Mask = np.logical_and.accumulate(same[::-1])[::-1]
    return from_here & bool(values[-1] != 0)
