"""A sweep whose jobs Optuna chooses: `hydra/sweeper=optuna`. Optuna itself is loaded when it is used, never before.

In come the command line's intervals and choices, and the `hydra.sweeper` keys; out goes a job after the other, each
a trial of a study that lies in a file or a database. A trial's value is of the validation images, never of the test's.

To read: `settings`, what `hydra.sweeper` may say: objectives, directions, names; `choices`, samplers and pruners by
name; `space`, Hydra's override syntax as what Optuna samples from; `storage`, where a study is kept; `study`, its
trials and what is told of them; `asking`, which trial is next; `pruning`, who judges a job after each epoch, and how it
ends early; `tuner`, the loop over trials; `results`, a job's objectives, a trial as a record; `sweeper`, the plugin
that Hydra calls; `going_on`, a sweep that is resumed, with overrides added or changed. Then what is said of it:
`record`, the trials in `study.json`, ranked, and the best; `report`, the same in Markdown, rows and short values;
`description`, for MLflow's page; `again`, the command that trains the best one again, its values written as overrides.
"""
