"""Paired differences: jobs of a sweep that differ in nothing but the loss, and what the pairs tell.

Two runs of a seed have the same initial weights and the same batches, so what the seed does to both falls out of
their difference. Over seeds it scatters much less than the runs do, and shows smaller effects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_trainer.composition import override_key
from mnist_trainer.sweeps.estimate import Estimate, estimate, estimate_ratio
from mnist_trainer.sweeps.groups import settings_of_jobs
from mnist_trainer.sweeps.jobs import Figures, Job

REFERENCE = "fused"
LOSS_KEYS = ("loss", "loss.name")


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


def compare_modes(jobs: Sequence[Job]) -> list[Comparison]:
    """Compare each mode with the first (or `fused`, if one of its jobs finished), within each setting.

    A pair has the same overrides but for the loss, and was on the same data; of jobs alike the first one counts.
    """
    modes = modes_of_jobs(jobs)
    finished = list(dict.fromkeys(mode for job, mode in zip(jobs, modes, strict=True) if job.finished and mode))
    if not finished:
        return []
    reference = REFERENCE if REFERENCE in finished else finished[0]
    placed: dict[str, dict[str, dict[tuple[str, ...], Job]]] = {}  # by setting, mode, and all overrides but the loss
    for job, mode, setting in zip(jobs, modes, settings_of_jobs(jobs, "seed", *LOSS_KEYS), strict=True):
        if mode is not None:
            placed.setdefault(setting, {}).setdefault(mode, {}).setdefault(_but_the_loss(job), job)
    return [
        _compare(setting, mode, reference, of_mode, by_mode.get(reference, {}))
        for setting, by_mode in placed.items()
        for mode, of_mode in by_mode.items()
        if mode != reference
    ]


def modes_of_jobs(jobs: Sequence[Job]) -> list[str | None]:
    """Return each job's `loss.name`; of one without a result it follows from its overrides, or isn't known."""
    names = {job.value_of("loss"): job.figures.loss for job in jobs if job.figures is not None}

    def mode(job: Job) -> str | None:
        if job.figures is not None:
            return job.figures.loss
        choice = job.value_of("loss")
        return job.value_of("loss.name") or names.get(choice) or (choice and choice.rpartition("/")[2])

    return [mode(job) if job.overrides or job.finished else None for job in jobs]


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
    return tuple(override for override in job.overrides if override_key(override) not in LOSS_KEYS)


def _compare(
    setting: str,
    mode: str,
    reference: str,
    of_mode: dict[tuple[str, ...], Job],
    of_reference: dict[tuple[str, ...], Job],
) -> Comparison:
    complete: list[tuple[Figures, Figures]] = []
    for key in of_mode.keys() & of_reference.keys():
        one, other = of_mode[key].figures, of_reference[key].figures
        if one is not None and other is not None and one.data == other.data:
            complete.append((one, other))
    complete.sort(key=lambda pair: pair[0].seed)
    seconds = [(one.training_seconds, other.training_seconds) for one, other in complete]
    return Comparison(
        setting=setting,
        mode=mode,
        reference=reference,
        seeds=tuple(one.seed for one, _ in complete),
        left_out=len(of_mode.keys() | of_reference.keys()) - len(complete),
        test_accuracy=estimate([one.test_accuracy - other.test_accuracy for one, other in complete]),
        test_loss=estimate([one.test_loss - other.test_loss for one, other in complete]),
        training_seconds=estimate_ratio([one / other for one, other in seconds if one > 0 and other > 0]),
    )
