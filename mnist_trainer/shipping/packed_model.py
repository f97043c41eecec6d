"""The folder that MLflow serves: a model file, the code that reads it, signature, example and requirements."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_trainer.files import MODEL
from mnist_trainer.inference.model_file import Description, read_model
from mnist_trainer.shipping.served_code import LOADER, copy_code

if TYPE_CHECKING:
    from mlflow.models import Model

NAME = "model"
"""What it is called in MLflow: `runs:/ID/model`."""


def pack(file: Path, target: Path, plugins: Sequence[str], run_id: str, model_id: str | None) -> "tuple[Path, Model]":
    """Make the folder that MLflow serves: the model file, the code that reads it, signature, example, requirements.

    Raises `DataError` if the file can't be read, or a plugin can't go along.
    """
    import numpy as np

    warm_up_packing()
    import mlflow.pyfunc
    from mlflow.models import Model

    description, _, example = read_model(file)
    code = copy_code(target / "source", [Path(plugin) for plugin in plugins])
    data = target / "data"
    data.mkdir()
    (data / MODEL).write_bytes(file.read_bytes())
    about = Model(artifact_path=NAME, run_id=run_id, model_id=model_id, metadata=metadata_of(description))
    images = example[..., 0] if description.image_shape[2] == 1 else example
    with warnings.catch_warnings(action="ignore"), requirements_taken():  # MLflow's own: nobody here can act on them
        mlflow.pyfunc.save_model(
            target / NAME,
            loader_module=LOADER,
            data_path=str(data),
            code_paths=[str(path) for path in code],
            mlflow_model=about,
            signature=signature_of(description),
            input_example=images,
            pip_requirements=[f"mlflow=={mlflow.__version__}", f"numpy=={np.__version__}"],
        )
    return target / NAME, about


@contextmanager
def requirements_taken() -> Iterator[None]:
    """Let MLflow take requirements as they are: it would look through all that is installed, 0.3 s, for a mismatch.

    There is none with the versions that are imported here.
    """
    from mlflow.utils import environment

    name = "warn_dependency_requirement_mismatches"
    looks = getattr(environment, name, None)
    if looks is None:  # in another version than 3.17
        yield
        return
    setattr(environment, name, lambda requirements: None)
    try:
        yield
    finally:
        setattr(environment, name, looks)


def signature_of(description: Description) -> Any:
    """Return what goes in, images as bytes, and what comes out, the classes' probabilities."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    height, width, channels = description.image_shape
    shape = (-1, height, width) if channels == 1 else (-1, height, width, channels)
    return ModelSignature(
        Schema([TensorSpec(np.dtype(np.uint8), shape)]),
        Schema([TensorSpec(np.dtype(np.float32), (-1, description.classes))]),
    )


def metadata_of(description: Description) -> dict[str, Any]:
    """Return what a reader of the model's page wants to know."""
    return {"class_names": list(description.class_names), "data": description.data.get("name"), "run": description.name}


def warm_up_packing() -> None:
    """Import what packing needs, while training goes on."""
    with warnings.catch_warnings(action="ignore"):
        import mlflow.pyfunc  # noqa: F401
