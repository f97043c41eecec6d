"""Normalisation over the batch and over a sample's features."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels import affine, channels, elementwise, normalization
from mnist_trainer.kernels.arrays import Array, Shape, buffer, empty
from mnist_trainer.layers.layer import Layer


@dataclass(eq=False)
class Normalization(Layer):
    """Base: y = scale · x̂ + shift for each channel (the last axis), x̂ being x with mean 0 and variance 1."""

    epsilon: float = hyperparameter(1e-5, above=0)

    reads_output: ClassVar[bool] = False

    _channels: int = field(default=0, init=False, repr=False)
    _y: Array = buffer()
    _scratch: Array = buffer()
    _inverse: Array = buffer()

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the shapes of `scale` and `shift`, which weight decay leaves alone."""
        return {"scale": (self._channels,), "shift": (self._channels,)}

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: "np.random.Generator") -> None:
        """Take the views; the scale starts at 1, the shift at 0."""
        super().bind(parameters, gradients, rng)
        parameters["scale"].fill(1)
        parameters["shift"].fill(0)


@dataclass(eq=False)
class BatchNorm(Normalization):
    """Each channel normalised over the batch and, for images, over their pixels.

    In training with the batch's own mean and variance; the running ones move towards them by `momentum`, the variance
    as the unbiased estimate, and are used otherwise. All as PyTorch's BatchNorm1d and BatchNorm2d, but for one value a
    channel, a flat batch of 1, where PyTorch raises: it has no variance, so the running statistics normalise it too,
    and stay as they are. An epoch's last batch may come out so short.
    Ioffe and Szegedy, "Batch normalization" (https://arxiv.org/abs/1502.03167).
    """

    momentum: float = hyperparameter(0.1, above=0, maximum=1)

    adds_up: ClassVar[bool] = True

    _count: int = field(default=0, init=False, repr=False)  # of the rows whose statistics the last forward used, or 0
    _running_mean: Array = buffer()
    _running_variance: Array = buffer()
    _centred: Array = buffer()
    _mean: Array = buffer()
    _variance: Array = buffer()
    _gain: Array = buffer()
    _sums: Array = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers; the running mean starts at 0, the running variance at 1."""
        self._channels = in_shape[-1]
        shape = (max_batch, *in_shape)
        self._y, self._scratch, self._centred = (empty(shape, dtype) for _ in range(3))
        self._mean, self._variance, self._inverse, self._gain = empty((4, self._channels), dtype)
        self._sums = empty((2, self._channels), dtype)
        self._running_mean = np.zeros(self._channels, dtype)
        self._running_variance = np.ones(self._channels, dtype)
        return in_shape

    def state(self) -> Mapping[str, Array]:
        """Give the running statistics."""
        return {"running_mean": self._running_mean, "running_variance": self._running_variance}

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return scale · (x − mean) / √(variance + ε) + shift."""
        n, rows = len(x), x.size // self._channels
        centred, y = self._centred[:n].reshape(rows, -1), self._y[:n].reshape(rows, -1)
        count = rows // n * (self.part.total or n)
        self._count = count if training and count > 1 else 0
        if self._count:
            normalization.batch_statistics(
                x.reshape(rows, -1),
                count,
                self.part.add_up,
                scratch=y,
                centred=centred,
                mean=self._mean,
                variance=self._variance,
            )
            self._follow(count)
            variance = self._variance
        else:
            channels.over_rows(np.subtract, x.reshape(rows, -1), self._running_mean, out=centred)
            variance = self._running_variance
        normalization.inverse_deviation(variance, self.epsilon, out=self._inverse)
        elementwise.multiply(self.parameters["scale"], self._inverse, out=self._gain)
        normalization.scale_and_shift(centred, self._gain, self.parameters["shift"], out=y)
        return self._y[:n]

    def _follow(self, count: int) -> None:
        new, scratch = (self._mean, self._variance), self._inverse
        normalization.move_towards(self._running_mean, new[0], self.momentum, scratch=scratch)
        unbiased = count / (count - 1)
        normalization.move_towards(self._running_variance, new[1], self.momentum, factor=unbiased, scratch=scratch)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set dL/dscale = Σ dy x̂ and dL/dshift = Σ dy; return gain · (dy − mean dy − x̂ mean(dy x̂)).

        After a forward with the running statistics, which don't depend on x, gain · dy. Of a part of a batch, the
        parameters' gradients are the part's share; the means are the whole batch's.
        """
        n, rows = len(dy), dy.size // self._channels
        flat, centred = dy.reshape(rows, -1), self._centred[:n].reshape(rows, -1)
        d_scale, d_shift = self.gradients["scale"], self.gradients["shift"]
        normalization.batch_norm_gradients(
            centred,
            self._inverse,
            flat,
            scratch=self._scratch[:n].reshape(rows, -1),
            d_scale=d_scale,
            d_shift=d_shift,
        )
        if not need_dx:
            return None
        if not self._count:
            return elementwise.multiply(dy, self._gain, out=dy)
        of_batch = self.part.add_up(np.stack((d_scale, d_shift), out=self._sums))
        dx = normalization.batch_norm_input_gradient(
            centred, self._inverse, self._gain, flat, of_batch[0], of_batch[1], self._count
        )
        return dx.reshape(dy.shape)


@dataclass(eq=False)
class LayerNorm(Normalization):
    """Each row of channels normalised on its own: a flat sample, or every pixel of an image.

    Ba, Kiros and Hinton, "Layer normalization" (https://arxiv.org/abs/1607.06450).
    """

    samplewise: ClassVar[bool] = True

    _normalised: Array = buffer()
    _row: Array = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers."""
        self._channels = in_shape[-1]
        shape = (max_batch, *in_shape)
        self._y, self._scratch, self._normalised = (empty(shape, dtype) for _ in range(3))
        rows = self._y.size // self._channels
        self._row, self._inverse = empty((2, rows, 1), dtype)
        return in_shape

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return scale · (x − mean) / √(variance + ε) + shift."""
        n, rows = len(x), x.size // self._channels
        y, normalised = self._y[:n].reshape(rows, -1), self._normalised[:n].reshape(rows, -1)
        normalization.normalise_rows(
            x.reshape(rows, -1),
            self.epsilon,
            row=self._row[:rows],
            inverse=self._inverse[:rows],
            scratch=y,
            out=normalised,
        )
        normalization.scale_and_shift(normalised, self.parameters["scale"], self.parameters["shift"], out=y)
        return self._y[:n]

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set dL/dscale = Σ dy x̂ and dL/dshift = Σ dy; return dL/dx, row by row."""
        n, rows = len(dy), dy.size // self._channels
        flat, normalised = dy.reshape(rows, -1), self._normalised[:n].reshape(rows, -1)
        scratch = self._scratch[:n].reshape(rows, -1)
        affine.bias_gradient(flat, out=self.gradients["shift"])
        elementwise.multiply(flat, normalised, out=scratch)
        affine.bias_gradient(scratch, out=self.gradients["scale"])
        if not need_dx:
            return None
        elementwise.multiply(flat, self.parameters["scale"], out=flat)
        dx = normalization.normalise_rows_backward(
            normalised, self._inverse[:rows], flat, row=self._row[:rows], scratch=scratch
        )
        return dx.reshape(dy.shape)
