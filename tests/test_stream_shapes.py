"""Random windows through both architectures: kernels, strides, dilations, pads, groups, folds, sizes 1 to 9."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hwq.build.toolchain import find_headers
from hwq.check.verify import verify_codes
from hwq.codegen.arrays import Settings, render
from hwq.codegen.streams import render_stream
from hwq.ir.hardware import Edge
from hwq.ir.selection import Selection
from hwq.ir.window import Reduction, Window
from hwq.ops import Concat, Conv, Gather, Pool, Sample
from hwq.targets import get_target
from test_ops import drawn_codes, graph_of

Pairs = tuple[tuple[int, ...], tuple[int, ...]]


@st.composite
def windows(draw: st.DrawFn, rank: int) -> tuple[Window, tuple[int, ...]]:
    """A window and extents in which it fits at least once."""
    parts = []
    for _ in range(rank):
        kernel, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
        reach = (kernel - 1) * dilation + 1
        before, after = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        extent = draw(st.integers(max(1, reach - before - after), max(9, reach)))
        parts.append((kernel, stride, dilation, before, after, extent))
    kernel, stride, dilation, before, after, extent = zip(*parts, strict=True)
    return Window(kernel, stride, dilation, before, after), extent


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


@st.composite
def convolutions(draw: st.DrawFn) -> Sample:
    window, extents = draw(windows(draw(st.integers(1, 2))))
    groups, n_in, n_out = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    weights = rng.integers(-7, 8, (groups * n_out, n_in, *window.kernel))
    bias = rng.integers(-40, 40, groups * n_out) if draw(st.booleans()) else None
    pe = draw(st.sampled_from([d for d in divisors(groups * n_out) if n_out % d == 0 or d % n_out == 0]))
    simd = draw(st.sampled_from(divisors(n_in * window.taps)))
    pad = draw(st.sampled_from([0, -3, 9]))
    op = Conv(weights, window, groups, pad, bias, pe=pe, simd=simd)
    images = draw(st.sampled_from([1, 1, 2]))
    return Sample("random", op, (Edge.covering((images, groups * n_in, *extents), -8, 7),))


@st.composite
def pools(draw: st.DrawFn) -> Sample:
    rank = draw(st.integers(1, 2))
    shape = (draw(st.sampled_from([1, 1, 2])), draw(st.integers(1, 4)))
    how = draw(st.sampled_from(list(Reduction)))
    window, extents = draw(windows(rank))
    if draw(st.booleans()):
        window = Window.over(extents, tuple(range(rank)))
    elif how is not Reduction.SUM:  # ONNX has no pool of padding alone
        fits = [min(p, (k - 1) * d) for p, k, d in zip(window.before, window.kernel, window.dilations, strict=True)]
        ends = [min(p, (k - 1) * d) for p, k, d in zip(window.after, window.kernel, window.dilations, strict=True)]
        extents = tuple(
            max(n, (k - 1) * d + 1) for n, k, d in zip(extents, window.kernel, window.dilations, strict=True)
        )
        window = Window(window.kernel, window.strides, window.dilations, tuple(fits), tuple(ends))
    ones, none = (1, 1), (0, 0)
    full = Window(
        ones + window.kernel,
        ones + window.strides,
        ones + window.dilations,
        none + window.before,
        none + window.after,
    )
    pad = draw(st.sampled_from([0, 5])) if how is Reduction.SUM else 0
    pool, edge = Pool(full, how, pad), Edge.covering((*shape, *extents), -8, 7)
    axis = pool.lane_axis(edge)
    lanes = 0 if axis is None else draw(st.sampled_from(divisors(edge.shape[axis])))
    return Sample("random", replace(pool, lanes=lanes), (edge,))


@st.composite
def gathers(draw: st.DrawFn) -> Sample:
    shape = tuple(draw(st.integers(1, 5)) for _ in range(draw(st.integers(2, 4))))
    axes: list[list[int] | None] = []
    for n in shape:
        before, after = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        repeated = [i for i in range(n) for _ in range(before + 1)]
        every = [None, None, list(range(n))[before % n :: after + 1], [-1] * before + list(range(n)) + [-1] * after]
        every += [
            repeated,
            [0] * before + list(range(n)),
            draw(st.lists(st.integers(-1, n - 1), min_size=1, max_size=6)),
        ]
        axes.append(draw(st.sampled_from(every)))
    return Sample("random", Gather(Selection.of(shape, axes), 3), (Edge.covering(shape, -8, 7),))


@st.composite
def concats(draw: st.DrawFn) -> Sample:
    shape = [draw(st.integers(1, 4)) for _ in range(draw(st.integers(1, 4)))]
    axis = draw(st.integers(0, len(shape) - 1))
    parts = []
    for frac in range(draw(st.integers(1, 3))):
        shape[axis] = draw(st.integers(1, 4))
        parts.append(Edge.covering(tuple(shape), -8, 7, frac))
    return Sample("random", Concat(axis), tuple(parts))


cases = st.lists(st.one_of(convolutions(), pools(), gathers(), concats()), min_size=32, max_size=32)


def agree(samples: list[Sample], io: str, types: str, target: str) -> None:
    graph = graph_of(samples)
    text = render_stream if io == "stream" else render
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 3, i) for i, p in enumerate(graph.inputs)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, source in text(graph, get_target(target), Settings("samples", "", 5.0, "test", io=io)).items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source)
        result = verify_codes(folder, graph, get_target(target), "samples", codes, types=types)
    assert result, result.fault or str(result.first)


ONCE = settings(
    max_examples=1,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # a failure names its node; shrinking would compile for minutes
    suppress_health_check=list(HealthCheck),
)
MANY = settings(ONCE, max_examples=12, derandomize=False)


@pytest.mark.parametrize("io", ["parallel", "stream"])
@ONCE
@given(cases)
def test_random_windows_agree_with_the_simulator(io: str, samples: list[Sample]) -> None:
    agree(samples, io, "native", "vivado")


@pytest.mark.slow
@pytest.mark.skipif(find_headers(get_target("vivado")) is None, reason="no headers: pip install da4ml")
@pytest.mark.parametrize("target", ["catapult", "vivado"])
@pytest.mark.parametrize("io", ["parallel", "stream"])
@MANY
@given(cases)
def test_many_random_windows_agree_with_the_simulator(io: str, target: str, samples: list[Sample]) -> None:
    agree(samples, io, "vendor", target)
