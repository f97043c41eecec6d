"""Which of the pieces in a folder make one data set: training images and labels, and test images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mnist_trainer.data.dataset import Part
from mnist_trainer.data.idx import Role
from mnist_trainer.data.names import stem
from mnist_trainer.data.pieces import Content, DataPiece, class_names_of, read_piece
from mnist_trainer.data.sources import OFFICIAL_NAMES
from mnist_trainer.data.survey import Survey
from mnist_trainer.errors import DataError

Pair = tuple[DataPiece, DataPiece]
"""Images, and labels; the same piece twice where one holds both."""


@dataclass(frozen=True)
class ChosenPieces:
    """The pieces of one set; `told` are sentences on what was left out."""

    train: Pair
    test: Pair | None
    told: tuple[str, ...] = field(default=())

    def read(self) -> tuple[list[Part], tuple[str, ...] | None]:
        """Read images and labels of training and, if there is one, of the test part; and the classes' names, if any.

        Raises `DataError`.
        """
        pieces = [*self.train, *(self.test or ())]
        names = class_names_of(*pieces) if any(piece.classes for piece in pieces) else ()
        contents: dict[int, Content] = {}
        parts: list[Part] = []
        for number, piece in enumerate(pieces):
            role: Role = "labels" if number % 2 else "images"
            content = contents.setdefault(id(piece), Content())
            if content.of(role) is None:
                content = contents[id(piece)] = read_piece(piece, names)
            array = content.of(role)
            assert array is not None
            parts.append((piece.place, array))
        return parts, names or None


def choose_pieces(found: Survey) -> ChosenPieces:
    """Choose the pieces of the one set in a folder or file; raises `DataError` if there is none, or several."""
    by_part = {
        part: [piece for piece in found.pieces if piece.part == part] for part in ("train", "test", "validation", None)
    }
    rest, left_out = by_part[None], by_part["validation"]
    if by_part["train"]:
        left_out, rest = [*left_out, *rest], by_part["train"]
    if not rest:
        only = "only a test part, and nothing to train on" if by_part["test"] else "no data that can be taken"
        raise DataError(f"{found.root}: {only}; {found.listing()}")
    told = [f"{piece.place}: left out: it is called neither training nor test data" for piece in left_out[:3]]
    test = by_part["test"]
    if test and all(piece.form == "table" and piece.role == "images" for piece in test):
        told += [f"{piece.place}: left out: it has no labels" for piece in test]
        test = []
    return ChosenPieces(_pair(found, rest, "training"), _pair(found, test, "test") if test else None, tuple(told))


def _pair(found: Survey, pieces: Sequence[DataPiece], what: str) -> Pair:
    return _one_piece(found, pieces, "images", what), _one_piece(found, pieces, "labels", what)


def _one_piece(found: Survey, pieces: Sequence[DataPiece], role: Role, what: str) -> DataPiece:
    """Return the piece that holds images, or labels; where several do, the one with an official name."""
    fitting = [piece for piece in pieces if piece.has(role)]
    if not fitting:
        raise DataError(f"{found.root}: no {what} {role}; {found.listing()}")
    copies: dict[tuple[Path, str], list[DataPiece]] = {}
    for piece in fitting:
        copies.setdefault((data_folder_of(piece.path), f"{stem(piece.path.name)}/{piece.name}"), []).append(piece)
    firsts = [min(group, key=plainness) for group in copies.values()]
    official = [piece for piece in firsts if stem(piece.path.name) in OFFICIAL_NAMES]
    if len(official) == 1:
        return official[0]
    if len(firsts) > 1:
        shown = ", ".join(map(found.shown, firsts[:6])) + (f", and {len(firsts) - 6:,} more" if len(firsts) > 6 else "")
        raise DataError(
            f"{found.root}: {len(firsts):,} places have {what} {role}: {shown}; "
            "name the folder, or the file, of one set: data.root=..."
        )
    return firsts[0]


def data_folder_of(path: Path) -> Path:
    """Return the folder of a file; where that has the file's own name, the one around it."""
    return path.parent.parent if stem(path.parent.name) == stem(path.name) else path.parent


def plainness(piece: DataPiece) -> tuple[int, bool, str]:
    """Order copies of a file: the nearest, and of these the one that is not packed, by its name, comes first."""
    return len(piece.path.parts), piece.path.name.lower().endswith(".gz"), str(piece.path)
