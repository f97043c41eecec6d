"""Where the time of a training step goes. In comes a trainer; out a `Profile`, by layer and by kernel.

`steps` trains on full batches for some updates and times them in turns, for medians; `parts` lists what a step calls,
with the layers' names in short; `meter` times it from outside, and measures the machine's peak; `subnormal` counts
subnormal numbers; `profile` has the rows and tables.
"""
