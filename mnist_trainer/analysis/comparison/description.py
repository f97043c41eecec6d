"""What MLflow's page of a comparison begins with, in Markdown: the tests, in words and a table, then the verdict."""

from collections.abc import Sequence

from mnist_trainer.analysis.comparison.summary import LockstepSummary, ModeOutcome, ModePair
from mnist_trainer.analysis.comparison.verdict import verdict_number
from mnist_trainer.composition import override_key
from mnist_trainer.words import markdown_code_block, signed, table

MOST_CHARACTERS = 6000
"""Of the verdict: MLflow takes 8,000 in all."""
SEEDS = "seed=0,1,2,3,4"
OWN_KEYS = ("task.", "seed.")
"""What it says itself, and what is the comparison's."""


def comparison_description(comparison: LockstepSummary, verdict: Sequence[str], again: Sequence[str]) -> str:
    """Describe a comparison as far as it is measured; `verdict` has its sentences, `again` the next command's words."""
    outcomes = {outcome.mode: outcome for outcome in comparison.outcomes}
    tests = [told for pair in comparison.pairs if (told := test_compared(outcomes[pair.first], outcomes[pair.other]))]
    said = "\n".join(f"- {sentence}" for sentence in verdict)
    parts = [
        " ".join(tests),
        "\n".join(compared_modes_table(comparison)),
        said[:MOST_CHARACTERS],
        "\n".join(gradients_table(comparison.pairs)),
        markdown_code_block("One seed can't tell a difference from chance; several can", again),
    ]
    return "\n\n".join(filter(None, parts))


def command_with_seeds(overrides: Sequence[str], modes: Sequence[str]) -> list[str]:
    """Return the command that trains the modes of a comparison, made by these overrides, with several seeds."""
    others = [
        each for each in overrides if not f"{override_key(each)}.".startswith(OWN_KEYS) and override_key(each) != "loss"
    ]
    return ["python", "-m", "mnist_trainer", "--multirun", *others, f"loss={','.join(modes)}", SEEDS]


def test_compared(first: ModeOutcome, other: ModeOutcome) -> str:
    """Say how two modes' accuracies on the test images compare; nothing where one dropped out."""
    if first.result is None or other.result is None:
        return ""
    one, two = first.result["test_accuracy"], other.result["test_accuracy"]
    if one == two:
        return f"**On the test images {first.mode} and {other.mode} are equally accurate, {one:.2%}.**"
    better, worse = (first, other) if one > two else (other, first)
    by = signed(100 * abs(one - two), ".2f").removeprefix("+")
    return (
        f"**On the test images {better.mode} is better by {by} points**: {max(one, two):.2%}, {worse.mode} "
        f"{min(one, two):.2%}, with one seed."
    )


def compared_modes_table(comparison: LockstepSummary) -> list[str]:
    """Write a row for each mode; two functions' losses are no measure of which trained better."""
    same_loss = all(pair.same_loss for pair in comparison.pairs)
    rows = []
    for one in comparison.outcomes:
        result = one.result
        told = [f"{result['test_accuracy']:.2%}", f"{result['test_loss']:.4f}"] if result else ["dropped out", ""]
        rows.append([one.mode, *(told if same_loss else told[:1]), f"{one.updates:,}", f"{one.clamped_rows:,}"])
    losses = ["test loss"] if same_loss else []
    return table(["mode", "test accuracy", *losses, "updates", "rows with the loss capped"], rows)


def gradients_table(pairs: Sequence[ModePair]) -> list[str]:
    """Write a row for each pair whose gradients were compared at the same parameters."""
    rows = []
    for pair in pairs:
        for found in pair.agreements:
            if found.updates:
                within = f"{found.within:,} of {found.updates:,}"
                rows.append(
                    [f"{pair.other} and {pair.first}", found.dtype, verdict_number(found.logits_largest), within]
                )
    head = ["gradients of", "in", "largest relative difference", "updates within the bound"]
    return table(head, rows) if rows else []
