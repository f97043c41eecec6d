"""The configuration's schemas: every key, its type and the range that fits; the values are in `conf/`.

Those of losses, optimizers, schedules and augmentation are made from the classes that they configure. They have the
types only: the classes know which values fit. `register_schemas` tells Hydra of all schemas.
"""

import dataclasses
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from mnist_trainer.data.augmentation import Augmentation
from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.losses.mistakes import Clipped
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.optimizers.adam import Adam
from mnist_trainer.optimizers.rmsprop import RMSprop
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.schedules import Cosine, OneCycle, Step


def schema_of(cls: type, name: str, base: type) -> type[Any]:
    """Make the schema that configures a class: a dataclass with the base's keys, and one for each hyperparameter."""
    hints = typing.get_type_hints(cls)
    keys = [
        (key.name, str if typing.get_origin(hints[key.name]) is Literal else hints[key.name], MISSING)
        for key in dataclasses.fields(cls)
        if key.init
    ]
    namespace = {"__doc__": f"The hyperparameters of {cls.__name__}.", "__module__": __name__}
    return dataclasses.make_dataclass(name, keys, bases=(base,), namespace=namespace)


@dataclass
class TaskConfig:
    """What the command does, and what it calls its folder and its run."""

    name: str = MISSING
    label: str = MISSING


@dataclass
class CompareConfig(TaskConfig):
    """Loss modes in lockstep, and studies of the losses alone."""

    modes: list[str] = MISSING
    shadow_every: int = hyperparameter(MISSING, minimum=1)
    timing: bool = MISSING
    figures: list[str] = hyperparameter(MISSING, choices=("png", "svg", "pdf"))


@dataclass
class GradcheckConfig(TaskConfig):
    """Gradients against finite differences and references."""

    samples: int = hyperparameter(MISSING, minimum=1)
    seconds: float = hyperparameter(MISSING, above=0)


@dataclass
class ExplainConfig(TaskConfig):
    """The derivation on one image."""

    image: int | None = hyperparameter(MISSING, minimum=0)
    updates: int | None = hyperparameter(MISSING, minimum=0)
    figures: list[str] = hyperparameter(MISSING, choices=("png", "svg", "pdf"))


@dataclass
class ProfileConfig(TaskConfig):
    """Where a training step's time goes."""

    updates: int = hyperparameter(MISSING, minimum=1)


@dataclass
class ModelTaskConfig(TaskConfig):
    """What is done with a model that was trained: which run's, and which of its parameters."""

    checkpoint: str | None = MISSING
    which: str = hyperparameter(MISSING, choices=("tested", "best", "last"))


@dataclass
class PredictConfig(ModelTaskConfig):
    """What a model takes pictures for."""

    images: Any = MISSING  # one, or a list of them
    format: str | None = hyperparameter(MISSING, choices=("csv", "json"))


@dataclass
class ExportConfig(ModelTaskConfig):
    """A model for other programs."""

    format: str | None = hyperparameter(MISSING, choices=("onnx",))
    input: str = hyperparameter(MISSING, choices=("uint8", "float"))


@dataclass
class EvaluateConfig(ModelTaskConfig):
    """How well a model does on the test images of a data set, and by several views of each."""

    tta: bool = MISSING
    tta_shift: float = hyperparameter(MISSING, minimum=0, maximum=1)
    tta_rotation: float = hyperparameter(MISSING, minimum=0, maximum=180)


@dataclass
class DataConfig:
    """A data set, and how it is split and scaled."""

    name: str = MISSING
    validation_size: int | None = hyperparameter(MISSING, minimum=0)
    standardize: bool = MISSING


@dataclass
class KnownConfig(DataConfig):
    """A known data set, and where it is."""

    root: str | None = MISSING
    cache: str | None = MISSING
    download: bool = MISSING


@dataclass
class EmnistConfig(DataConfig):
    """EMNIST, in one of its splits."""

    split: str = MISSING
    root: str | None = MISSING
    cache: str | None = MISSING


@dataclass
class IdxConfig(DataConfig):
    """Any files: what lies in `root`, or those that are named, relative to it if it is given."""

    root: str | None = MISSING
    train_images: str | None = MISSING
    train_labels: str | None = MISSING
    test_images: str | None = MISSING
    test_labels: str | None = MISSING
    test_size: int | None = hyperparameter(MISSING, minimum=1)
    test_seed: int = hyperparameter(MISSING, minimum=0)


@dataclass
class CustomDataConfig(DataConfig):
    """A plugin's data set by the name it registered, with its parameters; or what was given from Python."""

    parameters: dict[str, Any] = MISSING


@dataclass
class ModelConfig:
    """A model; `name` is what its runs are called by."""

    name: str = MISSING


@dataclass
class LinearConfig(ModelConfig):
    """One linear layer: nothing is left to choose."""


@dataclass
class MLPConfig(ModelConfig):
    """Fully connected layers; the list of layers is computed."""

    hidden: list[int] = hyperparameter(MISSING, minimum=1)
    activation: str = MISSING
    dropout: float = hyperparameter(MISSING, minimum=0, below=1)


@dataclass
class LayersConfig(ModelConfig):
    """A list of layers, each a `kind` and that kind's parameters; `build` checks them against the layers' classes."""

    layers: list[Any] = MISSING


@dataclass
class LossConfig:
    """A loss mode."""

    name: str = MISSING


SoftmaxCrossEntropyConfig = schema_of(SoftmaxLoss, "SoftmaxCrossEntropyConfig", LossConfig)
ClippedConfig = schema_of(Clipped, "ClippedConfig", LossConfig)


@dataclass
class CustomLossConfig(LossConfig):
    """A plugin's loss by the name it registered, with that loss's parameters."""

    parameters: dict[str, Any] = MISSING


@dataclass
class OptimizerConfig:
    """An optimizer and the learning rate that the schedule scales."""

    name: str = MISSING
    lr: float = hyperparameter(MISSING, above=0)


SGDConfig = schema_of(SGD, "SGDConfig", OptimizerConfig)
RMSpropConfig = schema_of(RMSprop, "RMSpropConfig", OptimizerConfig)
AdamConfig = schema_of(Adam, "AdamConfig", OptimizerConfig)


@dataclass
class CustomOptimizerConfig(OptimizerConfig):
    """A plugin's optimizer by the name it registered, with that optimizer's parameters."""

    parameters: dict[str, Any] = MISSING


@dataclass
class ScheduleConfig:
    """How the learning rate changes over the run."""

    name: str = MISSING


StepConfig = schema_of(Step, "StepConfig", ScheduleConfig)
CosineConfig = schema_of(Cosine, "CosineConfig", ScheduleConfig)
OneCycleConfig = schema_of(OneCycle, "OneCycleConfig", ScheduleConfig)


@dataclass
class CustomScheduleConfig(ScheduleConfig):
    """A plugin's schedule by the name it registered, with that schedule's parameters."""

    parameters: dict[str, Any] = MISSING


@dataclass
class AugmentConfig:
    """What becomes of training images on their way to the model: nothing."""

    name: str = MISSING


ChangesConfig = schema_of(Augmentation, "ChangesConfig", AugmentConfig)


@dataclass
class TrainerConfig:
    """The loop."""

    threads: Any = hyperparameter(MISSING, minimum=1, choices=("auto",))  # OmegaConf can't merge a Union
    log_every: int = hyperparameter(MISSING, minimum=1)
    clip_norm: Any = hyperparameter(MISSING, above=0, choices=("auto",))  # a number, auto or null
    patience: int | None = hyperparameter(MISSING, minimum=1)
    monitor: str = hyperparameter(MISSING, choices=("accuracy", "loss"))
    restore_best: bool = MISSING
    ema_decay: float | None = hyperparameter(MISSING, above=0, below=1)
    checkpoint_minutes: float | None = hyperparameter(MISSING, above=0)
    progress: bool = MISSING
    callbacks: list[Any] = MISSING


@dataclass
class TrackingConfig:
    """Where the journal is sent."""

    name: str = hyperparameter(MISSING, choices=("mlflow", "off"))
    uri: str | None = MISSING
    wait_seconds: float = hyperparameter(MISSING, minimum=0)
    required: bool = MISSING
    model: bool = MISSING
    register: str | None = MISSING
    alias: str | None = MISSING
    experiment: str | None = MISSING
    tags: dict[str, Any] = MISSING
    description: str | None = MISSING


@dataclass
class SweepConfig:
    """A multirun as a whole."""

    resume: str | None = MISSING
    on_interrupt: str = hyperparameter(MISSING, choices=("cancel", "leave"))
    shared_folder: bool = MISSING


@dataclass
class Config:
    """The whole configuration of a job."""

    task: TaskConfig = MISSING
    data: DataConfig = MISSING
    model: ModelConfig = MISSING
    loss: LossConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    schedule: ScheduleConfig = MISSING
    augment: AugmentConfig = MISSING
    trainer: TrainerConfig = MISSING
    tracking: TrackingConfig = MISSING
    epochs: int = hyperparameter(MISSING, minimum=1)
    batch_size: int = hyperparameter(MISSING, minimum=1)
    seed: int = hyperparameter(MISSING, minimum=0, maximum=2**32 - 1)
    dtype: str = hyperparameter(MISSING, choices=("float32", "float64"))
    name: str = MISSING
    outputs: str = MISSING
    plugins: list[str] = field(default_factory=list)
    journal: str | None = MISSING
    resume: str | None = MISSING


@dataclass
class CommandConfig(Config):
    """What a command line may say: a job's configuration, and what is no job's own."""

    sweep: SweepConfig = MISSING
    checkpoint: str | None = MISSING
    images: Any = MISSING
    format: str | None = MISSING


OPTUNA = "hydra_plugins.mnist_trainer.OptunaSweeper"
"""By this name Hydra knows our sweeper: it takes plugins by names in the package `hydra_plugins` alone."""
AUTO = "auto"
SWEEPER_CHOICES = {
    "sampler": ("tpe", "random", "cmaes", "gp", "qmc", "nsgaii", "grid", "bruteforce"),
    "pruner": (AUTO, "none", "median", "hyperband", "percentile", "successive_halving"),
}
"""Those that Hydra lists; any other class of Optuna's is known by its name, too."""


@dataclass
class OptunaConfig:
    """What Hydra composes at `hydra.sweeper`; the values here are the defaults."""

    _target_: str = OPTUNA
    _recursive_: bool = False  # a sampler's `_target_` is a name to us, as all names are
    n_trials: int = 20
    n_jobs: int | None = None
    study_name: str | None = None
    storage: str | None = None
    direction: Any = None
    objective: Any = field(default_factory=lambda: ["validation/loss"])
    sampler: Any = MISSING  # of the groups below
    pruner: Any = MISSING
    params: dict[str, Any] | None = None
    trial: int | None = None  # of a job: its number in the study
    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}, {"pruner": AUTO}])


SCHEMAS: dict[str, type] = {
    "task": TaskConfig,
    "task/compare": CompareConfig,
    "task/gradcheck": GradcheckConfig,
    "task/explain": ExplainConfig,
    "task/profile": ProfileConfig,
    "task/predict": PredictConfig,
    "task/evaluate": EvaluateConfig,
    "task/export": ExportConfig,
    "data/known": KnownConfig,
    "data/emnist": EmnistConfig,
    "data/idx": IdxConfig,
    "data/custom": CustomDataConfig,
    "model/linear": LinearConfig,
    "model/mlp": MLPConfig,
    "model/layers": LayersConfig,
    "loss/softmax_cross_entropy": SoftmaxCrossEntropyConfig,
    "loss/homework": LossConfig,
    "loss/mistake": LossConfig,
    "loss/clipped": ClippedConfig,
    "loss/custom": CustomLossConfig,
    "optimizer/sgd": SGDConfig,
    "optimizer/rmsprop": RMSpropConfig,
    "optimizer/adam": AdamConfig,
    "optimizer/custom": CustomOptimizerConfig,
    "schedule/constant": ScheduleConfig,
    "schedule/step": StepConfig,
    "schedule/cosine": CosineConfig,
    "schedule/one_cycle": OneCycleConfig,
    "schedule/custom": CustomScheduleConfig,
    "augment/none": AugmentConfig,
    "augment/changes": ChangesConfig,
    "trainer": TrainerConfig,
    "tracking": TrackingConfig,
}

GROUPS = tuple(dict.fromkeys(path.partition("/")[0] for path in SCHEMAS))
"""The groups that a run's configuration has a choice of each."""
SINCE_0_1: dict[str, dict[str, Any]] = {
    "task": {"tta": False, "tta_shift": 0.04, "tta_rotation": 5.0},
    "data": {"test_size": None, "test_seed": 0},
    "trainer": {"callbacks": [], "ema_decay": None},
    "tracking": {"model": True, "register": None, "alias": None, "experiment": None, "tags": {}, "description": None},
}
"""The keys that groups have got since version 0.1.0, with what they would have been in its runs."""
GROUPS_SINCE_0_1: dict[str, dict[str, Any]] = {"augment": {"name": "none"}}
"""The groups that there were none of in version 0.1.0, with the choice that its runs would have had."""


def flattened_config(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Flatten nested mappings to dotted keys; lists become JSON."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flattened_config(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list) else value
    return flat


@dataclass(frozen=True)
class NodeToBe:
    """Stands for a node in Hydra's store, which copies a node when it is asked for it: only then is this one made.

    There are sixty, half a millisecond each, and a run asks for a dozen. Hydra also copies the store as a whole, for
    every composition: the copy has these as they are.
    """

    make: Callable[[], object]

    def __deepcopy__(self, memo: object) -> object:
        of_a_whole_store = bool(memo)  # what was copied before
        return self if of_a_whole_store else self.make()


def store_node(group: str | None, name: str, make: Callable[[], object]) -> None:
    """Let Hydra have a node."""
    store = ConfigStore.instance()
    store.store(group=group, name=name, node={})
    place = store.repo
    for part in group.split("/") if group else ():
        place = place[part]
    place[f"{name}.yaml"].node = NodeToBe(make)


def register_schemas() -> None:
    """Store the schemas under the group `schema`, which the files in `conf/` name in their defaults."""
    store_node(None, "schema", partial(OmegaConf.structured, CommandConfig))
    for path, schema in SCHEMAS.items():
        group, _, name = f"schema/{path}".rpartition("/")
        store_node(group, name, partial(OmegaConf.structured, schema))


def register_sweeper_schemas() -> None:
    """Store what `hydra/sweeper=optuna` stands for, and its samplers and pruners, which take any options."""
    store_node("hydra/sweeper", "optuna", partial(OmegaConf.structured, OptunaConfig))
    for group, names in SWEEPER_CHOICES.items():
        for name in names:
            node: dict[str, Any] = {"name": name, "seed": None} if group == "sampler" else {"name": name}
            takes_more = partial(OmegaConf.create, node, flags={"struct": False})
            store_node(f"hydra/sweeper/{group}", name, takes_more)


register_schemas()
