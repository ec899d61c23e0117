"""The forms that layers take for a processor: equal to the simulator in every code, on every kind of vector unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.build import emulator as emulator_module
from hwq.build.cache import built
from hwq.build.emulator import Library, emulator_sources, library_recipe
from hwq.codegen.arrays import Settings
from hwq.ir.hardware import Edge, Graph
from hwq.ir.window import Window
from hwq.numeric.fixed import FixedType
from hwq.ops import Channels, Conv, Dense, Sample, Threshold
from hwq.passes.pack_for_cpu import MOST_SAMPLES, blocks, for_processor, samples_at_once
from hwq.simulate.simulator import Simulator
from models import mlp, samples
from test_ops import SAMPLES, drawn_codes, graph_of

SETTINGS = Settings("net", "", 5.0, "")
MACHINES = {  # what a compiler is told, by the feature that this machine needs for it
    "this machine": ("-march=native", ""),
    "avx512_vnni": ("-march=icelake-server", "avx512_vnni"),
    "avx2": ("-march=haswell", "avx2"),
    "plain": ("-march=x86-64", "sse2"),
}
BATCHES = (1, 2, 5, MOST_SAMPLES + 3)


def features() -> set[str]:
    lines = [s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("flags")]
    return set(lines[0].split()) if lines else set()


def library(graph: Graph, flag: str = "-march=native") -> Library:
    """A graph's emulator, compiled for a machine."""
    graph = for_processor(graph)
    recipe = library_recipe(emulator_sources(graph, SETTINGS), graph, "net", samples_at_once(graph))
    flags = tuple(flag if f == "-march=native" else f for f in recipe.flags)
    return Library(built(replace(recipe, flags=flags)), graph)


def check(graph: Graph, flag: str = "-march=native") -> None:
    """The emulator equals the simulator, whatever the number of samples and of threads."""
    simulator, built_library = Simulator(graph), library(graph, flag)
    for batch in BATCHES:
        ports = enumerate(graph.inputs)
        codes = {p.edge: drawn_codes(graph.edges[p.edge], max(2, batch), i)[-batch:] for i, p in ports}
        want = simulator.run(codes)
        for threads in (1, 2):
            got = built_library.run(codes, threads)
            for port in graph.outputs:
                assert np.array_equal(got[port.name], want[port.edge]), (port.name, batch, threads)


def wholly(rng: np.random.Generator, kind: FixedType, shape: tuple[int, ...]) -> np.ndarray:
    """Codes over the whole of a type, its ends among them."""
    codes = rng.integers(kind.lo, kind.hi, shape, endpoint=True)
    codes.reshape(-1)[0], codes.reshape(-1)[-1] = kind.lo, kind.hi
    return codes


def edge_of(kind: FixedType, shape: tuple[int, ...]) -> Edge:
    return Edge(shape, kind, kind.lo, kind.hi)


def dense_samples() -> Iterator[Sample]:
    """Outputs and taps around whole vectors; widths around whole octets, shorts and words."""
    rng = np.random.default_rng(0)
    octet, short = FixedType(True, 8, 5), FixedType(True, 16, 3)
    for taps, outputs in [(1, 1), (3, 16), (4, 17), (5, 31), (64, 63), (65, 64), (67, 65), (7, 130), (130, 80)]:
        weights = wholly(rng, octet, (taps, outputs))
        yield Sample(f"{taps}x{outputs}", Dense(weights, wholly(rng, octet, (outputs,))), (edge_of(octet, (1, taps)),))
    kinds = [FixedType(s, w, 2) for s in (True, False) for w in (1, 2, 7, 8, 9, 15, 16, 17)]
    for w in (FixedType(True, 2), octet, FixedType(False, 8), FixedType(True, 9), short, FixedType(False, 16)):
        for x in kinds:
            yield Sample(f"{w} {x}", Dense(wholly(rng, w, (11, 3))), (edge_of(x, (1, 11)),))
    yield Sample("rows", Dense(wholly(rng, octet, (9, 20)), pe=5, simd=3), (edge_of(octet, (1, 7, 9)),))
    full = np.full((2, 5), -(1 << 15))  # sums of 32 bits, and one past them
    yield Sample("word", Dense(full, np.full(5, -(1 << 29))), (edge_of(FixedType(True, 15), (1, 2)),))
    yield Sample("past a word", Dense(np.full((5, 2), -(1 << 15))), (edge_of(short, (1, 5)),))


def conv_samples() -> Iterator[Sample]:
    """Strides, dilations and paddings of both axes apart; groups, odd channels, lines; codes of padding alone."""
    rng = np.random.default_rng(1)
    x = FixedType(True, 5, 2)
    for i in range(24):
        kernel, strides, dilations = (tuple(rng.integers(1, 4, 2).tolist()) for _ in range(3))
        before, after = (tuple(rng.integers(0, 4, 2).tolist()) for _ in range(2))
        shape = tuple(
            (n - 1) * d + 1 + int(m) for n, d, m in zip(kernel, dilations, rng.integers(0, 20, 2), strict=True)
        )
        groups, inner, each = (int(n) for n in rng.integers(1, 5, 3))
        weights = wholly(rng, FixedType(True, 4), (groups * each, inner, *kernel))
        bias = wholly(rng, FixedType(True, 9), (groups * each,)) if i % 2 else None
        window = Window(kernel, strides, dilations, before, after)
        conv = Conv(weights, window, groups, int(rng.integers(-40, 40)), bias, 3)
        yield Sample(f"random {i}", conv, (edge_of(x, (1 + i % 2, groups * inner, *shape)),))
    for kind in (FixedType(False, 15), FixedType(False, 16), FixedType(True, 16), FixedType(True, 17)):
        line = Window((3,), (2,), (1,), (1,), (2,))
        yield Sample(
            f"line {kind}", Conv(wholly(rng, FixedType(True, 8), (5, 3, 3)), line), (edge_of(kind, (1, 3, 40)),)
        )
    solid = Window((2, 2, 2), (1, 1, 1), (1, 1, 1), (0, 0, 0), (0, 0, 0))
    yield Sample("solid", Conv(wholly(rng, x, (2, 1, 2, 2, 2)), solid), (edge_of(x, (1, 1, 3, 4, 5)),))


def threshold_samples() -> Iterator[Sample]:
    """Runs of one channel and elements of their own, around whole vectors; codes around whole shorts."""
    rng = np.random.default_rng(2)
    for i, (count, inner, size) in enumerate(
        [(1, 1, 1), (1, 1, 70), (3, 1, 3), (40, 1, 80), (32, 1, 32), (5, 31, 310), (2, 64, 128), (3, 33, 99)]
    ):
        for width in (3, 15, 16, 17, 31):
            kind = FixedType(True, width)
            levels = (1, 2, 7, 64, 65)[(i + width) % 5]
            rows = np.sort(rng.integers(kind.lo, kind.hi, (count, levels), endpoint=True), axis=1)
            base, sign = rng.integers(-99, 100, count), rng.choice([-1, 1], count)
            op = Threshold(rows, base, sign, FixedType(True, 9), Channels(count, inner))
            yield Sample(f"{count} x {inner} of {size}, {levels} at {kind}", op, (edge_of(kind, (1, size)),))


@pytest.mark.parametrize("machine", MACHINES)
def test_layers_for_a_processor_equal_the_simulator(machine: str):
    flag, feature = MACHINES[machine]
    if feature and feature not in features():
        pytest.skip(f"this machine has no {feature}")
    for kind in (dense_samples, conv_samples, threshold_samples):
        graph = graph_of(list(kind()))
        packed = [node.op.templates == "processor" for node in for_processor(graph).nodes]
        assert any(packed)
        assert not all(packed), "nothing shows where the forms end"
        check(graph, flag)


def test_every_ops_samples_equal_the_simulator_in_the_emulator():
    check(graph_of([sample for _, sample in SAMPLES]))


def test_folds_do_not_change_an_emulators_sources():
    """A processor has no multipliers to share: one build serves every fold."""
    rng = np.random.default_rng(3)
    weights, x = rng.integers(-7, 8, (12, 6)), Edge.covering((1, 12), -8, 7)
    made = [
        emulator_sources(for_processor(graph_of([Sample("one", Dense(weights, pe=pe, simd=simd), (x,))])), SETTINGS)
        for pe, simd in ((0, 0), (2, 3), (1, 12))
    ]
    assert made[0] == made[1] == made[2]


def test_blocks_hold_every_weight_once_and_zeros():
    rows = np.arange(1, 18 * 7 + 1).reshape(18, 7)
    for bits, step in ((8, 4), (16, 2)):
        taps = -(-7 // step)
        words = blocks(rows, bits)
        assert words.shape == (2 * taps, 16 * step)
        whole = words.reshape(2, taps, 16, step).transpose(0, 2, 1, 3).reshape(32, taps * step)
        assert np.array_equal(whole[:18, :7], rows)
        assert words.sum() == rows.sum()


def test_few_samples_of_large_layers_go_through_at_once():
    assert samples_at_once(hwq.compile(mlp()).graph) == MOST_SAMPLES
    large = graph_of([Sample("one", Dense(np.ones((1, 1 << 19), dtype=np.int64)), (Edge.covering((1, 1), 0, 1),))])
    assert samples_at_once(large) == 1
    check(large)


def test_roms_that_are_linked_and_roms_that_are_parsed_give_the_same(monkeypatch: pytest.MonkeyPatch):
    design, x = hwq.compile(mlp()), samples((20, 6), 1, 3.0)
    want = design.simulate(x, codes=True)
    for links in (0, 1):
        monkeypatch.setattr("hwq.build.emulator.EMULATOR", replace(emulator_module.EMULATOR, links=links))
        files = emulator_sources(for_processor(design.graph), SETTINGS)
        assert ("src/weights/linked.h" in files) == bool(links)
        assert np.array_equal(design.emulator()(x, codes=True), want)
