"""A model that MLflow has, loaded from there: `runs:/ID/model`, `models:/NAME@ALIAS`."""

import tempfile
from pathlib import Path

from mnist_trainer.credentials import with_password
from mnist_trainer.errors import DataError
from mnist_trainer.files import MODEL
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.loading import load
from mnist_trainer.process import warnings_as
from mnist_trainer.shipping.patience import one_line
from mnist_trainer.shipping.store import connect

SCHEMES = ("runs:/", "models:/")


def is_mlflow_s(name: str) -> bool:
    """Tell whether a name is that of a model in MLflow."""
    return name.startswith(SCHEMES)


def load_from_mlflow(name: str, uri: str) -> Classifier:
    """Load a model by its name in the store at `uri`; raises `DataError` if it isn't there, or isn't of this kind."""
    try:
        connect(uri)
        with warnings_as("ignore"), tempfile.TemporaryDirectory() as folder:
            import mlflow.artifacts
            from mlflow.tracking._tracking_service.utils import _use_tracking_uri

            with _use_tracking_uri(with_password(uri)):
                place = Path(mlflow.artifacts.download_artifacts(artifact_uri=name, dst_path=folder))
            found = sorted(place.rglob(MODEL))
            if not found:
                raise DataError(f"{name}: a model, but none that was trained here: it has no {MODEL}")
            return load(found[0])
    except DataError:
        raise
    except Exception as error:  # MLflow's, its libraries', the store's
        raise DataError(f"{name}: {one_line(error, uri)}") from error
