"""Losses: mean over the batch; each gradient is with respect to the loss's own input."""
