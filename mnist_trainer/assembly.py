"""From a configuration and a data set to the trainer that has all it needs, and the test set."""

import numpy as np

from mnist_trainer.build import build_loss, build_model, build_optimizer, build_schedule, check_config
from mnist_trainer.config import Config
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.data.split import stratified_split
from mnist_trainer.errors import ConfigError
from mnist_trainer.training.streams import stream
from mnist_trainer.training.trainer import Trainer

EVALUATION_BATCH = 256  # evaluation takes larger batches than a tiny batch_size


def build_trainer(config: Config, dataset: Dataset) -> tuple[Trainer, Batches]:
    """Split the data and build the model and all that trains it; return the trainer and the test set's batches."""
    check_config(config)  # `train` has done so before it looked for the data; a notebook comes straight here
    size = config.data.validation_size
    size = dataset.default_validation_size if size is None else size
    settings = config.trainer
    for key in ("patience", "restore_best"):
        if size == 0 and getattr(settings, key):
            raise ConfigError(f"trainer.{key} needs a validation set, but data.validation_size is 0")
    splitting = stream(config.seed, "splitting")
    indices, validation_indices = stratified_split(dataset.labels, size, splitting, dataset.classes)
    standard = config.data.standardize
    scaling = Scaling.standardised(dataset.images, indices) if standard else Scaling.unit()
    evaluation_batch = max(config.batch_size, EVALUATION_BATCH)
    shuffling = stream(config.seed, "shuffling")
    images, labels, dtype = dataset.images, dataset.labels, config.dtype
    train = Batches(images, labels, indices, config.batch_size, dtype, scaling=scaling, rng=shuffling)
    validation = Batches(images, labels, validation_indices, evaluation_batch, dtype, scaling=scaling)
    everything = np.arange(len(dataset.test_labels))
    test = Batches(dataset.test_images, dataset.test_labels, everything, evaluation_batch, dtype, scaling=scaling)
    max_batch = min(evaluation_batch, max(train.samples, validation.samples, test.samples))
    trainer = Trainer(
        model=build_model(config, dataset.image_shape, dataset.classes, max_batch),
        loss=build_loss(config.loss),
        optimizer=build_optimizer(config.optimizer),
        schedule=build_schedule(config.schedule),
        learning_rate=config.optimizer.lr,
        train=train,
        validation=validation,
        epochs=config.epochs,
        log_every=settings.log_every,
        clip_norm=settings.clip_norm,
        patience=settings.patience,
        by_loss=settings.monitor == "loss",
        loss_name=config.loss.name,
    )
    return trainer, test
