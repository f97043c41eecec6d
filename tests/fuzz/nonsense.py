"""What the fuzzers draw: so many cases, from a seed each, and a change somewhere in nested mappings and lists."""

import copy
import random

from hypothesis import Phase, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, (1 << 64) - 1).map(random.Random)
WORDS = [None, True, False, 0, 1, -1, 2, 2.5, -0.5, float("nan"), float("inf"), 10**30, -(10**30), 1 << 63, 10**400]
WORDS += ["", "x", "3", "run", "'", "PCG64", "a/b", "../../precious", "/etc/hostname", "http://127.0.0.1:1", "file:/x"]
WORDS += ["${seed}", "${oc.env:HOME}", "\0", "a\0b", "\ud800", "é" * 99, "é" * 9000]
WORDS += [[], {}, [1], [[1]], {"a": 1}, {"a": {"b": 1}}, [None] * 4, [1, 2, 3.0, 4]]
KEYS = ["a", "", "step", "kind", "x.y", "é/\0"]


def cases(times):
    """Run so many times the profile's number of cases; a case that hangs is not tried again to make it smaller."""
    return settings(max_examples=times * settings.default.max_examples, phases=[Phase.explicit, Phase.generate])


def changed(rng, content, *, deeper=0.8):
    """Change something in nested mappings and lists, in place; go one step deeper with that probability."""
    where, value = None, content
    while isinstance(value, dict | list) and value and (where is None or rng.random() < deeper):
        where = value
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        value = value[key]
    if where is None:
        return
    match rng.randrange(8):
        case 0 if isinstance(where, dict):
            del where[key]
        case 1 if isinstance(where, dict):
            where[rng.choice(KEYS)] = copy.deepcopy(rng.choice(WORDS))
        case 2 if isinstance(where, dict):
            where[f"{key}s"] = where.pop(key)
        case 3:
            where[key] = nested(rng.choice([5, 150, 400, 900]))
        case 4 if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
            where[key] = rng.choice([-value, value + 1, value * 1000, str(value), float(value)])
        case _:
            where[key] = copy.deepcopy(rng.choice(WORDS))


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value
