"""A sweep whose jobs Optuna chooses: `hydra/sweeper=optuna`. Optuna itself is loaded when it is used, never before.

In come the command line's intervals and choices, and the `hydra.sweeper` keys; out goes a job after the other, each
a trial of a study that lies in a file or a database. A trial's value is of the validation images, never of the test's.

To read: `settings`, what `hydra.sweeper` may say; `choices`, samplers and pruners by name; `space`, Hydra's override
syntax as what Optuna samples from; `storage`, where a study is kept; `study`, its trials and how they came out;
`asking`, which trial is next; `pruning`, what a job reports after each epoch, and how it ends early; `tuner`, the loop
over trials; `results`, how they came out; `sweeper`, the plugin that Hydra calls; `going_on`, a sweep that is resumed.
Then what is said of it: `record`, the trials in `study.json`; `report`, the same in Markdown; `description`, for
MLflow's page; `again`, the command for other seeds.
"""
