"""Comparisons, logic on what they give, and choices between two tensors (ONNX Greater, Less, Equal, Not, And, Where).

A comparison is a quantizer to 0 and 1 whose step lies at the constant, or at 0 of the difference of two activations. A
choice between constants is affine in that; one between activations is c x + (1 - c) y.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from hwq.frontends import folding
from hwq.frontends.broadcast import broadcast
from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.standard import affine, joined
from hwq.ir import real
from hwq.numeric.rational import Rationals, rationals, scalar, squeeze_uniform

ONE, NONE, MINUS = scalar(1), scalar(0), scalar(-1)


def _levels(call: Call) -> tuple[Signal, Rationals, bool]:
    """The activation, what it is compared with, and whether the activation stands on the right."""
    left, right = call.value(0), call.value(1)
    if isinstance(left, Signal) and isinstance(right, Signal):
        negated = affine(call, right, MINUS, NONE)
        return joined(call, real.Add(), left, negated), NONE, False
    turned = not isinstance(left, Signal)
    x, level = (call.signal(1), call.exact(0, "input 0")) if turned else (call.signal(0), call.exact(1, "input 1"))
    return broadcast(call, x, *([] if level.shape == (1,) else [level.shape])), squeeze_uniform(level), turned


def _reached(call: Call, x: Signal, levels: Rationals, opened: int) -> Signal:
    """1 where x is at least the level (above it: `opened`), else 0."""
    op = real.Stairs(levels[..., None], ONE, NONE, opened)
    return call.emit(op, [x], x.shape)[0]


def _not(call: Call, x: Signal) -> Signal:
    """1 - x."""
    return affine(call, x, MINUS, ONE)


def comparison(less: bool, equal: bool) -> Rule:
    """left < right or left > right, `equal` ones included."""

    def rule(call: Call) -> list[Value]:
        if not any(isinstance(v, Signal) for v in call.inputs):
            return list(folding.fold(call))
        x, level, turned = _levels(call)
        below = less != turned
        reached = _reached(call, x, level, int(below == equal))
        return [_not(call, reached) if below else reached]

    return rule


def equal(call: Call) -> list[Value]:
    """1 where both are equal, else 0 (ONNX Equal)."""
    if not any(isinstance(v, Signal) for v in call.inputs):
        return list(folding.fold(call))
    x, level, _ = _levels(call)
    both = np.concatenate([level[..., None], level[..., None]], axis=-1)
    (passed,) = call.emit(real.Stairs(both, ONE, MINUS, 1), [x], x.shape)  # -1 below, 0 at, 1 above
    (apart,) = call.emit(real.Unary("Abs"), [passed], x.shape)
    return [_not(call, apart)]


def negation(call: Call) -> list[Value]:
    """1 - x (ONNX Not)."""
    x = call.value(0)
    return [_not(call, x)] if isinstance(x, Signal) else list(folding.fold(call))


def logic(of_constant: Callable[[Call, Signal, Rationals], Signal], of_both: Callable[[], real.RealOp]) -> Rule:
    """A function of two truth values, each 0 or 1."""

    def rule(call: Call) -> list[Value]:
        left, right = call.value(0), call.value(1)
        if isinstance(left, Signal) and isinstance(right, Signal):
            return [joined(call, of_both(), left, right)]
        if not isinstance(left, Signal) and not isinstance(right, Signal):
            return list(folding.fold(call))
        i = 0 if isinstance(left, Signal) else 1
        return [of_constant(call, call.signal(i), call.exact(1 - i, f"input {1 - i}"))]

    return rule


def where(call: Call) -> list[Value]:
    """left where the condition is true, else right (ONNX Where)."""
    condition, left, right = (call.value(i) for i in range(3))
    if not any(isinstance(v, Signal) for v in (condition, left, right)):
        return list(folding.fold(call))
    shape = tuple(np.broadcast_shapes(condition.shape, left.shape, right.shape))
    if isinstance(condition, Signal):
        chosen = broadcast(call, condition, shape)
        if not isinstance(left, Signal) and not isinstance(right, Signal):
            yes, no = call.exact(1, "input 1"), call.exact(2, "input 2")
            return [affine(call, chosen, np.asarray(yes - no, dtype=object), no)]
        parts = [_times(call, chosen, left, 1), _times(call, _not(call, chosen), right, 2)]
    else:
        mask = rationals(np.asarray(call.array(0, "the condition"), dtype=bool).astype(np.int64))
        turned = np.asarray(1 - mask, dtype=object)
        if not isinstance(left, Signal) or not isinstance(right, Signal):
            i, kept, dropped = (1, mask, turned) if isinstance(left, Signal) else (2, turned, mask)
            x = broadcast(call, call.signal(i), shape)
            return [affine(call, x, kept, np.asarray(dropped * call.offsets(3 - i, f"input {3 - i}"), dtype=object))]
        parts = [affine(call, broadcast(call, v, shape), factor, NONE) for v, factor in ((left, mask), (right, turned))]
    return [joined(call, real.Add(), *parts)]


def _times(call: Call, chosen: Signal, value: Value, index: int) -> Signal:
    """A truth value times a tensor."""
    if isinstance(value, Signal):
        return joined(call, real.Mul(), chosen, value)
    return affine(call, chosen, call.exact(index, f"input {index}"), NONE)


def _both(call: Call, x: Signal, c: Rationals) -> Signal:
    return affine(call, x, c, NONE)


def _either(call: Call, x: Signal, c: Rationals) -> Signal:
    return affine(call, x, np.asarray(1 - c, dtype=object), c)


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "Greater": comparison(less=False, equal=False),
        "GreaterOrEqual": comparison(less=False, equal=True),
        "Less": comparison(less=True, equal=False),
        "LessOrEqual": comparison(less=True, equal=True),
        "Equal": equal,
        "Not": negation,
        "And": logic(_both, real.Mul),
        "Or": logic(_either, lambda: real.Extremum(True)),
        "Where": where,
    }
)
