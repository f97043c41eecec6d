"""JAX's training steps: one jitted function that gathers, computes gradients and updates, its state donated."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from contenders.cases import MOMENTUM, Answering, Contender, Training
from jax import lax

VERSION = f"JAX {jax.__version__}"


def set_threads(threads: int) -> None:
    """Look that it runs on the CPU; XLA has read from its flags how many threads to take."""
    del threads
    jax.config.update("jax_platforms", "cpu")


def contenders(case: Training | Answering) -> dict[str, Contender]:
    """Return what does a number of steps, with convolutions for two ways to write max-pooling; it doesn't answer."""
    if isinstance(case, Answering):
        return {}
    if case.hidden is not None:
        return {"JAX jit": steps(case, by_window)}
    return {"JAX jit, reduce_window": steps(case, by_window), "JAX jit, reshape": steps(case, by_reshape)}


def by_window(x: jax.Array, kernel: int) -> jax.Array:
    """Max-pool as the manual does."""
    window = (1, kernel, kernel, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


def by_reshape(x: jax.Array, kernel: int) -> jax.Array:
    """Max-pool by a reduction of two axes."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // kernel, kernel, width // kernel, kernel, channels).max((2, 4))


def initial(case: Training) -> list[tuple[jax.Array, jax.Array]]:
    """Return the case's weights, and biases of 0."""
    return [(jnp.array(weights), jnp.zeros(weights.shape[-1], jnp.float32)) for weights in case.weights()]


def forward(case: Training, pool: Callable, parameters: list, x: jax.Array) -> jax.Array:
    """Compute the logits."""
    left = iter(parameters)
    for entry in case.layers:
        match entry:
            case {"kind": "conv2d"}:
                weights, bias = next(left)
                padding = [(entry.get("padding", 0),) * 2] * 2
                x = lax.conv_general_dilated(x, weights, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
                x = x + bias
            case {"kind": "max_pool2d", "kernel": int(kernel)}:
                x = pool(x, kernel)
            case {"kind": "relu"}:
                x = jax.nn.relu(x)
            case {"kind": "flatten"}:
                x = x.reshape(len(x), -1)
            case {"kind": "linear"}:
                weights, bias = next(left)
                x = x @ weights + bias
            case _:
                raise ValueError(f"no JAX function for {entry}")
    return x


def updated(case: Training, state: tuple, gradients: list) -> tuple:
    """Do SGD with momentum, or Adam."""
    parameters, first, second, t = state
    each = jax.tree_util.tree_map
    if case.optimizer == "sgd":
        first = each(lambda v, g: MOMENTUM * v + g, first, gradients)
        return each(lambda w, v: w - case.rate * v, parameters, first), first, second, t
    t = t + 1
    first = each(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = each(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    a, b = 1 - 0.9**t, 1 - 0.999**t
    moved = each(lambda w, m, v: w - case.rate * (m / a) / (jnp.sqrt(v / b) + 1e-8), parameters, first, second)
    return moved, first, second, t


def steps(case: Training, pool: Callable) -> Contender:
    """Return what does a number of steps."""
    images, labels = (jax.device_put(array) for array in case.images_and_labels())

    def loss(parameters: list, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        logits = forward(case, pool, parameters, x)
        right = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
        mean = jnp.mean(jax.nn.logsumexp(logits, axis=1) - right)
        return mean, jnp.sum(jnp.argmax(logits, axis=1) == y)

    def step(state: tuple, images: jax.Array, labels: jax.Array, chosen: jax.Array) -> tuple:
        x, y = images[chosen].astype(jnp.float32) * (1 / 255), labels[chosen].astype(jnp.int32)
        (value, correct), gradients = jax.value_and_grad(loss, has_aux=True)(state[0], x, y)
        return updated(case, state, gradients), value, correct

    jitted = jax.jit(step, donate_argnums=0)
    state, orders = None, None

    def restart() -> None:
        nonlocal state, orders
        zeros = [jax.tree_util.tree_map(jnp.zeros_like, initial(case)) for _ in range(2)]
        state, orders = (initial(case), *zeros, jnp.zeros(())), case.orders()

    def run(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, value, correct = jitted(state, images, labels, next(orders).astype(np.int32))
            float(value)
            int(correct)

    restart()
    return Contender(run, restart)
