"""In what steps a graph is simulated: its nodes in order, or, where only its outputs are wanted, with chains as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from hwq.errors import InternalError
from hwq.ir.hardware import Edge, Graph, Node
from hwq.kernels.rounded_line import Line
from hwq.numeric.fixed import Codes, code_dtype
from hwq.ops.base import Channels, Kernel
from hwq.ops.parts.elementwise import Elementwise, Evaluator
from hwq.simulate.fusion import chained

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
    """Ops on single elements are one step where they can be, and what is read for the last time is given back.

    Where sums are read by a line alone, they are made with its slope, or else it is written over them.
    """
    uses = graph.uses()
    parts = [part for run in _runs(graph, uses) for part in _parts(graph, run)]
    lines = {p.nodes[0].inputs[0]: p.chain[1] for p in parts if p.chain and isinstance(p.chain[1], Line)}
    made = {n.outputs[0]: n for n in graph.nodes if n.op.makes_new and uses[n.outputs[0]] == 1}
    scaled = {
        edge: kernel
        for edge, line in lines.items()
        if edge in made and line.factor
        if (kernel := made[edge].op.scaled(graph.ins(made[edge]), line.factor))
    }
    steps = []
    for part in parts:
        first, last = part.nodes[0], part.nodes[-1]
        if part.chain is None:
            kernel = scaled.get(first.outputs[0]) or prepared(first)
            steps.append(_step(graph, first, kernel))
            continue
        channels, evaluator = part.chain
        edge = first.inputs[0]
        if isinstance(evaluator, Line):
            evaluator = evaluator.of_scaled if edge in scaled else evaluator.over if edge in made else evaluator
        steps.append(Step(channels.kernel(evaluator), first.inputs, last.outputs))
    last_use, wanted = {e: i for i, step in enumerate(steps) for e in step.inputs}, {p.edge for p in graph.outputs}
    return [
        replace(step, done=tuple({e for e in step.inputs if last_use[e] == i and e not in wanted}))
        for i, step in enumerate(steps)
    ]


def joined(steps: Sequence[Step]) -> list[Step]:
    """The same with simple steps behind one another as a single one, where each reads what was made for it alone."""
    whole = list[list[Step]]()
    for step in steps:
        before = whole[-1][-1] if whole else None
        if before and before.simple and step.simple and before.outputs == step.inputs == step.done:
            whole[-1].append(step)
        else:
            whole.append([step])
    return [
        run[0] if len(run) == 1 else Step(_straight(run), run[0].inputs, run[-1].outputs, done=run[0].done)
        for run in whole
    ]


def _straight(steps: Sequence[Step]) -> Kernel:
    """The kernels of simple steps, one after the other."""
    kernels = tuple(step.kernel for step in steps)

    def run(codes: Codes) -> tuple[Codes, ...]:
        for kernel in kernels:
            (codes,) = kernel(codes)
        return (codes,)

    return run


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


@dataclass(frozen=True)
class _Part:
    """A node, or ops on single elements that are one step."""

    nodes: tuple[Node, ...]
    chain: tuple[Channels, Evaluator] | None  # what takes an input of the first to the output of the last


def _parts(graph: Graph, run: list[Node]) -> list[_Part]:
    """A run as one part; as several where a chain of all would cost more."""
    first, ops = run[0], [n.op for n in run if isinstance(n.op, Elementwise)]
    if not ops:
        return [_Part((first,), None)]
    edges = [graph.edges[e] for e in (first.inputs[0], *(n.outputs[0] for n in run))]
    chain = chained(ops, edges) if len(run) > 1 else (ops[0].channels, ops[0].evaluator(edges[0]))
    if chain is None:
        return [part for node in run for part in _parts(graph, [node])]
    return [_Part(tuple(run), chain)]


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
