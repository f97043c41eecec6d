"""Whether a gradient is right, and if not, which mistake it is.

In comes a layer, a loss, code without any of this project's classes, or a whole configuration; out come `Findings`. In
reading order: `gradients` checks a layer, a loss, or `foreign` code, of which `adapters` make either; `configuration`
all of a configuration.
They ask `layers` (each alone), `losses` (a loss alone, which `loss_examiner` questions), `against_reference` (is it the
cross-entropy of the logits? asked by `probes`) and `single_precision` (where does float32 end?). Below: `examiner` asks
any function and notes what it finds, `held` keeps its random numbers, `differences` measures slopes, `findings` are the
rows and faults, `diagnosis` and `loss_diagnosis` have the words for known mistakes.
"""
