"""The losses alone, without a network. In come the configurations of loss modes; out go curves, times and sentences.

`saturation` sums up where each leaves the reference as the logits grow: its events (from which scale on a loss
saturates, or isn't finite) and its fate; `saturation_curves` asks them, and the textbook's nodes, at each gap between
the logits, and `saturation_events` finds where something first happens; `timing` is what they and the training step
cost, in microseconds and ratios of medians, by the `stopwatch`, which takes samples in turns without garbage
collection, and which the benchmarks and `profile` use as well.
"""
