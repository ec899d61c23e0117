"""spelt_quantizers: a quantizer written out as Round (Floor, Ceil), Clip and scales becomes the quantizer that it is.

Whatever scales come before and behind stay affine maps: lowering takes those before into the rounding, `merge` those
behind into what its codes are worth. Sign is a quantizer to -1, 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from hwq.ir import real
from hwq.numeric.fixed import INT64_SAFE, Rounding
from hwq.numeric.rational import Rationals, scalar, uniform

ROUNDINGS: Mapping[str, Rounding] = MappingProxyType(
    {"Round": Rounding.HALF_EVEN, "Floor": Rounding.FLOOR, "Ceil": Rounding.CEIL}
)


Limits = tuple[int | None, int | None]
UNBOUNDED: Limits = (None, None)


def with_quantizers(graph: real.RealGraph) -> real.RealGraph:
    """The real graph with its roundings as quantizers, clamped as the Clips right behind them clamp."""
    readers: dict[str, list[real.RealNode]] = {}
    for node in graph.nodes:
        for edge in dict.fromkeys(node.inputs):
            readers.setdefault(edge, []).append(node)
    exported = set(graph.outputs.values())
    gone: set[str] = set()  # outputs of clamps that went into a quantizer
    nodes: list[real.RealNode] = []
    for node in graph.nodes:
        if node.outputs[0] in gone:
            continue
        op = node.op
        if isinstance(op, real.Unary) and op.function == "Sign":
            nodes.append(replace(node, op=_sign()))
        elif isinstance(op, real.Unary) and op.function in ROUNDINGS:
            edge, limits = node.outputs[0], UNBOUNDED
            while edge not in exported:
                after = readers.get(edge, [])
                clamped = _clamped(limits, after[0].op) if len(after) == 1 else None
                if clamped is None:
                    break
                edge, limits = after[0].outputs[0], clamped
                gone.add(edge)
            nodes.append(replace(node, op=_rounded(ROUNDINGS[op.function], *limits), outputs=(edge,)))
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _clamped(limits: Limits, op: real.RealOp) -> Limits | None:
    """What a clamp behind leaves of the codes; None where it is no clamp of all of them at two integers."""
    if not isinstance(op, real.Clip):
        return None
    lo, hi = limits
    for bound, upper in ((op.lo, False), (op.hi, True)):
        if bound is None:
            continue
        code = _integer(bound)
        if code is None:
            return None
        if upper:
            lo, hi = None if lo is None else min(lo, code), code if hi is None else min(hi, code)
        else:
            lo, hi = code if lo is None else max(lo, code), None if hi is None else max(hi, code)
    return lo, hi


def _integer(bound: Rationals) -> int | None:
    value: Fraction | None = uniform(np.asarray(bound, dtype=object))
    small = value is not None and value.denominator == 1 and abs(value) < INT64_SAFE
    return int(value) if small and value is not None else None


def _rounded(rounding: Rounding, lo: int | None, hi: int | None) -> real.Quantize:
    one, none = scalar(1), scalar(0)
    return real.Quantize(one, none, rounding, lo, hi, one, none)


def _sign() -> real.Stairs:
    """#{x >= 0} + #{x > 0} - 1."""
    levels = np.asarray([Fraction(0), Fraction(0)], dtype=object)
    return real.Stairs(levels, scalar(1), scalar(-1), opened=1)
