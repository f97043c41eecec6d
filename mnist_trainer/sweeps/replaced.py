"""The places where something of Hydra is replaced, each with its reason; whatever arguments they get are handed on.

Hydra has no plugin for them: a sweeper of one's own would have to live in the package `hydra_plugins`.
"""

import pickle
import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra._internal.core_plugins import basic_sweeper
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from mnist_trainer.complaints.origin import overrides_as_typed
from mnist_trainer.composition import conf_folder, own_search_path

MAY_ASK_FOR_A_SWEEP = re.compile(r"\bmode\b|searchpath")
"""What a file or an override has that sets `hydra.mode`, or names files elsewhere, which might."""

MOST_KEPT = 2_000
"""How many jobs are kept as they were composed, 8 kB each; a longer sweep's others are composed once more."""


def spare_a_composition(arguments: Sequence[str]) -> None:
    """Let Hydra compose everything once where it would do it twice, the first time to look up `hydra.mode`.

    That takes as long as the composition itself, before every run. So Hydra is asked only if that key can have a
    value: the command line or a file in `conf/` has its name, or files that lie elsewhere can be composed.
    """
    ask = Hydra.get_mode

    def get_mode(self: Hydra, *given: Any, **named: Any) -> Any:
        return ask(self, *given, **named) if may_ask_for_a_sweep(self, arguments) else None

    Hydra.get_mode = get_mode  # type: ignore[method-assign]


def share_the_store() -> None:
    """Let Hydra read its store of nodes where it is, which it copies for each composition, and never changes.

    `--help` makes it copy the store for every choice that there is: nine tenths of a second, schemas aside
    (`config.NodeToBe`).
    """
    ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]


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


def compose_once() -> None:
    """Let a job be launched as it was composed to check it: to compose it takes half of the time between two jobs.

    It is kept packed, and given away once, so that no two jobs share a node of it. The files in `conf/` are those of
    when the sweep began; what else a composition is made of, the overrides and the main file's name, is looked up.
    """
    loader = GlobalHydra.instance().config_loader()
    compose, kept = loader.load_sweep_config, dict[tuple[str, ...], bytes]()

    def load_sweep_config(master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        hydra = master_config.hydra
        asked = (str(hydra.job.config_name), *overrides_as_typed(hydra, "hydra"), "", *sweep_overrides)
        if asked in kept:
            composed: DictConfig = pickle.loads(zlib.decompress(kept.pop(asked)))
            OmegaConf.copy_cache(from_config=master_config, to_config=composed)  # the time that it began, say
            return composed
        composed = compose(master_config, sweep_overrides)
        if len(kept) < MOST_KEPT:
            with suppress(pickle.PicklingError, AttributeError, TypeError):  # of a schema that a plugin keeps to itself
                kept[asked] = zlib.compress(pickle.dumps(composed), 1)
        return composed

    loader.load_sweep_config = load_sweep_config  # type: ignore[method-assign]
