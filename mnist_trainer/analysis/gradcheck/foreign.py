"""Anybody's functions, classes and graph nodes, without this project's base classes, as arrays in and gradients out.

Three ways to write a function and its derivative are understood:

- two functions, `forward(x, ...)` and `backward(gradient, x, ...)`;
- a class or an object with `forward` and `backward`, that remembers its input, or is given it once more;
- nodes of a graph: `Node(x, ...)` of other nodes has `data`, and its `_back` adds to the `g` of these.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mnist_trainer.kernels.arrays import Array

UPSTREAM = ("upstream", "gradient", "grad", "grad_output", "g", "u", "dy", "dout")
"""What backward's parameter for the upstream gradient may be called; it is the first one if none is."""
DATA = ("data", "value")
GRADIENT = ("g", "grad", "gradient")
TAKES = (
    "What check_gradients takes, before the example arrays: a function and its backward; a class with forward and "
    "backward; a node's class, with data, g and _back"
)
BACK = ("_back", "_backward", "back", "backward")


class ForeignPair:
    """A forward and a backward, of `count` arrays; what the one leaves in an object, the other may read there."""

    def __init__(self, name: str, forward: Callable[..., Any], backward: Callable[..., Any], count: int) -> None:
        self.name, self._forward, self._backward, self._count = name, forward, backward, count
        self.names = foreign_parameters(forward)
        self._as_list = count > 1 and len(self.names) == 1  # forward(inputs)
        self._inputs: list[Any] = []

    def forward(self, *arrays: Array) -> Any:
        """Call forward with the arrays, or with a list of them."""
        self._inputs = [list(arrays)] if self._as_list else list(arrays)
        return self._forward(*self._inputs)

    def backward(self, upstream: Any) -> list[Any]:
        """Return a gradient for each array, None where there is none."""
        names, given = foreign_parameters(self._backward), list(self._inputs)
        alone = len(names) == 1 and names[0] not in self.names
        if alone:  # it remembers its input
            given = []
        if alone or len(names) > len(given) or any(name in UPSTREAM for name in names):
            given.insert(next((names.index(name) for name in names if name in UPSTREAM), 0), upstream)
        found = self._backward(*given)
        found = list(found) if isinstance(found, list | tuple) else [found]
        return (found + [None] * self._count)[: self._count]


class ForeignGraph:
    """A node's class, or a function that makes a graph of several nodes; the arrays are in leaves that `leaf` makes."""

    def __init__(self, name: str, make: Callable[..., Any], leaf: Callable[[Array], Any]) -> None:
        self.name, self._make, self._leaf = name, make, leaf
        self.names = foreign_parameters(make)
        self._arrays: Sequence[Array] = ()

    def nodes(self) -> tuple[list[Any], Any]:
        """Make the graph anew: nothing is left in it of the last time."""
        leaves = [self._leaf(array) for array in self._arrays]
        return leaves, self._make(*leaves)

    def forward(self, *arrays: Array) -> Any:
        """Return the last node's value."""
        self._arrays = arrays
        _, node = self.nodes()
        return getattr(node, node_attribute(DATA, node))

    def backward(self, upstream: Any) -> list[Any]:
        """Return what is in each leaf's gradient after going back from 0, None where nothing was done to it."""
        leaves, node = self.nodes()
        gradient = node_attribute(GRADIENT, node)
        for leaf, array in zip(leaves, self._arrays, strict=True):
            setattr(leaf, gradient, np.full(array.shape, -0.0, array.dtype if array.dtype.kind == "f" else np.float64))
        inputs = node_inputs(node) or leaves
        alone = all(any(one is leaf for leaf in leaves) for one in inputs)
        if alone or not hasattr(node, "backward"):
            setattr(node, gradient, upstream)
            back = getattr(node, node_attribute(BACK, node))
            back(*(inputs if foreign_takes_any_arguments(back) else inputs[: len(foreign_parameters(back))]))
            factor = 1.0
        else:
            node.backward()  # through all nodes; it begins with a gradient of 1
            factor = upstream
        found = [np.asarray(getattr(leaf, gradient)) for leaf in leaves]
        untouched = [one.size > 0 and not one.any() and bool(np.signbit(one).all()) for one in found]  # −0 + 0 is 0
        return [None if was else factor * one for one, was in zip(found, untouched, strict=True)]


class LeafNode:
    """Stands for a node with nothing behind it, where there is no class for one."""

    def __init__(self, data: Array) -> None:
        self.data = self.value = data
        self.g = self.grad = self.gradient = np.zeros(np.shape(data))

    def _back(self, *_: object) -> None:
        """Do nothing."""

    _backward = back = backward = _back


def understood_function(what: Any, given: Sequence[Any], node: Any) -> tuple[ForeignPair | ForeignGraph, list[Array]]:
    """Return what was handed over as a function, and the example arrays; raises `TypeError` that says what fits."""
    name = getattr(what, "__name__", type(what).__name__).replace("<lambda>", "function")
    if not callable(what) and not hasattr(what, "forward"):
        raise TypeError(f"check_gradients takes a layer or a loss, a function or a node's class: not {name}")
    backward, *rest = given if given and callable(given[0]) else (None, *given)
    arrays = [np.asarray(one) for one in rest]
    if not arrays or arrays[0].ndim == 0 or arrays[0].size == 0:
        raise TypeError(
            f"check_gradients of {name} needs example arrays: its input, as z of shape (N, C), and the targets if it "
            f"is a loss"
        )
    if backward is not None:
        return ForeignPair(name, what, backward, len(arrays)), arrays
    if callable(getattr(what, "forward", None)) and callable(getattr(what, "backward", None)):
        plain = isinstance(what, type) and not isinstance(inspect.getattr_static(what, "forward"), staticmethod)
        owner = what() if plain else what
        return ForeignPair(name, owner.forward, owner.backward, len(arrays)), arrays
    graph = ForeignGraph(name, what, node or leaf_node_maker(what, arrays[0]))
    try:
        with np.errstate(all="ignore"):
            graph.forward(*arrays)
    except Exception as error:  # it is anybody's code
        raise TypeError(
            f"check_gradients can't make a node by {name} of {len(arrays)} others: {type(error).__name__}: {error}. "
            f"{TAKES}"
        ) from error
    return graph, arrays


def leaf_node_maker(what: Any, example: Array) -> Callable[[Array], Any]:
    """Return what makes a leaf: the class that a node's class is derived from, if it is made of a value alone."""
    base = what.__mro__[-2] if isinstance(what, type) else LeafNode
    try:
        node_attribute(DATA, base(example))
    except Exception:  # it is anybody's code
        return LeafNode
    return LeafNode if base is what else base


def node_attribute(names: Sequence[str], node: Any) -> str:
    """Return which of the names a node has; raises `TypeError` that says what a node needs."""
    for name in names:
        if hasattr(node, name):
            return name
    raise TypeError(f"{type(node).__name__} has none of {', '.join(names)}. {TAKES}")


def node_inputs(node: Any) -> list[Any]:
    """Return the nodes that a node keeps as its inputs, in a list, a tuple or a set of any name."""
    for kept in vars(node).values():
        if (
            isinstance(kept, list | tuple | set)
            and kept
            and all(hasattr(one, node_attribute(GRADIENT, node)) for one in kept)
        ):
            return list(kept)
    return []


def foreign_parameters(function: Callable[..., Any]) -> list[str]:
    """List the names of the parameters that may be given by place."""
    found = inspect.signature(function).parameters.values()
    return [one.name for one in found if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]


def foreign_takes_any_arguments(function: Callable[..., Any]) -> bool:
    """Tell whether a function takes any number of arguments."""
    return any(one.kind == one.VAR_POSITIONAL for one in inspect.signature(function).parameters.values())
