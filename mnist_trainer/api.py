"""What notebooks and plugins import, in one place.

A plugin's module registers layers, losses, optimizers, schedules, data sets and callbacks with the decorators;
`plugins=[my_module]` imports it. From Python, `train("loss=separate", "epochs=3")` does what the command line does, on
arrays too: `train("epochs=3", data=Dataset.from_arrays(x, y, x_test, y_test))`. And the parts are there one by one:

    config = compose(["model.hidden=[64]", "epochs=1"])
    trainer, test = build_trainer(config, build_data(config.data))
    trainer.fit()
    print(trainer.evaluate(test))

`load` gives a classifier of what was learned: of `train`'s result, a trainer, a run's folder, or `latest`.

`print(check_gradients(layer, in_shape=(5,)))` tells whether a layer's or a loss's derivatives are right.
"""

import os
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mnist_trainer.analysis.gradcheck.gradients import check_gradients
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.composition import check_texts, compose, override_key
from mnist_trainer.credentials import hide_in
from mnist_trainer.data.dataset import Dataset, check_is_dataset
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.loading import Which
from mnist_trainer.inference.loading import load as load_file
from mnist_trainer.journal.address import resolve_uri
from mnist_trainer.layers.layer import Layer
from mnist_trainer.losses.loss import Loss
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.registry import (
    register_callback,
    register_data,
    register_layer,
    register_loss,
    register_optimizer,
    register_schedule,
)
from mnist_trainer.runs.folder import LATEST, run_folder
from mnist_trainer.runs.learned import classifier_of_trainer, learned_folder
from mnist_trainer.runs.outcome import concluding_outcome
from mnist_trainer.runs.run import Result
from mnist_trainer.runs.screen import run_shown
from mnist_trainer.schedules import Schedule
from mnist_trainer.shipping.fetched import is_mlflow_s, load_from_mlflow
from mnist_trainer.tasks.resume import resume
from mnist_trainer.tasks.train import train as train_in_folder
from mnist_trainer.training.trainer import Callback, Trainer
from mnist_trainer.words import folder_name

__all__ = [
    "Callback",
    "Classifier",
    "Dataset",
    "Layer",
    "Loss",
    "Optimizer",
    "Result",
    "Schedule",
    "build_data",
    "build_trainer",
    "check_gradients",
    "compose",
    "hyperparameter",
    "load",
    "register_callback",
    "register_data",
    "register_layer",
    "register_loss",
    "register_optimizer",
    "register_schedule",
    "train",
]


def train(*given: str, data: Dataset | None = None) -> Result:
    """Train, test and track as `python -m mnist_trainer GIVEN` does, in a new folder below `outputs`.

    With `resume=...` go on with the run that it names, in that run's folder. `data`, if given, are trained on instead
    of files; a run on them is resumed from Python alone, with the same data.

    Raises `ConfigError`, `DataError` or `DivergedError`. Progress goes to the logger `mnist_trainer`, and is printed
    where logging would not show it, in a notebook, say; `logging.getLogger("mnist_trainer").setLevel("WARNING")`
    before silences that.
    """
    with run_shown():
        return _train(given, data)


def _train(given: Sequence[str], data: Dataset | None) -> Result:
    check_texts(given)
    overrides = hide_in(given)
    for each in overrides:
        if override_key(each).startswith(("-", "hydra")):
            raise ConfigError(f"{each}: this is for the command; train() takes the overrides of one run")
    if data is not None:
        overrides = [*_named_as(data, overrides), *overrides]
    # Beside a run's own values, which are not known yet, the others need not make a whole configuration
    where = compose([each for each in overrides if override_key(each) in ("resume", "outputs", "experiment")])
    if where.resume is not None:
        return resume(where.resume, run_folder(where.resume, Path(where.outputs)), overrides, data=data)
    config = compose(overrides)
    if config.task.name != "train":
        raise ConfigError(f"task={config.task.name}: this is for the command; train() trains")
    stamp = f"{datetime.now():%Y-%m-%d/%H-%M-%S-%f}"
    folder = Path(config.outputs) / f"{stamp}-{folder_name(config.name)}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    with concluding_outcome(folder, Path(config.outputs), overrides):
        return train_in_folder(config, folder, overrides=overrides, data=data)


def load(
    what: str | os.PathLike[str] | Result | Trainer, which: Which = "tested", *, outputs: str = "outputs"
) -> Classifier:
    """Return a classifier of what was learned.

    `what` is a run's folder, its `model.npz` or a parameter file in the folder; `latest`, the run that ended last
    in `outputs`; `runs:/ID/model` or `models:/NAME@ALIAS`, where MLflow has it; the result of `train`; or a trainer,
    as it is now. `which` is as in `inference.load`.
    Raises `DataError` or `ConfigError` that says what would fit.
    """
    if isinstance(what, Trainer):
        return classifier_of_trainer(what)
    if isinstance(what, Result):
        if what.folder is None:
            raise DataError("this result doesn't know its run's folder: name that")
        return load_file(what.folder, which)
    if what == LATEST:
        return load_file(learned_folder(Path(outputs)), which)
    if isinstance(what, str) and is_mlflow_s(what):
        return load_from_mlflow(what, resolve_uri(None, Path(outputs).absolute()))
    return load_file(what, which)


def _named_as(data: Dataset, overrides: Sequence[str]) -> list[str]:
    """Return the overrides that say what the data are called; raises `ConfigError` for others on what they are."""
    check_is_dataset(data)
    said = [each for each in overrides if override_key(each) in ("data", "data.name", "data.root")]
    if said:
        raise ConfigError(f"{' '.join(said)}: the data are given already, by data=...; leave {' and '.join(said)} out")
    if not re.fullmatch(r"\w[\w .+-]*", data.name):
        raise ConfigError(f"the data's name {data.name!r}: letters, digits and any of _-.+ fit, and blanks within")
    return ["data=custom", f"data.name='{data.name}'"]
