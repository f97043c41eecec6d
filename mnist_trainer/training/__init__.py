"""Training: from a model, a loss, an optimizer and batches to what is learned.

In comes all that a `Trainer` has as its fields; out go updates, and records for the callbacks.

`trainer`, the loop and the hooks that it calls; `records`, what it tells, with running means; `callbacks`, the table,
the bar and the files of parameters (`parameter_files`); `worker`, an update in its two halves; `clipping`, how long a
gradient may be, by its norm; `averaging`, of the weights over the updates; `team`, `members`, `sections` and
`exchange`, processes that share an update, with forks, slices, sums, semaphores and shared memory; `streams`, the
random ones of a seed, and generators' states;
`interruption`, what becomes of a signal: the process's handlers, a stop between two updates, or an exit at once;
`divergence`, where numbers stopped being finite, and `blame`, whose code could not run, with `wrapping`, functions
replaced for a while; `judgement`, what is said of a run that ended near chance; `state`, a snapshot of all that a run
needs to go on, to be restored, and `checkpoint`, the file of that.
"""
