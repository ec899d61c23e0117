"""Constants of any size, some thousand elements at a time: exactly what fractions and Python's integers say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hwq.ir import constants
from hwq.ir.constants import quantize_constant
from hwq.kernels import signed_sums as sums
from hwq.kernels.signed_sums import heaviest, signed_sums
from hwq.numeric.fixed import Rounding, round_ratio
from hwq.numeric.rational import rationals, scalar


def exactly(x, a, b, rounding: Rounding, lo: int, hi: int, after) -> np.ndarray:
    """clip(round(a x + b) + after, lo, hi), one fraction after the other."""
    value = np.asarray(rationals(x) * a + b, dtype=object)
    num, den = (np.asarray([getattr(v, part) for v in value.reshape(-1)], dtype=object) for part in VALUE)
    return np.clip(round_ratio(num, den, rounding).reshape(value.shape) + after, lo, hi).astype(np.int64)


VALUE = ("numerator", "denominator")


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("at_once", [16, 1 << 14])
def test_a_quantized_constant_is_that_of_fractions(rounding: Rounding, at_once: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "AT_ONCE", at_once)
    rng = np.random.default_rng(at_once)
    halves = rng.integers(-40, 40, (6, 5, 7)) / 2
    thirds = [Fraction(1, 3), Fraction(2, 3), Fraction(4, 3), Fraction(-1, 3), Fraction(5, 7)]
    per_channel = np.asarray(thirds, dtype=object).reshape(1, 5, 1)
    for x in (halves, halves * 3, halves * 1.5 + 1e-9, rng.normal(0, 9, (6, 5, 7)), np.asarray(2.5)):
        factors = (scalar(1), scalar(Fraction(1, 4)), scalar(Fraction(1, 3)), *((per_channel,) if x.ndim else ()))
        x32 = np.float32(x)
        for a in factors:
            for b, after in ((scalar(0), 0), (scalar(Fraction(1, 2)), 3), (scalar(Fraction(1, 3)), np.asarray([-2]))):
                got = quantize_constant(x, a, b, rounding, -7, 7, after)
                assert got.dtype == np.int64
                assert np.array_equal(got, exactly(x, a, b, rounding, -7, 7, after))
                narrow = quantize_constant(x32, a, b, rounding, -7, 7, after)
                assert np.array_equal(narrow, exactly(x32, a, b, rounding, -7, 7, after))


@pytest.mark.parametrize("at_once", [1, 40, 1 << 15])
def test_signed_sums_are_those_of_integers(at_once: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sums, "AT_ONCE", at_once)
    rng = np.random.default_rng(at_once)
    rows = rng.integers(-9, 10, (23, 31))
    far = np.asarray([[1 << 61, 1 << 61, 1 << 61, -5], [-(1 << 61), -(1 << 61), -(1 << 61), 7]])
    cases = [rows, rows.T, rows[::2, ::-1], np.abs(rows), -np.abs(rows), rows[:1], rows[:, :1], far, far.astype(object)]
    for case in cases:
        up, down = signed_sums(case)
        assert up.tolist() == [sum(max(v, 0) for v in row) for row in case.tolist()]
        assert heaviest(case) == max(sum(map(abs, row)) for row in case.tolist())
        assert down.tolist() == [sum(min(v, 0) for v in row) for row in case.tolist()]
