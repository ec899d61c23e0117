"""Registers: each operation in the first pipeline stage in which it fits the clock, by a simple model of delays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hwq.netlist.circuit import Circuit, Gate, Node


@dataclass(frozen=True)
class Delays:
    """Nanoseconds, routing included: of a look-up table, of a bit of carry, of a multiplier, of a register."""

    lookup: float
    carry: float
    multiplier: float
    register: float
    inputs: int = 6  # of a look-up table

    def of(self, node: Node, nodes: tuple[Node, ...]) -> float:
        """How long a node's result takes after its operands."""
        if node.gate in (Gate.INPUT, Gate.CONSTANT, Gate.BITS, Gate.JOIN, Gate.CALL):
            return 0.0
        if node.gate is Gate.ADD:
            return self.lookup + self.carry * node.width
        if node.gate is Gate.MULTIPLY:
            return self.multiplier
        widest = max(nodes[a].width for a in node.args)
        if node.gate in (Gate.LESS, Gate.EQUAL):
            return self.lookup + self.carry * widest / 2
        if node.gate is Gate.TABLE:
            return self.lookup * (1 + max(0, widest - self.inputs + 1) // 2)
        if node.gate in (Gate.ANY, Gate.PARITY):
            return self.lookup * (1 + (widest > self.inputs) + (widest > self.inputs**2))
        return self.lookup


@dataclass(frozen=True)
class Timed:
    """A circuit with the stage of every live node, counted from its inputs, and when in it the result is there.

    Outputs leave together in stage `latency`, at most `arrival` ns into it.
    """

    circuit: Circuit
    stages: Mapping[int, int]
    latency: int
    arrival: float
    slowest: float  # the longest way between two registers, ns, registers included
    modules: Mapping[str, Timed]

    @cached_property
    def copies(self) -> dict[int, int]:
        """How many stages each signal is held for: the most that lie between it and a use."""
        held: dict[int, int] = {}
        nodes = self.circuit.nodes
        for k, stage in self.stages.items():
            start = stage
            if nodes[k].gate is Gate.CALL:
                start -= self.modules[nodes[k].param[0]].latency
            for a in nodes[k].args:
                if a in self.stages and start > self.stages[a]:
                    held[a] = max(held.get(a, 0), start - self.stages[a])
        for group in self.circuit.outputs:
            for s in group:
                if s in self.stages and self.latency > self.stages[s]:
                    held[s] = max(held.get(s, 0), self.latency - self.stages[s])
        return held

    @cached_property
    def registers(self) -> int:
        """Bits of all registers, those of called modules included."""
        nodes = self.circuit.nodes
        calls = {(nodes[k].param[0], nodes[k].args) for k in self.stages if nodes[k].gate is Gate.CALL}
        own = sum(nodes[k].width * count for k, count in self.copies.items())
        return own + sum(self.modules[name].registers for name, _ in calls)


def timed(circuit: Circuit, delays: Delays, clock: float, arrival: float = 0.0) -> Timed:
    """Place registers so that no way between two of them is longer than the clock period, where that can be.

    Inputs are there `arrival` ns into the first stage. Constants belong to no stage.
    """
    budget = max(clock - delays.register, 0.0)
    modules = {name: timed(inner, delays, clock, arrival) for name, inner in circuit.modules.items()}
    nodes, live = circuit.nodes, circuit.live()
    stages: dict[int, int] = {}
    times: dict[int, float] = {}
    slowest = max([arrival, *(m.slowest - delays.register for m in modules.values())])
    for k, node in enumerate(nodes):
        if k not in live or node.gate is Gate.CONSTANT:
            continue
        if node.gate is Gate.CALL:
            inner = modules[node.param[0]]
            stages[k], times[k] = inner.latency, inner.arrival
            continue
        before = [a for a in node.args if a in stages]
        stage = max((stages[a] for a in before), default=0)
        start = max((times[a] for a in before if stages[a] == stage), default=arrival if not node.args else 0.0)
        delay = delays.of(node, nodes)
        if start + delay > budget and delay and start:
            stage, start = stage + 1, 0.0
        stages[k], times[k] = stage, start + delay
        slowest = max(slowest, start + delay)
    ends = [s for group in circuit.outputs for s in group if s in stages]
    latency = max((stages[s] for s in ends), default=0)
    last = max((times[s] for s in ends if stages[s] == latency), default=0.0)
    return Timed(circuit, stages, latency, last, slowest + delays.register, modules)
