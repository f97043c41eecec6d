"""A comparison's verdict: short sentences, each from its numbers."""

import math

from mnist_trainer.analysis.comparison.agreement import Agreement
from mnist_trainer.analysis.comparison.copies import BOUNDS
from mnist_trainer.analysis.comparison.summary import FAR, LockstepSummary, ModeOutcome, ModePair
from mnist_trainer.words import at_most, counted_in_words


def verdict_sentences(comparison: LockstepSummary) -> list[str]:
    """Say for each mode whether it is the first one's function, how training went apart, and who dropped out."""
    outcomes = {outcome.mode: outcome for outcome in comparison.outcomes}
    said = []
    for pair in comparison.pairs:
        if pair.measured.updates:
            said += [gradients_verdict(pair), training_verdict(pair, outcomes[pair.first], outcomes[pair.other])]
    said += [
        f"Trained with {one.mode}, {counted_in_words(one.clamped_rows, 'row')} of the batches had the loss capped."
        for one in comparison.outcomes
        if one.clamped_rows
    ]
    return said + [
        f"{one.mode} dropped out after {counted_in_words(one.updates)}: {one.failure}"
        for one in comparison.outcomes
        if one.failure is not None
    ]


def gradients_verdict(pair: ModePair) -> str:
    """Say whether two modes have the same gradients at the same parameters, and the same losses."""
    said = gradients_alike(pair) if pair.same_gradient else gradients_differ(pair)
    return said if pair.same_loss else f"{said} {losses_verdict(pair)}"


def gradients_alike(pair: ModePair) -> str:
    """Say within what two modes' gradients were the same; one function are only modes that are meant to be one."""
    both = f"{pair.first} and {pair.other}"
    if pair.mistakes:
        kind = "is a mistake" if len(pair.mistakes) == 1 else "are mistakes"
        what = f"{both} had the same gradient at every batch measured here, though {' and '.join(pair.mistakes)} {kind}"
    else:
        what = f"{both} {'are one function' if pair.same_loss else 'have the same gradient'} at every batch measured"
    differing = filter(has_differed, pair.agreements)
    sizes = " and ".join(f"{bounded(one.logits_largest)} in {one.dtype}" for one in differing)
    said = f"{what}: at the same parameters their gradients with respect to the logits "
    said += f"differ by at most {sizes}, relatively" if sizes else "have vanished"
    gone = " and ".join(f"{counted_in_words(one.vanished)} in {one.dtype}" for one in pair.agreements if one.vanished)
    if gone and sizes:
        said += f", but for {gone} at which they had vanished"
    if pair.measured.holds:
        held = " and ".join(f"{bound(one)} {throughout(one, pair)} in {one.dtype}" for one in pair.agreements)
        return f"{said}; ‖Δ‖ kept within {held}."
    return f"{said}. In float64 ‖Δ‖ kept within {bound(pair.agreements[-1])} throughout. {broken_bound(pair.measured)}"


def gradients_differ(pair: ModePair) -> str:
    """Say how far two modes' gradients are from each other, in the precision that shows it at all."""
    measured, shadow = pair.measured, pair.shadow
    found = shadow if measured.holds and shadow is not None else measured
    outside = f"outside {bound(found)} at {found.updates - found.within:,} of {counted_in_words(found.updates)}"
    if found is shadow:
        within = f"; in {measured.dtype} it kept within {bound(measured)} {throughout(measured, pair)}."
        where = f"in {shadow.dtype}, at the same parameters,"
    else:
        within = f", and in float64 at {shadow.updates - shadow.within:,} of {shadow.updates:,}." if shadow else "."
        where = "at the same parameters"
    often = found.within <= found.updates / 2
    return (
        f"{pair.other} does not {'' if often else 'always '}have the gradient of {pair.first}: {where} its dL/dz is "
        f"{how_far_off(found, often=often)}, {outside}{within}"
    )


def has_differed(found: Agreement) -> bool:
    """Whether there is a relative difference: not where all gradients have vanished."""
    return found.vanished < found.updates


def how_far_off(found: Agreement, *, often: bool) -> str:
    """Say how far a gradient is from the first mode's."""
    if not math.isfinite(found.worst):
        return "not finite, or that of the first is not"
    if not has_differed(found):
        return f"off by up to {bounded(found.worst)} times the bound, of a gradient that has vanished"
    if often:
        median = verdict_number(found.logits_median)
        return f"off by {median} of the norm (median; at most {bounded(found.logits_largest)})"
    return f"off by up to {bounded(found.logits_largest)} of the norm"


def losses_verdict(pair: ModePair) -> str:
    """Say how far two modes' losses at the same parameters are apart, and what caps one."""
    found = pair.measured
    if math.isnan(found.loss_largest):
        return "Their losses at the same parameters differ, too, and are not always finite."
    said = f"Their losses at the same parameters are up to {bounded(found.loss_largest)} apart"
    capped = [(pair.first, found.clamped_rows_of_first), (pair.other, found.clamped_rows)]
    reasons = [f"that of {mode} in {counted_in_words(rows, 'row')}" for mode, rows in capped if rows]
    return f"{said}: a floor under the probabilities caps {' and '.join(reasons)}." if reasons else f"{said}."


def broken_bound(found: Agreement) -> str:
    """Say where a bound that rounding should keep was not kept, and what is known of the reason."""
    rows = (
        f"{counted_in_words(found.clamped_rows_outside, 'row')} with the true class at the floor of the probabilities"
    )
    reason = rows if found.clamped_rows_outside else "no row at the floor of the probabilities"
    if not found.clamped_rows_outside and math.isfinite(found.worst):
        reason += ", so it is rounding"
    most = f"at most {bounded(found.worst)} times" if math.isfinite(found.worst) else "and not finite"
    outside = f"{found.updates - found.within:,} of {counted_in_words(found.updates)}"
    return (
        f"In {found.dtype} ‖Δ‖ was larger than {bound(found)} at {outside}, first at update {found.first_outside:,}, "
        f"{most}; in these batches there is {reason}."
    )


def training_verdict(pair: ModePair, first: ModeOutcome, other: ModeOutcome) -> str:
    """Say when two modes' parameters part, and what they come to."""
    if pair.parameters_differ is None:
        said = f"Trained side by side, {pair.first} and {pair.other} have the same parameters to the last bit"
    else:
        said = f"{drift_cause(pair)} drift apart: first after update {pair.parameters_differ:,}, "
        if pair.parameters_differ_much is None:
            said += f"at most by {bounded(pair.drift_largest)} of their norm"
        else:
            said += f"by more than {FAR:g} of their norm after update {pair.parameters_differ_much:,}, " + (
                f"by {verdict_number(pair.drift_end)} at the end"
                if math.isfinite(pair.drift_end)
                else "then without bound"
            )
    if first.result is None or other.result is None:
        return said + "."
    results = first.result, other.result
    accuracies = " and ".join(f"{result['test_accuracy']:.2%}" for result in results)
    losses = " and ".join(f"{result['test_loss']:.4f}" for result in results)
    said += f"; test accuracy {accuracies}"
    if pair.same_loss:  # two functions' losses are no measure of which trained better
        said += f", test loss {losses}"
    return f"{said} ({pair.first} and {pair.other})."


def drift_cause(pair: ModePair) -> str:
    """Name what lets the parameters drift apart, as far as it was measured in the precision of the training."""
    found = pair.measured
    rounding = math.isfinite(found.worst) and not found.clamped_rows_outside
    if pair.same_gradient and not pair.mistakes and rounding:
        return "Rounding alone lets the parameters"
    if not pair.same_gradient and not found.holds:
        return "The other gradient lets the parameters"
    return "The parameters"


def bound(found: Agreement) -> str:
    """Write the bound of a precision."""
    its = BOUNDS[found.dtype]
    return f"{its.relative:.0e}·‖g‖ + {its.absolute:.0e}"


def throughout(found: Agreement, pair: ModePair) -> str:
    """Write `at all 4,300 updates`, `at the one update`; in float64 not all updates are looked at."""
    some = " looked at" if found.updates < pair.measured.updates else ""
    return f"at the one update{some}" if found.updates == 1 else f"at all {counted_in_words(found.updates)}{some}"


def verdict_number(value: float) -> str:
    """Write `3.3e-06`, `0.858`, `127`."""
    return f"{value:{verdict_number_format(value)}}"


def bounded(value: float) -> str:
    """Write a number that others are `at most`, rounded up."""
    return at_most(value, verdict_number_format(value))


def verdict_number_format(value: float) -> str:
    """Return the format of a number of this size."""
    return ".3g" if 1e-3 <= abs(value) < 1e4 else ".1e"
