"""How many binary places a result that is not correctly rounded needs, by the quantizers that read it."""

from __future__ import annotations

from fractions import Fraction

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.numeric.rational import Rationals
from hwq.passes.lowering.state import Lowering

OUTPUT_BITS = 16  # of a result that leaves the design
GUARD_BITS = 2  # more where anything follows
MOST_PLACES = 40
UNSCALED = (real.Reshape, real.Transpose, real.Select, real.Concat, real.Add, real.Extremum, real.Clip)


def places(low: Lowering, node: real.RealNode) -> int:
    """16 at the end of a design; where something follows 18, or two more than its finest quantizer's step has."""
    edge = node.outputs[0]
    if not any(edge in reader.inputs for reader in low.graph.nodes):
        return OUTPUT_BITS
    finest = _finest(low.graph, edge)
    wanted = (-(-finest.numerator // finest.denominator) - 1).bit_length() if finest > 1 else 0
    if wanted + GUARD_BITS > MOST_PLACES:
        raise UnsupportedError(
            f"a quantizer of step {float(1 / finest):.2g} behind it",
            remedy=f"give that quantizer a step of at least 2^-{MOST_PLACES - GUARD_BITS}",
        )
    return max(OUTPUT_BITS, wanted) + GUARD_BITS


def _finest(graph: real.RealGraph, edge: str) -> Fraction:
    """The most codes of a quantizer that a change of 1 on `edge` moves, through linear ops on single elements."""
    gains: dict[str, Fraction] = {edge: Fraction(1)}
    most = Fraction(0)
    for node in graph.nodes:  # in executable order
        gain = max((gains[i] for i in node.inputs if i in gains), default=None)
        if gain is None:
            continue
        if isinstance(node.op, real.Quantize):
            most = max(most, gain * _largest(node.op.a))
        elif isinstance(node.op, real.Affine):
            gains[node.outputs[0]] = gain * _largest(node.op.a)
        elif isinstance(node.op, UNSCALED):
            gains[node.outputs[0]] = gain
    return most


def _largest(values: Rationals) -> Fraction:
    return max((abs(Fraction(v)) for v in values.reshape(-1)), default=Fraction(0))
