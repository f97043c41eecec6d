"""What a layer or a loss of one's own has to look like, and to return; a slip is told in words."""

import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mnist_trainer.errors import ConfigError, MnistTrainerError, SlipError

PACKAGE = str(Path(__file__).parent)
ELSEWHERE = ("site-packages", "dist-packages", "<frozen", str(Path(inspect.__file__).parent))


def check_method(cls: type, name: str, *arguments: str, **by_name: str) -> None:
    """Raise `ConfigError` unless a class's method can be called so; what is given are the arguments' names."""
    try:
        inspect.signature(getattr(cls, name)).bind("self", *arguments, **by_name)
    except TypeError as error:
        wanted = ", ".join(["self", *arguments, *(["*"] if by_name else []), *by_name])
        raise ConfigError(f"{cls.__name__}.{name} can't be called: {error}; write def {name}({wanted})") from error


def check_whole(cls: type, noun: str) -> None:
    """Raise `ConfigError` if a class lacks a method that its kind must have."""
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise ConfigError(f"{cls.__name__} has no {' and no '.join(missing)}: a {noun} needs it")


def checked_number(value: Any, of: str) -> float:
    """Return a number, Python's or NumPy's, as Python's; raises `SlipError` that says what was returned instead."""
    if isinstance(value, float | int) or (isinstance(value, np.ndarray | np.generic) and value.ndim == 0):
        try:
            return float(value)
        except (TypeError, ValueError):  # NumPy's, of something else
            pass
    raise SlipError(f"{of} returned {described(value)}: must be a number, the mean loss of the batch")


def checked_array(value: Any, shape: tuple[int, ...], of: str) -> "np.ndarray[Any, np.dtype[np.floating[Any]]]":
    """Return an array of floating-point numbers of this shape, or raise `SlipError` that says what it is."""
    if isinstance(value, np.ndarray) and value.shape == shape and value.dtype.kind == "f":
        return value
    raise SlipError(f"{of} returned {described(value)}: must be an array of shape {shape} of floating-point numbers")


def described(value: Any) -> str:
    """Say what something is, in a few words."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray | np.generic):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return f"a value of type {type(value).__name__}"


def is_own(thing: object) -> bool:
    """Tell whether an object's class is the project's own, not a user's."""
    return type(thing).__module__.partition(".")[0] == __package__


def is_users(file: str) -> bool:
    """Tell whether code in a file is a user's, not the project's, a library's or Python's."""
    return not file.startswith(PACKAGE) and not any(place in file for place in ELSEWHERE)


def in_users_code(error: BaseException) -> SlipError | None:
    """Return an error that says where in a user's code it came from; None if that had no part in it."""
    frames = [
        (frame.f_code, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if is_users(frame.f_code.co_filename)
    ]
    if not frames:
        return None
    code, line = frames[-1]
    return SlipError(f"{code.co_filename}:{line}, in {code.co_qualname}: {type(error).__name__}: {error}")


@contextmanager
def slips_in_words() -> Iterator[None]:
    """Let what a user's code raises within the block be a `SlipError` that says where."""
    try:
        yield
    except MnistTrainerError:
        raise
    except Exception as error:
        raise in_users_code(error) or error from error
