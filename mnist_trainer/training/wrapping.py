"""Watching functions from outside: others stand in their place for a while, and no trace is left."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wrapped:
    """The function `attribute` of `owner`, an object or a module, and what makes the one that stands in its place."""

    owner: Any
    attribute: str
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]]


@contextmanager
def wrapping(functions: Sequence[Wrapped]) -> Iterator[None]:
    """Wrap these functions within the block.

    An object's method is put before its class's, in the object itself: so whoever calls it, calls the wrapped one. A
    module's function is replaced and put back.
    """
    own = [(each, vars(each.owner).get(each.attribute)) for each in functions]
    for each in functions:
        setattr(each.owner, each.attribute, each.wrap(getattr(each.owner, each.attribute)))
    try:
        yield
    finally:
        for each, before in own:
            if before is None:
                delattr(each.owner, each.attribute)
            else:
                setattr(each.owner, each.attribute, before)
