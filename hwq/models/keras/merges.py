"""Layers that join several tensors: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import numpy as np

from hwq.errors import printable
from hwq.models.builder import Tensor
from hwq.models.keras.layer import Layer, Rule

Inputs = tuple[Tensor, ...]


def _alike(layer: Layer, inputs: Inputs) -> Inputs:
    """The inputs in one layout, of one rank: channels first if one of them is."""
    if len(inputs) < 2:
        raise layer.broken(f"{len(inputs)} inputs where several belong")
    if len({len(t.shape) for t in inputs}) != 1:
        raise layer.fail("inputs of different rank", "reshape them to one rank")
    first = any(t.first for t in inputs)
    return tuple(layer.b.first(t) if first else t for t in inputs)


def _elementwise(layer: Layer, inputs: Inputs, *, op: str, mean: bool = False) -> Tensor:
    inputs = _alike(layer, inputs)
    if op == "Sub" and len(inputs) != 2:
        raise layer.broken(f"{len(inputs)} inputs where two belong")
    result = inputs[0]
    for i, other in enumerate(inputs[1:], 1):
        shape = _broadcast(layer, result.shape, other.shape)
        last = i == len(inputs) - 1 and not mean
        result = layer.node(op, [result, other], Tensor("", shape, result.first), "" if last else f"{op.lower()}{i}")
    if mean:
        result = layer.node("Div", [result, layer.value("count", float(len(inputs)))], result)
    return result


def _broadcast(layer: Layer, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return tuple(np.broadcast_shapes(left, right))
    except ValueError:
        raise layer.broken(f"shapes {list(left)} and {list(right)} that do not fit") from None


def _concatenate(layer: Layer, inputs: Inputs) -> Tensor:
    inputs = _alike(layer, inputs)
    rank, axis = len(inputs[0].shape), layer.config.get("axis", -1)
    if type(axis) is not int or not (-rank <= axis <= -1 or 1 <= axis <= rank):
        raise layer.broken(f"axis is {printable(axis)}")
    at = axis - 1 if axis > 0 else rank + axis
    rest = {tuple(d for i, d in enumerate(t.shape) if i != at) for t in inputs}
    if len(rest) != 1:
        raise layer.broken(f"shapes {[list(t.shape) for t in inputs]} that do not fit along axis {axis}")
    shape = list(inputs[0].shape)
    shape[at] = sum(t.shape[at] for t in inputs)
    first = inputs[0].first
    where = (1 if at == rank - 1 else at + 2) if first else at + 1
    return layer.node("Concat", inputs, Tensor("", tuple(shape), first), axis=where)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "Add": partial(_elementwise, op="Add"),
        "Subtract": partial(_elementwise, op="Sub"),
        "Multiply": partial(_elementwise, op="Mul"),
        "Average": partial(_elementwise, op="Add", mean=True),
        "Maximum": partial(_elementwise, op="Max"),
        "Minimum": partial(_elementwise, op="Min"),
        "Concatenate": _concatenate,
    }
)
