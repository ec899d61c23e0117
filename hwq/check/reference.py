"""reference: every difference between hwq and another executor is a float32 tie, or somebody's bug.

hwq's value before each quantizer is an exact rational. The first quantizer of a sample at which the two codes part has
had equal inputs on both sides; if a value within `BOUND` of the exact one rounds to the executor's code, then float32
arithmetic accounts for the difference. If none does, the difference is a bug. What comes after follows from it.
`BOUND` is 2^-22 of the greatest value that can occur there (an accumulator's reach): sums round at that size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from hwq.check.exact_element import BOUND, code_of, element, input_reach, number
from hwq.check.executors import EXECUTORS, Executor, evaluated, guarded
from hwq.errors import HwqError, SpecError, ToolError, printable
from hwq.ir import real
from hwq.ir.hardware import Graph, Node
from hwq.ir.host_quantizers import TypedQuantizer
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import to_float
from hwq.ops import Reshape, Softmax, Threshold, Transpose
from hwq.ops.exact.requant import Requant
from hwq.passes.lowering import lowered
from hwq.passes.lowering.state import Coded, Curved, Pending, Raw
from hwq.simulate.simulator import Simulator, decode

EXAMPLES = 8  # differences that a verdict lists
OFF_GRID = 0.01  # of a step: farther from a code's value, beyond float32's own rounding, no code is meant
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Doubt:
    """A place where the codes part though all that they were computed from is equal."""

    node: str
    tensor: str
    sample: int
    index: int  # in the flat tensor
    exact: Fraction | None  # before rounding, in codes
    hwq: int | float
    executor: int | float
    reason: str  # "tie", "order", "softmax" or "bug"

    def __str__(self) -> str:
        place = f"node '{self.node}' (tensor {self.tensor}), sample {self.sample}, index {self.index}: "
        exact = "" if self.exact is None else f"exact {decimal(self.exact)} = {printable(self.exact, 120)}, "
        return f"{place}{exact}hwq {self.hwq}, executor {self.executor}"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        exact = None if self.exact is None else {"decimal": decimal(self.exact), "fraction": str(self.exact)}
        return {**self.__dict__, "exact": exact}


def decimal(value: Fraction, digits: int = 12) -> str:
    """The value with so many digits after the point, cut; an ellipsis where there are more."""
    scaled = abs(value) * 10**digits
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    text = f"{whole // 10**digits}.{whole % 10**digits:0{digits}}"
    return ("-" if value < 0 else "") + (text + "..." if rest else text.rstrip("0").rstrip("."))


@dataclass(frozen=True)
class Compared:
    """The outcome; true when float32 accounts for every difference."""

    executor: str
    samples: int
    values: int  # of all outputs
    differing: int  # of them, beyond float32's own rounding of the same value
    differing_samples: int
    quantizers: int  # compared besides
    ties: int  # elements of quantizers that part first, and why
    consequences: int  # elements of quantizers that part after others
    bugs: int
    first_bug: Doubt | None
    examples: tuple[Doubt, ...]

    def __bool__(self) -> bool:
        return self.samples > 0 and self.bugs == 0

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        first = None if self.first_bug is None else self.first_bug.plain()
        return {
            "explained": bool(self),
            **self.__dict__,
            "bound": str(BOUND),
            "first_bug": first,
            "examples": [e.plain() for e in self.examples],
        }

    def text(self, name: str) -> str:
        """The outcome in a line, and a line per example."""
        if self.bugs:
            head = (
                f"UNEXPLAINED: {name}: {self.bugs} differences from {self.executor} that float32 does not account for"
            )
            return f"{head}\n  first: {printable(self.first_bug, 400)}"
        counted = (
            f"{self.differing} of {self.values} output values, in {self.differing_samples} of {self.samples} samples"
        )
        if not self.ties:
            return f"AGREES: {name}: all {self.values} output values of {self.samples} samples with {self.executor}"
        head = f"EXPLAINED: {name}: {counted}, differ from {self.executor}: float32 ties, {self.ties} of them"
        rest = [f"  ... and {self.ties - len(self.examples)} more"] if self.ties > len(self.examples) else []
        return "\n".join([head, *(f"  {printable(e, 400)}" for e in self.examples), *rest])


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A quantizer of the real graph, with the tensor of the file that it makes."""

    node: real.RealNode
    tensor: str
    before: Pending
    after: Coded
    earlier: frozenset[str]  # edges of the quantizers that it depends on
    slack: int  # codes by which what it receives may be off: a softmax's one


@dataclass(frozen=True, eq=False)
class Values:
    """hwq's side: real inputs by source, codes by edge of the graph, as it was lowered from the file."""

    graph: Graph
    states: Mapping[str, Pending]
    inputs: Mapping[str, Floats]
    codes: Mapping[str, Codes]


def compare(
    name: str, model: onnx.ModelProto, meaning: real.RealGraph, graph: Graph, x: Any, executor: Executor | None = None
) -> Compared:
    """Run `executor` (or the one called `name`) on real inputs, and explain where it differs from `graph`."""
    if executor is None and name not in EXECUTORS:
        raise SpecError(f"reference '{name}' is not known", remedy="use one of " + ", ".join(EXECUTORS))
    run = guarded(name, executor or EXECUTORS[name])
    inputs = _float32(graph, meaning, x)
    ours = simulated(meaning, inputs)
    written = {name for node in model.graph.node for name in node.output}  # not what stands in a branch only
    quantizers = [q for q in _quantizers(meaning, ours) if q.tensor in written]
    outputs = {p.name: p for p in graph.outputs}
    wanted = list(dict.fromkeys([*(q.tensor for q in quantizers), *outputs]))
    theirs = evaluated(run, model, inputs, wanted, graph.batch)
    sizes = {q.tensor: ours.graph.edges[q.after.edge].size for q in quantizers}
    _same_sizes(name, theirs, {**sizes, **{o: graph.edges[p.edge].size for o, p in outputs.items()}})
    report = _Report()
    for q in quantizers:
        report.quantizer(q, ours, theirs[q.tensor])
    final = Simulator(graph).evaluate(inputs)
    earlier = _earlier(meaning)
    for output, port in outputs.items():
        edge = graph.edges[port.edge]
        values = decode(port, edge, final[port.edge]).reshape(report.samples(theirs[output]), -1)
        reach = abs(to_float(port.scale)) * max(abs(edge.lo), abs(edge.hi)) + abs(to_float(port.offset))
        rounded = abs(to_float(port.scale)) * _rounded_by(ours, meaning.outputs[output])
        allowed = np.broadcast_to(reach * float(BOUND) + rounded, edge.shape or (1,)).reshape(-1)
        report.output(
            output, values, theirs[output], allowed, earlier[meaning.outputs[output]], _order(meaning, output, ours)
        )
    return report.outcome(name, next(iter(inputs.values())).shape[0], len(quantizers))


def _same_sizes(name: str, theirs: Mapping[str, Floats], sizes: Mapping[str, int]) -> None:
    """Refuse to compare tensors of different sizes: shapes that depend on the batch, or a bug of either side."""
    for tensor, size in sizes.items():
        if theirs[tensor].shape[1] != size:
            raise ToolError(
                f"tensor '{printable(tensor)}' has {theirs[tensor].shape[1]} elements with {name}, {size} with hwq",
                remedy="fix the batch at 1 and every shape in the file, then compare again",
            )


def _float32(graph: Graph, meaning: real.RealGraph, x: Any) -> dict[str, Floats]:
    """Inputs that both sides can receive: float32 numbers; values of the stated type where an input has one."""
    values = Simulator(graph).values(x)
    typed = {i.name for i in meaning.inputs if i.type is not None}
    inputs: dict[str, Floats] = {}
    for port in graph.inputs:
        single = values[port.edge].astype(np.float32).astype(np.float64)
        if port.source in typed and isinstance(port.quantizer, TypedQuantizer):
            single = np.ldexp(port.quantizer(single).astype(np.float64), -port.quantizer.type.frac)
        inputs.setdefault(port.source, single)
    return inputs


def simulated(meaning: real.RealGraph, inputs: Mapping[str, Floats]) -> Values:
    """Codes of every edge of the plainly lowered graph: no layer merged, narrowed or moved, each tensor by itself."""
    graph, states = lowered(meaning)
    simulator = Simulator(graph.map_nodes(lambda node: _fast(graph, node)))
    return Values(graph, states, inputs, simulator.run(simulator.quantized(dict(inputs)), keep=True))


def _fast(graph: Graph, node: Node) -> Node:
    """A step function as thresholds, its exact step points."""
    if not isinstance(node.op, Requant):
        return node
    (x,) = graph.ins(node)
    rows = node.op.step.integer_rows(x.lo, x.hi)
    op = Threshold(rows.bounds, rows.base + node.op.offsets[:, 0], rows.sign, node.op.type, node.op.channels)
    return replace(node, op=op)


def _quantizers(meaning: real.RealGraph, ours: Values) -> Iterator[Quantizer]:
    tensors: dict[str, str] = {}
    for tensor, edge in meaning.tensors.items():
        tensors.setdefault(edge, tensor)
    earlier = _earlier(meaning)
    makers = {n.outputs[0]: n for n in ours.graph.nodes}
    for node in meaning.nodes:
        (edge, *_), state = node.outputs, ours.states[node.outputs[0]]
        if isinstance(node.op, real.Quantize | real.Stairs) and isinstance(state, Coded) and edge in tensors:
            before = ours.states[node.inputs[0]]
            known = before.source.name in ours.inputs if isinstance(before, Raw) else before.edge in ours.codes
            if known and state.edge in ours.codes:
                slack = 0 if isinstance(before, Raw) else _softmax_before(makers, before.edge)
                yield Quantizer(node, tensors[edge], before, state, earlier[node.inputs[0]], slack)


def _softmax_before(makers: Mapping[str, Node], edge: str) -> int:
    while edge in makers and isinstance(makers[edge].op, Reshape | Transpose):
        edge = makers[edge].inputs[0]
    return 1 if edge in makers and isinstance(makers[edge].op, Softmax) else 0


def _rounded_by(ours: Values, edge: str) -> float:
    """How far an output may be from the model's value, in steps: functions leave the design rounded, to the nearest."""
    state = ours.states[edge]
    if isinstance(state, Curved):
        return 0.5
    makers = {n.outputs[0]: n for n in ours.graph.nodes}
    return float(_softmax_before(makers, state.edge)) if isinstance(state, Coded) else 0.0


def _earlier(meaning: real.RealGraph) -> dict[str, frozenset[str]]:
    """For every edge, the edges of the quantizers that its value depends on, its own included."""
    found: dict[str, frozenset[str]] = {i.edge: frozenset() for i in meaning.inputs}
    for node in meaning.nodes:
        all_before = frozenset[str]().union(*(found[e] for e in node.inputs))
        own = frozenset(node.outputs) if isinstance(node.op, real.Quantize | real.Stairs) else frozenset[str]()
        found.update(dict.fromkeys(node.outputs, all_before | own))
    return found


def _order(meaning: real.RealGraph, output: str, ours: Values) -> npt.NDArray[np.bool_] | None:
    """Per sample, whether the TopK that makes the output compares values too close for float32; None: no TopK does."""
    makers = {e: n for n in meaning.nodes for e in n.outputs}
    edge = meaning.outputs[output]
    while edge in makers and not isinstance(makers[edge].op, real.TopK):
        if len(makers[edge].inputs) != 1 or isinstance(makers[edge].op, real.Quantize | real.Stairs):
            return None
        edge = makers[edge].inputs[0]
    op = makers[edge].op if edge in makers else None
    state = ours.states.get(makers[edge].inputs[0]) if edge in makers else None
    if not isinstance(op, real.TopK) or not isinstance(state, Coded) or state.edge not in ours.codes:
        return None
    spec, codes = ours.graph.edges[state.edge], ours.codes[state.edge].astype(np.float64)
    values = codes * to_float(state.of.a) + to_float(state.of.b)
    reach = float(np.abs(to_float(state.of.a)).max()) * max(abs(spec.lo), abs(spec.hi))
    ordered = np.sort(values if op.largest else -values, axis=op.axis + 1)
    best = np.flip(ordered, axis=op.axis + 1).take(range(min(op.k + 1, ordered.shape[op.axis + 1])), axis=op.axis + 1)
    gaps = -np.diff(best, axis=op.axis + 1)
    return np.asarray((gaps <= 2 * float(BOUND) * reach).reshape(gaps.shape[0], -1).any(axis=1))


class _Report:
    """Differences as they are found, quantizers first, in the graph's order."""

    def __init__(self) -> None:
        self.parted: dict[str, npt.NDArray[np.bool_]] = {}  # edge of a quantizer -> samples in which its codes differ
        self.doubts: list[Doubt] = []
        self.ties, self.consequences, self.bugs = 0, 0, 0
        self.values, self.differing = 0, 0
        self.samples_differing: set[int] = set()
        self.first_bug: Doubt | None = None

    @staticmethod
    def samples(values: Floats) -> int:
        return int(values.shape[0])

    def quantizer(self, q: Quantizer, ours: Values, values: Floats) -> None:
        """Compare one quantizer's codes in every sample; where no earlier one parts, say why."""
        spec = ours.graph.edges[q.after.edge]
        codes = ours.codes[q.after.edge].reshape(values.shape)
        scale, offset = (
            np.broadcast_to(to_float(v), spec.shape or (1,)).reshape(-1) for v in (q.after.of.a, q.after.of.b)
        )
        with np.errstate(invalid="ignore"):
            meant = np.rint((values - offset) / scale)
            off = np.abs(values - (meant * scale + offset)) > OFF_GRID * np.abs(scale) + float(BOUND) * np.abs(values)
        bad = (meant != codes) | off
        if not bad.any():
            return
        before = self._parted(q.earlier, values.shape[0])
        self.parted[q.node.outputs[0]] = bad.any(axis=1)
        self.consequences += int(bad[before].sum())
        for s, i in np.argwhere(bad & ~before[:, None]):
            theirs = None if off[s, i] or not np.isfinite(meant[s, i]) else int(meant[s, i])
            self._doubt(*_judged(q, ours, int(s), int(i), int(codes[s, i]), theirs, float(values[s, i])))

    def _parted(self, edges: frozenset[str], samples: int) -> npt.NDArray[np.bool_]:
        """Samples in which one of these quantizers parts."""
        result = np.zeros(samples, dtype=bool)
        for edge in edges & self.parted.keys():
            result |= self.parted[edge]
        return result

    def _doubt(self, doubt: Doubt, tie: bool) -> None:
        if tie:
            self.ties += 1
            if len(self.doubts) < EXAMPLES:
                self.doubts.append(doubt)
        else:
            self.bugs += 1
            self.first_bug = self.first_bug or doubt

    def output(
        self,
        name: str,
        values: Floats,
        theirs: Floats,
        allowed: Floats,
        earlier: frozenset[str],
        order: npt.NDArray[np.bool_] | None,
    ) -> None:
        """Compare an output; it may differ where a quantizer before it does."""
        bad = ~(np.abs(theirs - values) <= allowed)
        self.values += bad.size
        self.differing += int(bad.sum())
        self.samples_differing.update(int(s) for s in np.nonzero(bad.any(axis=1))[0])
        before = self._parted(earlier, values.shape[0])
        for s in np.nonzero(bad.any(axis=1) & ~before)[0]:
            i = int(np.nonzero(bad[s])[0][0])
            close = order is not None and bool(order[s])
            reason = "order" if close else "bug"
            self._doubt(Doubt(name, name, int(s), i, None, float(values[s, i]), float(theirs[s, i]), reason), close)

    def outcome(self, name: str, samples: int, quantizers: int) -> Compared:
        """The verdict."""
        return Compared(
            name,
            samples,
            self.values,
            self.differing,
            len(self.samples_differing),
            quantizers,
            self.ties,
            self.consequences,
            self.bugs,
            self.first_bug,
            tuple(self.doubts),
        )


def _judged(
    q: Quantizer, ours: Values, sample: int, index: int, code: int, theirs: int | None, value: float
) -> tuple[Doubt, bool]:
    """The difference at one element, and whether float32 accounts for it."""
    doubt = Doubt(q.node.name, q.tensor, sample, index, None, code, value if theirs is None else theirs, "bug")
    shape = ours.graph.edges[q.after.edge].shape
    try:
        exact, size, unit = number(q.before, ours.graph.edges, ours.inputs, ours.codes, sample, index, shape)
    except HwqError:
        return doubt, False
    place = element(q.node.op, shape, index)
    near = BOUND * max(size, input_reach(place, code, theirs)) + q.slack * unit
    doubt = replace(doubt, exact=place.scaled(exact))
    if theirs is None:
        return doubt, False
    low, high = sorted((code_of(place, exact - near), code_of(place, exact + near)))
    tie = low <= theirs <= high
    return replace(doubt, reason=("softmax" if q.slack else "tie") if tie else "bug"), tie
