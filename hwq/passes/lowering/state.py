"""What lowering knows of each real edge, and the hardware graph as it grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwq.errors import HwqError, UnsupportedError
from hwq.functions.curve import Curve
from hwq.ir import real
from hwq.ir.hardware import Edge, Graph, InputPort, Node, OutputPort, Shape
from hwq.ir.host_quantizers import HostQuantizer, TypedQuantizer
from hwq.numeric.rational import Rationals, scalar, squeeze_uniform
from hwq.ops import Op
from hwq.passes.lowering.moving import Move


@dataclass(frozen=True, eq=False)
class Affine:
    """min(max(a * v + b, lo), hi): what a real edge is of a code or of a raw model input v; lo is not above hi."""

    a: Rationals
    b: Rationals
    lo: Rationals | None = None
    hi: Rationals | None = None

    def __post_init__(self) -> None:
        """A lower bound above the upper one gives the upper one everywhere."""
        if self.lo is not None and self.hi is not None:
            object.__setattr__(self, "lo", np.asarray(np.minimum(self.lo, self.hi), dtype=object))

    def then(self, a: Rationals, b: Rationals) -> Affine:
        """a * (this) + b; where a is negative the clip's ends change places."""
        lo = None if self.lo is None else self.lo * a + b
        hi = None if self.hi is None else self.hi * a + b
        if any(v < 0 for v in a.reshape(-1)):
            if any(v > 0 for v in a.reshape(-1)) and (lo is None) != (hi is None):
                raise UnsupportedError(
                    "a one-sided clamp of an unquantized model input, followed by a scale of mixed sign",
                    remedy="state the input's type with --input-type, or put a quantizer after the clamp",
                )
            if lo is not None and hi is not None:
                lo, hi = np.minimum(lo, hi), np.maximum(lo, hi)
            else:
                lo, hi = hi, lo
        scale, offset = np.asarray(self.a * a, dtype=object), np.asarray(self.b * a + b, dtype=object)
        return Affine(squeeze_uniform(scale), squeeze_uniform(offset), lo, hi)

    def clipped(self, lo: Rationals | None, hi: Rationals | None) -> Affine:
        """min(max(this, lo), hi): the pending bounds move to where the new ones send them."""

        def clip(bound: Rationals | None) -> Rationals | None:
            if bound is None:
                return None
            bound = bound if lo is None else np.maximum(bound, lo)
            return np.asarray(bound if hi is None else np.minimum(bound, hi), dtype=object)

        new_lo = lo if self.lo is None else clip(self.lo)
        new_hi = hi if self.hi is None else clip(self.hi)
        return replace(self, lo=new_lo, hi=new_hi)


@dataclass(frozen=True, eq=False)
class Coded:
    """A real edge whose codes hardware holds on `edge`."""

    edge: str
    of: Affine


@dataclass(frozen=True, eq=False)
class Raw:
    """A real edge that is still a model input: no quantizer has been met. `moves` came between."""

    source: real.RealInput
    shape: Shape  # of the model input
    of: Affine
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, eq=False)
class Curved:
    """A real edge that is a function of the codes on `edge`: `of` applied to a curve, no quantizer met yet."""

    edge: str
    of: Affine
    curve: Curve


TABLE_BITS = 16
State = Coded | Raw
Pending = State | Curved
"""What an edge can be between its ops; a `Curved` one meets only rules that know of curves (see `with_curves`)."""


LoweringRule = Callable[..., Sequence[Pending]]
"""(lowering, real node, its op, a state per input) -> a state per output."""


class Lowering:
    """The hardware graph as it grows."""

    def __init__(self, graph: real.RealGraph, semantics: str = "real", table_bits: int = TABLE_BITS) -> None:
        self.graph = graph
        self.table_bits = table_bits  # of the codes that a function is tabulated over, at most
        self.semantics = semantics  # "real", or "ort": what quantizers take over from onnxruntime's float32 kernels
        self.states: dict[str, Pending] = {}
        self.edges: dict[str, Edge] = {}
        self.nodes: list[Node] = []
        self.inputs: list[InputPort] = []
        self.sums: dict[str, tuple[Coded, Coded]] = {}  # the two operands of every Add of activations
        self.accumulators: set[str] = set()  # edges that linear ops made: no type was stated for them

    def run(self, rules: Mapping[type[real.RealOp], LoweringRule], finish: Finish) -> Graph:
        for source in self.graph.inputs:
            self.states[source.edge] = self._input(source)
        for node in self.graph.nodes:
            try:
                results = rules[type(node.op)](self, node, node.op, *(self.states[e] for e in node.inputs))
            except HwqError as error:
                if error.node is None:
                    raise type(error)(error.found, node=node.name, op=node.kind, remedy=error.remedy) from None
                raise
            self.states.update(zip(node.outputs, results, strict=True))
        outputs = tuple(self._output(name, edge, finish) for name, edge in self.graph.outputs.items())
        graph = Graph(
            self.graph.name,
            tuple(self.inputs),
            outputs,
            tuple(self.nodes),
            self.edges,
            self.graph.constants,
            self.graph.batch,
            self.graph.notes,
        )
        return graph.with_nodes(self.nodes)

    def _input(self, source: real.RealInput) -> State:
        shape = self.graph.shapes[source.edge]
        if source.type is None:
            return Raw(source, shape, Affine(scalar(1), scalar(0)))
        kind = source.type
        quantizer = TypedQuantizer(kind.type, kind.rounding, kind.overflow)
        edge = self.add_input(source, Edge(shape, kind.type, kind.type.lo, kind.type.hi), quantizer)
        return Coded(edge, Affine(scalar(kind.type.lsb), scalar(0)))

    def add_input(self, source: real.RealInput, edge: Edge, quantizer: HostQuantizer) -> str:
        """A port for one way of quantizing a model input; several where it feeds several quantizers."""
        taken = sum(1 for p in self.inputs if p.source == source.name)
        name = source.edge if not taken else f"{source.edge}_q{taken + 1}"
        self.edges[name] = edge
        self.inputs.append(InputPort(name, source.name, name, quantizer))
        return name

    def _output(self, name: str, edge: str, finish: Finish) -> OutputPort:
        node = real.RealNode(name, "output", real.Clip(None, None), (), ())
        try:
            state = finish(self, node, self.states[edge])
        except HwqError as error:
            if error.node is None:
                raise type(error)(error.found, node=name, op="output", remedy=error.remedy) from None
            raise
        return OutputPort(name, state.edge, state.of.a, state.of.b, self.graph.host_softmax.get(name))

    def shape(self, state: Pending) -> Shape:
        """The shape of a real edge."""
        if isinstance(state, Coded | Curved):
            return self.edges[state.edge].shape
        return state.moves[-1].after if state.moves else state.shape

    def emit(self, node: real.RealNode, op: Op, *inputs: str) -> tuple[str, ...]:
        """Add a hardware op; its output edges are named after the real node's."""
        inferred = op.infer(tuple(self.edges[e] for e in inputs))
        base = node.outputs[0] if node.outputs else f"{node.name}_{op.kind}"
        names = []
        for edge in inferred:
            name = base
            count = 2
            while name in self.edges:
                name, count = f"{base}_{count}", count + 1
            self.edges[name] = edge
            names.append(name)
        self.nodes.append(Node(node.name, op, tuple(inputs), tuple(names)))
        return tuple(names)


Finish = Callable[[Lowering, real.RealNode, Pending], Coded]
"""Makes a state fit to leave through an output port."""


def coded(state: Pending, node: real.RealNode) -> Coded:
    """The state as codes, or the error that asks for an input type."""
    if isinstance(state, Coded):
        return state
    if isinstance(state, Curved):
        raise UnsupportedError("a function reaches it without a quantizer", remedy="put a Quant node before it")
    name = state.source.name
    raise UnsupportedError(
        f"model input '{name}' reaches it unquantized and has no type",
        node=node.name,
        op=node.kind,
        remedy=f"state one, such as --input-type '{name}=ap_fixed<16,6>', or start the model with a Quant node",
    )
