"""The tree of random streams that grows from one seed."""

from typing import Literal

import numpy as np

Stream = Literal["initialization", "shuffling", "splitting", "augmentation"]

_KEYS: dict[Stream, int] = {"initialization": 0, "shuffling": 1, "splitting": 2, "augmentation": 3}


def stream(seed: int, name: Stream) -> np.random.Generator:
    """Return the named stream of a seed; what one stream draws leaves the others as they are."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_KEYS[name],)))
