"""From a configuration to the data set: a known one, EMNIST's, any files, a plugin's, or one given from Python."""

import logging
from dataclasses import replace

from mnist_trainer import registry
from mnist_trainer.config import CustomDataConfig, DataConfig, EmnistConfig, IdxConfig, KnownConfig
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.data.file_sets import EMNIST
from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.data.loading import KINDS, NO_ROOT, load, load_emnist, load_files
from mnist_trainer.data.remarks import remarks
from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import suggestion

log = logging.getLogger(__name__)
RESERVED = {*KINDS, "emnist", *(files.name for files in EMNIST.values())}
"""What no data of a user's own may be called."""


def check_data(config: DataConfig) -> None:
    """Raise `ConfigError` for a data set that can't be, as far as that is known without its data."""
    if isinstance(config, EmnistConfig) and config.split not in EMNIST:
        raise ConfigError(f"data.split={config.split!r} is unknown{suggestion(config.split, EMNIST)}")
    if isinstance(config, IdxConfig | CustomDataConfig):
        if not config.name.strip() or config.name in RESERVED:
            raise ConfigError(f"data.name={config.name!r}: other data need a name of their own, in MLflow too")
        files = isinstance(config, IdxConfig) and (config.train_images or config.train_labels)
        if isinstance(config, IdxConfig) and config.root is None and not files:
            raise ConfigError(NO_ROOT)
        if isinstance(config, CustomDataConfig) and config.name in registry.datasets:
            registry.built_from_registry(registry.datasets, config, "data")


def build_data(config: DataConfig, given: Dataset | None = None, *, kept: KeptFiles | None = None) -> Dataset:
    """Load the data set, or take the one `given` from Python; warn of what looks wrong in it.

    With files that are `kept`, which it may have been read from before, its arrays can't be written to.
    """
    dataset = _loaded(config, kept) if given is None else given
    for sentence in remarks(dataset):
        log.warning(f"data: {sentence}")
    return dataset


def _loaded(config: DataConfig, kept: KeptFiles | None) -> Dataset:
    check_data(config)
    if kept is None or isinstance(config, CustomDataConfig):  # whose arrays are the plugin's own
        return _read(config)
    with kept.reading():
        return _read(config)


def _read(config: DataConfig) -> Dataset:
    match config:
        case KnownConfig():
            return load(config.name, root=config.root, cache=config.cache, download=config.download)
        case EmnistConfig():
            return load_emnist(config.split, root=config.root, cache=config.cache)
        case IdxConfig():
            files = (config.train_images, config.train_labels, config.test_images, config.test_labels)
            size, seed = config.test_size, config.test_seed
            return load_files(config.root, files, name=config.name, test_size=size, test_seed=seed)
        case CustomDataConfig():
            return _custom(config)
        case _:
            raise ConfigError(f"data={config.name}: has none of the known forms: take a choice that --help lists")


def _custom(config: CustomDataConfig) -> Dataset:
    if config.name not in registry.datasets:
        there = suggestion(config.name, registry.datasets)
        raise ConfigError(
            f"data.name={config.name!r} is no data set that a plugin registered{there}; one that was given from "
            "Python, train(..., data=...), has to be given again"
        )
    dataset = registry.built_from_registry(registry.datasets, config, "data").load()
    if not isinstance(dataset, Dataset):
        raise ConfigError(f"data.name={config.name!r}: its load() returns {type(dataset).__name__}, not a Dataset")
    return replace(dataset, name=config.name)
