"""task=sync: what it says when all is sent; that it sends is `shipping`'s."""

import logging

import pytest

from mnist_trainer.shipping import sync as sending
from mnist_trainer.shipping.shipment import Shipment, ShippedRun
from mnist_trainer.tasks.sync import sync

SERVER = "http://mlflow.example:5000"


@pytest.mark.parametrize("uris", [[SERVER], [SERVER, SERVER, "sqlite:////data/other.db"]])
def test_the_stores_to_look_at_are_those_that_the_runs_went_to(monkeypatch, caplog, configured, tmp_path, uris):
    runs = tuple(ShippedRun("a", "1", "1", uri, "FINISHED", "sent") for uri in uris)
    monkeypatch.setattr(sending, "send_unsent", lambda *_, **__: Shipment(runs))
    with caplog.at_level(logging.INFO):
        assert sync(configured("task=sync", f"outputs={tmp_path}")) == 0
    told = [line for line in caplog.messages if line.startswith("to look at them: ")]
    assert len(told) == len(set(uris))
    assert all(any(uri in line for line in told) for uri in uris)


def test_where_nothing_was_sent_it_names_the_store_of_these_outputs(monkeypatch, caplog, configured, tmp_path):
    monkeypatch.setattr(sending, "send_unsent", lambda *_, **__: Shipment())
    with caplog.at_level(logging.INFO):
        assert sync(configured("task=sync", f"outputs={tmp_path}")) == 0
    assert f"sqlite:///{tmp_path}/mlflow.db" in caplog.messages[-1]
