"""The pieces of a data set as they lie in files: images, labels or both, of its training or its test part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mnist_trainer.data import idx
from mnist_trainer.data.idx import Role
from mnist_trainer.data.names import Part
from mnist_trainer.data.numpy_files import read_numpy_array
from mnist_trainer.data.pictures import classes_in_order, read_pictures
from mnist_trainer.data.tables import read_table
from mnist_trainer.data.values import Bytes
from mnist_trainer.errors import DataError

Form = Literal["idx", "numpy", "table", "pictures"]


@dataclass(frozen=True)
class DataPiece:
    """Images, labels, or both (`role` None), in one file or one folder of pictures."""

    path: Path
    form: Form
    part: Part | None
    role: Role | None
    name: str = ""
    """Of an array in an archive."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a folder of pictures: the files of each class."""

    @property
    def place(self) -> Path:
        """Where it lies, for messages."""
        return self.path / self.name if self.name else self.path

    def has(self, role: Role) -> bool:
        """Whether it holds images, or labels."""
        return self.role in (None, role)


@dataclass(frozen=True)
class Content:
    """What was read of a piece."""

    images: Bytes | None = None
    labels: Bytes | None = None

    def of(self, role: Role) -> Bytes | None:
        """Return the images, or the labels."""
        return self.images if role == "images" else self.labels


def read_piece(piece: DataPiece, class_names: tuple[str, ...] = ()) -> Content:
    """Read a piece; of pictures, `class_names` say which label a folder's name stands for. Raises `DataError`."""
    match piece.form:
        case "idx":
            if piece.role == "labels":
                return Content(labels=idx.read_labels(piece.path))
            return Content(images=idx.read_images(piece.path))
        case "numpy":
            assert piece.role is not None
            array = read_numpy_array(piece.path, piece.name, piece.role)
            return Content(images=array) if piece.role == "images" else Content(labels=array)
        case "table":
            return Content(*read_table(piece.path))
        case "pictures":
            names = classes_in_order(list(piece.classes))
            folders = [(piece.path / name, piece.classes[name]) for name in names]
            labels = {name: label for label, name in enumerate(class_names)}
            return Content(*read_pictures(folders, [labels[name] for name in names]))


def class_names_of(*pieces: DataPiece) -> tuple[str, ...]:
    """Return the classes that folders of pictures are named for; raises `DataError` for more than bytes count."""
    names = classes_in_order(list({name for piece in pieces for name in piece.classes}))
    if len(names) > 256:
        raise DataError(f"{pieces[0].path}: {len(names):,} folders of pictures; at most 256 classes fit")
    return tuple(names)
