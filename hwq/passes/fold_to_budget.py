"""arrange: how parallel each layer is and where its ROMs lie, as asked for: by a budget of cycles, or one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hwq.errors import SpecError
from hwq.ir.hardware import Graph, Node
from hwq.ops import Conv
from hwq.ops.parts.linear import Products
from hwq.passes.fold import MAX_LANES, divisors, lane_axis_size, lane_cost, legal_folds, with_fields


@dataclass(frozen=True)
class Choice:
    """What was asked of one layer; None where nothing was."""

    pe: int | None = None
    simd: int | None = None
    memory: str | None = None
    products: str | None = None
    adder_depth: int | None = None

    @staticmethod
    def of(choices: Mapping[str, Any]) -> Choice:
        """From a config's mapping."""
        names = ("pe", "simd", "memory", "products", "adder_depth")
        return Choice(**{name: choices.get(name) for name in names})

    def __bool__(self) -> bool:
        return self != Choice()


def within(graph: Graph, budget: int) -> Graph:
    """Every layer at the least parallelism that takes at most `budget` cycles for a sample, or at the greatest."""

    def run(node: Node) -> Node:
        op: Any = node.op
        inputs = graph.ins(node)
        if isinstance(node.op, Products):
            rounds = op.cycles(inputs) // (op.folds[0] * op.folds[1])
            legal = legal_folds(op.taps, op.n_out, op.channels[1] if isinstance(op, Conv) else 0)
            fitting = [f for f in legal if rounds * f[0] * f[1] <= budget]
            out_folds, tap_folds = max(fitting, key=_slowest, default=max(legal, key=lambda f: (-f[0] * f[1], -f[1])))
            return with_fields(node, pe=op.n_out // out_folds, simd=op.taps // tap_folds)
        size = lane_axis_size(graph, node)
        if size is None:
            return node
        most = max(1, MAX_LANES // max(1, lane_cost(op)))
        lanes = [d for d in divisors(size) if d <= most]
        return with_fields(
            node, lanes=next((d for d in lanes if replace(op, lanes=d).cycles(inputs) <= budget), lanes[-1])
        )

    return graph.map_nodes(run)


def _slowest(folds: tuple[int, int]) -> tuple[int, int]:
    """The most cycles first; among equals, sums that are complete in fewer."""
    return folds[0] * folds[1], -folds[1]


def arranged(graph: Graph, choices_of: Callable[[str], Choice]) -> Graph:
    """The layers with the PE, SIMD and memory asked for, by ONNX node; what is not legal is refused with what is."""
    choices = {n.name: choices_of(n.name) for n in graph.nodes}
    for name, choice in choices.items():
        if (choice.pe or choice.simd) and not any(n.name == name and isinstance(n.op, Products) for n in graph.nodes):
            kinds = sorted({n.op.kind for n in graph.nodes if n.name == name})
            raise SpecError(
                f"pe or simd of layer '{name}' ({', '.join(kinds) or 'nothing of its own in hardware'})",
                remedy="state them for layers with weights (Gemm, MatMul, Conv), and 'reuse' for others",
            )

    def run(node: Node) -> Node:
        choice = choices[node.name]
        if choice.memory is not None:
            node = replace(node, memory=choice.memory)
        op: Any = node.op
        if not isinstance(node.op, Products) or not (choice.pe or choice.simd):
            return node
        pe, simd = choice.pe or op.array[0], choice.simd or op.array[1]
        legal = legal_folds(op.taps, op.n_out, op.channels[1] if isinstance(op, Conv) else 0)
        sizes = {(op.n_out // fo, op.taps // fi) for fo, fi in legal}
        if (pe, simd) not in sizes:
            raise _illegal(node.name, pe, simd, sizes)
        return with_fields(node, pe=pe, simd=simd)

    return graph.map_nodes(run)


def _illegal(name: str, pe: int, simd: int, sizes: set[tuple[int, int]]) -> SpecError:
    pes, simds = sorted({p for p, _ in sizes}), sorted({s for _, s in sizes})
    if pe not in pes:
        return SpecError(f"pe {pe} of layer '{name}'", remedy=f"use one of {_listed(pes)}")
    if simd not in simds:
        return SpecError(f"simd {simd} of layer '{name}'", remedy=f"use one of {_listed(simds)}")
    return SpecError(
        f"pe {pe} and simd {simd} of layer '{name}', more than {MAX_LANES} products a cycle",
        remedy="use less of either",
    )


def _listed(values: list[int]) -> str:
    shown = values if len(values) <= 16 else [*values[:12], values[-1]]
    return ", ".join(map(str, shown)) + (f" ({len(values)} in all)" if len(values) > 16 else "")
