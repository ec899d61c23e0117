"""exact samples: the simulator's values against a second reading of the ONNX file, as fractions, without tolerance.

Corner inputs (all least, all greatest, zero) and random ones go through `exact_onnx`, which shares no code with what
compiles. Every tensor that the plainly lowered graph holds is compared, then the outputs of the design itself. What
docs/softmax.md and docs/normalization.md define with a bound is held to one step, and its values are gone on with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import onnx

from hwq.check.exact_onnx import Evaluator, Exact, Undecided, Unknown, integers, values
from hwq.check.exact_onnx.integers import narrow
from hwq.check.exact_onnx.node import Node
from hwq.check.exact_onnx.normalization import BOUNDED
from hwq.check.exact_onnx.tensor import FLOAT, common_unit, of_array, of_fractions, rounded, whole
from hwq.check.reference import Values, simulated
from hwq.codegen.vectors import random_inputs
from hwq.errors import printable
from hwq.ir import real
from hwq.ir.constants import Coded as Weights
from hwq.ir.hardware import Graph
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import Rationals
from hwq.passes.lowering.state import Coded, Curved
from hwq.simulate.simulator import Simulator

ROOT_BITS = 120  # to which a tensor of irrational values agrees: square roots in BatchNormalization are kept to 160
CUT_BITS = 220
SAMPLES = 4  # all least, all greatest, zero, and random ones


@dataclass(frozen=True)
class Parting:
    """The first place where a value is not the one that the file denotes."""

    tensor: str
    sample: int
    index: int  # in the flat tensor
    expected: str
    got: str

    def __str__(self) -> str:
        return (
            f"tensor '{self.tensor}', sample {self.sample}, index {self.index}: exact {self.expected}, got {self.got}"
        )


@dataclass(frozen=True)
class Exactly:
    """The outcome; true when nothing that was compared differs."""

    samples: int
    tensors: int  # compared, outputs included
    values: int
    differing: int
    first: Parting | None
    bounded: int  # tensors held to one step: softmax and normalizations
    left: tuple[str, ...]  # what was not evaluated, and why

    def __bool__(self) -> bool:
        return self.differing == 0

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"equal": bool(self), **asdict(self)}

    def text(self, name: str) -> str:
        """The outcome in a line, one more for the first difference, one for each thing left out."""
        notes = [f"  not evaluated: {printable(text, 300)}" for text in self.left]
        if not self:
            head = f"WRONG: {name}: {self.differing} of {self.values} values differ from the model's own meaning"
            return "\n".join([head, f"  first: {printable(self.first, 400)}", *notes])
        if not self.values:
            return "\n".join([f"NOT EVALUATED: {name}: no sample, by the exact reading of the file", *notes])
        bounded = f", {self.bounded} of them within one step" if self.bounded else ""
        what = f"{self.values} values of {self.tensors} tensors{bounded}, {self.samples} samples"
        return "\n".join([f"EXACT: {name}: all {what}, are the model's (read a second time, in fractions)", *notes])


def exactly(
    model: onnx.ModelProto,
    meaning: real.RealGraph,
    graph: Graph,
    x: Any = None,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Exactly:
    """Compare the simulator's values of `graph` with the model's; `meaning` is the real graph it was compiled from."""
    inputs = corner_inputs(graph, samples, seed) if x is None else _by_source(graph, x)
    count = min(len(a) for a in inputs.values())
    if graph.draws:
        return Exactly(0, 0, 0, 0, None, 0, ("quantizers draw at random (--stochastic)",))
    ours = simulated(meaning, inputs)
    final = Simulator(graph).evaluate(inputs)
    check = _Check(model, meaning, graph, ours, final)
    try:
        evaluator = Evaluator(model, {name: _weights(coded) for name, coded in meaning.weights.items()})
        kinds = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
        for s in range(count):
            given = {n: of_array(a[s], FLOAT).typed(kinds.get(n, FLOAT)) for n, a in inputs.items()}
            check.sample(evaluator, given, s)
    except Unknown as error:
        check.left.append(str(error))
    except Undecided as error:
        check.left.append(f"{error} (sample {check.done})")
    return check.outcome()


def _by_source(graph: Graph, x: Any) -> dict[str, Any]:
    """Real inputs by name, as the simulator receives them."""
    given = Simulator(graph).values(x)
    return {port.source: np.asarray(given[port.edge], dtype=np.float64) for port in graph.inputs}


def corner_inputs(graph: Graph, samples: int, seed: int) -> dict[str, Any]:
    """All least, all greatest, zero, then random values about the steps of the input quantizers."""
    drawn = random_inputs(graph, max(samples, 3), seed)
    for array in drawn.values():
        array[2:3] = 0.0
    return {name: array[:samples] for name, array in drawn.items()}


class _Check:
    """Differences, as they are found."""

    def __init__(
        self, model: onnx.ModelProto, meaning: real.RealGraph, graph: Graph, ours: Values, final: Mapping[str, Codes]
    ) -> None:
        self.meaning, self.graph, self.ours, self.final = meaning, graph, ours, final
        self.makers = {e: n for n in meaning.nodes for e in n.outputs}
        self.inputs = {i.name for i in model.graph.input}
        self.seen: set[str] = set()
        self.held: set[str] = set()
        self.left: list[str] = []
        self.values, self.differing, self.done = 0, 0, 0
        self.first: Parting | None = None

    def sample(self, evaluator: Evaluator, given: Mapping[str, Exact], s: int) -> None:
        """One sample: every tensor on the way, then the outputs."""
        env = evaluator(given, lambda node, name, value: self._met(node, name, value, s))
        for port in self.graph.outputs:
            expected = self._expected(port.name, env)
            if expected is None:
                continue
            step = _rational(port.scale)
            codes = whole(self.final[port.edge][s].reshape(self.graph.edges[port.edge].shape))
            got = values.add(values.mul(codes, step), _rational(port.offset))
            self._compare(port.name, expected, got, s, self._slack(port.name, step))
        self.done = s + 1

    def _slack(self, output: str, step: Exact) -> Exact | None:
        """Half a step where a function leaves the design rounded to the nearest; a step of a softmax."""
        edge = self.meaning.outputs[output]
        if isinstance(self.ours.states[edge], Curved):
            return values.scaled(_absolute(step), Fraction(1, 2))
        return _absolute(step) if self._is_bounded(edge) else None

    def _is_bounded(self, edge: str) -> bool:
        """Whether a softmax or normalization made the edge, moves and affine maps apart."""
        while edge in self.makers:
            node = self.makers[edge]
            if isinstance(node.op, real.Softmax | real.Normalize):
                return True
            if not isinstance(node.op, real.Affine | real.Reshape | real.Transpose | real.Select):
                return False
            edge = node.inputs[0]
        return False

    def _met(self, node: Node, name: str, value: Exact, s: int) -> Exact:
        """Compare a tensor, if the lowered graph holds it; go on with the simulator's where only a bound is stated."""
        edge = self.meaning.tensors.get(name)
        state = None if edge is None else self.ours.states.get(edge)
        if edge is None or not isinstance(state, Coded) or state.edge not in self.ours.codes:
            return value
        codes = whole(self.ours.codes[state.edge][s].reshape(self.ours.graph.edges[state.edge].shape))
        step = _rational(state.of.a, value)
        got = values.add(values.mul(codes, step), _rational(state.of.b, value))
        got = got if state.of.lo is None else values.larger(got, _rational(state.of.lo))
        got = got if state.of.hi is None else values.smaller(got, _rational(state.of.hi))
        bounded = node.kind in BOUNDED or self._is_bounded(edge)
        self._compare(name, value, got, s, _absolute(step) if bounded else None)
        if not bounded:
            return value
        self.held.add(name)
        return got.reshaped(*value.shape).typed(value.kind)

    def _expected(self, output: str, env: Mapping[str, Exact]) -> Exact | None:
        """The model's value of a design's output: rounded where a type is stated, before a softmax that is left out."""
        edge, rounding = self.meaning.outputs[output], None
        made = self.makers.get(edge)
        if made is not None and made.kind == "output type":
            assert isinstance(made.op, real.Quantize)
            rounding, edge = made.op, made.inputs[0]
        tensor = output if self.meaning.tensors.get(output) == edge else None
        tensor = tensor or next((t for t, e in self.meaning.tensors.items() if e == edge and t in env), None)
        if tensor is None or tensor not in env:
            self._leave(f"output '{output}': no tensor of the file is its value")
            return None
        value = env[tensor]
        return value if rounding is None else _typed(value, rounding)

    def _leave(self, text: str) -> None:
        if text not in self.left:
            self.left.append(text)

    def _compare(self, name: str, value: Exact, got: Exact, s: int, slack: Exact | None) -> None:
        self.seen.add(name)
        self.values += got.num.size
        if value.num.size != got.num.size:
            self._part(name, s, 0, f"{value.num.size} elements", f"{got.num.size}", 1)
            return
        unit = common_unit(value.unit, got.unit)
        room: Any = np.zeros((), dtype=np.int64)
        if slack is not None:
            unit = common_unit(unit, slack.unit)
            room = np.broadcast_to(slack.in_units(unit).num, got.shape).reshape(-1)
        value, got = value.reshaped(-1).in_units(unit), got.reshaped(-1).in_units(unit)
        low, high = value.ends()
        if value.rad is not None:
            room = integers.add(room, np.asarray(integers.top(high) >> ROOT_BITS, dtype=object))
        below, above = integers.add(low, integers.times(room, -1)), integers.add(high, room)
        bad = np.nonzero(~np.asarray((below <= got.num) & (got.num <= above), dtype=bool))[0]
        if bad.size:
            i = int(bad[0])
            self._part(name, s, i, _shown(int(value.num[i]) * unit), _shown(int(got.num[i]) * unit), int(bad.size))

    def _part(self, name: str, s: int, i: int, expected: str, got: str, count: int) -> None:
        self.differing += count
        self.first = self.first or Parting(name, s, i, expected, got)

    def outcome(self) -> Exactly:
        return Exactly(
            self.done, len(self.seen), self.values, self.differing, self.first, len(self.held), tuple(self.left)
        )


def _rational(parameter: Rationals, like: Exact | None = None) -> Exact:
    """Exact fractions; beside an irrational tensor cut to `CUT_BITS` bits: channels need no huge common unit."""
    listed = parameter.reshape(-1).tolist()
    if like is not None and like.rad is not None:
        most = max((v.numerator.bit_length() - v.denominator.bit_length() for v in listed), default=0)
        grid = Fraction(2) ** (most - CUT_BITS)
        listed = [round(v / grid) * grid for v in listed]
    return of_fractions(listed, parameter.shape)


def _weights(coded: Weights) -> Exact:
    """What weights were taken for: integers times scales, and offsets."""
    value = values.mul(whole(coded.codes), _rational(coded.scale))
    return value if not any(coded.offset.reshape(-1)) else values.add(value, _rational(coded.offset))


def _absolute(x: Exact) -> Exact:
    return replace(x, num=np.asarray(abs(x.num)))


def _shown(value: Fraction) -> str:
    """A fraction as it is where it is short, else its beginning in decimals."""
    if value.numerator.bit_length() + value.denominator.bit_length() < 100:
        return str(value)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    return f"{float(value):.17g}..." if abs(exponent) < 1000 else f"about 2^{exponent}"


def _typed(value: Exact, op: real.Quantize) -> Exact:
    """The value rounded to a stated output type, by its mode."""
    assert op.lo is not None
    assert op.hi is not None
    step = Fraction(op.scale.reshape(-1)[0])
    codes = rounded(replace(value, unit=value.unit / step), op.rounding.value)
    return Exact(narrow(np.minimum(np.maximum(codes, op.lo), op.hi)), step, value.kind)
