"""Weights on their way to a product: common factors go to its scale, and what counts of bits need to its bias."""

from __future__ import annotations

import numpy as np

from hwq.ir import real
from hwq.ir.hardware import Edge
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import Rationals, scalar, uniform
from hwq.ops.parts.weight_coding import Binary, coding_of
from hwq.passes.lowering.state import Lowering

PROBE = 64  # taps looked at before all of them are


def without_factors(rows: Codes, apart: bool = True) -> tuple[Codes, Rationals]:
    """(outputs, taps) integers less what divides them all, and that as a scale: one, or one per output.

    A factor per output goes (`apart`) where that leaves weights that need no multiplier: -3 and 3 beside -5 and 5.
    """
    ones = scalar(1)
    if not rows.size or bool((_divisors(rows[:, :PROBE]) == 1).all()):
        return rows, ones
    by_output = _divisors(rows)
    whole = int(np.gcd.reduce(by_output[by_output > 0], initial=0)) or 1
    reduced, rest = rows // whole, np.maximum(by_output // whole, 1)
    if apart and (rest > 1).any() and coding_of(reduced).multiplies:
        reduced_apart = reduced // rest[:, None]
        if not coding_of(reduced_apart).multiplies:
            return reduced_apart, scalar(whole) * rest.astype(object)
    return reduced, scalar(whole)


def quantized_next(low: Lowering, node: real.RealNode) -> bool:
    """Whether all that is made of a node's output is a quantizer's, so that scales may differ from output to output."""
    edges, readers = list(node.outputs), low.graph.nodes
    while edges:
        edge = edges.pop()
        if edge in low.graph.outputs.values():
            return False
        for reader in readers:
            if edge in reader.inputs and isinstance(reader.op, real.Affine | real.Clip):
                edges += reader.outputs
            elif edge in reader.inputs and not isinstance(reader.op, real.Quantize | real.Stairs):
                return False
    return True


def _divisors(rows: Codes) -> Codes:
    return np.asarray(np.gcd.reduce(np.abs(rows), axis=1))


def agreement_bias(x: Edge, rows: Codes, scale: Rationals, offset: Rationals) -> tuple[Codes | None, Rationals]:
    """How many weights are -1, per output, as a bias; and `offset` less it, where that spares a sum its start.

    With it a sum over bits is the number of taps at which weight and code agree (see `Products.xnor`).
    """
    if (x.lo, x.hi) != (0, 1) or uniform(offset) is not None or not isinstance(coding_of(rows), Binary):
        return None, offset
    negative = (rows < 0).sum(axis=1)
    return negative, np.asarray(offset - negative.astype(object) * scale, dtype=object)
