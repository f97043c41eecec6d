"""Where the time of a training step goes. In comes a trainer; out a `Profile`, by layer and by kernel.

`steps` trains for some updates and times them in turns; `parts` lists what a step calls, `meter` times it from outside,
`products` counts a product's operations and measures the machine's peak; `profile` has the tables.
"""
