"""Step functions of integers as rounded lines: used only where every reachable code comes out the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwq.ops.buckets import evaluator
from hwq.ops.lines import Line, Reached, fitted


def evaluated(table: np.ndarray, lowest: int, dtype: type = np.float32) -> np.ndarray:
    """The codes (C, N) as an evaluator gives them for (N, 1, C, 1) integers."""
    count, span = table.shape
    x = np.broadcast_to(np.arange(lowest, lowest + span).reshape(-1, 1, 1, 1), (span, 1, count, 1)).astype(dtype)
    return evaluator(table, lowest)(x).reshape(span, count).T


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
    assert isinstance(fitted(table, -300), Line)
    assert np.array_equal(evaluated(table, -300), table)
    assert np.array_equal(evaluated(table, -300, np.int64), table)


def test_one_slope_and_one_offset_serve_all_channels_where_they_can():
    line = fitted(rounded([0.37, 0.37], [0.1, 0.1001], -8, 7, np.arange(-300, 301)), -300)
    assert isinstance(line, Line)
    assert line.slope.size == line.offset.size == 1


def test_a_single_step_is_a_comparison():
    table = (np.arange(-5, 6)[None, :] >= np.asarray([[-9], [0], [6], [3]])).astype(np.int64)
    assert isinstance(fitted(table, -5), Reached)
    assert np.array_equal(evaluated(table, -5), table)


@pytest.mark.parametrize(
    "row",
    [[0, 2, 4], [0, 1, 0, 1], [0, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5], [1 << 24, (1 << 24) + 1], [5, 4, 4, 4, 4, 3, 2, 1]],
    ids=["strides", "up and down", "uneven", "past float32", "uneven falling"],
)
def test_what_is_no_line_is_looked_up(row: list[int]):
    table = np.asarray([row])
    assert fitted(table, -2) is None
    assert np.array_equal(evaluated(table, -2), table)


def test_far_inputs_are_not_rounded():
    table = rounded([0.5], [0.0], -100, 100, np.arange(64))
    assert fitted(table, 1 << 24) is None
    assert np.array_equal(evaluated(table, 1 << 24, np.int64), table)


@given(
    rows=st.lists(st.lists(st.integers(-1, 1), min_size=9, max_size=9), min_size=1, max_size=3),
    start=st.integers(-200, 200),
    lowest=st.integers(-1000, 1000),
)
def test_any_table_of_small_steps_comes_out_the_same(rows: list[list[int]], start: int, lowest: int):
    table = start + np.cumsum(np.asarray(rows), axis=1)
    assert np.array_equal(evaluated(table, lowest), table)
    assert np.array_equal(evaluated(table, lowest, np.int64), table)
