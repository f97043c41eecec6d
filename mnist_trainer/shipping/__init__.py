"""How MLflow gets a run: a shipper, in a process of its own, reads the journal and sends it, again if need be.

In come journals, and how much of each MLflow has (`shipped.json`); out go MLflow's runs, and a `Shipment` that says
what was sent and what is left. Whatever a store does, training doesn't see it, and sending twice changes nothing.

`shipper`, training's side; `child`, the process beside it, which reports to its parent and leaves; `watch`, its loop,
and `sync`, without one; `delivery`, one journal on its way; `position`, how far it is; `mlflow_run`, its run, begun
and ended, and `outbox`, what is sent between, cut to MLflow's limits; `place`, where a store has it: its experiment, a
run that somebody opened; `description`, what its page begins with, the run's figures and the command that comes next,
and `pages`, the links to it; `store`, a server or SQLite, which answers or not, and `patience` with its failures and
outages; `pictures`, drawn at the end; `model`, logged as a `packed_model` with its `served_code` (the modules it
imports), its `registration`, as a journal or sweep asks, and how it is `fetched` again; `apart`, jobs on hosts that
share no folder with their sweep, and what they need for `going_on`, kept in MLflow; `shipment`, the report.
"""
