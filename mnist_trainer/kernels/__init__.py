"""Array functions with a mandatory `out=`, where an array has a layer's size: all the cleverness that speed needs.

In come arrays, and the storage for what is wanted; out goes the same storage, written. No function keeps anything.
What works in many arrays takes a room, which its owner has made once.

`arrays`, the types, constant ones and zeros, buffers yet to be made, the floor of probabilities; `shared`, memory of
several processes; `elementwise`, `channels`, `sums`, `affine`, `activations`, `normalization`, `pixels`; `updates`,
walks over a flat vector in blocks that suit the `cache`, its norm; `averages`, moving ones; `subnormals`, taken for
zeros. Images: `resampling`, through a map of places; `windows`, `pooling`; `convolution` by plain products of patches,
in a `convolution_room`, and `winograd`'s, on tiles, in a `winograd_room`; `pooled_convolution`, convolution, ReLU and
pooling in one walk, over the room of either, `pooled_patches` or `pooled_winograd`.
"""
