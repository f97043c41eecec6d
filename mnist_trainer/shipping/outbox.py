"""Events to MLflow calls: parameters, tags, metrics and data sets of one run, within MLflow's limits."""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mnist_trainer.journal.events import DESCRIPTION, DatasetEvent, Event, Metrics, Params, Start, Tags
from mnist_trainer.shipping.patience import is_busy

if TYPE_CHECKING:
    from mlflow.entities import Metric

    from mnist_trainer.shipping.store import Store

METRICS_PER_CALL = 1000
PAIRS_PER_CALL = 100
PARAM_CHARACTERS = 6000
REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST")
TAG_CHARACTERS = 8000

log = logging.getLogger(__name__)


class RunDeletedError(Exception):
    """The run was deleted in MLflow: what its journal still holds has nowhere to go."""


class RunLostError(Exception):
    """The store doesn't know the run that it had: it was emptied, or exchanged for another one."""


class Outbox:
    """Sends what it is given at once; an item that MLflow refuses (a bad name) doesn't hold up the rest."""

    def __init__(self, store: "Store", run_id: str, start: Start) -> None:
        self.store = store
        self.run_id = run_id
        self._start = start
        self._there: dict[str, set[tuple[int, int, str]]] = {}
        """Of a store that keeps repeats, what it has of each metric."""

    def send(self, events: Sequence[Event]) -> None:
        """Send these events; sending them again changes nothing."""
        from mlflow.entities import Metric, Param, RunTag

        params: list[Any] = []
        tags: list[Any] = []
        metrics: list[Any] = []
        for event in events:
            match event:
                case Params():
                    params += [Param(key, _cut(value, PARAM_CHARACTERS)) for key, value in event.params.items()]
                case Tags():
                    told = {**event.tags}
                    if DESCRIPTION in told:
                        told[DESCRIPTION] = self._start.described(told[DESCRIPTION])
                    tags += [RunTag(key, _cut(value, TAG_CHARACTERS)) for key, value in told.items()]
                case Metrics():
                    metrics += [Metric(key, value, event.time, event.step) for key, value in event.metrics.items()]
                case DatasetEvent():
                    self._send_dataset(event)
        client = self.store.client
        for part in _in_batches(params, PAIRS_PER_CALL):
            self._deliver(lambda items: client.log_batch(self.run_id, params=items), part)
        for part in _in_batches(tags, PAIRS_PER_CALL):
            self._deliver(lambda items: client.log_batch(self.run_id, tags=items), part)
        repeats = self.store.keeps_repeats
        for part in _in_batches([each for each in metrics if not (repeats and self._has(each))], METRICS_PER_CALL):
            self._deliver(lambda items: client.log_batch(self.run_id, metrics=items), part)
            for each in part if repeats else ():
                self._there[each.key].add(_point(each))

    def _has(self, metric: "Metric") -> bool:
        if metric.key not in self._there:
            history = self.store.client.get_metric_history(self.run_id, metric.key)
            self._there[metric.key] = {_point(each) for each in history}
        return _point(metric) in self._there[metric.key]

    def _send_dataset(self, event: DatasetEvent) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        remote = event.source.startswith(("http://", "https://"))
        dataset = Dataset(
            name=event.name,
            digest=event.digest[:36],
            source_type="http" if remote else "local",
            source=json.dumps({"url" if remote else "uri": event.source}),
            schema=json.dumps(event.schema),
            profile=json.dumps(event.profile),
        )
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", event.context)])]
        self._deliver(lambda items: self.store.client.log_inputs(self.run_id, items), inputs)

    def _deliver(self, call: Callable[[list[Any]], object], items: list[Any]) -> None:
        from mlflow.exceptions import MlflowException

        try:
            call(items)
        except MlflowException as error:
            if error.error_code not in REFUSALS or is_busy(error):
                raise
            stage = self.store.stage(self.run_id)
            if stage != "active":
                raise (RunLostError if stage is None else RunDeletedError)(self.run_id) from error
            if len(items) == 1:
                log.warning("MLflow refused %s: %s", items[0], error)
                return
            middle = len(items) // 2
            self._deliver(call, items[:middle])
            self._deliver(call, items[middle:])


def _point(metric: "Metric") -> tuple[int, int, str]:
    return metric.step, metric.timestamp, repr(float(metric.value))  # NaN is not itself


def _cut(value: object, limit: int) -> str:
    text = str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _in_batches(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
