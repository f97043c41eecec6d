"""What a configuration was composed of, to say of what is wrong in it where that comes from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnist_trainer.complaints.faults import fault
from mnist_trainer.complaints.files import EXPERIMENT, ConfFile, Folders, line_of
from mnist_trainer.complaints.values import key_in
from mnist_trainer.config import GROUPS


@dataclass(frozen=True)
class Origin:
    """The overrides, the groups' choices, the main file, and the addresses of the folders of all files."""

    overrides: Sequence[str]
    choices: Mapping[str, str | None]
    main: str = "config"
    addresses: Sequence[str] = ()

    @classmethod
    def of(cls, hydra: DictConfig | HydraConf) -> "Origin":
        """Read it from what Hydra tells of itself."""
        sources = [f"{each.schema}://{each.path}" for each in hydra.runtime.config_sources if each.path]
        return cls(overrides_as_typed(hydra), dict(hydra.runtime.choices), str(hydra.job.config_name), sources)

    def files(self) -> Iterator[ConfFile]:
        """Return the files, those first that have the last word."""
        folders = Folders.of(self.addresses)
        groups = sorted(self.choices, key=lambda group: group != EXPERIMENT)
        named = [f"{group}/{self.choices[group]}" for group in groups if isinstance(self.choices[group], str)]
        first = named[:1] if groups and groups[0] == EXPERIMENT and self.choices[EXPERIMENT] else []
        for name in dict.fromkeys([*first, self.main, *named]):
            if file := folders.find(name):
                yield file

    def with_line(self, problem: str) -> str:
        """Put the file and the line before a problem that begins with the key that it is of; not if it was typed."""
        key = found[0] if (found := re.match(r"[a-z]\w*(\.\w+)*", problem)) else ""
        pairs = [override.lstrip("+~").partition("=") for override in self.overrides]
        typed = [name for name, _, _ in pairs]
        whole = [name for name, _, value in pairs if "." in name or value[:1] == "{"]  # no choice of a model, say
        given = any(_is_within(each, key) for each in typed) or any(_is_within(key, each) for each in whole)
        if problem.startswith(f"{key} is missing"):
            faults = (fault(file, Folders.of(self.addresses), problem) for file in self.files() if key in GROUPS)
            return next(filter(None, faults), problem)
        if not key or given:
            return problem
        lines = ((file, line_of(file, key)) for file in self.files())
        return next((f"{file.at(line)}: {problem}" for file, line in lines if line), problem)

    def placed(self, error: OmegaConfBaseException, what: str) -> str:
        """Put before what is said of an error where the key, or the interpolation, stands."""
        if not (text := re.search(r"\$\{[^}.:]*", what)):
            return self.with_line(what) if key_in(error) else what
        return with_text(text[0], what, self.overrides, self.files())


def _is_within(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.")


def with_text(text: str, what: str, overrides: Sequence[str], files: Iterator[ConfFile]) -> str:
    """Put before what is said of a text the override, or the line of a file, that has it."""
    for override in overrides:
        if text in override:
            return f"{override}: {what}"
    for file in files:
        for number, line in enumerate(file.path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if text in line.partition("#")[0]:
                return f"{file.at(number)}: {what}"
    return what


def overrides_as_typed(hydra: DictConfig | HydraConf, kind: str = "task") -> list[str]:
    """Return the overrides of a job, or Hydra's own, as they were typed: what they interpolate stays unresolved."""
    found = OmegaConf.to_container(getattr(hydra.overrides, kind), resolve=False)
    assert isinstance(found, list)
    return [str(each) for each in found]
