"""What the loss mode changes in training: runs of several modes in lockstep.

In come the modes' runs; out go `comparison.md`, `comparison.json`, figures and metrics. In reading order: `entrants`
makes the `lockstep` of the runs, which trains them update by update and asks `copies` of the network, at the same
parameters, how far the modes' gradients differ; `progress` shows it; `summary` and `agreement` sum it up; `verdict` has
the sentences, `markdown` the tables, `description` what MLflow's page begins with, and `files` writes all down, with
the studies of the losses alone.
"""
