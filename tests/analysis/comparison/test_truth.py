"""Every sentence of the verdict is true of what was measured, update by update, whatever it was."""

import math
import re
from dataclasses import replace
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_trainer.analysis.comparison import verdict
from mnist_trainer.analysis.comparison.copies import ModeDifference
from mnist_trainer.analysis.comparison.lockstep import ModeDifferences
from mnist_trainer.analysis.comparison.summary import mode_pair
from tests.fixtures.comparisons import FUSED, SEPARATE

BOUNDS = {"float32": (1e-5, 1e-7), "float64": (1e-12, 1e-15)}
NUMBER = r"(?:\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?|inf|nan)"


def differences(sizes):
    """Draw what a mode's answer may be beside the first one's."""
    return st.builds(
        lambda loss, share, norm, rows, first_rows: ModeDifference(
            loss=loss,
            logits=share * norm,
            logits_norm=norm,
            parameters=share,
            parameters_norm=1.0,
            differs=share != 0,
            clamped_rows=rows,
            clamped_rows_of_first=first_rows,
        ),
        loss=st.sampled_from([0.0, 0.0, 1e-7, 5e-4, -0.25, 677.0, math.inf, math.nan]),
        share=sizes,
        norm=st.sampled_from([0.0, 1e-16, 1e-9, 0.25, 1.0, 12.5]),
        rows=st.sampled_from([0, 0, 3]),
        first_rows=st.sampled_from([0, 0, 1]),
    )


@st.composite
def pairs(draw):
    kind = draw(st.sampled_from([[0.0], [0.0, 1e-17, 1e-8], [1e-8, 3e-4], [0.5, 1e5], [0.0, 0.9, math.inf, math.nan]]))
    measured = draw(st.lists(differences(st.sampled_from(kind)), min_size=1, max_size=12))
    shadow_kind = draw(st.sampled_from([kind, [1e-15], [1e-9, 0.0]]))
    every = draw(st.integers(1, 4))
    shadow = {step: draw(differences(st.sampled_from(shadow_kind))) for step in range(1, len(measured) + 1, every)}
    drift = draw(
        st.lists(
            st.sampled_from([0.0, 0.0, 1e-7, 0.5, 2e4, math.inf, math.nan]),
            min_size=len(measured),
            max_size=len(measured),
        )
    )
    exact = draw(st.booleans()), draw(st.booleans())
    first, other = (
        SimpleNamespace(name=name, trainer=SimpleNamespace(loss=SimpleNamespace(exact=is_exact)), losses=[0.5])
        for name, is_exact in zip(("fused", "separate"), exact, strict=True)
    )
    return mode_pair(first, other, ModeDifferences(measured, shadow, drift), "float32"), measured, shadow, drift, exact


def within(one, dtype):
    relative, absolute = BOUNDS[dtype]
    return one.logits <= relative * one.logits_norm + absolute


def relatives(found, dtype):
    return [one.logits / one.logits_norm for one in found if one.logits_norm > BOUNDS[dtype][1]]


def said_as(text, value):
    return text == verdict.verdict_number(value) or math.isclose(float(text.replace(",", "")), value, rel_tol=0.06)


@settings(max_examples=250)
@given(pairs())
def test_the_gradients_sentence(case):
    found, measured, shadow, _, exact = case
    told = verdict.gradients_verdict(found)
    assert max(map(len, re.findall(NUMBER, told)), default=0) <= 12
    by_dtype = {"float32": measured, "float64": list(shadow.values())}
    holds = {dtype: all(within(one, dtype) for one in of) for dtype, of in by_dtype.items()}
    same = holds["float64"] if all(exact) else all(holds.values())
    apart = [abs(one.loss) for one in measured]
    same_loss = not any(math.isnan(value) for value in apart) and max(apart) <= 1e-3
    assert told.startswith("fused and separate are one function at every batch measured: ") == (
        same and all(exact) and same_loss
    )
    assert told.startswith("fused and separate have the same gradient at every batch measured: ") == (
        same and all(exact) and not same_loss
    )
    assert ("at every batch measured here, though" in told) == (same and not all(exact))
    assert ("does not have" in told or "does not always have" in told) == (not same)
    for dtype, of in by_dtype.items():
        if same and (sizes := relatives(of, dtype)):
            assert said_as(re.search(rf"({NUMBER}) in {dtype}", told.split("relatively")[0])[1], max(sizes))
        vanished = len(of) - len(relatives(of, dtype))
        if same and relatives(of, dtype) and vanished:
            assert re.search(rf"{vanished} updates? in {dtype}.* at which they had vanished", told)
        some = " looked at" if len(of) < len(measured) else ""
        everywhere = rf"(at the one update|at all {len(of)} updates){some} in {dtype}"
        if holds["float32"] and same:
            assert re.search(everywhere, told)
    outside = sum(not within(one, "float32") for one in measured)
    if same and outside:
        first = next(step for step, one in enumerate(measured, 1) if not within(one, "float32"))
        assert f"at {outside} of {len(measured)} update" in told
        assert f"first at update {first}," in told
        rows = sum(o.clamped_rows + o.clamped_rows_of_first for o in measured if not within(o, "float32"))
        finite = all(math.isfinite(one.logits) for one in measured)
        assert ("it is rounding" in told) == (rows == 0 and finite)
    if not same:
        dtype = "float64" if holds["float32"] else "float32"
        of = by_dtype[dtype]
        lost = [not within(one, dtype) for one in of]
        assert f"at {sum(lost)} of {len(of)} update" in told
        assert ("does not always" in told) == (sum(lost) < len(of) / 2)
        finite = all(math.isfinite(one.logits) for one in of)
        assert ("not finite, or that of the first is not" in told) == (not finite)
        if finite and (sizes := relatives(of, dtype)):
            most = re.search(rf"(?:at most|by up to) ({NUMBER})\)? ?(?:of the norm)?", told)[1]
            assert said_as(most, max(sizes))
    if any(math.isnan(value) for value in apart):
        assert "not always finite" in told
    elif not same_loss:
        assert said_as(re.search(rf"are up to ({NUMBER}) apart", told)[1], max(apart))


@settings(max_examples=250)
@given(pairs(), st.booleans())
def test_the_training_s_sentence(case, ended):
    found, measured, shadow, drift, exact = case
    told = verdict.training_verdict(found, FUSED, SEPARATE if ended else replace(SEPARATE, result=None, failure="lost"))
    assert max(map(len, re.findall(NUMBER, told)), default=0) <= 12
    assert ("test accuracy" in told) == ended
    apart = next((step for step, value in enumerate(drift, 1) if value != 0), None)
    far = next((step for step, value in enumerate(drift, 1) if not value <= 1e-3), None)
    assert ("have the same parameters to the last bit" in told) == (apart is None)
    if apart is None:
        return
    assert f"first after update {apart}, " in told
    assert (f"by more than 0.001 of their norm after update {far}, " in told) == (far is not None)
    if far is None:
        assert said_as(re.search(rf"at most by ({NUMBER}) of", told)[1], max(drift))
    elif math.isfinite(drift[-1]):
        assert said_as(re.search(rf"by ({NUMBER}) at the end", told)[1], drift[-1])
    else:
        assert "then without bound" in told
    single = all(within(one, "float32") for one in measured)
    double = all(within(one, "float64") for one in shadow.values())
    outside = [one for one in measured if not within(one, "float32")]
    floor = any(one.clamped_rows + one.clamped_rows_of_first for one in outside)
    finite = all(math.isfinite(one.logits) for one in measured)
    assert told.startswith("Rounding alone") == (all(exact) and double and finite and not floor)
    same = double if all(exact) else single and double
    assert told.startswith("The other gradient lets") == (not single and not same)
