"""The losses alone, without a network. In come the configurations of loss modes; out go curves, times and sentences.

`saturation` sums up where each leaves the truth as the logits grow (`saturation_curves` asks them, `saturation_events`
finds the gaps); `timing` is what they and the training step cost, by the `stopwatch`, which the benchmarks and
`profile` use as well.
"""
