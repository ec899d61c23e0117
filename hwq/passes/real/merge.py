"""merge: what only rescales or clamps a quantizer's codes becomes part of that quantizer, in the real graph.

A DequantizeLinear gives its QuantizeLinear's codes their scale; a Clip between them, or a Relu after them, narrows the
codes' range where its bounds are codes. Nothing changes in meaning: types become the ones a designer would write.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwq.ir import real
from hwq.numeric.fixed import INT64_SAFE
from hwq.numeric.rational import uniform


def merge(graph: real.RealGraph) -> real.RealGraph:
    """The graph with clamps and dequantizers merged into the quantizers before them."""
    readers: dict[str, list[real.RealNode]] = {}
    for node in graph.nodes:
        for edge in dict.fromkeys(node.inputs):
            readers.setdefault(edge, []).append(node)
    exported = set(graph.outputs.values())
    alias: dict[str, str] = {}
    ops: dict[str, real.Quantize] = {}
    for node in graph.nodes:
        if not isinstance(node.op, real.Quantize):
            continue
        edge, op = node.outputs[0], node.op
        while edge not in exported:
            after = readers.get(edge, [])
            merged = _merged(op, after)
            if merged is None:
                break
            gone = [n.outputs[0] for n in after]
            alias.update(dict.fromkeys(gone, edge))
            readers[edge] = [n for name in gone for n in readers.get(name, [])]
            if exported.intersection(gone):
                exported.add(edge)
            op = merged
        ops[edge] = op
    nodes = [
        replace(n, op=ops.get(n.outputs[0], n.op), inputs=tuple(alias.get(e, e) for e in n.inputs))
        for n in graph.nodes
        if n.outputs[0] not in alias
    ]
    outputs = {name: alias.get(edge, edge) for name, edge in graph.outputs.items()}
    return replace(graph, nodes=tuple(nodes), outputs=outputs)


def _merged(quantize: real.Quantize, readers: list[real.RealNode]) -> real.Quantize | None:
    """The quantizer that does what all of its readers do, if they all do one and the same."""
    ops = [n.op for n in readers]
    if not ops:
        return None
    first, *rest = ops
    if isinstance(first, real.Affine) and all(isinstance(op, real.Affine) and _same(first, op) for op in rest):
        return _rescaled(quantize, first)
    if isinstance(first, real.Clip) and not rest:
        return _clamped(quantize, first)
    return None


def _same(one: real.Affine, other: real.Affine) -> bool:
    return np.array_equal(one.a, other.a) and np.array_equal(one.b, other.b)


def _rescaled(quantize: real.Quantize, affine: real.Affine) -> real.Quantize | None:
    """Only integer tensors take a scale: a later scale (BatchNorm's) is no property of the codes."""
    if uniform(quantize.scale) != 1 or uniform(quantize.offset) != 0 or any(v <= 0 for v in affine.a.reshape(-1)):
        return None
    return replace(quantize, scale=affine.a, offset=affine.b)


def _clamped(quantize: real.Quantize, clip: real.Clip) -> real.Quantize | None:
    """Bounds of the clamp that are codes, of every channel the same one, are done to the quantizer's own bounds.

    A clamp after a clamp is one from where the later sends the earlier's ends, outside of the earlier's range too.
    """
    if quantize.lo is None or quantize.hi is None or any(v <= 0 for v in quantize.scale.reshape(-1)):
        return None
    bounds: list[int | None] = []
    for bound in (clip.lo, clip.hi):
        code = None if bound is None else uniform(np.asarray((bound - quantize.offset) / quantize.scale, dtype=object))
        if bound is not None and (code is None or code.denominator != 1 or abs(code) > INT64_SAFE):
            return None
        bounds.append(None if code is None else int(code))
    lo, hi = (clamped(end, *bounds) for end in (quantize.lo, quantize.hi))
    return replace(quantize, lo=lo, hi=hi)


def clamped(value: int, lo: int | None, hi: int | None) -> int:
    """min(max(value, lo), hi); None is no bound."""
    above = value if lo is None else max(value, lo)
    return above if hi is None else min(above, hi)
