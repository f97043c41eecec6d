"""The losses alone, without a network. In come the configurations of loss modes; out go curves, times and sentences.

`saturation` sums up where each leaves the reference as the logits grow: its fate; `saturation_events` finds the gaps
from which on a loss saturates, or isn't finite; `saturation_curves` asks them, and the textbook's nodes, at each gap
between the logits; `timing` is what they and the training step cost, in microseconds and ratios of quartiles, by the
`stopwatch`, which takes samples in turns without garbage collection, and which the benchmarks and `profile` use as
well.
"""
