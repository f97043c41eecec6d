"""What the names of files and folders tell of data: which part of a set they are, images or labels."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Literal

from mnist_trainer.data.idx import Role

Part = Literal["train", "test", "validation"]

_IMAGES = {"x", "images", "image", "imgs", "img", "data", "pixels", "features"}
_LABELS = {"y", "labels", "label", "targets", "target", "classes"}
_VALIDATION = {"val", "valid", "validation", "dev"}


def stem(name: str) -> str:
    """Return a file's name as the official files spell theirs: lower case, dashes for dots, no .gz."""
    name = name.lower().removesuffix(".gz")
    return re.sub(r"[._ ]", "-", name)


def words_of_name(name: str) -> list[str]:
    """Split a name where it has something else than letters and digits, and where a small letter meets a large one."""
    return re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def part_from_names(*names: str) -> Part | None:
    """Tell the part from the first name that tells any; `names` go from the innermost outwards."""
    for name in names:
        for word in reversed(words_of_name(name)):
            if word.startswith("test") or word in ("t10k", "t50k"):
                return "test"
            if word.startswith("train"):
                return "train"
            if word in _VALIDATION:
                return "validation"
    return None


def part_of_path(path: PurePath, *inner: str) -> Part | None:
    """Tell the part of a file from its path within the folder that was named, and the name of what lies inside."""
    return part_from_names(*inner, *reversed(path.parts))


def named_role(name: str) -> Role | None:
    """Tell from a name whether it is of images or of labels, where it says one of the two."""
    found = set(words_of_name(name))
    images, labels = bool(found & _IMAGES), bool(found & _LABELS)
    return None if images == labels else "images" if images else "labels"
