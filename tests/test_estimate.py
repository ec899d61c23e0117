"""Estimates against prices worked out by hand from docs/estimates.md."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hwq
from conftest import Cli
from hwq.analysis.resources import Resources, fifo_cost, layer_cost, memory_cost, unit_cost
from hwq.ir.hardware import Edge
from hwq.ops import OPS, Dense, Threshold
from hwq.ops.parts.resources import Kind, Unit, signed_digits
from models import mlp


@pytest.mark.parametrize(
    ("unit", "want"),
    [
        (Unit(Kind.MULTIPLY, 3, 4, 8), Resources(lut=96)),
        (Unit(Kind.MULTIPLY, 3, 5, 8), Resources(dsp=3)),
        (Unit(Kind.MULTIPLY, 2, 18, 30), Resources(dsp=8)),
        (Unit(Kind.ADD, 5, 12), Resources(lut=60)),
        (Unit(Kind.COMPARE, 5, 11), Resources(lut=30)),
        (Unit(Kind.SHIFT, 2, 10, 16), Resources(lut=40)),
        (Unit(Kind.COUNT, 2, 64), Resources(lut=128)),
    ],
)
def test_units_have_the_prices_of_the_table(unit: Unit, want: Resources) -> None:
    assert unit_cost(unit) == want


def test_memories_take_the_blocks_that_fit_best() -> None:
    assert memory_cost(36, 512) == Resources(bram18=1)
    assert memory_cost(36, 513) == Resources(bram18=2)
    assert memory_cost(1, 16384) == Resources(bram18=1)
    assert memory_cost(8, 100) == Resources(lut=16)
    assert memory_cost(8, 100, "bram") == Resources(bram18=1)
    assert memory_cost(73, 4097, "uram") == Resources(uram=4)
    assert fifo_cost(12, 2) == Resources(lut=12)
    assert fifo_cost(36, 512) == Resources(bram18=1)


def test_signed_digits_are_the_fewest() -> None:
    values = np.arange(-300, 301)

    def fewest(v: int) -> int:
        v, count = abs(v), 0
        while v:
            if v % 2:
                v -= 2 - v % 4
                count += 1
            v //= 2
        return count

    assert signed_digits(values) == sum(fewest(int(v)) for v in values) == signed_digits(values.astype(object))


def test_a_folded_layer_has_its_multipliers_and_its_rom() -> None:
    config = {"layers": {"fc0": {"pe": 4, "simd": 8, "memory": "bram"}}}
    graph = hwq.compile(mlp((64, 32, 4), weight_bits=8, act_bits=8), config).graph
    node = next(n for n in graph.nodes if n.name == "fc0")
    (x,), op = graph.ins(node), node.op
    assert isinstance(op, Dense)
    rom = memory_cost(32 * op.weight_type.width, 64, "bram")
    assert rom == Resources(bram18=-(-32 * op.weight_type.width // 36))
    assert layer_cost(graph, node) == Resources(lut=32 * op.accumulator(x).width, dsp=32) + rom


def test_binary_weights_need_no_multiplier() -> None:
    x = Edge.covering((1, 8), -8, 7)
    plain = Dense(np.where(np.arange(32) % 3, 1, -1).reshape(8, 4), pe=2, simd=4)
    assert Kind.MULTIPLY not in {u.kind for u in plain.units((x,))}


def test_thresholds_side_by_side_are_a_comparison_each() -> None:
    x = Edge.covering((1, 6), -100, 100)
    op = Threshold(
        np.arange(5).reshape(1, 5), np.asarray([0]), np.asarray([1]), Edge.covering((1,), 0, 5).type, lanes=2
    )
    assert Unit(Kind.COMPARE, 10, x.type.width) in op.units((x,))


@pytest.mark.parametrize("kind", OPS, ids=lambda k: k.kind)
def test_every_op_says_what_it_is_made_of(kind: type) -> None:
    for sample in kind.samples():
        assert all(u.count >= 0 and u.a >= 0 for u in sample.op.units(sample.inputs)), sample.label


def test_inspect_says_cost_and_pace(cli: Cli, tmp_path) -> None:
    (tmp_path / "m.onnx").write_bytes(mlp().SerializeToString())
    record = json.loads(cli("inspect", str(tmp_path / "m.onnx"), "--json", "--io", "stream").stdout)
    assert set(record["estimate"]) == {"lut", "dsp", "bram18", "uram", "interval", "latency", "slowest", "fps"}
    assert record["estimate"]["lut"] >= sum(layer["estimate"]["lut"] for layer in record["layers"])
    text = cli("inspect", str(tmp_path / "m.onnx"), "--target-fps", "1e6").stdout
    assert "a sample each" in text
