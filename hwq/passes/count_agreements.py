"""xnor: where weights are -1 and 1 and codes 0 and 1, products become counts of bits that agree."""

from __future__ import annotations

from dataclasses import replace

from hwq.ir.hardware import Graph, Node
from hwq.ops import Products


def count_agreements(graph: Graph) -> Graph:
    """The same sums: `Products.start` makes up for the difference."""

    def counted(node: Node) -> Node:
        op = node.op
        if not isinstance(op, Products) or not op.countable(graph.ins(node)[0]):
            return node
        return replace(node, op=op.counting())

    return graph.map_nodes(counted)
