"""The ONNX graph under construction: nodes, constants, names, and tensors in Keras' or in channels-first order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from hwq.models import qkeras_domain as onnx_ops
from hwq.models import qonnx_domain as qonnx_ops

OPSET, IR_VERSION = 20, 9
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tensor:
    """A value: its ONNX name, its Keras shape without the batch, and whether it lies channels first there.

    `integer` is Keras' type of an input of integers, "" elsewhere; hwq and ONNX hold it in float32.
    """

    name: str
    shape: tuple[int, ...]
    first: bool = False
    integer: str = ""

    @property
    def channels(self) -> int:
        return self.shape[-1]


def to_first(rank: int) -> tuple[int, ...]:
    """The axes of (N, ..., C) data in the order (N, C, ...); `rank` counts the batch."""
    return (0, rank - 1, *range(1, rank - 1))


def to_last(rank: int) -> tuple[int, ...]:
    """The axes of (N, C, ...) data in the order (N, ..., C)."""
    return (0, *range(2, rank), 1)


class Builder:
    """Collects the nodes and constants of one model; every name is used once."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._names: set[str] = set()
        self._moved: dict[str, Tensor] = {}
        self._shared: dict[tuple[Any, ...], str] = {}

    def reserve(self, names: Iterable[str]) -> None:
        """Names that are taken already."""
        self._names.update(names)

    def fresh(self, wish: str) -> str:
        """A name that nothing has yet: the wish itself where it is free."""
        name, count = wish, 1
        while name in self._names:
            count += 1
            name = f"{wish}_{count}"
        self._names.add(name)
        return name

    def constant(self, wish: str, values: Any, dtype: Any = np.float32) -> str:
        """An initializer's name."""
        name = self.fresh(wish)
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(np.asarray(values, dtype=dtype)), name)
        return name

    def shared(self, wish: str, value: Any, dtype: Any = np.float32) -> str:
        """A small constant that may serve several nodes."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._shared:
            self._shared[key] = self.constant(wish, array, dtype)
        return self._shared[key]

    def node(self, op: str, inputs: list[str], wish: str, **attributes: Any) -> str:
        """Add a standard node, called after its output; returns the output's name."""
        output = self.fresh(wish)
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def put(self, wish: str, make: Callable[[str], onnx.NodeProto]) -> str:
        """Add the node that `make` gives for an output's name; returns that name."""
        output = self.fresh(wish)
        self.nodes.append(make(output))
        return output

    def first(self, t: Tensor) -> Tensor:
        """The tensor with its channels first; one Transpose serves all who ask."""
        if t.first or len(t.shape) < 2:
            return t
        if t.name not in self._moved:
            rank = len(t.shape) + 1
            name = self.node("Transpose", [t.name], f"{t.name}_first", perm=to_first(rank))
            self._moved[t.name] = Tensor(name, t.shape, True)
        return self._moved[t.name]

    def last(self, t: Tensor) -> Tensor:
        """The tensor in Keras' order."""
        if not t.first:
            return t
        if t.name not in self._moved:
            rank = len(t.shape) + 1
            wish = t.name.removesuffix("_first")
            name = self.node("Transpose", [t.name], wish, perm=to_last(rank))
            self.nodes[-1].name = f"{wish}_last"
            self._moved[t.name] = Tensor(name, t.shape)
        return self._moved[t.name]

    def rename(self, t: Tensor, since: int, wish: str) -> Tensor:
        """Name a layer's result after the layer, where a node from number `since` on made it."""
        wish, label = f"{wish}_first" if t.first else wish, wish
        for node in self.nodes[since:]:
            if t.name in node.output and t.name != wish:
                self._names.discard(t.name)
                name = self.fresh(wish)
                if all(other.name != label for other in self.nodes[since:]):
                    node.name = label
                for other in self.nodes[since:]:
                    other.input[:] = [name if i == t.name else i for i in other.input]
                node.output[:] = [name if o == t.name else o for o in node.output]
                return Tensor(name, t.shape, t.first)
        return t

    def model(self, name: str, inputs: list[Tensor], outputs: list[Tensor]) -> onnx.ModelProto:
        """The finished model; the batch axis is called N."""
        graph = helper.make_graph(
            self.nodes,
            name,
            [_info(t) for t in inputs],
            [_info(t) for t in outputs],
            list(self.constants.values()),
        )
        known = {
            "": helper.make_opsetid("", OPSET),
            onnx_ops.DOMAIN: onnx_ops.opset(),
            qonnx_ops.DOMAIN: qonnx_ops.opset(),
        }
        used = {"", *(node.domain for node in self.nodes)}
        opsets = [known[domain] for domain in known if domain in used]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="hwq")


def _info(t: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(t.name, onnx.TensorProto.FLOAT, ["N", *t.shape])
