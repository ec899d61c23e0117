"""Windows of random shape: convolutions, pools and gathers against their naive definitions, in Python and in C++."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwq.build.toolchain import find_headers
from hwq.check.verify import verify_codes
from hwq.codegen.arrays import Settings, render
from hwq.ir.hardware import Edge, Graph
from hwq.ir.selection import Selection
from hwq.ir.window import Reduction, Window
from hwq.ops import Conv, Gather, Pool, Sample
from hwq.passes.fold import choose_folds, divisors
from hwq.targets import get_target
from test_ops import drawn_codes, graph_of
from window_oracles import WINDOW_REFERENCES

needs_headers = pytest.mark.skipif(find_headers(get_target("vivado")) is None, reason="no headers: pip install da4ml")


@st.composite
def windows(draw: st.DrawFn, extents: tuple[int, ...]) -> Window:
    """A window that fits its data at least once on every axis."""
    columns = []
    for n in extents:
        before, after = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        kernel = draw(st.integers(1, min(9, n + before + after)))
        reach = (n + before + after - 1) // max(1, kernel - 1) if kernel > 1 else 3
        columns.append((kernel, draw(st.integers(1, 4)), draw(st.integers(1, min(3, reach))), before, after))
    return Window(*zip(*columns, strict=True))


@st.composite
def convolutions(draw: st.DrawFn) -> Sample:
    extents = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=2)))
    groups = draw(st.integers(1, 4))
    n_in, n_out = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    window = draw(windows(extents))
    lo, hi = sorted(draw(st.tuples(st.integers(-40, 40), st.integers(-40, 40))))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    weights = rng.integers(-9, 10, (groups * n_out, n_in, *window.kernel))
    bias = rng.integers(-99, 100, groups * n_out) if draw(st.booleans()) else None
    conv = Conv(weights, window, groups, draw(st.integers(-50, 50)), bias, draw(st.integers(-2, 5)))
    out_folds, tap_folds = choose_folds(conv.taps, conv.n_out, draw(st.integers(1, 200)), n_out)
    folded = Conv(weights, window, groups, conv.pad, bias, conv.frac, conv.n_out // out_folds, conv.taps // tap_folds)
    images = draw(st.sampled_from([1, 1, 1, 2]))
    x = Edge.covering((images, groups * n_in, *extents), lo, hi, draw(st.integers(-2, 5)))
    return Sample("conv", folded, (x,))


@st.composite
def pools(draw: st.DrawFn) -> Sample:
    extents = tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    how = draw(st.sampled_from(list(Reduction)))
    window = draw(windows(extents))
    if how is not Reduction.SUM and int(window.counts(extents).min()) == 0:
        window = Window(window.kernel, window.strides, window.dilations, (0,) * len(extents), window.before)
    if any(o < 1 for o in window.outputs(extents)) or int(window.counts(extents).min()) == 0:
        window = Window.over(extents, (0, len(extents) - 1))
    lo, hi = sorted(draw(st.tuples(st.integers(-40, 40), st.integers(-40, 40))))
    x = Edge.covering(extents, lo, hi, 1)
    pool = Pool(window, how, draw(st.integers(-9, 9)))
    axis = pool.lane_axis(x)
    lanes = 1 if axis is None else draw(st.sampled_from(divisors(extents[axis])))
    return Sample("pool", replace(pool, lanes=lanes), (x,))


@st.composite
def gathers(draw: st.DrawFn) -> Sample:
    extents = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    axes: list[Any] = []
    for n in extents:
        anything = st.lists(st.integers(-1, n - 1), min_size=1, max_size=8)
        regular = st.builds(
            lambda start, step, count, n=n: [v if 0 <= v < n else -1 for v in range(start, start + step * count, step)],
            st.integers(-3, 5),
            st.sampled_from([-2, -1, 1, 2]),
            st.integers(1, 8),
        )
        repeats = st.integers(1, 3).map(lambda r, n=n: [i // r for i in range(n * r)])
        axes.append(draw(st.one_of(st.none(), anything, regular, repeats)))
    gather = Gather(Selection.of(extents, axes), draw(st.integers(-60, 60)))
    return Sample("gather", gather, (Edge.covering(extents, -8, draw(st.integers(-8, 30)), 2),))


cases = st.one_of(convolutions(), convolutions(), pools(), gathers())
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(cases)
def test_random_windows_equal_the_naive_definition(sample: Sample) -> None:
    (x,) = sample.inputs
    (y,) = sample.op.infer(sample.inputs)
    codes = drawn_codes(x, 4, 3)
    (got,) = sample.op.prepare(sample.inputs)(codes)
    for b in range(4):
        (want,) = WINDOW_REFERENCES[sample.op.kind](sample.op, sample.inputs, codes[b].astype(object))
        assert got[b].shape == y.shape
        assert np.array_equal(got[b].astype(object), want)
        assert y.lo <= min(want.reshape(-1))
        assert max(want.reshape(-1)) <= y.hi


@pytest.mark.parametrize("pad", [-50, 50])
def test_a_window_that_lies_in_the_padding_is_inside_the_range_and_the_type(pad: int) -> None:
    conv = Conv(np.asarray([[[-3]], [[2]]]), Window((1,), (1,), (1,), (1,), (0,)), pad=pad)
    x = Edge.covering((1, 1, 2), 3, 5)
    (y,) = conv.infer((x,))
    (codes,) = conv.prepare((x,))(np.full((1, 1, 1, 2), 4))
    assert codes[0, 0].tolist() == [[-3 * pad, -12, -12], [2 * pad, 8, 8]]
    assert y.lo <= codes.min()
    assert codes.max() <= y.hi
    assert conv.tap_type(x).contains(pad, pad)


def cpp_agrees(graph: Graph, folder: Path) -> None:
    for path, text in render(graph, get_target("vivado"), Settings("several", "", 5.0, "test")).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 6, i) for i, p in enumerate(graph.inputs)}
    result = verify_codes(folder, graph, get_target("vivado"), "several", codes)
    assert result, str(result.first)


@needs_headers
@settings(max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(cases, min_size=12, max_size=16))
def test_random_windows_in_cpp_equal_the_simulator(tmp_path_factory: Any, samples: list[Sample]) -> None:
    cpp_agrees(graph_of(samples), tmp_path_factory.mktemp("windows"))


@pytest.mark.slow
@needs_headers
@settings(max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(cases, min_size=20, max_size=30))
def test_many_random_windows_in_cpp_equal_the_simulator(tmp_path_factory: Any, samples: list[Sample]) -> None:
    cpp_agrees(graph_of(samples), tmp_path_factory.mktemp("windows"))
