"""throughput: how often a design takes a sample, and the least hardware that takes them as often as asked for.

A design of streams, or of arrays that each have one reader, works on several samples at once (DATAFLOW): the interval
is that of its slowest part. Otherwise a sample goes through all layers before the next one starts: it is their sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hwq.dataflow.schedule import scheduled
from hwq.dataflow.stream_plan import stream_plan
from hwq.errors import SpecError, printable
from hwq.ir.hardware import Graph
from hwq.passes.fold_to_budget import within

NS = 1e9  # in a second
MOST_CYCLES = 1 << 40  # between samples that are asked for: no layer takes as many


@dataclass(frozen=True)
class Pace:
    """Cycles between two samples and for one sample, before any tool has placed a register."""

    interval: int
    latency: int
    slowest: str  # ONNX node of the part that takes longest

    def fps(self, clock: float) -> float:
        """Samples a second at a clock period in ns."""
        return NS / (self.interval * clock)


def pace_of(graph: Graph, io: str) -> Pace:
    """The pace of a design."""
    if io == "stream":
        plan = stream_plan(graph, "top")
        actors = [p.actor() for p in plan.processes]
        found = scheduled(actors)
        slowest = max(plan.processes, key=lambda p: found.spans[p.name], default=None)
        return Pace(found.interval, found.latency, slowest.node if slowest else "")
    cycles = [n.op.cycles(graph.ins(n)) for n in graph.nodes]
    latency = max(1, sum(cycles))
    slowest_node = max(zip(cycles, graph.nodes, strict=True), key=lambda c: c[0], default=None)
    name = slowest_node[1].name if slowest_node else ""
    return Pace(max([1, *cycles]) if graph.overlaps else latency, latency, name)


def least_interval(graph: Graph, io: str) -> int:
    """A bound from below on the interval, at once: what the slowest part takes if it never waits."""
    if io == "stream":
        return max(a.firings + a.latency for a in (p.actor() for p in stream_plan(graph, "top").processes))
    return pace_of(graph, io).interval


def paced(graph: Graph, io: str, fps: float, clock: float) -> Graph:
    """The graph with each layer as slow, hence as small, as `fps` samples a second at `clock` ns allow.

    One budget of cycles serves all layers: the greatest with which the whole design keeps up.
    """
    limit = int(min(NS / (fps * clock), MOST_CYCLES)) if fps * clock > NS / MOST_CYCLES else MOST_CYCLES
    fastest = pace_of(within(graph, 1), io)
    if fastest.interval > limit:
        raise SpecError(
            f"{fps:g} samples a second at {clock:g} ns: layer '{printable(fastest.slowest)}' leaves "
            f"{fastest.interval} cycles between samples, {limit} are there",
            remedy=f"ask for at most {fastest.fps(clock):.6g}, or for a shorter --clock",
        )
    known: dict[tuple[int, ...], int] = {}  # intervals by the cycles of all layers, which say what a budget chose

    def interval(budget: int) -> int:
        folded = within(graph, budget)
        key = tuple(n.op.cycles(folded.ins(n)) for n in folded.nodes)
        if key not in known:
            known[key] = pace_of(folded, io).interval
        return known[key]

    def bounded(most: int, budget: int) -> bool:
        return least_interval(within(graph, budget), io) <= most

    def greatest(keeps_up: Callable[[int], bool], low: int, high: int) -> int:
        """The greatest budget in low..high that keeps up, as `low` does."""
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if keeps_up(middle) else (low, middle - 1)
        return low

    # Whole schedules are dear: the bound finds a budget, and goes down as far as its schedule is too slow.
    failing, allowed = limit + 1, limit
    while True:
        budget = greatest(partial(bounded, allowed), 1, failing - 1)
        found = interval(budget) if budget > 1 else fastest.interval
        if found <= limit:
            break
        failing, allowed = budget, allowed * limit // found
    return within(graph, greatest(lambda b: interval(b) <= limit, budget, failing - 1))
