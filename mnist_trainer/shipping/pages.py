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
    "metrics.`validation/accuracy`",
    "metrics.`test/accuracy`",
    "metrics.`test/loss`",
    "metrics.`best/validation_accuracy`",
    "tags.`loss.mode`",
    "params.`seed`",
)


SECTIONS = (
    *("train", "validation", "test", "best", "difference", "paired"),
    *("Model metrics", "System metrics"),
)
"""The charts' sections in their order, learning curves first: MLflow's own is the alphabet's, and those two last."""


def view_state() -> str:
    """Return the value of the tag `VIEW_TAG`; where a section has no charts, MLflow leaves it out."""
    shown = {"display": True, "deleted": False, "isReordered": True, "isGenerated": True}
    sections = [{"uuid": f"{VIEW}-{name}", "name": name, **shown} for name in SECTIONS]
    charts = {"compareRunCharts": [], "compareRunSections": sections, "isAccordionReordered": True}
    return json.dumps({"selectedColumns": COLUMNS, **charts})


def runs_page(experiment_id: str) -> str:
    """Return the page of an experiment's runs, with our columns."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}&{TRAINING}"


def run_page(experiment_id: str, run_id: str) -> str:
    """Return the page of a run: its description, a sweep's table or a comparison's verdict, then its figures."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{TRAINING}"


def curves_page(experiment_id: str) -> str:
    """Return the page of the charts of an experiment's runs, with the learning curves first.

    MLflow lets that be told for a whole experiment only, not with a filter, and not for a run: the charts of one begin
    with `test`, whatever is logged.
    """
    return f"{runs_page(experiment_id)}&compareRunsMode=CHART"


def compared_page(experiment_id: str, run_ids: Sequence[str]) -> str:
    """Return the page that shows runs beside each other, curve on curve."""
    runs, experiments = (quote(json.dumps(ids, separators=(",", ":"))) for ids in (list(run_ids), [experiment_id]))
    return f"#/compare-runs?runs={runs}&experiments={experiments}&{TRAINING}"
