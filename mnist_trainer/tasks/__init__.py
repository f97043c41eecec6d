"""The words of the command, a thin file a task: each takes a `Config` and the run's folder to those who do the work.

In comes a job of Hydra's; out come an exit code and, but of `sync`, an `outcome.json`, and what is printed. `dispatch`
makes the configuration and chooses: `train`, and `resume` for a run that goes on, by `runs/`; `compare`, `gradcheck`,
`explain` and `profile` by `analysis/`, each imported when it is asked for; `sync` by `shipping/`; `predict` (of
pictures, as a table, CSV or JSON), `evaluate` (with metrics) and `export`, for a model that is `trained`, by
`inference/`. `loss_modes` has the loss configurations that `compare` and `explain` put beside each other, `terminal`
what is printed in colours.
"""
