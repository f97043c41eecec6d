"""Hyperparameters as dataclass fields that know the range that fits, checked wherever the dataclass is made.

Layers, losses, optimizers, schedules and the configuration declare theirs with `hyperparameter(...)`; `check` tells
what is out of range, `construct_hyperparameters` builds one from a config's plain mapping and names what doesn't fit.
"""

import dataclasses
import difflib
import math
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mnist_trainer.errors import ConfigError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Range:
    """The values that fit: `minimum` ≤ value ≤ `maximum`, `above` < value < `below`, each if not None."""

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        """Whether the value fits; NaN never does."""
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
            and (self.below is None or value < self.below)
            and value == value
            and abs(value) != float("inf")
        )

    def __str__(self) -> str:
        if self == Range():
            return "finite"
        words = {"at least": self.minimum, "above": self.above, "at most": self.maximum, "below": self.below}
        return " and ".join(f"{word} {bound:,}" for word, bound in words.items() if bound is not None)


def hyperparameter(
    default: Any = dataclasses.MISSING,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """Declare a dataclass field with the range, or the choices, that fit; a list's elements each have to fit."""
    metadata = {"range": Range(minimum, above, maximum, below), "choices": choices}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def problems(instance: Any, prefix: str = "") -> list[str]:
    """Tell what is out of range in a dataclass instance and, deeper, in its dataclass fields, a line a problem."""
    found = []
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name, None)
        key = f"{prefix}{field.name}"
        if dataclasses.is_dataclass(value):
            found += problems(value, f"{key}.")
            continue
        fits: Range | None = field.metadata.get("range")
        choices: Sequence[str] | None = field.metadata.get("choices")
        for element in value if isinstance(value, list | tuple) else [value]:
            if choices is not None and isinstance(element, str) and element not in choices:
                number = "" if fits in (None, Range()) else f", or a number that is {fits}"
                found.append(f"{key}={element!r} is unknown{suggestion(element, choices)}{number}")
            elif fits is not None and isinstance(element, int | float) and element not in fits:
                finite = "" if isinstance(element, int) or math.isfinite(element) or fits == Range() else " and finite"
                found.append(f"{key}={value} is out of range: must be {fits}{finite}")
    return found


def check(instance: Any) -> None:
    """Raise `ConfigError` with all that is out of range in a dataclass instance."""
    if found := problems(instance):
        raise ConfigError(*found)


def suggestion(word: str, choices: Iterable[str]) -> str:
    """End a sentence on an unknown word: the nearest of the choices, if one is near, and all of them."""
    choices = sorted(choices)
    near = nearest(word, choices)
    return (f"; did you mean {near!r}?" if near else "") + f" (one of: {', '.join(choices) or 'none'})"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that a word is most like, in whatever case; None if it is like none."""
    by_lower = {choice.lower(): choice for choice in sorted(choices)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def construct_hyperparameters(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build a hyperparameter dataclass from plain values, or raise `ConfigError` that names what doesn't fit."""
    if not dataclasses.is_dataclass(cls):
        raise ConfigError(f"{cls.__name__} is not a dataclass, so it can't take parameters from a configuration")
    hints = typing.get_type_hints(cls)
    declared = {field.name: field for field in dataclasses.fields(cls) if field.init}
    found = [f"{name} is unknown{suggestion(str(name), declared)}" for name in values if name not in declared]
    for name, field in declared.items():
        if name in values:
            if typing.get_origin(hints[name]) is typing.Literal and isinstance(values[name], str):
                choices = typing.get_args(hints[name])
                if values[name] not in choices:
                    found.append(f"{name}={values[name]!r} is unknown{suggestion(values[name], choices)}")
            elif not _fits_type(values[name], hints[name]):
                found.append(f"{name}={values[name]!r} has the wrong type: must be {type_in_words(hints[name])}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            found.append(f"{name} is missing: must be {type_in_words(hints[name])}")
    if found:
        raise ConfigError(*found)
    return cls(**values)


def picked_hyperparameters(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build a dataclass from those of the values that it has fields for; raises `ConfigError`, too."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{values!r:.80} has the wrong type: must be a mapping")
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return construct_hyperparameters(cls, {name: value for name, value in values.items() if name in names})


def _fits_type(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits_type(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin in (list, tuple, Sequence):
        element = arguments[0] if arguments else Any
        return isinstance(value, list | tuple) and all(_fits_type(item, element) for item in value)
    if hint is Any:
        return True
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, float) or (type(value) is int and abs(value) <= sys.float_info.max)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def type_in_words(hint: Any) -> str:
    """Return what a value of this type is called: `a list of whole numbers`, `a word or null`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_in_words(argument) for argument in arguments)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (list, tuple, Sequence):
        plurals = {int: "whole numbers", float: "numbers", str: "words"}
        return f"a list of {plurals.get(arguments[0], type_in_words(arguments[0]))}" if arguments else "a list"
    names = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a word",
        list: "a list",
        dict: "a mapping",
        Mapping: "a mapping",
        type(None): "null",
    }
    return names.get(origin or hint, getattr(hint, "__name__", str(hint)))
