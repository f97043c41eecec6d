"""What the loss mode changes in training: runs of several modes in lockstep, and how far their gradients are apart.

In come the modes' runs; out go `comparison.md`, `comparison.json`, figures, metrics and tags. In reading order:
`entrants` makes the `lockstep` of the runs, and logs what begins; it trains them update by update and asks `copies` of
the network, at the same parameters, for the modes' differences, as norms and distances with a bound; `progress` shows
it, and names its metrics; `agreement` sums differences up, the largest among them, and `summary` a mode's outcome, a
pair of modes, the updates of what happened first; `verdict` has the sentences (alike, different, drifted, and why),
`markdown` the report's sections, rows and JSON; `description` is what MLflow's page begins with, and `files` writes
all down, with the setting and the studies of the losses alone.
"""
