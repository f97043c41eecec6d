"""Losses: a batch's mean loss, and its gradients, each with respect to the loss's own input.

In come predictions (N, C), logits or probabilities as the loss `expects`, and targets, class indices (N,) or rows
(N, C); out come a number, and arrays of the predictions' shape.

`loss`, what all have, and how targets are read; `softmax_loss`, the fused one, of logits; `cross_entropy`, the separate
one, of probabilities that `layers.softmax` made; `homework`, the two in one as they were posted, and right; `mistakes`,
wrong on purpose, as posted or as commonly made.
"""
