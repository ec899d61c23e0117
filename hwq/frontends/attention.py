"""Products of two activations, as attention has them: element by element on a common shape, then summed."""

from __future__ import annotations

from hwq.frontends.call import Call, Signal
from hwq.ir import real
from hwq.ir.window import Reduction, Window


def activation_product(call: Call, left: Signal, right: Signal) -> Signal:
    """left right over the last axis of one and the last but one of the other (ONNX MatMul), exactly."""
    if len(left.shape) < 2 or len(right.shape) < 2:
        raise call.fail("a product of activations with one axis", "reshape both to matrices")
    (*outer, m, k), (*others, depth, n) = left.shape, right.shape
    if k != depth or any(a != b and 1 not in (a, b) for a, b in zip(outer[::-1], others[::-1], strict=False)):
        raise call.broken(f"shapes {list(left.shape)} and {list(right.shape)} do not multiply")
    rows, columns = (*outer, m, k, 1), (*others, 1, k, n)
    wide = len(columns) - len(rows)
    first = (1,) * max(0, wide) + rows
    second = (1,) * max(0, -wide) + columns
    every = tuple(max(a, b) for a, b in zip(first, second, strict=True))
    (a,) = call.emit(real.Reshape(first), [left], first)
    (b,) = call.emit(real.Reshape(second), [right], second)
    (products,) = call.emit(real.Mul(), [a, b], every)
    window = Window.over(every, (len(every) - 2,))
    (total,) = call.emit(real.Pool(window, Reduction.SUM), [products], window.outputs(every))
    shape = (*every[:-2], n)
    return call.emit(real.Reshape(shape), [total], shape)[0]
