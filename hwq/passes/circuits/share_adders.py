"""share_adders: layers whose weights all work in every cycle as graphs of adders, not of products, where asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from hwq.errors import SpecError
from hwq.ir.hardware import Graph, Node, Proof
from hwq.ops.parts.linear import Products
from hwq.passes.circuits.adder_graph import solved
from hwq.passes.fold_to_budget import Choice

MOST_BITS = 62  # of a sum: C-simulation adds machine integers
MOST_WEIGHTS = 1 << 17


def share_adders(graph: Graph, choices_of: Callable[[str], Choice], io: str) -> Graph:
    """The graph with adders in the layers that ask for them, each proved; what cannot have them is refused.

    Nodes without weights that a pattern names beside others are left as they are.
    """
    asked = [n for n in graph.nodes if choices_of(n.name).products == "adders"]
    if asked and not any(isinstance(n.op, Products) for n in asked):
        raise SpecError(
            f"products 'adders' of layer '{asked[0].name}', which has no constant weights in hardware",
            remedy="state it for layers with weights (Gemm, MatMul, Conv)",
        )

    def run(node: Node) -> Node:
        op, layer = node.op, cast(Any, node.op)
        choice = choices_of(node.name)
        if not isinstance(op, Products) or choice.products != "adders":
            return node
        _check(node, op, io)
        (x,) = graph.ins(node)
        lo, hi = op.reach(x)
        inputs, outputs = op.matrix.shape
        made = solved(op.matrix, np.full(inputs, lo), np.full(inputs, hi), op.bias, choice.adder_depth)
        widest = max((made.type_of(inputs + i).width for i in range(len(made.adders))), default=0)
        if max(widest, op.accumulator(x).width) > MOST_BITS:
            raise _refused(node, f"sums of more than {MOST_BITS} bits")
        return replace(node, op=replace(layer, adders=made), proof=Proof("forms", inputs * outputs + outputs))

    return graph.map_nodes(run)


def _check(node: Node, op: Products, io: str) -> None:
    if io == "stream":
        raise SpecError(
            f"products 'adders' of layer '{node.name}' in a design that streams",
            remedy="use --io parallel, or leave it at multipliers",
        )
    if op.folds != (1, 1):
        pe, simd = op.array
        raise SpecError(
            f"products 'adders' of layer '{node.name}', which is folded: {pe} of {op.n_out} outputs by {simd} of "
            f"{op.taps} inputs a cycle",
            remedy="give it reuse: 1 (up to 4096 products a cycle), or leave it at multipliers",
        )
    if op.matrix.size > MOST_WEIGHTS:
        raise _refused(node, f"{op.matrix.size} weights, more than {MOST_WEIGHTS}")


def _refused(node: Node, found: str) -> SpecError:
    return SpecError(f"products 'adders' of layer '{node.name}': {found}", remedy="leave it at multipliers")
