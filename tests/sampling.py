"""Which of many cases of one kind belong to the quick tests."""

from collections.abc import Mapping
from typing import Any

import pytest


def every_other(cases: Mapping[str, tuple[Any, ...]]) -> list[Any]:
    """Make the parameters of `parametrize` of named cases: every other one is a long test.

    By its place: a case that comes in between changes what those after it are.
    """
    marks = ([], [pytest.mark.long])
    return [pytest.param(*case, id=name, marks=marks[index % 2]) for index, (name, case) in enumerate(cases.items())]
