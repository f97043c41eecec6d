"""What the user is told of a run before it begins."""

import logging

from mnist_trainer import registry
from mnist_trainer.config import Config
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.training.trainer import Trainer

log = logging.getLogger(__name__)


def describe(config: Config, dataset: Dataset, trainer: Trainer, *, with_model: bool) -> None:
    """Log what is about to happen."""
    describe_data(dataset, trainer)
    if not registry.losses[config.loss.name].exact:
        log.warning(f"loss={config.loss.name} is one of the mistakes: its gradient is wrong on purpose")
    if with_model:
        log.info(trainer.model.summary())
    log.info(
        f"loss: {config.loss.name}; optimizer: {config.optimizer.name}, learning rate {config.optimizer.lr:g} "
        f"({config.schedule.name}); batch size {config.batch_size}, seed {config.seed}"
    )


def describe_data(dataset: Dataset, trainer: Trainer) -> None:
    """Log where the data are from, and how they are split."""
    height, width, _ = dataset.image_shape
    log.info(
        f"data: {dataset.name} from {dataset.source}: {trainer.train.samples:,} images to train on, "
        f"{trainer.validation.samples:,} to validate, {len(dataset.test_labels):,} to test; {height}x{width} pixels, "
        f"{dataset.classes} classes"
    )
