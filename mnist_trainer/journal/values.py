"""What the fields of a journal's events hold: types that say what fits, since a line may come from anywhere."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

Check = Callable[[Any], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value  # it may be, or become, a path


def _is_whole(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63  # MLflow's databases hold no more


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 1 << 63)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _are_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _are_words(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_square(value: object) -> bool:
    rows = value if isinstance(value, list) else [None]
    return all(isinstance(row, list) and len(row) == len(rows) and all(map(_is_whole, row)) for row in rows)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w-]+", value) is not None  # it names a file, too


def _is_inside(value: object) -> bool:
    """Whether a path stays in the run's folder: a journal from elsewhere must not send other files to MLflow."""
    return isinstance(value, str) and not re.search(r"^/|\0|(^|/)\.\.(/|$)", value)


Text = Annotated[str, _is_text]
Whole = Annotated[int, _is_whole]
Flag = Annotated[bool, _is_flag]
Id = Annotated[str, _is_id]
PathInside = Annotated[str, _is_inside]
Content = Annotated[Mapping[str, Any], _is_mapping]
Words = Annotated[Mapping[str, str], _are_words]
Numbers = Annotated[Mapping[str, float], _are_numbers]
Names = Annotated[list[str], _are_names]
Counts = Annotated[list[list[int]], _is_square]


def check_of(hint: Any) -> Check:
    """Return what tells whether a value fits one of these types, some words, or either of them or None."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        fits: Check = hint.__metadata__[0]
        return fits
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in arguments
    some = check_of(arguments[0])  # or None
    return lambda value: value is None or some(value)
