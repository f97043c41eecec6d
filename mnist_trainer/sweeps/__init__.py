"""Many runs: a `--multirun`, from Hydra's hooks to its report.

In come the command line's overrides and, as jobs end, the `outcome.json` in their folders; out go `sweep.json`,
`sweep.md`, the parent run's journal, and the lines at the end. A job itself is a run like any other (`runs/`).

To read: `hooks`, what Hydra calls when a multirun begins, which is in `beginning`, and ends; `sweep`, the parent run,
its journal and shipper; `record`, what `sweep.json` says; `overrides`, the jobs that a command line comes to, and keys
that are swept over; `composed`, whether all of them can be; `resumption`, what of them has no result yet;
`side_by_side`, jobs in processes of a launcher, and signals handed on to them; `on_ray`, jobs on Ray's nodes;
`cluster/`, jobs on Slurm; `apart`, jobs on hosts that don't share the sweep's folder; `replaced`, what of Hydra is
replaced, and why; `tuning/`, jobs that Optuna chooses. Then the report: `jobs`, each with its figures; `groups`, those
that differ in the seed alone, with means and deviations; `pairs`, those that differ in the loss alone; `estimate`, a
mean with Student's interval; `selection`, the best by validation; `report`, all that in Markdown: cells, percentages,
advice. For MLflow: `names`, what a sweep and its jobs are called, keys shortened, and `description`, what its page
begins with.
"""
