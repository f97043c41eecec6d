"""task=export: a trained network for other programs."""

import logging
from pathlib import Path

from mnist_trainer.config import Config, ExportConfig
from mnist_trainer.errors import ConfigError
from mnist_trainer.files import ONNX
from mnist_trainer.inference.onnx_export import export as export_onnx
from mnist_trainer.runs.outcome import TaskOutcome
from mnist_trainer.shipping.fetched import is_mlflow_s
from mnist_trainer.tasks.trained import classifier_for, task_checkpoint
from mnist_trainer.words import shown

log = logging.getLogger(__name__)


def export(config: Config, folder: Path) -> TaskOutcome:
    """Write `model.onnx` into the run's folder, or beside the file that `checkpoint` names.

    A model of MLflow's is written into the task's own `folder`. Raises `ConfigError` and `DataError`.
    """
    settings = config.task
    assert isinstance(settings, ExportConfig)
    if settings.format is None:
        raise ConfigError("format is missing: task=export checkpoint=RUN format=onnx")
    place = task_checkpoint(config)
    classifier = classifier_for(config)
    named = Path(place).expanduser()
    target = folder if is_mlflow_s(place) else named if named.is_dir() else named.parent
    path = target / ONNX
    assert settings.input in ("uint8", "float")
    difference = export_onnx(classifier, path, settings.input)  # type: ignore[arg-type]
    log.info(f"{shown(path)}: {path.stat().st_size:,} bytes; onnxruntime's probabilities differ by {difference:.1e}")
    return TaskOutcome(0, {"model": str(path), "largest_difference": difference})
