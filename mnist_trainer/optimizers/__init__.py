"""Optimizers, from the simplest to the most involved; they know flat vectors and nothing of models."""
