"""Lowering of affine maps and clamps: they change what a code means, and cost nothing until a quantizer."""

from __future__ import annotations

from dataclasses import replace

from hwq.ir import real
from hwq.passes.lowering.state import Lowering, Pending


def lower_affine(low: Lowering, node: real.RealNode, op: real.Affine, x: Pending) -> list[Pending]:
    """Scale and offset change; no hardware."""
    return [replace(x, of=x.of.then(op.a, op.b))]


def lower_clip(low: Lowering, node: real.RealNode, op: real.Clip, x: Pending) -> list[Pending]:
    """The clamp stays pending until something needs it done."""
    return [replace(x, of=x.of.clipped(op.lo, op.hi))]
