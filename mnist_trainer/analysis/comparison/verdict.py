"""A comparison's verdict: short sentences, each from its numbers."""

import math

from mnist_trainer.analysis.comparison.differences import FAR, Agreement, Comparison, Outcome, Pair
from mnist_trainer.analysis.comparison.probe import BOUNDS


def sentences(comparison: Comparison) -> list[str]:
    """Say for each mode whether it is the first one's function, how training went apart, and who dropped out."""
    outcomes = {outcome.mode: outcome for outcome in comparison.outcomes}
    said = []
    for pair in comparison.pairs:
        if pair.measured.updates:
            said += [of_gradients(pair), of_training(pair, outcomes[pair.first], outcomes[pair.other])]
    return said + [
        f"{outcome.mode} dropped out after {counted(outcome.updates)}: {outcome.failure}"
        for outcome in comparison.outcomes
        if outcome.failure is not None
    ]


def of_gradients(pair: Pair) -> str:
    """Say whether two modes have the same gradients at the same parameters."""
    if not pair.same_function:
        return different(pair)
    agreements = [one for one in (pair.measured, pair.shadow) if one is not None]
    sizes = " and ".join(f"{number(one.logits_largest)} in {one.dtype}" for one in agreements)
    said = (
        f"{pair.first} and {pair.other} are one function: at the same parameters their gradients with respect to the "
        f"logits differ by at most {sizes}, relatively"
    )
    if pair.measured.holds:
        held = " and ".join(f"{bound(one)} at all {counted(one.updates)} in {one.dtype}" for one in agreements)
        said += f"; ‖Δ‖ kept within {held}."
    else:
        said += f". In float64 ‖Δ‖ kept within {bound(agreements[-1])} throughout. {broken(pair.measured)}"
    if pair.measured.loss_largest > FAR:
        said += f" Their losses are up to {number(pair.measured.loss_largest)} apart."
    return said


def different(pair: Pair) -> str:
    """Say how far two modes' gradients are from each other."""
    found = pair.measured
    outside = f"{found.updates - found.within:,} of {counted(found.updates)}"
    if pair.shadow is not None:
        outside += f", and in float64 at {pair.shadow.updates - pair.shadow.within:,} of {pair.shadow.updates:,}"
    if found.within > found.updates / 2:
        said = (
            f"{pair.other} does not always have the gradient of {pair.first}: at the same parameters its dL/dz is "
            f"outside {bound(found)} at {outside}, off by up to {number(found.logits_largest)} of the norm"
        )
    else:
        said = (
            f"{pair.other} does not have the gradient of {pair.first}: at the same parameters its dL/dz is off by "
            f"{number(found.logits_median)} of the norm (median; at most {number(found.logits_largest)}), outside "
            f"{bound(found)} at {outside}"
        )
    if math.isnan(found.loss_largest):
        return f"{said}. Its loss is another one, too, and not always finite."
    if found.loss_largest > FAR:
        return f"{said}. Its loss is another one, too: up to {number(found.loss_largest)} apart at the same parameters."
    return said + "."


def broken(found: Agreement) -> str:
    """Say where a bound that rounding should keep was not kept, and what is known of the reason."""
    rows = f"{found.clamped_rows:,} rows with the true class at the floor of the probabilities"
    reason = rows if found.clamped_rows else "no row at the floor of the probabilities, so it is rounding"
    outside = f"{found.updates - found.within:,} of {counted(found.updates)}"
    return (
        f"In {found.dtype} ‖Δ‖ was larger than {bound(found)} at {outside}, first at update {found.first_outside}, at "
        f"most {number(found.worst)} times; in these batches there is {reason}."
    )


def of_training(pair: Pair, first: Outcome, other: Outcome) -> str:
    """Say when two modes' parameters part, and what they come to."""
    if pair.parameters_differ is None:
        said = f"Trained side by side, {pair.first} and {pair.other} have the same parameters to the last bit"
    else:
        cause = "Rounding alone lets" if pair.same_function else f"Training with {pair.other} lets"
        said = f"{cause} the parameters drift apart: first after update {pair.parameters_differ:,}, "
        if pair.parameters_differ_much is None:
            said += f"at most by {number(pair.drift_largest)} of their norm"
        else:
            said += f"by more than {FAR:g} of their norm after update {pair.parameters_differ_much:,}, " + (
                f"by {number(pair.drift_end)} at the end" if math.isfinite(pair.drift_end) else "then without bound"
            )
    if first.result is None or other.result is None:
        return said + "."
    results = first.result, other.result
    accuracies = " and ".join(f"{result['test_accuracy']:.2%}" for result in results)
    losses = " and ".join(f"{result['test_loss']:.4f}" for result in results)
    said += f"; test accuracy {accuracies}, test loss {losses} ({pair.first} and {pair.other})."
    if other.clamped_rows:
        said += f" In {other.clamped_rows:,} rows of the training batches, the loss of {pair.other} was capped."
    return said


def bound(found: Agreement) -> str:
    """Write the bound of a precision."""
    its = BOUNDS[found.dtype]
    return f"{its.relative:.0e}·‖g‖ + {its.absolute:.0e}"


def counted(updates: int) -> str:
    """Write `1 update`, `4,300 updates`."""
    return f"{updates:,} update{'' if updates == 1 else 's'}"


def number(value: float) -> str:
    """Write `3.3e-06`, `0.858`, `127`."""
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.1e}"
