"""Training: from a model, a loss, an optimizer and batches to what is learned.

In comes all that a `Trainer` has as its fields; out go updates, and records for the callbacks.

`trainer`, the loop and the hooks that it calls; `records`, what it tells; `callbacks`, the table, the bar and the files
of parameters (`parameter_files`); `worker`, an update in its two halves; `clipping`, how long a gradient may be; `team`
and `sections`, processes that share an update; `streams`, the random ones of a seed; `interruption`, a stop between two
updates; `divergence`, where numbers stopped being finite, and `blame`, whose code could not run, with `wrapping`;
`judgement`, what is said of a run that learned nothing; `state`, all that a run needs to go on, and `checkpoint`, the
file of that.
"""
