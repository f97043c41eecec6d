"""The places where something of Hydra is replaced, each with its reason; whatever arguments they get are handed on.

Hydra has no plugin for them: a sweeper of one's own would have to live in the package `hydra_plugins`.
"""

import re
from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins import basic_sweeper
from hydra._internal.hydra import Hydra

from mnist_trainer.composition import conf_folder, own_search_path

MAY_ASK_FOR_A_SWEEP = re.compile(r"\bmode\b|searchpath")
"""What a file or an override has that sets `hydra.mode`, or names files elsewhere, which might."""


def spare_a_composition(arguments: Sequence[str]) -> None:
    """Let Hydra compose everything once where it would do it twice, the first time to look up `hydra.mode`.

    That takes as long as the composition itself, before every run. So Hydra is asked only if that key can have a
    value: the command line or a file in `conf/` has its name, or files that lie elsewhere can be composed.
    """
    ask = Hydra.get_mode

    def get_mode(self: Hydra, *given: Any, **named: Any) -> Any:
        return ask(self, *given, **named) if may_ask_for_a_sweep(self, arguments) else None

    Hydra.get_mode = get_mode  # type: ignore[method-assign]


def may_ask_for_a_sweep(hydra: Hydra, arguments: Sequence[str]) -> bool:
    """Whether the configuration can have a value for `hydra.mode`; if in doubt, it can."""
    folder, own = conf_folder(), {"pkg://hydra.conf", "structured://", *own_search_path()}
    if any(each.path not in own for each in hydra.config_loader.get_search_path().get_path()):
        return True
    try:
        files = [path.read_text(encoding="utf-8", errors="replace") for path in folder.rglob("*.yaml")]
    except OSError:
        return True
    return any(MAY_ASK_FOR_A_SWEEP.search(text) for text in [*arguments, *files])


def hand_over(jobs: Sequence[Sequence[str]], batch_size: int | None) -> None:
    """Let Hydra's basic sweeper launch these jobs next: left to itself, it knows all combinations only.

    A sweep that goes on runs some of them, each with its own folder.
    """
    sweeper = basic_sweeper.BasicSweeper  # looked up late: Hydra's search for plugins makes the class anew
    split = sweeper.split_arguments
    listed = [list(job) for job in jobs]
    size = batch_size or len(listed)

    def batches(*given: Any, **named: Any) -> list[list[list[str]]]:
        sweeper.split_arguments = staticmethod(split)  # type: ignore[method-assign]
        return [listed[start : start + size] for start in range(0, len(listed), size)] if listed else []

    sweeper.split_arguments = staticmethod(batches)  # type: ignore[method-assign]


def vouch_for(jobs: Sequence[Sequence[str]]) -> None:
    """Let Hydra's basic sweeper take these jobs as composed already: they were, with all checks of our own.

    It would compose each once more before the first begins, which takes a fifth of a second a job.
    """
    sweeper = basic_sweeper.BasicSweeper
    check, known = sweeper.validate_batch_is_legal, {tuple(job) for job in jobs}

    def validate(self: Any, batch: Sequence[Sequence[str]], *given: Any, **named: Any) -> None:
        if not all(tuple(job) in known for job in batch):
            check(self, batch, *given, **named)

    sweeper.validate_batch_is_legal = validate  # type: ignore[method-assign]
