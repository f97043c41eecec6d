"""A comparison's report: Markdown for readers, JSON for programs."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mnist_trainer.analysis.comparison.agreement import Agreement
from mnist_trainer.analysis.comparison.copies import BOUNDS
from mnist_trainer.analysis.comparison.summary import FAR, LockstepSummary, ModeOutcome, ModePair
from mnist_trainer.analysis.comparison.verdict import verdict_number
from mnist_trainer.words import counted_in_words, table

NEVER = "never"


@dataclass(frozen=True)
class ReportPicture:
    """A figure of the report: its file beside the report, and what it shows."""

    file: str
    words: str

    def __str__(self) -> str:
        return f"![{self.words}]({self.file})"


def comparison_markdown(
    setting: Mapping[str, str],
    model: str,
    comparison: LockstepSummary,
    verdict: Sequence[str],
    *,
    studies: Mapping[str, Sequence[str]] | None = None,
    pictures: Mapping[str, Sequence[ReportPicture]] | None = None,
) -> str:
    """Write the report; `model` is a table of the layers, `studies` are further sections, `pictures` are by section."""
    modes = [outcome.mode for outcome in comparison.outcomes]
    sections: dict[str, Sequence[str]] = {
        "Verdict": [f"- {sentence}" for sentence in verdict],
        "Setting": [
            *table(["what", "value"], [[key, value.replace("|", "\\|")] for key, value in setting.items()]),
            "",
            *["```text", model, "```"],
        ],
        "Training": training_section(comparison),
        "Gradients": gradients_section(comparison),
        **(studies or {}),
    }
    lines = [f"# {' and '.join([', '.join(modes[:-1]), modes[-1]])}, in lockstep"]
    for section, content in sections.items():
        shown = [line for picture in (pictures or {}).get(section, ()) for line in ("", str(picture))]
        lines += ["", f"## {section}", "", *content, *shown]
    return "\n".join(lines) + "\n"


def training_section(comparison: LockstepSummary) -> list[str]:
    """Write what each mode's own training came to, and that it began alike."""
    head = ["mode", "test loss", "test accuracy", "validation loss", "validation accuracy"]
    began = f"The modes began with the same {comparison.weights:,} weights, bit for bit"
    if comparison.updates:
        began += (
            ", and got the same batches: both were checked, the images and labels of the batches at every update "
            f"({counted_in_words(comparison.updates)})"
        )
    lines = [
        f"{began}.",
        "",
        *table([*head, "updates", "clamped rows", "training, s"], [mode_row(one) for one in comparison.outcomes]),
    ]
    others = [pair.other for pair in comparison.pairs if pair.measured.updates and not pair.same_loss]
    if others:
        lines += [
            "",
            "Each loss is its mode's own: at the same parameters not the same as that of "
            f"{comparison.outcomes[0].mode} in {', '.join(others)}. There the losses can't tell which trained better.",
        ]
    for one in comparison.outcomes:
        if one.failure is not None:
            lines += ["", f"{one.mode} dropped out after {counted_in_words(one.updates)}: {one.failure}"]
    if comparison.outcomes[0].failure is not None:
        lines += ["", f"With {comparison.outcomes[0].mode}, what the others are measured against, measuring ended."]
    return lines


def mode_row(one: ModeOutcome) -> list[str]:
    """Write a mode's line."""
    name = one.mode if one.exact else f"{one.mode} (a mistake)"
    counts = [f"{one.updates:,}", f"{one.clamped_rows:,}"]
    if one.result is None:
        return [name, "dropped out", *[""] * 3, *counts, ""]
    result = one.result
    held = [result["validation_loss"], result["validation_accuracy"]]
    validation = ["", ""] if None in held else [f"{held[0]:.4f}", f"{held[1]:.2%}"]
    test = [f"{result['test_loss']:.4f}", f"{result['test_accuracy']:.2%}"]
    return [name, *test, *validation, *counts, f"{result['training_seconds']:.1f}"]


def gradients_section(comparison: LockstepSummary) -> list[str]:
    """Write the tables of the differences at the same parameters, and of the first updates with a difference."""
    pairs = [pair for pair in comparison.pairs if pair.measured.updates]
    if not pairs:
        return ["Nothing was measured: no two modes got through an update together."]
    first = pairs[0].first
    agreements = [agreement_row(pair, found) for pair in pairs for found in pair.agreements]
    events: dict[str, Callable[[ModePair], int | None]] = {
        "dL/dz differs, at the same parameters": lambda pair: pair.gradients_differ,
        f"… by more than {FAR:g} of ‖dL/dz‖": lambda pair: pair.gradients_differ_much,
        "the parameters differ, after the update": lambda pair: pair.parameters_differ,
        f"… by more than {FAR:g} of ‖θ‖": lambda pair: pair.parameters_differ_much,
        "the losses of a batch differ, each at its own parameters": lambda pair: pair.losses_differ,
        f"… by more than {FAR:g}": lambda pair: pair.losses_differ_much,
    }
    firsts = [[what, *(update_number(happens(pair)) for pair in pairs)] for what, happens in events.items()]
    drifts = [["‖Δθ‖ / ‖θ‖ at the end", *(verdict_number(pair.drift_end) for pair in pairs)]]
    bounds = ", in float64 ".join(f"{bound.relative:.0e}·‖g‖ + {bound.absolute:.0e}" for bound in BOUNDS.values())
    return [
        f"At every update{when_in_float64(comparison)}, before it, each mode is asked for its loss and gradients at "
        f"the parameters of {first}, on the same batch{', with the same dropout masks' if comparison.dropout else ''}: "
        "what differs is the loss, not the way that training took. z are the logits, θ the parameters; differences Δ "
        f"are to {first}. Those of dL/dz "
        f"and dL/dθ are relative to ‖g‖, the Euclidean norm of the gradient of {first}, where the dL/dz of {first} has "
        "not vanished; only ΔL, that of the loss, is absolute. "
        f"The bound for dL/dz is ‖Δ‖ ≤ {bounds}.",
        "",
        *table(
            [
                "mode",
                "precision",
                "updates",
                "within the bound",
                "‖Δ‖ / bound, largest",
                "dL/dz, median",
                "largest",
                "dL/dθ, median",
                "largest",
                "ΔL, largest",
            ],
            agreements,
        ),
        "",
        "The first update at which",
        "",
        *table(["", *(pair.other for pair in pairs)], firsts + drifts),
    ]


def when_in_float64(comparison: LockstepSummary) -> str:
    """Say at which updates float64 is asked, where training is in another precision."""
    every = comparison.shadow_every
    if every is None:
        return ""
    return ", in float64, too" if every == 1 else f", in float64 at the first of every {every:,}"


def agreement_row(pair: ModePair, found: Agreement) -> list[str]:
    """Write how far a mode agrees in a precision."""
    sizes = (
        found.worst,
        found.logits_median,
        found.logits_largest,
        found.parameters_median,
        found.parameters_largest,
        found.loss_largest,
    )
    within = "all" if found.holds else f"{found.within:,}; outside first at {found.first_outside:,}"
    return [pair.other, found.dtype, f"{found.updates:,}", within, *(verdict_number(size) for size in sizes)]


def update_number(step: int | None) -> str:
    """Write the number of an update."""
    return NEVER if step is None else f"{step:,}"


def comparison_json(content: Mapping[str, Any]) -> str:
    """Write valid JSON: NaN as null, infinities as the words `inf` and `-inf`."""
    return json.dumps(comparison_for_json(content), allow_nan=False) + "\n"


def comparison_for_json(value: Any) -> Any:
    """Return a value with what JSON has no numbers for replaced."""
    if isinstance(value, Mapping):
        return {str(key): comparison_for_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [comparison_for_json(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
