"""Sums past 24 bits in float32: the taps in pieces that are exact, added in float64; and the simulator's other ways."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwq.errors import InternalError
from hwq.ir.hardware import Edge, Graph, InputPort, Node, OutputPort
from hwq.ir.host_quantizers import TypedQuantizer
from hwq.ir.window import Window
from hwq.kernels.blocked_matmul import Blocks
from hwq.numeric.rational import scalar
from hwq.ops import Conv, Dense
from hwq.ops.base import proved
from hwq.ops.conv import FEW_SAMPLES
from hwq.simulate.simulator import Simulator

RNG = np.random.default_rng(11)


def worst(rows: np.ndarray, lo: int, hi: int) -> np.ndarray:
    """The data that give each output its greatest sum, then those that give its least."""
    return np.concatenate([np.where(rows > 0, hi, lo), np.where(rows > 0, lo, hi)])


def test_blocks_are_as_few_as_stay_within_24_bits():
    rows = np.full((2, 4096), 127)
    blocks = Blocks.of(rows, 128, 127 * 128 * 4096)
    assert blocks.dtype is np.float32
    assert blocks.total is np.float64
    assert [c.stop - c.start for c in blocks.cuts] == [1024] * 4
    assert 127 * 128 * 1024 < 1 << 24


@pytest.mark.parametrize(
    ("most", "dtype"),
    [((1 << 24) - 1, np.float32), (1 << 24, np.float64), ((1 << 53) - 1, np.float64), (1 << 53, object)],
)
def test_few_taps_are_summed_in_the_narrowest_dtype_that_holds_any_partial_sum(most: int, dtype: type):
    blocks = Blocks.of(np.asarray([[1, -1]]), most // 2 + 1, most)
    assert (blocks.dtype, len(blocks.cuts)) == (dtype, 1)


@pytest.mark.parametrize("bias", [None, np.asarray([-(1 << 30), 5, 99])])
def test_a_dense_layer_of_several_blocks_is_exact_at_its_worst(bias: np.ndarray | None):
    op, x = Dense(RNG.integers(-127, 128, (3000, 3)), bias), Edge.covering((1, 3000), -128, 127)
    assert len(op.blocks(x, op.rows).cuts) > 1
    data = np.concatenate([worst(op.rows, -128, 127), RNG.integers(-128, 128, (20, 3000))])
    wanted = data @ op.weights + (0 if bias is None else bias)
    (got,) = op.prepare((x,))(data.reshape(-1, 1, 3000))
    assert np.array_equal(got.reshape(-1, 3), wanted)


@pytest.mark.parametrize("extent", [1, 3])
@pytest.mark.parametrize("batch", [1, FEW_SAMPLES + 1])
def test_a_convolution_of_several_blocks_is_exact(extent: int, batch: int):
    weights = RNG.integers(64, 128, (2, 1500, extent))
    op = Conv(weights, Window((extent,), (1,), (1,), (0,), (0,)), bias=np.asarray([3, -4]))
    x = Edge.covering((1, 1500, 5), 0, 255)
    assert len(op.blocks(x, weights.reshape(2, -1)).cuts) > 1
    data = RNG.integers(200, 256, (batch, 1, 1500, 5))
    windows = np.lib.stride_tricks.sliding_window_view(data[:, 0], extent, axis=2)
    wanted = np.einsum("bcok,mck->bmo", windows, weights) + np.asarray([[3], [-4]])
    (got,) = op.prepare((x,))(data)
    assert np.array_equal(got[:, 0], wanted)


def test_sums_past_64_bits_are_not_taken_for_small_ones():
    op = Dense(np.full((64, 2), (1 << 60) - 1)), Edge.covering((1, 64), 0, 1)
    assert op[0].magnitude(op[1]) == 64 * ((1 << 60) - 1)
    (got,) = op[0].prepare((op[1],))(np.ones((1, 1, 64), dtype=np.int64))
    assert got.reshape(-1).tolist() == [64 * ((1 << 60) - 1)] * 2


def test_a_dense_layer_proves_its_range_once_where_that_costs_little():
    small, large = Dense(np.ones((10, 10), dtype=np.int64)), Dense(np.ones((300, 300), dtype=np.int64))
    assert small.proves_range((Edge.covering((1, 10), -8, 7),))
    assert not large.proves_range((Edge.covering((1, 300), -8, 7),))


@pytest.mark.parametrize("window", [None, Window((2,), (1,), (1,), (0,), (0,))])
def test_a_wrong_range_is_found_when_it_is_proved(window: Window | None, monkeypatch: pytest.MonkeyPatch):
    """Sums of ten weights of 1, by either op: one less than the greatest is claimed."""
    if window is None:
        op: Dense | Conv = Dense(np.ones((10, 10), dtype=np.int64))
        x, right = Edge.covering((1, 10), -8, 7), Edge.covering((1, 10), -80, 70)
    else:
        op = Conv(np.ones((10, 5, 2), dtype=np.int64), window)
        x, right = Edge.covering((1, 5, 4), -8, 7), Edge.covering((1, 10, 3), -80, 70)
    op.prepare((x,))
    wrong = replace(right, hi=69)
    monkeypatch.setattr(type(op), "infer", lambda self, inputs: (wrong,))
    with pytest.raises(InternalError, match="outside the range"):
        op.prepare((x,))


def test_codes_outside_a_range_are_found():
    with pytest.raises(InternalError, match="outside the range"):
        proved(Edge.covering((1,), 0, 1), np.asarray([2]))


def test_the_simulator_checks_what_is_not_proved():
    x, y = Edge.covering((1, 300), -8, 7), Edge.covering((1, 300), -2400, 2100)
    op = Dense(np.ones((300, 300), dtype=np.int64))
    node, quantizer = Node("fc", op, ("x",), ("y",)), TypedQuantizer(x.type)
    ports = (InputPort("x", "x", "x", quantizer),), (OutputPort("y", "y", scalar(1), scalar(0)),)
    graph = Graph("net", *ports, (), {"x": x}).with_nodes((node,))
    assert graph.edges["y"] == y
    simulator = Simulator(replace(graph, edges={"x": x, "y": replace(y, hi=2099)}))
    with pytest.raises(InternalError, match="left its range"):
        simulator.run({"x": np.full((1, 1, 300), 7)})
