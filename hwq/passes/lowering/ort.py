"""onnxruntime's meaning of a model: its integer kernels requantize in float32, and those roundings are taken over.

QLinearConv, QLinearMatMul and QGemm, also where it fuses them from QDQ: `rint(f32(acc) * f32(f32(sx sw) / sy))` and
the zero point. QLinearGlobalAveragePool: the same on a sum of N, by `f32(sx / f32(sy N))`. QuantizeLinear:
`rint(f32(x / scale))`, on f32((code - zero) * scale) where x was dequantized. QLinearAdd: see `ort_add`. What its other
kernels do depends on the processor or on the order of sums and is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.errors import UnsupportedError, printable
from hwq.ir import real
from hwq.ir.hardware import Node
from hwq.ir.window import Reduction
from hwq.numeric.fixed import Codes
from hwq.numeric.float32_steps import Float32Steps
from hwq.numeric.rational import Rationals
from hwq.ops import Conv, Dense, Pool, Reshape, Transpose
from hwq.passes.lowering.state import Lowering, Raw, State

REAL, ORT = "real", "ort"
SEMANTICS = (REAL, ORT)
REMEDY = "use --semantics real: the correctly rounded value of the real function"

INTEGER_KERNELS = frozenset({"MatMul", "Gemm", "QLinearMatMul", "QGemm", "MatMulInteger"})
CONVOLUTIONS = frozenset({"Conv", "QLinearConv", "ConvInteger"})
GLOBAL = frozenset({"GlobalAveragePool", "QLinearGlobalAveragePool"})  # summed as integers
SUMS = frozenset({"Add", "QLinearAdd"})
EVERY: frozenset[str] = frozenset()

REPRODUCED: Mapping[type[real.RealOp], tuple[frozenset[str], str]] = MappingProxyType(
    {
        real.Affine: (
            frozenset({"DequantizeLinear", *INTEGER_KERNELS, *CONVOLUTIONS, *GLOBAL, *SUMS}),
            "its arithmetic with constants is float32",
        ),
        real.Clip: (EVERY, ""),
        real.Typed: (EVERY, ""),
        real.Quantize: (
            frozenset({"QuantizeLinear", "QGemm", "QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearConcat"})
            | {"QLinearGlobalAveragePool"},
            "it has no kernel for {kind}",
        ),
        real.MatMul: (INTEGER_KERNELS, "its {kind} multiplies in float32"),
        real.Conv: (CONVOLUTIONS, "its {kind} multiplies in float32"),
        real.Select: (EVERY, ""),
        real.Concat: (EVERY, ""),
        real.Reshape: (EVERY, ""),
        real.Transpose: (EVERY, ""),
        real.TopK: (EVERY, ""),
        real.Add: (SUMS, "its {kind} is float32 arithmetic"),
    }
)
"""By real op, the ONNX ops whose integer arithmetic is known here (`EVERY`: nothing is rounded, whatever the op), and
why others are refused."""

NOT_REPRODUCED: Mapping[type[real.RealOp], str] = MappingProxyType(
    {
        real.Mul: "its Mul of two activations is float32 arithmetic that depends on the processor",
        real.Extremum: "its Max and Min are not integer kernels",
        real.Unary: "its functions are float32 approximations",
        real.Stairs: "it has no kernel for thresholds",
        real.Softmax: "its Softmax is a float32 approximation that depends on the processor",
        real.Normalize: "its {kind} is float32 arithmetic that depends on the processor",
        real.Draw: "it has no quantizer that draws at random",
    }
)


def check_reproducible(graph: real.RealGraph) -> None:
    """Refuse, by the node's name, all but what onnxruntime does by an integer rule that is known here."""
    for node in graph.nodes:
        reason = _reason(graph, node)
        if reason:
            raise UnsupportedError(
                f"onnxruntime is not reproduced here: {reason}", node=node.name, op=node.kind, remedy=REMEDY
            )


def _reason(graph: real.RealGraph, node: real.RealNode) -> str:
    """Why a node is not reproduced; "" where it is."""
    kind = type(node.op)
    if isinstance(node.op, real.Pool):
        exact = node.op.how is not Reduction.SUM or node.kind in GLOBAL
        return "" if exact else "its average pooling breaks exact ties by float32 noise"
    if isinstance(node.op, real.Add) and not _feeds_quantizers(graph, node.outputs[0]):
        return "its Add without a quantizer after it is float32 arithmetic"
    kinds, reason = REPRODUCED.get(kind, (frozenset({""}), NOT_REPRODUCED.get(kind, "no rule is known for its {kind}")))
    return "" if kinds is EVERY or node.kind in kinds else reason.format(kind=printable(node.kind))


def _feeds_quantizers(graph: real.RealGraph, edge: str) -> bool:
    """Whether only quantizers read the edge, a clamp between them allowed."""
    readers = [n for n in graph.nodes if edge in n.inputs]
    return edge not in graph.outputs.values() and all(
        isinstance(n.op, real.Quantize) or (isinstance(n.op, real.Clip) and _feeds_quantizers(graph, n.outputs[0]))
        for n in readers
    )


def ort_step(low: Lowering, x: State, parts: tuple[Any, ...], clamp: tuple[Codes, Codes]) -> Float32Steps:
    """The kernel's steps; `parts` are scale and offset of x and the output's 1 / scale, a row per channel."""
    scale, offset, inverse = parts
    out = singles(1 / inverse, "an output scale")
    if isinstance(x, Raw):
        if any(v != 1 for v in scale) or any(v != 0 for v in offset):
            raise UnsupportedError(
                "onnxruntime is not reproduced here: float32 arithmetic before the first quantizer", remedy=REMEDY
            )
        return Float32Steps(np.zeros(out.shape, dtype=np.int64), np.ones_like(out), out, *clamp)
    if any(v <= 0 for v in scale):
        raise UnsupportedError("onnxruntime is not reproduced here: a scale that is not positive", remedy=REMEDY)
    # An int32 bias and zero points are whole accumulator steps; a float bias is quantized to them by its optimizer.
    add = np.asarray([round(v) for v in offset / scale], dtype=np.int64)
    maker = _maker(low, x.edge)
    if maker is not None and isinstance(maker.op, Dense | Conv):
        _check_bytes(low, maker, maker.op)
        factor = np.asarray([np.float32(float(v)) for v in scale], dtype=np.float32) / out
        return Float32Steps(add, factor, np.ones_like(out), *clamp)
    if maker is not None and isinstance(maker.op, Pool) and maker.op.how is Reduction.SUM:
        count = low.edges[maker.inputs[0]].size // low.edges[maker.outputs[0]].size
        factor = singles(scale * count, "an input scale") / (out * np.float32(count))
        return Float32Steps(add, factor, np.ones_like(out), *clamp)
    return Float32Steps(add, singles(scale, "an input scale"), out, *clamp)


def singles(values: Rationals, what: str) -> Any:
    """Exactly these values in float32."""
    found = np.asarray([np.float32(float(v)) for v in values], dtype=np.float32)
    if any(float(f) != v for f, v in zip(found, values, strict=True)):
        raise UnsupportedError(f"onnxruntime is not reproduced here: {what} that is no float32", remedy=REMEDY)
    return found


def _check_bytes(low: Lowering, maker: Node, op: Dense | Conv) -> None:
    """Only products of bytes are integer kernels."""
    weights = op.weights
    if low.edges[maker.inputs[0]].type.width > 8 or int(weights.max()) - int(weights.min()) > 510:
        raise UnsupportedError(
            "onnxruntime is not reproduced here: it multiplies codes of more than 8 bits in float32, in an order that "
            "depends on the processor",
            remedy=REMEDY,
        )


def _maker(low: Lowering, edge: str) -> Node | None:
    """The node that computed the codes, moves aside; None for a model input."""
    makers = {out: node for node in low.nodes for out in node.outputs}
    while edge in makers and isinstance(makers[edge].op, Reshape | Transpose):
        edge = makers[edge].inputs[0]
    return makers.get(edge)
