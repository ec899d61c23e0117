"""The order in which nodes can be computed: as in the file where that is possible; a cycle is named by a node on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush

import onnx

from hwq.errors import ModelError
from hwq.frontends.inlining import graphs_of


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """The tensors that a node needs: its inputs, and what the graphs in it read from outside."""
    yield from node.input
    for graph in graphs_of(node):
        own = {t.name for t in graph.initializer} | {i.name for i in graph.input}
        own |= {o for n in graph.node for o in n.output}
        yield from (name for inner in graph.node for name in reads(inner) if name not in own)
        yield from (o.name for o in graph.output if o.name not in own)


def in_order(nodes: Sequence[onnx.NodeProto], known: set[str]) -> list[onnx.NodeProto]:
    """Nodes so that each comes after what it reads, else in the file's order.

    `known` are the tensors that need no node. A cycle, or a tensor that nothing defines, is a `ModelError` with a node.
    """
    maker: dict[str, int] = {}
    for i, node in enumerate(nodes):
        for name in node.output:
            maker.setdefault(name, i)
    missing: list[int] = []  # per node, how many of its inputs are not there yet
    readers: dict[str, list[int]] = {}
    for i, node in enumerate(nodes):
        wanted = {n for n in reads(node) if n and n not in known}
        for name in wanted:
            if name not in maker:
                raise ModelError(
                    f"reads '{name}', which nothing defines",
                    node=node.name,
                    op=node.op_type,
                    remedy="export the model again, with all of its graph",
                )
            readers.setdefault(name, []).append(i)
        missing.append(len(wanted))
    ready = [i for i, count in enumerate(missing) if count == 0]
    heapify(ready)
    ordered: list[onnx.NodeProto] = []
    seen = set(known)
    while ready:
        node = nodes[heappop(ready)]
        ordered.append(node)
        for name in node.output:
            if name in seen:
                continue  # defined twice: the walk says so
            seen.add(name)
            for i in readers.get(name, ()):
                missing[i] -= 1
                if missing[i] == 0:
                    heappush(ready, i)
    if len(ordered) < len(nodes):
        stuck = nodes[_on_cycle(nodes, maker, seen, next(i for i, count in enumerate(missing) if count))]
        raise ModelError(
            "the graph has a cycle through this node", node=stuck.name, op=stuck.op_type, remedy="export it again"
        )
    return ordered


def _on_cycle(nodes: Sequence[onnx.NodeProto], maker: dict[str, int], seen: set[str], start: int) -> int:
    """A node on a cycle, found by walking from one that waits to one that it waits for."""
    visited: set[int] = set()
    while start not in visited:
        visited.add(start)
        start = next(maker[n] for n in reads(nodes[start]) if n and n not in seen)
    return start
