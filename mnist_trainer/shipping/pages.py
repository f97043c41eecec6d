"""Pages of MLflow's UI, as paths behind its address, and what its table of runs shows on arrival by these links.

What the UI reads there is its own affair, and undocumented: `tests/shipping/test_ui.py` looks at it in a browser.
"""

import json
from collections.abc import Sequence
from urllib.parse import quote

VIEW = "mnist_trainer"
"""The key of the table's view, which is an experiment's tag."""
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
TRAINING = "workflowType=machine_learning"
"""A new browser is greeted in the UI's GenAI mode otherwise, without curves."""
COLUMNS = (
    "metrics.`test/accuracy`",
    "metrics.`test/loss`",
    "metrics.`validation/accuracy`",
    "metrics.`best/validation_accuracy`",
    "tags.`loss.mode`",
    "params.`seed`",
)


def view_state() -> str:
    """Return the value of the tag `VIEW_TAG`."""
    return json.dumps({"selectedColumns": COLUMNS})


def runs_page(experiment_id: str) -> str:
    """Return the page of an experiment's runs, with our columns."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}&{TRAINING}"


def run_page(experiment_id: str, run_id: str) -> str:
    """Return the page of a run: its description, a sweep's table or a comparison's verdict, then its figures."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{TRAINING}"


def compared_page(experiment_id: str, run_ids: Sequence[str]) -> str:
    """Return the page that shows runs beside each other, curve on curve."""
    runs, experiments = (quote(json.dumps(ids, separators=(",", ":"))) for ids in (list(run_ids), [experiment_id]))
    return f"#/compare-runs?runs={runs}&experiments={experiments}&{TRAINING}"
