"""Transposes sink through what does not care for the order of axes; the codes stay the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwq.ir.hardware import Edge, Graph, InputPort, Node, OutputPort
from hwq.ir.host_quantizers import TypedQuantizer
from hwq.ir.selection import Selection
from hwq.ir.window import Reduction, Window
from hwq.numeric.fixed import FixedType, Rounding
from hwq.numeric.rational import scalar
from hwq.ops import Add, Channels, Concat, Gather, Op, Pool, Reshape, Scale, Shift, Threshold, Transpose
from hwq.ops.base import channels_of
from hwq.passes import sink_transposes
from hwq.simulate.simulator import Simulator


def chain(first: Edge, ops: list[tuple[Op, tuple[int, ...]]]) -> Graph:
    """Ops one after the other; each reads the edges numbered, edge 0 being the input."""
    edges, nodes = {"e0": first}, []
    for i, (op, reads) in enumerate(ops):
        nodes.append(Node(f"n{i}", op, tuple(f"e{r}" for r in reads), (f"e{i + 1}",)))
        edges[f"e{i + 1}"] = op.infer(tuple(edges[f"e{r}"] for r in reads))[0]
    last = f"e{len(ops)}"
    port = InputPort("e0", "e0", "e0", TypedQuantizer(first.type))
    return Graph("g", (port,), (OutputPort("y", last, scalar(1), scalar(0)),), (), edges).with_nodes(nodes)


def output(graph: Graph, codes: Any) -> Any:
    (port,) = graph.outputs
    return Simulator(graph).run({"e0": codes})[port.edge]


def same(graph: Graph) -> Graph:
    """The graph with its transposes sunk, once its codes are known to be the same."""
    codes = np.random.default_rng(0).integers(-8, 8, (3, *graph.edges["e0"].shape))
    sunk = sink_transposes(graph)
    assert np.array_equal(output(graph, codes), output(sunk, codes))
    assert sunk.edges[sunk.outputs[0].edge].shape == graph.edges[graph.outputs[0].edge].shape
    return sunk


def kinds(graph: Graph) -> list[str]:
    return [n.op.kind for n in graph.nodes]


NHWC = Edge(shape=(1, 4, 5, 3), type=FixedType(True, 4), lo=-8, hi=7)
TO_NCHW, TO_NHWC = Transpose((0, 3, 1, 2)), Transpose((0, 2, 3, 1))
OFFSETS = np.asarray([5, -3, 2])


def test_a_pair_around_a_quantizer_vanishes_and_its_channels_follow() -> None:
    shift = Shift(1, Rounding.FLOOR, -4, 3, OFFSETS, Channels(3, 20))
    sunk = same(chain(NHWC, [(TO_NCHW, (0,)), (shift, (1,)), (TO_NHWC, (2,))]))
    (node,) = sunk.nodes
    assert isinstance(node.op, Shift)
    assert node.op.channels == Channels(3, 1)


def test_pools_gathers_and_concats_turn_their_axes() -> None:
    pool = Pool(Window((1, 1, 2, 2), (1, 1, 2, 1), (1,) * 4, (0,) * 4, (0, 0, 0, 1)), Reduction.LARGEST)
    ops: list[tuple[Op, tuple[int, ...]]] = [
        (TO_NCHW, (0,)),
        (pool, (1,)),
        (Gather(Selection.along((1, 3, 2, 5), 3, [4, 0, -1, 2]), 6), (2,)),
        (Concat(1), (3, 3)),
        (TO_NHWC, (4,)),
    ]
    assert kinds(same(chain(NHWC, ops))) == ["pool", "gather", "concat"]


def test_two_branches_in_one_order_are_joined_in_it() -> None:
    one = np.asarray([1])
    ops = [(TO_NCHW, (0,)), (Scale(2 * one, one), (1,)), (Add(one, 3 * one), (1, 2)), (TO_NHWC, (3,))]
    assert kinds(same(chain(NHWC, ops))) == ["scale", "add"]


def test_branches_in_different_orders_are_joined_as_written() -> None:
    cube = Edge(shape=(1, 3, 3, 3), type=FixedType(True, 4), lo=-8, hi=7)
    one = np.asarray([1])
    assert kinds(same(chain(cube, [(TO_NCHW, (0,)), (Add(one, 3 * one), (0, 1))]))) == ["transpose", "add"]


def test_a_transpose_that_moves_only_axes_of_one_is_a_reshape() -> None:
    pixel = Edge(shape=(1, 1, 1, 6), type=FixedType(True, 4), lo=-8, hi=7)
    assert kinds(same(chain(pixel, [(TO_NCHW, (0,)), (Reshape((1, 6)), (1,))]))) == ["reshape", "reshape"]


def test_an_edge_read_twice_is_transposed_once() -> None:
    flat, one = Reshape((1, 60)), np.asarray([1])
    ops = [(TO_NCHW, (0,)), (flat, (1,)), (Reshape((1, 60)), (1,)), (Add(one, one), (2, 3))]
    assert kinds(same(chain(NHWC, ops))) == ["transpose", "reshape", "reshape", "add"]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    x = first = Edge(shape=tuple(draw(st.permutations([1, 2, 3, 4]))), type=FixedType(True, 4), lo=-8, hi=7)
    ops: list[tuple[Op, tuple[int, ...]]] = []
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    for i in range(draw(st.integers(1, 7))):
        shape = x.shape
        varied = draw(st.sets(st.integers(0, 3)))
        parameters = tuple(n if a in varied else 1 for a, n in enumerate(shape))
        channels = channels_of(parameters, shape)
        rows = rng.integers(-3, 4, channels.count)
        kind = draw(
            st.sampled_from(["transpose", "transpose", "shift", "threshold", "pool", "gather", "concat", "add"])
        )
        axis = draw(st.integers(0, 3))
        ones, none = (1,) * 4, (0,) * 4
        op: Op = Transpose(tuple(draw(st.permutations(range(4)))))
        if kind == "shift":
            op = Shift(1, Rounding.HALF_EVEN, -8, 7, rows, channels)
        elif kind == "threshold":
            steps = np.sort(rng.integers(-8, 8, (channels.count, 5)), axis=1)
            op = Threshold(steps, rows, np.ones(channels.count, dtype=np.int64), FixedType(True, 5), channels)
        elif kind == "pool":
            op = Pool(Window(tuple(min(n, 2) if a == axis else 1 for a, n in enumerate(shape)), ones, ones, none, none),
                      draw(st.sampled_from(list(Reduction))))  # fmt: skip
        elif kind == "gather":
            op = Gather(Selection.along(shape, axis, rng.integers(-1, shape[axis], 3)), 2)
        elif kind == "concat":
            op = Concat(axis)
        elif kind == "add":
            op = Add(rows, rows + 1, 0, channels)
        ops.append((op, (i, i) if kind in ("concat", "add") else (i,)))
        (x,) = op.infer((x, x) if kind in ("concat", "add") else (x,))
    return chain(first, ops)


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_random_graphs_keep_their_codes_and_have_no_more_transposes(graph: Graph) -> None:
    sunk = same(graph)
    assert kinds(sunk).count("transpose") <= kinds(graph).count("transpose")
