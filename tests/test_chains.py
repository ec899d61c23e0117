"""Ops on single elements behind one another as one: the codes of one after the other, and no edge that is wanted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwq.errors import InternalError
from hwq.ir.hardware import Edge, Graph, InputPort, Node, OutputPort
from hwq.ir.host_quantizers import TypedQuantizer
from hwq.ir.window import Window
from hwq.kernels.lookup import Direct
from hwq.kernels.rounded_line import Line
from hwq.numeric.fixed import FixedType, Rounding
from hwq.numeric.rational import scalar
from hwq.ops import Channels, Conv, Dense, Lut, MultiplyShift, Scale, Shift, Threshold
from hwq.ops.parts.elementwise import Elementwise
from hwq.simulate.fusion import chained
from hwq.simulate.simulator import Simulator

SHAPE = (1, 3, 4)
X = Edge.covering(SHAPE, -60, 67, 3)
WHOLE, BY_CHANNEL = Channels(), Channels(3, 4)


def shift(drop: int, lo: int = -8, hi: int = 7, mode: Rounding = Rounding.HALF_EVEN) -> Shift:
    return Shift(drop, mode, lo, hi)


def lut(first: int, rows: int = 1, depth: int = 16, seed: int = 0) -> Lut:
    words = np.random.default_rng(seed).integers(-32, 32, (rows, depth))
    return Lut(words, first, -32, 31, FixedType(True, 6, 2), BY_CHANNEL if rows > 1 else WHOLE)


def graph_of(ops: list[Elementwise], x: Edge = X, outputs: tuple[int, ...] = ()) -> Graph:
    """The ops one after the other; outputs are the last edge and those that are numbered."""
    nodes = [Node(f"n{i}", op, (f"e{i}",), (f"e{i + 1}",)) for i, op in enumerate(ops)]
    port = InputPort("x", "x", "e0", TypedQuantizer(x.type))
    ends = [OutputPort(f"y{i}", f"e{i}", scalar(1), scalar(0)) for i in (len(ops), *outputs)]
    return Graph("net", (port,), tuple(ends), (), {"e0": x}).with_nodes(nodes)


def every_code(x: Edge) -> dict[str, np.ndarray]:
    """A sample for each code, and each element another."""
    n = x.hi - x.lo + 1
    return {"e0": (x.lo + (np.arange(n)[:, None] + np.arange(x.size)) % n).reshape(n, *x.shape)}


def is_same_without_the_edges_between(graph: Graph) -> bool:
    """Whether a run for the outputs gives what a run for all edges does, in integers and from real inputs."""
    simulator, codes = Simulator(graph), every_code(graph.edges["e0"])
    wanted, got = simulator.run(codes, keep=True), simulator.run(codes)
    x = codes["e0"] / 2.0 ** graph.edges["e0"].type.frac
    lean = [simulator.evaluate(x.astype(dtype), lean=True) for dtype in (np.float32, np.float64)]
    return all(np.array_equal(found[p.edge], wanted[p.edge]) for found in (got, *lean) for p in graph.outputs)


CHAINS = {
    "shift_lut": [shift(2), lut(-8)],
    "lut_shift": [lut(-60, depth=128), shift(1)],
    "channels": [shift(2), lut(-8, rows=3)],
    "scaled_lut": [
        Scale(np.asarray([3, -5, 1]), np.asarray([0, 7, -1]), BY_CHANNEL),
        shift(3, -16, 15),
        lut(-16, depth=32),
    ],
    "thresholds": [
        Threshold(np.asarray([[-20, 0, 33]]), np.asarray([0]), np.asarray([1]), FixedType(False, 2)),
        lut(0, depth=4),
    ],
    "product": [
        MultiplyShift(np.asarray([77, -19, 5]), np.asarray([9, 0, -7]), 6, -9, 9, FixedType(True, 5), BY_CHANNEL),
        lut(-9, depth=19),
    ],
    "two_shifts": [shift(1, -30, 30), shift(1)],
}


@pytest.mark.parametrize("ops", CHAINS.values(), ids=CHAINS)
def test_a_chain_is_one_step_with_the_codes_of_all(ops: list[Elementwise]):
    graph = graph_of(ops)
    assert len(Simulator(graph).steps) == 1
    assert is_same_without_the_edges_between(graph)


@given(
    st.lists(st.sampled_from(["shift", "floor", "lut", "lut by channel"]), min_size=2, max_size=5), st.integers(0, 99)
)
def test_any_chain_has_the_codes_of_its_ops(kinds: list[str], seed: int):
    rng, ops = np.random.default_rng(seed), list[Elementwise]()
    for kind in kinds:
        first, drop = int(rng.integers(-20, 20)), int(rng.integers(0, 3))
        ops.append(
            {
                "shift": shift(drop, -9, int(rng.integers(-8, 12))),
                "floor": shift(drop, int(rng.integers(-40, 0)), 40, Rounding.FLOOR),
                "lut": lut(first, seed=seed),
                "lut by channel": lut(first, rows=3, seed=seed),
            }[kind]
        )
    assert is_same_without_the_edges_between(graph_of(ops))


@pytest.mark.parametrize("x", [Edge.covering(SHAPE, 5, 99), Edge.covering(SHAPE, -99, -5), Edge.covering(SHAPE, -5, 0)])
def test_tables_of_codes_on_one_side_of_zero_are_looked_up_right(x: Edge):
    assert is_same_without_the_edges_between(graph_of([lut(x.lo, depth=x.hi - x.lo + 1), shift(1)], x))


def test_an_output_between_two_ops_is_still_made():
    graph = graph_of([shift(2), lut(-8)], outputs=(1,))
    assert len(Simulator(graph).steps) == 2
    assert is_same_without_the_edges_between(graph)


def test_an_edge_that_is_read_twice_is_still_made():
    graph = graph_of([shift(2), lut(-8)])
    other = Node("other", shift(1), ("e1",), ("e3",))
    end = OutputPort("z", "e3", scalar(1), scalar(0))
    graph = replace(graph, outputs=(*graph.outputs, end)).with_nodes((*graph.nodes, other))
    assert len(Simulator(graph).steps) == 3
    assert is_same_without_the_edges_between(graph)


def test_a_look_up_does_not_take_the_place_of_two_lines():
    """Clamped between two roundings, no line: the look-up would cost more than both."""
    uneven = MultiplyShift(np.asarray([3]), np.asarray([0]), 2, -40, 40, FixedType(True, 7))
    ops, edges = [shift(2, -20, 20), uneven], [X]
    for op in ops:
        edges += op.infer((edges[-1],))
    assert chained(ops, edges) is None
    graph = graph_of(ops)
    assert len(Simulator(graph).steps) == 2
    assert is_same_without_the_edges_between(graph)


def test_channels_of_two_kinds_make_no_chain():
    ops = [lut(-60, rows=3, depth=128), Scale(np.arange(1, 5), np.zeros(4, dtype=np.int64), Channels(4, 1))]
    graph = graph_of(ops)
    assert len(Simulator(graph).steps) == 2
    assert is_same_without_the_edges_between(graph)


def test_codes_past_64_bits_make_no_chain():
    far = Edge.covering(SHAPE, 1 << 70, (1 << 70) + 9)
    op = Shift(66, Rounding.FLOOR, -800, 800)
    edges = [far, *op.infer((far,))]
    edges += shift(0).infer((edges[-1],))
    assert chained([op, shift(0)], edges) is None


def test_a_code_outside_the_range_of_an_edge_between_is_found():
    ops, edges = [shift(2), lut(-8)], [X]
    for op in ops:
        edges += op.infer((edges[-1],))
    edges[1] = replace(edges[1], hi=6)
    with pytest.raises(InternalError, match="outside the range"):
        chained(ops, edges)


def test_a_table_around_zero_needs_no_offset():
    assert Direct.listing(np.asarray([[3, 1, 2]]), -2).first is None
    assert Direct.listing(np.asarray([[3, 1, 2]]), -3).first is not None
    assert Direct.listing(np.asarray([[3, 1, 2]]), 1).first is not None


def dense_and_readers(*readers: tuple[Elementwise, str], outputs: tuple[str, ...]) -> Graph:
    """Sums, and ops with the names of their outputs, each of which reads them."""
    x = Edge.covering((1, 12), -8, 7, 3)
    dense = Dense(np.random.default_rng(3).integers(-7, 8, (12, 6)), np.arange(6))
    nodes = [Node("fc", dense, ("e0",), ("sums",)), *(Node(name, op, ("sums",), (name,)) for op, name in readers)]
    ends = tuple(OutputPort(name, name, scalar(1), scalar(0)) for name in outputs)
    port = InputPort("x", "x", "e0", TypedQuantizer(x.type))
    return Graph("net", (port,), ends, (), {"e0": x}).with_nodes(nodes)


@pytest.mark.parametrize("outputs", [("a",), ("a", "sums"), ("a", "b"), ("b", "sums", "a")])
def test_sums_are_written_over_only_where_nothing_else_reads_them(outputs: tuple[str, ...]):
    per_channel = MultiplyShift(
        np.asarray([77, -19, 5, 1, 0, 9]), np.arange(6), 6, -9, 9, FixedType(True, 5), Channels(6, 1)
    )
    graph = dense_and_readers((shift(3), "a"), (per_channel, "b"), outputs=outputs)
    assert is_same_without_the_edges_between(graph)


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("kernel", [1, 3])
def test_sums_for_a_power_of_two_alone_are_made_with_it(kernel: int, pad: int):
    rng, x = np.random.default_rng(5), Edge.covering((1, 3, 6, 6), -8, 7, 3)
    frame = (kernel // 2,) * 2
    window = Window((kernel, kernel), (1, 1), (1, 1), frame, frame)
    conv = Conv(rng.integers(-7, 8, (4, 3, kernel, kernel)), window, pad=pad, bias=rng.integers(-99, 99, 4))
    nodes = [Node("conv", conv, ("e0",), ("sums",)), Node("act", shift(4, -8, 7), ("sums",), ("y",))]
    port, end = InputPort("x", "x", "e0", TypedQuantizer(x.type)), OutputPort("y", "y", scalar(1), scalar(0))
    graph = Graph("net", (port,), (end,), (), {"e0": x}).with_nodes(nodes)
    assert is_same_without_the_edges_between(graph)
    codes = every_code(x)["e0"]
    (sums,) = Simulator(graph).steps[0].kernel(codes)
    assert np.array_equal(sums * 16, conv.prepare((x,))(codes)[0])


def test_sums_that_are_checked_on_every_run_are_not_scaled():
    x = Edge.covering((1, 300), -8, 7)
    nodes = [Node("fc", Dense(np.ones((300, 300), dtype=np.int64)), ("e0",), ("sums",))]
    nodes.append(Node("act", shift(4), ("sums",), ("y",)))
    port, end = InputPort("x", "x", "e0", TypedQuantizer(x.type)), OutputPort("y", "y", scalar(1), scalar(0))
    graph = Graph("net", (port,), (end,), (), {"e0": x}).with_nodes(nodes)
    first = Simulator(graph).steps[0]
    assert first.checked == (("sums", graph.edges["sums"]),)
    assert int(first.kernel(np.full((1, 1, 300), 7))[0].max()) == 2100


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_a_line_writes_over_its_input_only_when_told(dtype: type):
    line = shift(1).evaluator(X)
    assert isinstance(line, Line)
    x = np.arange(-60, 68).astype(dtype).reshape(1, 1, -1, 1)
    before = x.copy()
    wanted = line(x)
    assert np.array_equal(x, before)
    assert np.array_equal(line.over(x), wanted)
    assert np.array_equal(x, wanted) == (dtype is np.float32)  # what has another dtype is copied first
