"""Step functions of integers as rounded lines: used only where every reachable code comes out the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwq.errors import InternalError
from hwq.ir.hardware import Edge
from hwq.kernels.lookup import of_table
from hwq.kernels.rounded_line import Line, Reached, Staircase, fitted
from hwq.numeric.fixed import FixedType, Rounding
from hwq.ops import Channels, MultiplyShift, Scale, Shift, Threshold


def fitted_to(table: np.ndarray, lowest: int) -> Reached | Line | None:
    """What a table's staircase gives; None where it is none."""
    stairs = Staircase.of_table(table, lowest)
    return None if stairs is None else fitted(stairs)


def evaluated(table: np.ndarray, lowest: int, dtype: type = np.float32) -> np.ndarray:
    """The codes (C, N) as `of_table` gives them for (N, 1, C, 1) integers."""
    count, span = table.shape
    x = np.broadcast_to(np.arange(lowest, lowest + span).reshape(-1, 1, 1, 1), (span, 1, count, 1)).astype(dtype)
    return of_table(table, lowest)(x).reshape(span, count).T


def rounded(scale: list[float], add: list[float], lo: int, hi: int, x: np.ndarray) -> np.ndarray:
    """Tables of clip(rint(scale x + add)), a channel each."""
    return np.stack([np.clip(np.rint(s * x + a), lo, hi) for s, a in zip(scale, add, strict=True)]).astype(np.int64)


@pytest.mark.parametrize(
    ("scale", "add"),
    [
        ([0.37], [0.1]),
        ([0.37, 0.37], [0.1, 5.0]),
        ([0.011, -0.3, 0.9], [0.0, 2.5, -7.25]),
        ([0.0, 0.25], [3.0, 0.5]),
        ([1.0], [0.0]),
    ],
)
def test_a_scaled_and_clamped_integer_is_a_line(scale: list[float], add: list[float]):
    table = rounded(scale, add, -8, 7, np.arange(-300, 301))
    assert isinstance(fitted_to(table, -300), Line)
    assert np.array_equal(evaluated(table, -300), table)
    assert np.array_equal(evaluated(table, -300, np.int64), table)


def test_one_slope_and_one_offset_serve_all_channels_where_they_can():
    line = fitted_to(rounded([0.37, 0.37], [0.1, 0.1001], -8, 7, np.arange(-300, 301)), -300)
    assert isinstance(line, Line)
    assert line.slope.size == line.offset.size == 1


def test_a_single_step_is_a_comparison():
    table = (np.arange(-5, 6)[None, :] >= np.asarray([[-9], [0], [6], [3]])).astype(np.int64)
    assert isinstance(fitted_to(table, -5), Reached)
    assert np.array_equal(evaluated(table, -5), table)


@pytest.mark.parametrize(
    "row",
    [[0, 2, 4], [0, 1, 0, 1], [0, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5], [5, 4, 4, 4, 4, 3, 2, 1]],
    ids=["strides", "up and down", "uneven", "uneven falling"],
)
def test_what_is_no_line_is_looked_up(row: list[int]):
    table = np.asarray([row])
    assert fitted_to(table, -2) is None
    assert np.array_equal(evaluated(table, -2), table)


@pytest.mark.parametrize(("lowest", "dtype"), [(1 << 24, np.float64), ((1 << 24) - 65, np.float32), (1 << 53, None)])
def test_far_inputs_are_not_rounded(lowest: int, dtype: type | None):
    table = rounded([0.5], [0.0], -100, 100, np.arange(64))
    line = fitted_to(table, lowest)
    assert (None if line is None else line.slope.dtype) == dtype
    assert np.array_equal(evaluated(table, lowest, np.int64), table)


@given(
    rows=st.lists(st.lists(st.integers(-1, 1), min_size=9, max_size=9), min_size=1, max_size=3),
    start=st.integers(-200, 200),
    lowest=st.integers(-1000, 1000),
)
def test_any_table_of_small_steps_comes_out_the_same(rows: list[list[int]], start: int, lowest: int):
    table = start + np.cumsum(np.asarray(rows), axis=1)
    assert np.array_equal(evaluated(table, lowest), table)
    assert np.array_equal(evaluated(table, lowest, np.int64), table)


def test_a_line_that_is_one_off_at_one_side_of_one_step_is_found_out():
    table = rounded([0.25], [0.0], 0, 15, np.arange(64))
    stairs, line = Staircase.of_table(table, 0), fitted_to(table, 0)
    assert stairs is not None
    assert isinstance(line, Line)
    assert stairs.is_given_by(line)
    for place in (*np.flatnonzero(np.diff(table[0])), 63):
        wrong = table[0].copy()
        wrong[place] += 1
        assert not stairs.is_given_by(lambda x, wrong=wrong: wrong[x.astype(int)])


@given(data=st.data())
def test_thresholds_over_any_range_count_what_they_count(data: st.DataObject):
    """Ranges past every table: evenly spaced rows, which are lines, and rows with a threshold moved or twice."""
    count, levels = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 20))
    spacing = data.draw(st.integers(1, 40_000))
    first = np.asarray([[data.draw(st.integers(-900_000, 900_000))] for _ in range(count)])
    rows = first + (np.arange(levels) * (spacing + 0.37)).astype(np.int64)
    if data.draw(st.booleans()):
        rows[-1, -1] = rows[-1, max(0, levels - 2)] + data.draw(st.integers(0, 3))
    base, sign = np.arange(count) * 5 - 3, np.asarray([1, -1, 1])[:count]
    x = Edge.covering((1, count), -1_000_000, 1_000_000)
    near = np.concatenate([rows.T - 1, rows.T, np.full((1, count), x.lo), np.full((1, count), x.hi)]).clip(x.lo, x.hi)
    op = Threshold(rows, base, sign, FixedType(True, 12), Channels(count, 1))
    (got,) = op.prepare((x,))(near.reshape(-1, 1, count))
    wanted = base + sign * (near[:, :, None] >= rows).sum(axis=2)
    assert np.array_equal(got.reshape(-1, count), wanted)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_product_past_53_bits_and_shift_is_a_line_of_doubles_and_the_same(bits: int):
    rng = np.random.default_rng(bits)
    mult = np.asarray([(1 << 38) + 12345, -(1 << 37) - 999, (1 << 38) - 1, 0])
    add = rng.integers(-(1 << 50), 1 << 50, 4)
    x = Edge.covering((1, 4), -(1 << 23), (1 << 23) - 1)
    op = MultiplyShift(
        mult, add, 62 - bits, -(1 << (bits - 1)), (1 << (bits - 1)) - 1, FixedType(True, bits), Channels(4)
    )
    kernel = op.prepare((x,))
    codes = rng.integers(x.lo, x.hi, (2000, 1, 4), endpoint=True)
    (got,) = kernel(codes)
    exact = [
        [
            min(max((int(m) * int(v) + int(a)) >> op.drop, op.lo), op.hi)
            for v, m, a in zip(row[0], mult, add, strict=True)
        ]
        for row in codes
    ]
    assert np.array_equal(got.reshape(-1, 4), exact)
    assert got.dtype == (np.float32 if bits == 8 else np.float64)


def test_a_product_and_shift_that_is_constant_has_no_steps():
    x = Edge.covering((1, 2), -(1 << 23), (1 << 23) - 1)
    op = MultiplyShift(np.asarray([3, 0]), np.asarray([1 << 50, -5]), 51, -8, 7, FixedType(True, 4), Channels(2))
    (got,) = op.prepare((x,))(np.asarray([[[x.lo, x.lo]], [[x.hi, x.hi]]]))
    assert np.array_equal(got.reshape(2, 2), [[0, -1], [0, -1]])


def test_an_offset_past_24_bits_is_not_rounded_where_the_sums_have_fewer():
    x, add = Edge.covering((1, 4), -100, -50), np.asarray([(1 << 24) + 11])
    op = Shift(1, Rounding.FLOOR, -(1 << 25), 1 << 25, add)
    assert op.sum_edge(x).hi < 1 << 24
    codes = np.asarray([[[-100, -99, -51, -50]]])
    (got,) = op.prepare((x,))(codes)
    assert np.array_equal(got, (codes + add) >> 1)


@pytest.mark.parametrize("kind", ["shift", "multiply_shift", "scale", "threshold"])
def test_a_code_outside_the_inferred_range_is_found_at_an_end(kind: str, monkeypatch: pytest.MonkeyPatch):
    """A range that lacks the greatest code, then one that lacks the least."""
    x, one = Edge.covering((1, 6), -(1 << 70), 1 << 70), np.asarray([1])
    op = {
        "shift": Shift(66, Rounding.FLOOR, -9, 9),
        "multiply_shift": MultiplyShift(one, 0 * one, 66, -9, 9, FixedType(True, 5)),
        "scale": Scale(one, 0 * one),
        "threshold": Threshold(np.asarray([[-5, 5, 1 << 60]], dtype=object), 0 * one, one, FixedType(False, 2)),
    }[kind]
    (right,) = op.infer((x,))
    op.prepare((x,))
    for wrong in (replace(right, hi=right.hi - 1), replace(right, lo=right.lo + 1)):
        monkeypatch.setattr(type(op), "infer", lambda self, inputs, wrong=wrong: (wrong,))
        with pytest.raises(InternalError, match="outside the range"):
            op.prepare((x,))
