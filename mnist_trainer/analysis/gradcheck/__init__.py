"""Whether a gradient is right, and if not, which mistake it is.

In comes a layer, a loss, code without any of this project's classes, or a whole configuration; out come `Findings`. In
reading order: `gradients` checks a layer, a loss, or `foreign` code (pairs of functions, graphs of nodes and leaves),
of which `adapters` make either; `configuration` all of a configuration. They ask `layers` (each alone, on drawn
inputs), `losses` (a loss alone, in batches of several sizes, which `loss_examiner` questions), `against_reference` (is
it the cross-entropy of the logits? asked by `probes`: drawn logits and targets, soft, saturated, with gaps) and
`single_precision` (where does float32 end, with what inf or nan?). Below: `examiner` asks any function and notes what
it finds, `held` keeps its random numbers, `differences` measures slopes, in a budget of time, `findings` are the rows,
or checks, and faults, `diagnosis` and `loss_diagnosis` explain known mistakes in words.
"""
