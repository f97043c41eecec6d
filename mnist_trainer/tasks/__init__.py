"""The words of the command: a thin file a task, each from a checked configuration and a folder to an `Answer`.

`dispatch` takes Hydra's job to its task: `train`, `resume`, `compare` (`loss_modes` reads its `task.modes`),
`gradcheck`, `explain`, `profile`, `sync`. What they find out is thought in `runs/` and `analysis/`; here it is printed,
on the `terminal`, and written into the folder. An `Answer` has the exit code and what `outcome.json` says.
"""
