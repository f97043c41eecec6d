"""Paired differences: jobs of a sweep that differ in nothing but the loss, and Student's interval over such pairs.

Two runs of a seed have the same initial weights and the same batches, so what the seed does to both falls out of
their difference. Over seeds it scatters much less than the runs do, and shows smaller effects.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mnist_trainer.composition import key_of
from mnist_trainer.sweeps.jobs import Job, settings

REFERENCE = "fused"
LOSS_KEYS = ("loss", "loss.name")
CONFIDENCE = 0.95
ROUNDING = 1e-9  # relative: (k + 1)/n − k/n comes out a little different for each k

Verdict = Literal["none", "single", "equal", "constant", "unclear", "less", "more"]


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % confidence interval, mean ± t · s / √n, where t has n − 1 degrees of freedom.

    `deviation` is the sample standard deviation s. What n values can't tell is None: all of it for none, s and
    the interval for one. Values without any spread have no interval either.

    Of ratios, whose `null` is 1, all this is taken of their logarithms: `mean` is the geometric mean, `deviation` the
    factor e^s, which is at least 1, and the interval goes from mean ÷ to mean × e^(t · s / √n): it is above 0.
    """

    values: tuple[float, ...]
    null: float  # what it would be if there were no difference
    mean: float | None
    deviation: float | None
    low: float | None
    high: float | None

    @property
    def verdict(self) -> Verdict:
        """What can be said of the mean: `less` and `more` than `null` if the interval leaves that out."""
        if not self.values:
            return "none"
        if len(self.values) == 1:
            return "single"
        if all(value == self.null for value in self.values):
            return "equal"
        if self.low is None or self.high is None:
            return "constant"
        if self.low <= self.null <= self.high:
            return "unclear"
        return "more" if self.low > self.null else "less"


@dataclass(frozen=True)
class Comparison:
    """The pairs of two modes at one setting; differences are `mode` minus `reference`, in the order of the seeds."""

    setting: str  # what else was swept; "" if nothing
    mode: str
    reference: str
    seeds: tuple[int, ...]  # of each pair
    left_out: int  # pairs of which a job has no result
    test_accuracy: Estimate  # fractions, not per cent
    test_loss: Estimate  # nats per image
    training_seconds: Estimate  # of ratios: `mode` divided by `reference`

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return len(self.seeds)


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate the mean that independent values come from."""
    taken = tuple(float(value) for value in values)
    mean = float(np.mean(taken)) if taken else None
    if mean is None or len(taken) < 2:
        return Estimate(taken, 0.0, mean, None, None, None)
    if max(taken) - min(taken) <= ROUNDING * max(map(abs, taken)):
        return Estimate(taken, 0.0, mean, 0.0, None, None)
    deviation = float(np.std(taken, ddof=1))
    half = quantile(len(taken)) * deviation / math.sqrt(len(taken))
    return Estimate(taken, 0.0, mean, deviation, mean - half, mean + half)


def estimate_ratio(values: Sequence[float]) -> Estimate:
    """Estimate the geometric mean that independent ratios come from; all must be above 0."""
    taken = tuple(float(value) for value in values)
    logs = estimate([math.log(value) for value in taken])
    if len(taken) > 1 and max(taken) - min(taken) <= ROUNDING * max(taken):
        return Estimate(taken, 1.0, taken[0], 1.0, None, None)
    mean, deviation, low, high = (
        None if value is None else math.exp(value) for value in (logs.mean, logs.deviation, logs.low, logs.high)
    )
    return Estimate(taken, 1.0, mean, deviation, low, high)


def quantile(count: int) -> float:
    """Return Student's t: the mean of so many normal values lies within t standard errors in 95 % of all cases."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # slow to load: sweeps alone pay for it

    return float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))


def compare_modes(jobs: Sequence[Job]) -> list[Comparison]:
    """Compare each mode with the first (or `fused`, if one of its jobs finished), within each setting.

    A pair has the same overrides but for the loss, and was on the same data; of jobs alike the first one counts.
    """
    modes = loss_modes(jobs)
    finished = list(dict.fromkeys(mode for job, mode in zip(jobs, modes, strict=True) if job.finished and mode))
    if not finished:
        return []
    reference = REFERENCE if REFERENCE in finished else finished[0]
    placed: dict[str, dict[str, dict[tuple[str, ...], Job]]] = {}  # by setting, mode, and all overrides but the loss
    for job, mode, setting in zip(jobs, modes, settings(jobs, "seed", *LOSS_KEYS), strict=True):
        if mode is not None:
            placed.setdefault(setting, {}).setdefault(mode, {}).setdefault(_but_the_loss(job), job)
    return [
        _compare(setting, mode, reference, of_mode, by_mode.get(reference, {}))
        for setting, by_mode in placed.items()
        for mode, of_mode in by_mode.items()
        if mode != reference
    ]


def loss_modes(jobs: Sequence[Job]) -> list[str | None]:
    """Return each job's `loss.name`; of one without a result it follows from its overrides, or isn't known."""
    names: dict[str | None, str] = {job.value_of("loss"): str(job.outcome["loss"]) for job in jobs if job.finished}

    def mode(job: Job) -> str | None:
        if job.finished:
            return str(job.outcome["loss"])
        choice = job.value_of("loss")
        return job.value_of("loss.name") or names.get(choice) or (choice and choice.rpartition("/")[2])

    return [mode(job) if job.overrides or job.finished else None for job in jobs]


def as_records(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Return the comparisons as what JSON can hold."""
    return [asdict(comparison) for comparison in comparisons]


def as_metrics(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Return `paired/MODE/test_accuracy/mean`, `low` and `high`, and so on, as far as they are known.

    Where several settings were swept, the setting stands behind the mode, in MLflow's letters. The units are those
    of `test/accuracy` and `test/loss`; that of `training_seconds_ratio` is 1,
    and its `mean` is the geometric one.
    """
    several = len({comparison.setting for comparison in comparisons}) > 1
    found: dict[str, float] = {}
    for each in comparisons:
        name = "/".join(["paired", each.mode, *([each.setting] if several and each.setting else [])])
        prefix = "".join(sign if sign.isalnum() or sign in "_-. /" else {"=": ":"}.get(sign, "_") for sign in name)
        found[f"{prefix}/pairs"] = each.pairs
        for quantity, value in (
            ("test_accuracy", each.test_accuracy),
            ("test_loss", each.test_loss),
            ("training_seconds_ratio", each.training_seconds),
        ):
            numbers = {"mean": value.mean, "low": value.low, "high": value.high}
            found |= {f"{prefix}/{quantity}/{key}": number for key, number in numbers.items() if number is not None}
    return found


def _but_the_loss(job: Job) -> tuple[str, ...]:
    return tuple(override for override in job.overrides if key_of(override) not in LOSS_KEYS)


def _compare(
    setting: str,
    mode: str,
    reference: str,
    of_mode: dict[tuple[str, ...], Job],
    of_reference: dict[tuple[str, ...], Job],
) -> Comparison:
    complete = []
    for key in of_mode.keys() & of_reference.keys():
        job, other = of_mode[key], of_reference[key]
        if job.finished and other.finished and job.outcome["data"] == other.outcome["data"]:
            complete.append((job.outcome, other.outcome))
    complete.sort(key=lambda pair: pair[0]["seed"])
    seconds = [(a["training_seconds"], b["training_seconds"]) for a, b in complete]
    return Comparison(
        setting=setting,
        mode=mode,
        reference=reference,
        seeds=tuple(a["seed"] for a, _ in complete),
        left_out=len(of_mode.keys() | of_reference.keys()) - len(complete),
        test_accuracy=estimate([a["test_accuracy"] - b["test_accuracy"] for a, b in complete]),
        test_loss=estimate([a["test_loss"] - b["test_loss"] for a, b in complete]),
        training_seconds=estimate_ratio([a / b for a, b in seconds if a > 0 and b > 0]),
    )
