"""lower: the real graph becomes integer ops; scales and offsets move along the edges until a quantizer meets them.

Every real edge is `clip(a * code + b, lo, hi)` of a hardware edge, all four exact. Linear ops change a and b; a
quantizer turns them into a `Requant`, the exact step function of the accumulator. Nothing is rounded here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hwq.ir import real
from hwq.ir.hardware import Graph
from hwq.passes.lowering.conv import lower_conv
from hwq.passes.lowering.curves import finished_curve, lower_unary, with_curves
from hwq.passes.lowering.draw import lower_draw
from hwq.passes.lowering.elementwise import lower_affine, lower_clip
from hwq.passes.lowering.joins import lower_add, lower_concat, lower_extremum, lower_mul
from hwq.passes.lowering.linear import lower_matmul
from hwq.passes.lowering.moves import lower_reshape, lower_topk, lower_transpose
from hwq.passes.lowering.normalize import lower_normalize
from hwq.passes.lowering.ort import ORT, REAL, check_reproducible
from hwq.passes.lowering.quantizers import lower_quantize, lower_stairs
from hwq.passes.lowering.softmax import lower_softmax
from hwq.passes.lowering.state import TABLE_BITS, Lowering, LoweringRule, Pending
from hwq.passes.lowering.typed import lower_typed
from hwq.passes.lowering.windows import lower_pool, lower_select

RULES: Mapping[type[real.RealOp], LoweringRule] = MappingProxyType(
    {
        real.Affine: lower_affine,
        real.Clip: lower_clip,
        real.Typed: lower_typed,
        real.Reshape: lower_reshape,
        real.Transpose: lower_transpose,
        real.MatMul: lower_matmul,
        real.Conv: lower_conv,
        real.Pool: lower_pool,
        real.Select: lower_select,
        real.Add: lower_add,
        real.Mul: lower_mul,
        real.Extremum: lower_extremum,
        real.Concat: lower_concat,
        real.Quantize: lower_quantize,
        real.Stairs: lower_stairs,
        real.TopK: lower_topk,
        real.Softmax: lower_softmax,
        real.Unary: lower_unary,
        real.Draw: lower_draw,
        real.Normalize: lower_normalize,
    }
)


def lower(graph: real.RealGraph, semantics: str = REAL, table_bits: int = TABLE_BITS) -> Graph:
    """The hardware graph of a real graph: integer ops and exact `Requant`s, by the stated meaning of quantizers."""
    return lowered(graph, semantics, table_bits)[0]


def lowered(
    graph: real.RealGraph, semantics: str = REAL, table_bits: int = TABLE_BITS
) -> tuple[Graph, Mapping[str, Pending]]:
    """The same, and what every real edge is of the hardware's codes."""
    if semantics == ORT:
        check_reproducible(graph)
    low = Lowering(graph, semantics, table_bits)
    return low.run(with_curves(RULES), finished_curve), low.states
