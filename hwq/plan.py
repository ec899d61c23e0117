"""In what steps a graph is simulated: its nodes in order, or, where only its outputs are wanted, with chains as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from hwq.errors import InternalError
from hwq.fixed import Codes, code_dtype
from hwq.ir import Edge, Graph, Node
from hwq.ops.base import Kernel
from hwq.ops.chains import chained
from hwq.ops.elementwise import Elementwise, overwriting

LEAST, MOST = np.minimum.reduce, np.maximum.reduce  # what min and max call, without their own overhead


@dataclass(frozen=True)
class Step:
    """A kernel with the edges that it reads and makes."""

    kernel: Kernel
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dtypes: tuple[Any, ...] = ()  # what its inputs have to be; none where its kernel takes any
    draws: bool = False
    checked: tuple[tuple[str, Edge], ...] = ()  # those that the kernel is not proved to keep in their range
    done: tuple[str, ...] = ()  # edges that nothing reads after it

    @cached_property
    def simple(self) -> tuple[str, str] | None:
        """Its input and its output, where there is no more to it."""
        if len(self.inputs) > 1 or len(self.outputs) > 1 or self.dtypes or self.draws or self.checked:
            return None
        return self.inputs[0], self.outputs[0]

    def run(self, edges: dict[str, Codes], first: int) -> None:
        """Add its outputs to the edges, each within its range; `first` is the number of the first sample."""
        arrays = [edges[e] for e in self.inputs]
        if self.dtypes:
            arrays = [a.astype(d, copy=False) for a, d in zip(arrays, self.dtypes, strict=True)]
        results = self.kernel(*arrays, first=first) if self.draws else self.kernel(*arrays)
        edges.update(zip(self.outputs, results, strict=True))
        for name, edge in self.checked:
            check(name, edge, edges[name])


def check(name: str, edge: Edge, codes: Codes) -> None:
    """Raise where codes lie outside the range of their edge."""
    if codes.size and not (edge.lo <= LEAST(codes, axis=None) and MOST(codes, axis=None) <= edge.hi):
        raise InternalError(f"edge '{name}' left its range {edge.lo}..{edge.hi}: {codes.min()}..{codes.max()}")


def every_edge(graph: Graph, prepared: Callable[[Node], Kernel]) -> list[Step]:
    """One step a node: all edges are made, and stay."""
    return [_step(graph, node, prepared(node)) for node in graph.nodes]


def results_only(graph: Graph, prepared: Callable[[Node], Kernel]) -> list[Step]:
    """Ops on single elements are one step where they can be, and what is read for the last time is given back."""
    uses = graph.uses()
    own = {e for n in graph.nodes if n.op.makes_new for e in n.outputs if uses[e] == 1}
    steps = [step for run in _runs(graph, uses) for step in _shortest(graph, run, own, prepared)]
    last, wanted = {e: i for i, step in enumerate(steps) for e in step.inputs}, {p.edge for p in graph.outputs}
    return [
        replace(step, done=tuple({e for e in step.inputs if last[e] == i and e not in wanted}))
        for i, step in enumerate(steps)
    ]


def _runs(graph: Graph, uses: Mapping[str, int]) -> list[list[Node]]:
    """The nodes in executable order: an op on single elements with those that alone read what it makes."""
    runs = list[list[Node]]()
    unfinished: dict[str, list[Node]] = {}  # by the edge that may go on
    for node in graph.nodes:
        single = isinstance(node.op, Elementwise)
        run = unfinished.pop(node.inputs[0], None) if single else None
        if run is None:
            runs.append(run := [])
        run.append(node)
        if single and uses[node.outputs[0]] == 1:
            unfinished[node.outputs[0]] = run
    return runs


def _shortest(graph: Graph, run: list[Node], own: set[str], prepared: Callable[[Node], Kernel]) -> list[Step]:
    """The steps of a run; the arrays of edges in `own` may be written over, as nothing else holds them."""
    first, ops = run[0], [n.op for n in run if isinstance(n.op, Elementwise)]
    if not ops:
        return [_step(graph, first, prepared(first))]
    edges = [graph.edges[e] for e in (first.inputs[0], *(n.outputs[0] for n in run))]
    chain = chained(ops, edges) if len(run) > 1 else (ops[0].channels, ops[0].evaluator(edges[0]))
    if chain is None:
        return [step for node in run for step in _shortest(graph, [node], own, prepared)]
    channels, evaluator = chain
    kernel = channels.kernel(overwriting(evaluator) if first.inputs[0] in own else evaluator)
    return [Step(kernel, first.inputs, run[-1].outputs)]


def _step(graph: Graph, node: Node, kernel: Kernel) -> Step:
    known, inputs = graph.edges, graph.ins(node)
    return Step(
        kernel,
        node.inputs,
        node.outputs,
        () if node.op.lean else tuple(code_dtype(e.lo, e.hi) for e in inputs),
        node.op.draws,
        () if node.op.proves_range(inputs) else tuple((e, known[e]) for e in node.outputs if e in known),
    )
