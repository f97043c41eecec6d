"""A sweep's jobs on a cluster: Hydra's launcher by submitit, for Slurm, or for processes of this machine.

In come the jobs' overrides; out go their results, as each job leaves them in its folder. How a job goes on that its
cluster has taken down and starts again is `tasks.dispatch`'s: it finds its own journal.

To read: `slurm`, what is asked of Slurm's commands; `launched`, where the cluster has each job, in `launched.json`, and
what that says of one without a result; `memory`, whether one was killed for its memory; `last_word`, what a job would
have written that was ended; `settings`, what `hydra.launcher` has to be; `launcher`, the plugin that Hydra calls:
submits, waits, cancels; `returned`, what a job leaves for it; `job`, the other end: a job's signals and cores.
"""
