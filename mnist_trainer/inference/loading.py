"""From a file, or a run's folder, to a classifier."""

import os
from pathlib import Path
from typing import Literal, get_args

from mnist_trainer.errors import DataError
from mnist_trainer.files import BEST, CHECKPOINT, JOURNAL, LAST, MODEL
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.model_file import read_model
from mnist_trainer.parameter_files import read_arrays

Which = Literal["tested", "best", "last"]
FILES: dict[str, str] = {"best": BEST, "last": LAST}


def load(path: str | os.PathLike[str], which: Which = "tested") -> Classifier:
    """Load what a run has learned: from its folder, its model file (wherever that lies now), or a parameter file in it.

    `which` parameters: those that were `tested`, the `best` by validation, or the `last`; the model file has the
    tested ones, the others lie beside it. Raises `DataError` that names the file, and says what would fit.
    """
    if not isinstance(path, str | os.PathLike):
        raise DataError(f"{path!r:.80} is no path: name a run's folder, or a {MODEL}")
    if which not in get_args(Which):
        raise DataError(f"which={which!r}: must be one of {', '.join(get_args(Which))}")
    given = Path(path).expanduser()
    model = model_beside(given)
    if given.name in FILES.values() and not given.is_dir():
        which = "best" if given.name == BEST else "last"
    description, arrays, _ = read_model(model)
    if which != "tested":
        file = model.with_name(FILES[which])
        if not file.exists():
            raise DataError(f"{file}: missing: the model file alone has the parameters that were tested")
        return Classifier(description, read_arrays(file, "parameter file"), file)
    return Classifier(description, arrays, model)


def model_beside(path: Path) -> Path:
    """Return the model file that a path means; raises `DataError` if there is none."""
    if path.is_dir():
        model, within = path / MODEL, sorted(path.glob(f"*/{MODEL}"))
        if model.exists():
            return model
        advice = ""
        if within:
            advice = f"; name one of the folders in it that have one, as {within[0].parent}"
        elif (path / JOURNAL).exists():
            advice = "; a run writes it at its end: it may be running, or have ended before its time (resume=...)"
        raise DataError(f"{path}: no {MODEL} in this folder{advice}")
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; name a run's folder, or a {MODEL}")
    if path.name in (BEST, LAST):
        model = path.with_name(MODEL)
        if not model.exists():
            raise DataError(f"{path}: parameters alone, without the {MODEL} that says what layers they belong to")
        return model
    if path.name == CHECKPOINT and path.with_name(MODEL).exists():
        raise DataError(f"{path}: a checkpoint, for resume=...; {MODEL} beside it is what can be loaded")
    return path
