"""Activations repeated along axes of extent 1, as ONNX broadcasts them against larger operands."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwq.frontends.call import Call, Signal
from hwq.ir import real
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection


def broadcast(call: Call, x: Signal, *others: Shape) -> Signal:
    """x with the shape that it and the others have together; its first axis, which holds samples, stays as it is."""
    try:
        shape = tuple(np.broadcast_shapes(x.shape, *others))
    except ValueError:
        shown = ", ".join(str(list(s)) for s in (x.shape, *others))
        raise call.broken(f"shapes {shown} do not broadcast") from None
    if shape == x.shape:
        return x
    if len(shape) > len(x.shape) or shape[:1] != x.shape[:1]:
        raise call.fail(
            f"an activation of shape {list(x.shape)} is broadcast to {list(shape)}, along the axis of samples",
            "expand the activation before, or reshape the constant",
        )
    call.bound(shape)
    positions = [np.arange(n) % m for n, m in zip(shape, x.shape, strict=True)]
    return call.emit(real.Select(Selection.of(x.shape, positions), Fraction(0)), [x], shape)[0]
