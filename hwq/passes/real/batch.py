"""of_one_sample: a leading axis that the file fixes, and that no op looks along, is a batch; hardware is of a sample.

An edge of a batch holds its samples one behind another: its first extent is a multiple of the batch. An op keeps that
where it computes each of these blocks from the same block of its inputs, and all of them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hwq.errors import printable
from hwq.ir import real
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection

Keeps = Callable[[Any, Sequence[Shape]], bool]


def of_one_sample(graph: real.RealGraph, stated: Collection[str] = ()) -> real.RealGraph:
    """The graph of one sample where the inputs' leading axis is a batch, else the graph; in both cases a note says so.

    Inputs whose shape the user has `stated` are taken as they are.
    """
    shapes = [graph.shapes[i.edge] for i in graph.inputs]
    fixed = next((i for i, s in zip(graph.inputs, shapes, strict=True) if len(s) > 1 and s[0] > 1), None)
    if fixed is None or any(i.name in stated for i in graph.inputs):
        return graph
    size = graph.shapes[fixed.edge][0]
    name, extents = printable(fixed.name), ",".join(map(str, graph.shapes[fixed.edge]))
    found = f"the leading axis of {size} of input '{name}'"
    why = _against(graph, size)
    if why:
        note = f"{found} is part of the sample, not a batch: {why}; export the model with a batch of 1 if it is one"
        return replace(graph, notes=(*graph.notes, note))
    note = (
        f"{found} is a batch: the hardware computes one sample of it; --input-shape '{name}={extents}' makes hardware "
        f"for all {size} at once"
    )
    one = {edge: (shape[0] // size, *shape[1:]) for edge, shape in graph.shapes.items()}
    nodes = tuple(replace(node, op=_of_one(node.op, size)) for node in graph.nodes)
    return replace(graph, nodes=nodes, shapes=one, batch=size, notes=(*graph.notes, note))


def _against(graph: real.RealGraph, size: int) -> str:
    """What keeps the leading axis from being a batch; "" where nothing does."""
    for source in graph.inputs:
        shape = graph.shapes[source.edge]
        if len(shape) < 2 or shape[0] != size:
            return f"input '{printable(source.name)}' is {list(shape)}"
    for node in graph.nodes:
        before, after = ([graph.shapes[e] for e in edges] for edges in (node.inputs, node.outputs))
        keeps = KEEPS.get(type(node.op))
        whole = all(shape and shape[0] % size == 0 for shape in after)
        if keeps is None or not whole or not keeps(node.op, before):
            return f"node '{printable(node.name)}' ({node.kind}) works across it"
    return ""


def _even(shape: Shape, *parameters: Any) -> bool:
    """Whether parameters that broadcast to the shape are the same all along its first axis."""
    return all(p is None or p.ndim < len(shape) or p.shape[-len(shape)] == 1 for p in parameters)


def _joined(op: Any, shapes: Sequence[Shape]) -> bool:
    """All inputs with as many axes, and as long a first one."""
    return len({(len(s), s[0]) for s in shapes}) == 1


def _quantize(op: real.Quantize, shapes: Sequence[Shape]) -> bool:
    after = None if isinstance(op.after, int) else op.after
    return _even(shapes[0], op.a, op.b, op.scale, op.offset, after)


def _pool(op: real.Pool, shapes: Sequence[Shape]) -> bool:
    w = op.window
    return (w.kernel[0], w.strides[0], w.before[0], w.after[0]) == (1, 1, 0, 0)


KEEPS: Mapping[type[real.RealOp], Keeps] = MappingProxyType(
    {
        real.Affine: lambda op, s: _even(s[0], op.a, op.b),
        real.Clip: lambda op, s: _even(s[0], op.lo, op.hi),
        real.Quantize: _quantize,
        real.Stairs: lambda op, s: _even((*s[0], 1), op.levels) and _even(s[0], op.scale, op.offset),
        real.Unary: lambda op, s: _even(s[0], *op.arguments),
        real.MatMul: lambda op, s: len(s[0]) > 1,
        real.Conv: lambda op, s: True,
        real.Pool: _pool,
        real.Select: lambda op, s: op.selection.axes[0] is None,
        real.Add: _joined,
        real.Mul: _joined,
        real.Extremum: _joined,
        real.Concat: lambda op, s: op.axis > 0 and _joined(op, s),
        real.Reshape: lambda op, s: True,
        real.Transpose: lambda op, s: op.perm[0] == 0,
        real.Softmax: lambda op, s: op.axis > 0,
        real.Normalize: lambda op, s: op.axis > 0,
        real.TopK: lambda op, s: op.axis > 0,
    }
)
"""By op, whether it keeps to the blocks, given its inputs' shapes; one that is not here does not (Draw counts all)."""


def _of_one(op: real.RealOp, size: int) -> real.RealOp:
    """The op as it is on one block."""
    if isinstance(op, real.Reshape):
        return real.Reshape((op.shape[0] // size, *op.shape[1:]))
    if isinstance(op, real.Select):
        extents = op.selection.extents
        return replace(op, selection=Selection((extents[0] // size, *extents[1:]), op.selection.axes))
    return op
