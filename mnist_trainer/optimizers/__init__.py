"""Optimizers, from the simplest to the most involved: they know flat vectors, and nothing of models.

In come the parameters, their gradients and a learning rate; the parameters change in place.

`optimizer`, what all have; `sgd`, with momentum; `rmsprop`; `adam`, and AdamW. The walk over blocks that stay in the
cache is in `kernels.updates`.
"""
