"""Lowering of affine maps and clamps: they change what a code means, and cost nothing until a quantizer."""

from __future__ import annotations

from dataclasses import replace

from hwq.functions import Scaled
from hwq.ir import real
from hwq.numeric.rational import Rationals, scalar
from hwq.passes.lowering.grids import closed
from hwq.passes.lowering.state import Affine, Coded, Curved, Lowering, Pending


def lower_affine(low: Lowering, node: real.RealNode, op: real.Affine, x: Pending) -> list[Pending]:
    """Scale and offset change; no hardware."""
    if _turns_some(x, op.a):
        x = _closed(low, x)
    return [replace(x, of=x.of.then(op.a, op.b))]


def lower_clip(low: Lowering, node: real.RealNode, op: real.Clip, x: Pending) -> list[Pending]:
    """The clamp stays pending until something needs it done."""
    return [replace(x, of=x.of.clipped(op.lo, op.hi))]


def _turns_some(x: Pending, a: Rationals) -> bool:
    """Whether a clamp on one side would be one from below in some channels, and from above in others."""
    signs = {v > 0 for v in a.reshape(-1) if v != 0}
    return (x.of.lo is None) != (x.of.hi is None) and len(signs) > 1


def _closed(low: Lowering, x: Pending) -> Pending:
    """The same values under a clamp from both sides: what was open ends where the values do. Of a curve, its part."""
    if isinstance(x, Coded):
        lo, hi = closed(low, x)
        return Coded(x.edge, replace(x.of, lo=lo, hi=hi))
    if isinstance(x, Curved):
        curve = Scaled(x.curve, x.of.a, x.of.b, x.of.lo, x.of.hi)
        return Curved(x.edge, Affine(scalar(1), scalar(0)), curve)
    return x
