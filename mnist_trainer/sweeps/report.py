"""A sweep's report in Markdown: mean ± deviation of each mode, paired differences in words too, and all the jobs."""

import math
from collections.abc import Sequence

from mnist_trainer.sweeps.estimate import Estimate, student_quantile
from mnist_trainer.sweeps.groups import summarize, varied_overrides
from mnist_trainer.sweeps.jobs import Job
from mnist_trainer.sweeps.pairs import Comparison
from mnist_trainer.sweeps.selection import select
from mnist_trainer.words import number, number_format_for, plus_minus, signed, table

LEGEND = (
    "Paired differences, of jobs that differ in nothing but the loss: mean ± standard deviation over the pairs, and "
    "the 95 % confidence interval (CI) of the mean by Student's t; of the ratios, which are estimated from their "
    "logarithms, the geometric mean ×÷ the factor that one standard deviation comes to, and its interval."
)
LEGEND_OF_BEST = "* The best by validation accuracy (of equals, that with the smaller validation loss)."
ENOUGH = 5
BY_CHANCE = "Where nothing differs, about one 95 % interval in twenty leaves 0 out by chance alone."


def as_markdown(jobs: Sequence[Job], comparisons: Sequence[Comparison] = ()) -> str:
    """Write the table of the loss modes, their paired differences, the runs, the best, and why some failed."""
    modes = [*modes_table(jobs), ""] if any(job.finished for job in jobs) else []
    selection = select(jobs)
    chosen = [LEGEND_OF_BEST, ""] if selection.best else [f"No best is told. {selection.why_none}", ""]
    chosen = chosen if selection.best or selection.why_none else []
    return "\n".join([*modes, *paired(comparisons), *runs_table(jobs, selection.best), "", *chosen, *reasons(jobs)])


def modes_table(jobs: Sequence[Job]) -> list[str]:
    """Write a row for each group of jobs that differ in nothing but the seed."""
    rows = [
        [
            row.data,
            row.loss,
            str(row.jobs),
            "-" if row.validation_accuracy is None else plus_minus(row.validation_accuracy, ".2%"),
            plus_minus(row.test_accuracy, ".2%"),
            plus_minus(row.test_loss, ".4f"),
            plus_minus(row.training_seconds, ".1f"),
        ]
        for row in summarize(jobs)
    ]
    return table(["data", "loss", "runs", "validation accuracy", "test accuracy", "test loss", "training, s"], rows)


def runs_table(jobs: Sequence[Job], best: Job | None = None) -> list[str]:
    """Write a row for each job, with a star for the best."""
    rows = []
    for job, overrides in zip(jobs, varied_overrides(jobs), strict=True):
        own = " ".join(overrides) or job.folder.name
        figures = job.figures
        if figures is None:
            told = [job.ending.status, "", "", ""]
        else:
            star = " *" if job is best else ""
            told = [in_percent(figures.validation_accuracy) + star]
            told += [f"{figures.test_accuracy:.2%}", f"{figures.test_loss:.4f}", f"{figures.training_seconds:.1f}"]
        rows.append([str(job.number), own, *told])
    return table(["job", "overrides", "validation accuracy", "test accuracy", "test loss", "training, s"], rows)


def in_percent(accuracy: float | None) -> str:
    """Write an accuracy, or that there is none."""
    return "-" if accuracy is None else f"{accuracy:.2%}"


def reasons(jobs: Sequence[Job]) -> list[str]:
    """Write why jobs have no result, each reason once."""
    by_reason: dict[tuple[str, str | None], list[str]] = {}
    for job in jobs:
        if not job.finished:
            by_reason.setdefault((job.ending.status, job.ending.reason), []).append(str(job.number))
    return [
        f"Job{'s' if len(numbers) > 1 else ''} {', '.join(numbers)} {status}: {reason}"
        for (status, reason), numbers in by_reason.items()
    ]


def paired(comparisons: Sequence[Comparison]) -> list[str]:
    """Write the table of the paired differences and what it says; nothing if there is no second mode."""
    if not comparisons:
        return []
    several = any(each.setting for each in comparisons)
    rows = []
    for each in comparisons:
        for quantity, value, factor, least in (
            ("test accuracy, points", each.test_accuracy, 100, 2),
            ("test loss", each.test_loss, 1, 4),
            ("training time, ratio", each.training_seconds, 1, 2),
        ):
            if value.values:
                setting = [each.setting] if several else []
                compared = f"{each.mode} {'÷' if value.null else '−'} {each.reference}"
                rows.append([*setting, compared, quantity, str(len(value.values)), *cells(value, factor, least)])
    head = [*(["setting"] if several else []), "compared", "quantity", "pairs", "mean ± deviation", "95 % CI"]
    numbers = [LEGEND, "", *table(head, rows), ""] if rows else []
    return [*numbers, *(f"- {sentences(each)}" for each in comparisons), "", *advice(comparisons)]


def advice(comparisons: Sequence[Comparison]) -> list[str]:
    """Write how to read intervals over few pairs, and several intervals at once."""
    words = []
    least = min((each.pairs for each in comparisons if each.pairs > 1), default=ENOUGH)
    if least < ENOUGH:
        here, there = (f"± {student_quantile(n) / math.sqrt(n):.1f}" for n in (least, 2 * ENOUGH))
        words.append(
            f"Few pairs make a wide interval: the mean {here} standard deviations for {least} pairs, {there} for "
            f"{2 * ENOUGH}."
        )
    if any(each.pairs > 1 for each in comparisons):
        words.append(BY_CHANCE)
    return [" ".join(words), ""] if words else []


def cells(value: Estimate, factor: float, least: int) -> tuple[str, str]:
    """Write mean ± deviation, and the interval, with digits that fit the deviation; a difference has a sign.

    Ratios have mean ×÷ deviation, a factor.
    """
    assert value.mean is not None
    if all(each == value.null for each in value.values):
        return "equal", ""
    spread = value.deviation and (value.mean * (value.deviation - 1) if value.null else value.deviation)
    form = number_format_for(abs(spread or value.mean) * factor, least)

    def shown(each: float) -> str:
        return number(each * factor, form) if value.null else signed(each * factor, form)

    between = "×÷" if value.null else "±"
    deviation = "" if value.deviation is None else f" {between} {number(value.deviation * factor, form)}"
    interval = "" if value.low is None or value.high is None else f"[{shown(value.low)}, {shown(value.high)}]"
    return shown(value.mean) + deviation, interval


def sentences(each: Comparison) -> str:
    """Say in words what the pairs tell, and what they can't."""
    at = f"At {each.setting}: " if each.setting else ""
    alone, over = (f"At {each.setting}, with", f"At {each.setting}, over") if each.setting else ("With", "Over")
    dropped = f" {_counted_pairs(each.left_out)} left out: a job has no result." if each.left_out else ""
    both = f"{each.mode} minus {each.reference}"
    if not each.pairs:
        return f"{at}{each.mode} and {each.reference} have no pair of finished jobs, so nothing can be said.{dropped}"
    if each.pairs == 1:
        accuracy, loss = cells(each.test_accuracy, 100, 2)[0], cells(each.test_loss, 1, 4)[0]
        accuracy = accuracy if accuracy == "equal" else f"{accuracy} points"
        return (
            f"{alone} seed {each.seeds[0]} alone, {both}: test accuracy {accuracy}, test loss {loss}. One pair can't "
            f"tell a difference from chance: run more seeds.{dropped}"
        )
    accuracy = _finding(each.test_accuracy, "test accuracy", both, each, 100, 2)
    loss = _finding(each.test_loss, "test loss", both, each, 1, 4)
    return f"{over} {each.pairs} seeds the {accuracy}. The {loss}.{dropped}"


def _finding(value: Estimate, name: str, both: str, each: Comparison, factor: float, least: int) -> str:
    unit = " points" if factor == 100 else ""
    if value.verdict == "equal":
        return f"{name} of {each.mode} and {each.reference} is equal in all {each.pairs} pairs"
    mean, interval = cells(value, factor, least)
    if value.verdict == "constant":
        mean = mean.partition(" ± ")[0]
        return f"{name} of {both} is {mean}{unit} in each of the {each.pairs} pairs: without spread, no interval"
    told = {
        "unclear": "no difference can be told",
        "more": f"{each.mode}'s is higher",
        "less": f"{each.mode}'s is lower",
    }[value.verdict]
    return f"{name} of {both} is {mean}{unit}, 95 % CI {interval}: {told}"


def _counted_pairs(count: int) -> str:
    return "1 pair is" if count == 1 else f"{count} pairs are"
