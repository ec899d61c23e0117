"""ONNX ops of any number of activations: Sum, Mean, Max, Min, as chains of joins of two."""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType

from hwq.frontends.broadcast import broadcast
from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.folding import fold
from hwq.frontends.standard import affine, joined
from hwq.ir import real
from hwq.numeric.rational import scalar


def _parts(call: Call) -> tuple[list[Signal], list[int]]:
    """The activations, and the positions of the constants."""
    values = [call.value(i) for i in range(len(call.inputs))]
    constants = [i for i, v in enumerate(values) if not isinstance(v, Signal)]
    return [v for v in values if isinstance(v, Signal)], constants


def total(call: Call) -> list[Value]:
    """Sum: all inputs added."""
    signals, constants = _parts(call)
    if not signals:
        return fold(call)
    result = signals[0]
    for other in signals[1:]:
        result = joined(call, real.Add(), result, other)
    for i in constants:
        result = affine(call, result, scalar(1), call.exact(i, f"input {i}"))
    return [result]


def mean(call: Call) -> list[Value]:
    """Mean: the sum divided by the number of inputs, exactly."""
    (result,) = total(call)
    if not isinstance(result, Signal):
        return [result]
    return [affine(call, result, scalar(Fraction(1, len(call.inputs))), scalar(0))]


def _extremum(call: Call, largest: bool) -> list[Value]:
    signals, constants = _parts(call)
    if not signals:
        return fold(call)
    result = signals[0]
    for other in signals[1:]:
        result = joined(call, real.Extremum(largest), result, other)
    for i in constants:
        bound = call.exact(i, f"input {i}")
        result = broadcast(call, result, *([] if bound.shape == (1,) else [bound.shape]))
        clip = real.Clip(bound, None) if largest else real.Clip(None, bound)
        (result,) = call.emit(clip, [result], result.shape)
    return [result]


def maximum(call: Call) -> list[Value]:
    """The greatest of the inputs, element by element (ONNX Max)."""
    return _extremum(call, True)


def minimum(call: Call) -> list[Value]:
    """The least of the inputs, element by element (ONNX Min)."""
    return _extremum(call, False)


RULES: MappingProxyType[str, Rule] = MappingProxyType({"Sum": total, "Mean": mean, "Max": maximum, "Min": minimum})
