"""Folding: for a throughput, by PE and SIMD, into a memory; and what each choice leaves as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwq
from hwq.analysis.throughput import pace_of, paced
from hwq.ops.parts.linear import Products
from hwq.passes.fold import legal_folds
from hwq.passes.fold_to_budget import within
from models import const, mlp, model, node, samples

CLOCK = 5.0


def conv_net() -> Any:
    """x -> Quant -> Conv 3x3 -> Relu -> Quant -> Conv 1x1, and a residual Add."""
    rng = np.random.default_rng(5)
    constants = [
        const("z", 0.0),
        const("bits", 4.0),
        const("s", 0.25),
        const("w1", rng.integers(-7, 8, (6, 6, 3, 3)) / 8),
        const("w2", rng.integers(-7, 8, (6, 6, 1, 1)) / 8),
        const("ws", 0.125),
    ]
    nodes = [
        node("Quant", "x s z bits", "xq", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Quant", "w1 ws z bits", "w1q", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Quant", "w2 ws z bits", "w2q", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Conv", "xq w1q", "c1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Quant", "c1 s z bits", "a1", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Conv", "a1 w2q", "c2", kernel_shape=[1, 1]),
        node("Quant", "c2 s z bits", "a2", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Add", "a2 xq", "y"),
    ]
    return model(nodes, {"x": [1, 6, 7, 5]}, ["y"], constants)


def fps_of(cycles: int) -> float:
    return 1e9 / (cycles * CLOCK)


@pytest.mark.parametrize("io", ["parallel", "stream"])
@pytest.mark.parametrize("net", [mlp, conv_net])
def test_a_design_folded_for_a_throughput_keeps_it_with_less_hardware(net: Any, io: str) -> None:
    fastest = hwq.compile(net(), {"io": io, "clock": CLOCK})
    best = pace_of(within(fastest.graph, 1), io).interval
    products = []
    for factor in (1, 3, 20, 1000):
        limit = best * factor
        design = hwq.compile(net(), {"io": io, "clock": CLOCK, "target_fps": fps_of(limit) * 0.999})
        pace = pace_of(design.graph, io)
        assert pace.interval <= limit
        assert pace.fps(CLOCK) >= fps_of(limit) * 0.999
        products.append(sum(n.op.array[0] * n.op.array[1] for n in design.graph.nodes if isinstance(n.op, Products)))
        x = samples((5, *design.inputs[0].shape[1:]))
        assert np.array_equal(design.simulate(x, codes=True), fastest.simulate(x, codes=True))
    assert products == sorted(products, reverse=True)
    assert products[-1] == len([n for n in fastest.graph.nodes if isinstance(n.op, Products)])


def test_a_throughput_out_of_reach_names_the_slowest_layer_and_the_best_rate() -> None:
    with pytest.raises(hwq.HwqError, match=r"layer 'c1' leaves \d+ cycles between samples.*ask for at most") as caught:
        hwq.compile(conv_net(), {"io": "stream", "target_fps": 1e9})
    best = float(str(caught.value).split("at most ")[1].split(",")[0])
    hwq.compile(conv_net(), {"io": "stream", "target_fps": best * 0.999})


@pytest.mark.parametrize("budget", [1, 2, 7, 35, 100, 5000])
def test_no_legal_folding_within_a_budget_is_smaller(budget: int) -> None:
    graph = hwq.compile(conv_net()).graph
    for n in within(graph, budget).nodes:
        if not isinstance(n.op, Products):
            continue
        positions = 35
        legal = legal_folds(n.op.taps, n.op.n_out, n.op.n_out)
        slowest = max((a * b for a, b in legal if a * b * positions <= budget), default=1)
        assert n.op.folds[0] * n.op.folds[1] == slowest


def test_pe_and_simd_are_taken_as_stated() -> None:
    design = hwq.compile(mlp(), {"layers": {"fc0": {"pe": 5, "simd": 2}, "fc*": {"pe": 1}}})
    arrays = [n.op.array for n in design.graph.nodes if isinstance(n.op, Products)]
    assert arrays == [(5, 2), (1, 5), (1, 4)]
    assert np.array_equal(design.simulate(samples((9, 6))), hwq.compile(mlp()).simulate(samples((9, 6))))


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"fc0": {"pe": 3}}, "pe 3 of layer 'fc0'; use one of 1, 5"),
        ({"fc0": {"simd": 4}}, "simd 4 of layer 'fc0'; use one of 1, 2, 3, 6"),
        ({"act0": {"pe": 1}}, "pe or simd of layer 'act0'"),
        ({"fc0": {"pe": 0}}, "pe of layer 'fc0' is 0"),
        ({"fc0": {"memory": "tape"}}, "memory of layer 'fc0' is 'tape'; use auto, bram, lutram, uram"),
    ],
)
def test_what_is_not_legal_is_refused_with_what_is(choice: Any, words: str) -> None:
    with pytest.raises(hwq.HwqError) as caught:
        hwq.compile(mlp(), {"layers": choice})
    assert words in str(caught.value)


def test_a_memory_that_is_stated_is_bound(tmp_path: Path) -> None:
    config = {"reuse": 6, "layers": {"fc0": {"memory": "bram"}, "fc1": {"memory": "uram"}}, "target": "vitis"}
    project = hwq.compile(mlp(), config).export(tmp_path / "p")
    text = (project.path / "src" / "layers.h").read_text()
    assert "BIND_STORAGE variable=dense_fc0_weights type=ROM_1P impl=BRAM" in text
    assert "BIND_STORAGE variable=dense_fc1_weights type=ROM_1P impl=URAM" in text
    with pytest.raises(hwq.HwqError, match="layer 'fc1': vivado binds no ROM to uram"):
        hwq.compile(mlp(), {**config, "target": "vivado"}).export(tmp_path / "q")


def test_ops_behind_a_convolution_take_no_longer_than_it_and_stand_side_by_side_no_more_than_they_must(
    tmp_path: Path,
) -> None:
    design = hwq.compile(conv_net(), {"target": "vivado"})
    rows = {r["node"]: r for r in design.rows()}
    assert rows["c1"]["cycles"] == rows["c2"]["cycles"] == 35
    graph = design.graph
    others = [n for n in graph.nodes if not isinstance(n.op, Products)]
    assert all(n.op.cycles(graph.ins(n)) > 1 for n in others)
    assert sum(n.op.cycles(graph.ins(n)) for n in others) <= 2 * 35
    design.export(tmp_path / "net")
    text = next((tmp_path / "net/src").glob("*.cpp")).read_text()
    for name in ("c1", "a1", "c2"):  # pixels of all channels at once lie far apart
        assert f"variable={name} complete" in text


def test_a_reuse_of_1_that_is_stated_leaves_ops_without_products_all_their_lanes() -> None:
    def cycles(**config: Any) -> dict[str, int]:
        graph = hwq.compile(conv_net(), config).graph
        return {n.name: n.op.cycles(graph.ins(n)) for n in graph.nodes if not isinstance(n.op, Products)}

    free = cycles()
    assert min(free.values()) > 1
    assert set(cycles(reuse=1).values()) == {1}
    assert min(cycles(reuse=2).values()) > 2  # any other is no bound from above
    assert cycles(layers={"a1": {"reuse": 1}}) == {**free, "a1": 1}
    assert cycles(reuse=1, layers={"y": {"reuse": 2}})["y"] == free["y"]


@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_no_greater_budget_keeps_up(io: str) -> None:
    graph = hwq.compile(conv_net(), {"io": io}).graph
    limit = 3 * pace_of(within(graph, 1), io).interval
    greatest = max(b for b in range(1, limit + 1) if pace_of(within(graph, b), io).interval <= limit)
    found, wanted = paced(graph, io, fps_of(limit) * 0.999999, CLOCK), within(graph, greatest)
    assert [n.op.cycles(found.ins(n)) for n in found.nodes] == [n.op.cycles(wanted.ins(n)) for n in wanted.nodes]
