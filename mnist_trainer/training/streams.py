"""The tree of random streams that grows from one seed; the states of generators as JSON has them."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

Stream = Literal["initialization", "shuffling", "splitting", "augmentation"]

DTYPE = "dtype"
_KEYS: dict[Stream, int] = {"initialization": 0, "shuffling": 1, "splitting": 2, "augmentation": 3}


def random_stream(seed: int, name: Stream) -> np.random.Generator:
    """Return the named stream of a seed; what one stream draws leaves the others as they are."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_KEYS[name],)))


def plain_state(state: Any) -> Any:
    """Return a generator's state as plain values: that of most kinds, but for PCG64, holds arrays."""
    if isinstance(state, Mapping):
        return {key: plain_state(part) for key, part in state.items()}
    return {DTYPE: state.dtype.str, "values": state.tolist()} if isinstance(state, np.ndarray) else state


def state_from_plain(values: Any) -> Any:
    """Return the state of plain values; raises `ValueError` for arrays that are no generator's."""
    if not isinstance(values, Mapping):
        return values
    if DTYPE in values:
        dtype = np.dtype(values[DTYPE])
        if dtype.kind not in "iu":  # one of text, say, could ask for any size
            raise ValueError(f"no generator's state holds {dtype}")
        return np.array(values["values"], dtype)
    return {key: state_from_plain(part) for key, part in values.items()}


def check_generator_state(generator: np.random.Generator, state: Any) -> None:
    """Raise `ValueError`, or what NumPy raises, for a state that the generator can't have."""
    other = type(generator.bit_generator)()
    other.state = state
    if plain_state(other.state) != plain_state(state):
        raise ValueError(f"{state} is no state of a {type(other).__name__}")
