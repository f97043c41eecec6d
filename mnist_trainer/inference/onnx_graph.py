"""A graph of ONNX operators in the making."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class OnnxGraph:
    """Nodes and constants, named as they come; a layer's export gets it to add its own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Any) -> str:
        """Add an operator on values that are there; return the name of its output."""
        from onnx import helper

        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: ArrayLike) -> str:
        """Add an array: floating-point ones as float32; return its name."""
        from onnx import numpy_helper

        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Bring each sample into a shape."""
        return self.node("Reshape", [x, self.constant(np.array([-1, *shape], np.int64))])

    def channels_first(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add an operator that wants its first input's channels before its rows."""
        x = self.node("Transpose", inputs[:1], perm=[0, 3, 1, 2])
        y = self.node(operator, [x, *inputs[1:]], **attributes)
        return self.node("Transpose", [y], perm=[0, 2, 3, 1])
