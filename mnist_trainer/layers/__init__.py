"""Layers, one concept a file: a forward function, and its vector-Jacobian product as backward.

In comes a batch, out goes what the layer makes of it, in storage of its own; backward takes dL/dy, sets the gradients
of the layer's parameters and gives dL/dx.

`layer`, what all have in common; `linear`, with `initializers`; `activations`; `reshape`; `dropout`; `normalization`;
`convolution` and `pooling`, with `windows`; `softmax`, and `mistakes`, wrong ones; `stack`, layers one after the other;
`residual`, a stack around which its input goes; `fused`, layers that a stack computes as one.
"""
