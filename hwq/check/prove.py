"""prove: every quantizer's circuit, as its C++ lies in the project, equals the exact step function it stands for.

Each layer function that a quantizer became is compiled by itself and fed, in every channel, with the codes at both
sides of every step point that can be reached (with all codes where it reads a table, with all pairs of codes where a
join was narrowed). What must come out is computed from the model's rationals; nothing of the circuit search is used.
That these rationals are the model's is another check: some samples through a second reading of the file
(`exact_samples`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hwq.build.cache import VENDOR_FLAGS, Recipe, built
from hwq.build.processes import RUN_SECONDS, run_all
from hwq.build.toolchain import Headers, require_headers
from hwq.check.exact_samples import Exactly
from hwq.codegen.environment import environment
from hwq.codegen.vectors import codes_of_words, words_of_codes
from hwq.dataflow.names import array_names, layer_functions
from hwq.errors import InternalError, SpecError, ToolError, printable
from hwq.ir.hardware import Edge, Graph, Node
from hwq.numeric.fixed import Codes, code_dtype
from hwq.numeric.step_functions import StepFunction
from hwq.ops import Add, Lut, Shift
from hwq.ops.exact.requant import Requant
from hwq.ops.exact.tabulated import Tabulated
from hwq.passes import Stages
from hwq.passes.circuits.select import step_points
from hwq.targets import Target

EXACT_POINTS = 1 << 20  # of one layer: beyond, answers are counted from the exact step points, not computed at each
BLOCK = 1 << 21  # codes fed in one run
MAIN = "prove/prove.cpp"
Stage = Callable[[str], None]


@dataclass(frozen=True)
class Disproof:
    """The first place where a circuit and its exact function part."""

    node: str
    edge: str
    channel: int
    codes: tuple[int, ...]  # that the circuit received
    expected: int
    got: int

    def __str__(self) -> str:
        return (
            f"node '{self.node}' (array {self.edge}), channel {self.channel}, code "
            f"{' and '.join(map(str, self.codes))}: exact {self.expected}, C++ {self.got}"
        )


@dataclass(frozen=True)
class Proved:
    """The outcome of a proof; true when no circuit of no layer differs at any point."""

    layers: int
    points: int  # distinct codes, or pairs of them, over all channels
    mismatches: int
    first: Disproof | None
    headers: str
    exact: Exactly | None = None  # samples through a second reading of the file

    def __bool__(self) -> bool:
        return self.mismatches == 0 and (self.exact is None or bool(self.exact))

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        exact = None if self.exact is None else self.exact.plain()
        return {"equal": bool(self), **asdict(replace(self, exact=None)), "exact": exact}

    def text(self, name: str) -> str:
        """The outcome in a line for the circuits and one for the samples, more where something differs."""
        what, exact = f"{self.points} points of {self.layers} layers", self.exact
        lines = [] if exact is None else [exact.text(name)]
        if self.mismatches == 0:
            return "\n".join([f"PROVED: {name}: all {what} agree (exact rationals = C++ with {self.headers})", *lines])
        head = f"DISPROVED: {name}: {self.mismatches} answers to {what} differ"
        return "\n".join([head, f"  first: {printable(self.first, 400)}", *lines])


@dataclass(frozen=True, eq=False)
class Feed:
    """What one circuit receives and must answer: a list of points per channel; answers in the points' order."""

    node: str
    edges: tuple[str, ...]  # that the circuit reads, then those that it writes on the way, the last its output
    layers: tuple[Node, ...]
    channel: Codes  # of every element
    points: tuple[tuple[Codes, ...], ...]  # per channel, the codes of each input
    answers: tuple[Codes, ...]

    @property
    def reads(self) -> int:
        return len(self.points[0])


@dataclass(frozen=True)
class Variable:
    """An array of the program."""

    name: str
    type: str
    size: int


@dataclass(frozen=True)
class Circuit:
    """A feed as the program sees it."""

    node: str
    arrays: tuple[Variable, ...]
    inputs: tuple[str, ...]
    calls: tuple[tuple[str, tuple[str, ...]], ...]
    output: str


def prove_sources(
    folder: Path,
    stages: Stages,
    graph: Graph,
    target: Target,
    top: str,
    types: str = "vendor",
    stage: Stage = lambda label: None,
) -> Proved:
    """Prove the circuits of the sources in `folder`; `graph` is what they were rendered from."""
    if types not in ("vendor", "native"):
        raise SpecError(f"types '{types}' are not available", remedy="use vendor or native")
    headers = require_headers(target, types)
    stage("computing every step point")
    feeds = list(feeds_of(stages, graph))
    points, wrong, first = 0, 0, None
    if feeds:
        program = built(_recipe(folder, feeds, graph, top, headers), stage)
        for number, feed in enumerate(feeds):
            stage(f"proving layer {number + 1} of {len(feeds)}")
            differing, found = _run(program, number, feed, graph)
            points += sum(a.size for a in feed.answers)
            wrong += differing
            first = first or found
    return Proved(len(feeds), points, wrong, first, f"{target.types.header} from {headers.origin}")


def feeds_of(stages: Stages, graph: Graph) -> Iterator[Feed]:
    """A feed for every layer of `graph` that a quantizer became, in order; what became nothing has none."""
    makers = {n.outputs[0]: n for n in graph.nodes}
    realised = {n.outputs[0]: n for n in stages.realised.nodes}
    wide = {n.outputs[0]: n for n in stages.exact.nodes}
    for node in stages.narrowed.nodes:
        if not isinstance(node.op, Requant | Tabulated):
            continue
        maker, exact = makers.get(node.inputs[0]), wide[node.outputs[0]]
        if maker is not None and maker.proof is not None and exact.inputs[0] in wide:
            join = wide[exact.inputs[0]]
            if isinstance(join.op, Add) and isinstance(exact.op, Requant) and join.outputs == maker.outputs:
                yield _pairs(join.op, exact.op, maker, makers.get(node.outputs[0]), graph)
                continue
        circuit = makers.get(node.outputs[0])
        if circuit is not None:
            yield _points(node.op, circuit, realised[circuit.outputs[0]], graph)


def _points(exact: Requant | Tabulated, circuit: Node, realised: Node, graph: Graph) -> Feed:
    """Codes as the circuit receives them: an offset that moved into the layer before is in them already."""
    (x,) = graph.ins(circuit)
    channels = exact.channels
    offsets = np.zeros(channels.count, dtype=np.int64)
    if isinstance(circuit.op, Shift) and isinstance(realised.op, Shift) and circuit.op.add is None:
        offsets = offsets + (0 if realised.op.add is None else realised.op.add)
    if isinstance(exact, Tabulated) or isinstance(circuit.op, Lut):
        every: Codes = np.arange(x.lo, x.hi + 1).astype(code_dtype(x.lo, x.hi))
        rows = [every] * channels.count
    else:
        lo, hi = x.lo - int(offsets.max()), x.hi - int(offsets.min())
        steps = step_points(exact.step.integer_rows(lo, hi), lo, hi)
        rows = [_within(p + o, x) for p, o in zip(steps, offsets, strict=True)]
    asked = [row - o for row, o in zip(rows, offsets, strict=True)]
    if isinstance(exact, Tabulated):
        answers = [exact.table[c, p.astype(np.int64) - exact.first] for c, p in enumerate(asked)]
    else:
        bias = np.broadcast_to(exact.offsets[:, 0], channels.count)
        answers = [a + b for a, b in zip(_answers(exact.step, asked), bias, strict=True)]
    return Feed(
        circuit.name,
        (*circuit.inputs, *circuit.outputs),
        (circuit,),
        channels.index(x.size),
        tuple((row,) for row in rows),
        tuple(answers),
    )


def _within(codes: Codes, x: Edge) -> Codes:
    """The codes inside x's range, and its ends."""
    ends = np.asarray([x.lo, x.hi], dtype=codes.dtype)
    return np.unique(np.concatenate([ends, codes[(codes >= x.lo) & (codes <= x.hi)]]))


def _answers(step: StepFunction, rows: list[Codes]) -> list[Codes]:
    """The exact function at ascending integers, a row per channel."""
    width = max(r.size for r in rows)
    if width * len(rows) <= EXACT_POINTS:
        padded = np.stack([np.pad(r.astype(object), (0, width - r.size), mode="edge") for r in rows])
        return [codes[: r.size] for codes, r in zip(step.codes(padded), rows, strict=True)]
    lo, hi = min(int(r[0]) for r in rows), max(int(r[-1]) for r in rows)
    table = step.integer_rows(lo, hi)
    return [
        b + s * np.searchsorted(t, r, side="right")
        for t, b, s, r in zip(table.bounds, table.base, table.sign, rows, strict=True)
    ]


def _pairs(join: Add, exact: Requant, add: Node, circuit: Node | None, graph: Graph) -> Feed:
    """All pairs of codes through a narrowed `Add` and the quantizer after it, which may have become nothing."""
    a, b = graph.ins(add)
    first, second = (np.arange(e.lo, e.hi + 1, dtype=np.int64) for e in (a, b))
    left, right = np.repeat(first, second.size), np.tile(second, first.size)
    factors = int(join.left[0]), int(join.right[0])
    sums, where = np.unique(factors[0] * left + factors[1] * right, return_inverse=True)
    answers = exact.step.codes(sums.astype(object)[None, :])[0][where] + exact.offsets[0, 0]
    layers = (add,) if circuit is None else (add, circuit)
    (y,) = graph.outs(layers[-1])
    edges = (*add.inputs, *(n.outputs[0] for n in layers))
    return Feed(add.name, edges, layers, np.zeros(y.size, dtype=np.int64), ((left, right),), (answers,))


def _blocks(feed: Feed, graph: Graph) -> Iterator[tuple[list[Codes], Codes]]:
    """Arrays for each input and the answers, (calls, elements), some calls at a time, until every point was fed."""
    inputs = [graph.edges[e] for e in feed.edges[: feed.reads]]
    y = graph.edges[feed.edges[-1]]
    if feed.reads > 1:
        yield from _pair_blocks(feed, inputs, y)
        return
    (x,) = inputs
    count = len(feed.points)
    places = [np.nonzero(feed.channel == c)[0] for c in range(count)]
    each = x.size // count
    calls = -(-max(row.size for row in feed.answers) // each)
    step = max(1, BLOCK // x.size)
    for start in range(0, calls, step):
        some = min(step, calls - start)
        fed: Codes = np.empty((some, x.size), dtype=code_dtype(x.lo, x.hi))
        wanted: Codes = np.empty((some, x.size), dtype=code_dtype(y.lo, y.hi))
        for place, (codes,), answers in zip(places, feed.points, feed.answers, strict=True):
            turn = (np.arange(start * each, (start + some) * each) % codes.size).reshape(some, each)
            fed[:, place], wanted[:, place] = codes[turn], answers[turn]
        yield [fed], wanted


def _pair_blocks(feed: Feed, inputs: list[Edge], y: Edge) -> Iterator[tuple[list[Codes], Codes]]:
    """In step where the shapes are one; else the second operand is the same everywhere while the first goes round."""
    ((left, right),), (answers,), (a, b) = feed.points, feed.answers, inputs
    spans = a.hi - a.lo + 1, b.hi - b.lo + 1
    table = answers.reshape(spans)
    if a.shape == b.shape:
        calls = -(-left.size // a.size)
    else:
        turns = -(-spans[0] // a.size)
        calls = turns * spans[1]
    step = max(1, BLOCK // y.size)
    for start in range(0, calls, step):
        numbers = np.arange(start, min(start + step, calls))
        if a.shape == b.shape:
            turn = (numbers[:, None] * a.size + np.arange(a.size)) % left.size
            first, second = left[turn], right[turn]
        else:
            first = a.lo + ((numbers[:, None] % turns) * a.size + np.arange(a.size)) % spans[0]
            second = np.broadcast_to(b.lo + numbers[:, None] // turns, (numbers.size, b.size))
        wide = [_joint(codes, e, y) for codes, e in ((first, a), (second, b))]
        yield [first, np.ascontiguousarray(second)], table[wide[0] - a.lo, wide[1] - b.lo]


def _joint(codes: Codes, own: Edge, y: Edge) -> Codes:
    """(calls, elements) of an operand as (calls, elements) of the output."""
    lead = (1,) * (len(y.shape) - len(own.shape))
    shaped = codes.reshape(codes.shape[0], *lead, *own.shape)
    return np.broadcast_to(shaped, (codes.shape[0], *y.shape)).reshape(codes.shape[0], -1)


def _run(program: Path, number: int, feed: Feed, graph: Graph) -> tuple[int, Disproof | None]:
    """How many codes differ, and the first."""
    y = graph.edges[feed.edges[-1]]
    wrong, first = 0, None
    with tempfile.TemporaryDirectory(prefix="hwq-prove-") as name:
        for fed, wanted in _blocks(feed, graph):
            for k, codes in enumerate(fed):
                words_of_codes(graph.edges[feed.edges[k]], codes).tofile(Path(name) / f"in_{k}")
            _call(program, number, name)
            words = np.fromfile(Path(name) / "out", dtype=np.int64)
            got = codes_of_words(words, y, wanted.shape[0]).reshape(wanted.shape)
            bad = np.argwhere(got != wanted)
            wrong += len(bad)
            if len(bad) and first is None:
                call, i = (int(v) for v in bad[0])
                edges = [graph.edges[e] for e in feed.edges[: feed.reads]]
                received = tuple(int(_joint(c[call : call + 1], e, y)[0, i]) for c, e in zip(fed, edges, strict=True))
                channel = int(feed.channel[i])
                first = Disproof(feed.node, feed.edges[-1], channel, received, int(wanted[call, i]), int(got[call, i]))
    return wrong, first


def _call(program: Path, number: int, folder: str) -> None:
    (done,) = run_all([[str(program), str(number), folder]], "the proof of one layer", RUN_SECONDS)
    if done.status or not (Path(folder) / "out").is_file():
        line = (done.errors.strip().splitlines() or [f"exit status {done.status}"])[0]
        raise ToolError(f"the proof program stopped: {line}", remedy="report it with the model")


def _recipe(folder: Path, feeds: list[Feed], graph: Graph, top: str, headers: Headers) -> Recipe:
    found = [p for p in sorted((folder / "src").rglob("*")) if p.suffix in (".h", ".cpp") and p.is_file()]
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}
    if "src/layers.h" not in files:
        raise ToolError("the project lacks 'layers.h'", remedy="export it again with --force")
    files[MAIN] = program_text(feeds, graph, top).encode()
    return Recipe(files, (MAIN,), ("src",), headers, VENDOR_FLAGS)


def program_text(feeds: list[Feed], graph: Graph, top: str) -> str:
    """The program that runs each feed's layer functions by its number."""
    names, functions = array_names(graph, top), layer_functions(graph, top)

    def circuit(feed: Feed) -> Circuit:
        arrays = tuple(Variable(f"a{k}", f"{names[e]}_t", graph.edges[e].size) for k, e in enumerate(feed.edges))
        inputs = tuple(a.name for a in arrays[: feed.reads])
        calls, reads = [], inputs
        for layer, made in zip(feed.layers, arrays[feed.reads :], strict=True):
            if layer.outputs[0] not in functions:
                raise InternalError("a layer without a function", node=layer.name)
            calls.append((functions[layer.outputs[0]], (*reads, made.name)))
            reads = (made.name,)
        return Circuit(feed.node, arrays, inputs, tuple(calls), arrays[-1].name)

    template = environment().get_template("prove.cpp.j2")
    return str(template.render(top=top, circuits=[circuit(f) for f in feeds]))
