"""Training: the loop, its records and its callbacks."""
