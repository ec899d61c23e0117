"""absorb: integer offsets after a dense layer or a convolution move into its bias, as a designer writes them."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from hwq.ir.hardware import Graph, Node
from hwq.numeric.fixed import Codes
from hwq.ops import Channels, Conv, Dense, Scale, Shift


def absorb(graph: Graph) -> Graph:
    """Offsets of `Shift` and of multiplierless `Scale` become the bias of the `Dense` or `Conv` that only they read."""
    uses = graph.uses()
    makers = {n.outputs[0]: n for n in graph.nodes}
    changed: dict[tuple[str, ...], Node] = {}
    alias: dict[str, str] = {}
    for node in graph.nodes:
        maker = makers.get(node.inputs[0])
        if maker is None or uses[node.inputs[0]] != 1 or not isinstance(maker.op, Dense | Conv):
            continue
        inner = prod(graph.outs(maker)[0].shape[2:]) if isinstance(maker.op, Conv) else 1
        bias = _offsets(node, maker.op.n_out, inner)
        if bias is None:
            continue
        whole = bias if maker.op.bias is None else maker.op.bias + bias
        changed[maker.outputs] = replace(maker, op=replace(maker.op, bias=whole))
        if isinstance(node.op, Shift):
            changed[node.outputs] = replace(node, op=replace(node.op, add=None, channels=Channels()))
        else:
            alias[node.outputs[0]] = node.inputs[0]
    if not changed:
        return graph
    kept = [changed.get(n.outputs, n) for n in graph.nodes if n.outputs[0] not in alias]
    merged = replace(graph, nodes=tuple(kept)).renamed(alias)
    return merged.with_nodes(merged.nodes)


def _offsets(node: Node, n_out: int, inner: int) -> Codes | None:
    """One offset per output channel (`inner` elements each), or None where the node adds none or in another pattern."""
    op = node.op
    if not isinstance(op, Shift | Scale) or op.add is None:
        return None
    if isinstance(op, Scale) and bool((op.mult != 1).any()):
        return None
    if op.channels.count != 1 and op.channels != Channels(n_out, inner):
        return None
    return np.ascontiguousarray(np.broadcast_to(op.add, (n_out,)))
