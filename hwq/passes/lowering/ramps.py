"""Two-slope functions without a table: a leaky ReLU is max(x, s x), and a rounding of it the max of two roundings.

Rounding never falls, so q(max(u, v)) = max(q(u), q(v)): with slopes that are powers of two, two shifts and a
comparison, whatever the width of the codes. |x| is the slope -1, and is taken before the rounding.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwq.functions import Applied, Code, Scaled
from hwq.ir import real
from hwq.numeric.fixed import log2_exact
from hwq.numeric.rational import scalar, uniform
from hwq.ops import Extremum
from hwq.passes.lowering.joins import lower_extremum
from hwq.passes.lowering.quantizers import lower_quantize
from hwq.passes.lowering.state import Affine, Coded, Curved, Lowering

SLOPED = ("PRelu", "LeakyRelu")


def sides(x: Curved) -> tuple[Coded, Coded, bool] | None:
    """u and v with x = max(u, v) (or min: False) as codes, where x is a two-slope function; None where it is none."""
    curve = x.curve
    if not isinstance(curve, Applied) or not isinstance(curve.of, Scaled) or not isinstance(curve.of.of, Code):
        return None
    slope = Fraction(-1) if curve.function == "Abs" else None
    if curve.function in SLOPED:
        slope = uniform(curve.arguments[0])
    outer = uniform(x.of.a)
    if slope is None or outer is None or outer == 0:
        return None
    inner = Affine(curve.of.a, curve.of.b, curve.of.lo, curve.of.hi)
    if slope < 0 and (inner.lo is None) != (inner.hi is None) and uniform(inner.a) is None:
        return None
    first, second = (
        inner.then(scalar(s), scalar(0)).then(x.of.a, x.of.b).clipped(x.of.lo, x.of.hi) for s in (Fraction(1), slope)
    )
    return Coded(x.edge, first), Coded(x.edge, second), (slope <= 1) == (outer > 0)


def shifts(op: real.Quantize, pair: tuple[Coded, Coded, bool]) -> bool:
    """Whether the quantizer of either side is a shift."""
    for side in pair[:2]:
        factor = uniform(np.asarray(side.of.a * op.a, dtype=object))
        if factor is None or factor <= 0 or log2_exact(factor) is None:
            return False
    return op.lo is not None and op.hi is not None and all(v > 0 for v in op.a.reshape(-1))


def quantized(low: Lowering, node: real.RealNode, op: real.Quantize, pair: tuple[Coded, Coded, bool]) -> Coded:
    """The greater or lesser of two quantized sides where they are shifts, else the quantized function."""
    if not shifts(op, pair):
        (result,) = lower_quantize(low, node, op, joined(low, node, pair))
        assert isinstance(result, Coded)
        return result
    first, second = (lower_quantize(low, node, op, side)[0] for side in pair[:2])
    assert isinstance(first, Coded)
    assert isinstance(second, Coded)
    one, zero = np.asarray([1]), np.asarray([0])
    frac = low.edges[first.edge].type.frac
    (edge,) = low.emit(node, Extremum(pair[2], one, one, zero, frac), first.edge, second.edge)
    return Coded(edge, first.of)


def joined(low: Lowering, node: real.RealNode, pair: tuple[Coded, Coded, bool]) -> Coded:
    """The function itself, on a grid that holds both sides."""
    (result,) = lower_extremum(low, node, real.Extremum(pair[2]), pair[0], pair[1])
    assert isinstance(result, Coded)
    return result
