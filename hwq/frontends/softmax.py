"""ONNX Softmax: along one axis since opset 13, over all axes from one on before that."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType

from hwq.frontends.call import Call, Rule, Value
from hwq.ir import real


def softmax(call: Call) -> list[Value]:
    """exp(x) / sum(exp(x)) (ONNX Softmax)."""
    x = call.signal(0)
    axis = call.axis(call.attribute("axis", -1 if call.version >= 13 else 1), max(1, len(x.shape)))
    if not x.shape:
        (one,) = call.emit(real.Reshape((1,)), [x], (1,))
        (made,) = call.emit(real.Softmax(0), [one], (1,))
        return list(call.emit(real.Reshape(()), [made], ()))
    if call.version >= 13 or prod(x.shape[axis + 1 :]) == 1:
        return list(call.emit(real.Softmax(axis), [x], x.shape))
    flat = (prod(x.shape[:axis]), prod(x.shape[axis:]))
    (rows,) = call.emit(real.Reshape(flat), [x], flat)
    (made,) = call.emit(real.Softmax(1), [rows], flat)
    return list(call.emit(real.Reshape(x.shape), [made], x.shape))


RULES: Mapping[str, Rule] = MappingProxyType({"Softmax": softmax})
