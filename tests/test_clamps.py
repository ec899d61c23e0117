"""Clamps behind quantizers: bounds inside, at and beyond the quantizer's range, in the order that the file has them."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import onnx
import pytest

import hwq
from models import const, model, node
from rational_onnx import tensor

INT8 = onnx.TensorProto.INT8
BOUNDS = (None, -1e30, -300.0, -127.0, -5.0, 0.0, 3.0, 4.5, 127.0, 300.0, 1e30)


def clamped(value: Fraction, lo: Any, hi: Any) -> Fraction:
    """ONNX Clip: min(max(x, lo), hi)."""
    above = value if lo is None else max(value, Fraction(lo))
    return above if hi is None else min(above, Fraction(hi))


def qdq_with(clips: list[tuple[Any, Any]], unit: float, zero: int = 0, requantized: bool = True) -> onnx.ModelProto:
    """x -> int8 -> the clamps, whose bounds are in units -> (int8 again)."""
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "v")]
    constants = [const("s", unit), tensor("z", INT8, zero), const("s2", 4 * unit)]
    last = "v"
    for i, bounds in enumerate(clips):
        names = []
        for key, bound in zip(("lo", "hi"), bounds, strict=True):
            names.append("" if bound is None else f"{key}{i}")
            if bound is not None:
                constants.append(const(f"{key}{i}", bound * unit))
        nodes.append(node("Clip", [last, *names], f"c{i}"))
        last = f"c{i}"
    if requantized:
        nodes += [node("QuantizeLinear", f"{last} s2 z", "q2"), node("DequantizeLinear", "q2 s2 z", "y")]
    else:
        nodes[-1].output[0] = "y"
    return model(nodes, {"x": [1, 5]}, ["y"], constants)


def meant(x: np.ndarray, clips: list[tuple[Any, Any]], unit: float, zero: int, requantized: bool) -> list[Fraction]:
    step, result = Fraction(float(np.float32(unit))), []
    for v in x.reshape(-1).tolist():
        code = min(max(round(Fraction(v) / step) + zero, -128), 127)
        value = (code - zero) * step
        for lo, hi in clips:
            bounds = [None if b is None else Fraction(float(np.float32(b * unit))) for b in (lo, hi)]
            value = clamped(value, *bounds)
        if requantized:
            coarse = Fraction(float(np.float32(4 * unit)))
            value = (min(max(round(value / coarse) + zero, -128), 127) - zero) * coarse
        result.append(value)
    return result


X = np.asarray([[-1e4, -3.1, 0.4, 7.7, 1e4], [-128.0, -6.0, 2.5, 4.5, 127.0]])


def agree(clips: list[tuple[Any, Any]], unit: float, zero: int, requantized: bool) -> bool:
    x = X * unit
    got = hwq.compile(qdq_with(clips, unit, zero, requantized)).simulate(x)
    return [Fraction(v) for v in got.reshape(-1).tolist()] == meant(x, clips, unit, zero, requantized)


@pytest.mark.parametrize("requantized", [True, False])
def test_a_clamp_beyond_the_range_of_the_quantizer_gives_its_bound(requantized: bool) -> None:
    for lo, hi in product(BOUNDS, BOUNDS):
        if (lo, hi) != (None, None):
            assert agree([(lo, hi)], 2.0**-10, 0, requantized), (lo, hi)


@pytest.mark.parametrize("zero", [-128, 127])
def test_a_relu_behind_a_quantizer_of_one_sign_is_exact(zero: int) -> None:
    for clips in ([(0.0, None)], [(None, 0.0)], [(0.0, 6.0)], [(-6.0, 0.0)], [(300.0, None), (None, 2.0)]):
        assert agree(clips, 0.25, zero, True), clips
        assert agree(clips, 0.25, zero, False), clips


def test_a_clamp_of_a_clamp_takes_them_in_order() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        clips = [tuple(BOUNDS[int(i)] for i in rng.integers(0, len(BOUNDS), 2)) for _ in range(3)]
        clips = [c for c in clips if c != (None, None)]
        if clips:
            assert agree(clips, 0.5, int(rng.integers(-5, 5)), bool(rng.integers(2))), clips


def test_a_clamp_between_sums_and_a_quantizer_is_exact_beyond_both_ranges() -> None:
    weights = np.asarray([[3.0, -2.0], [1.0, 5.0], [-4.0, 2.0]])
    x = np.random.default_rng(0).integers(-40, 40, (30, 3)) / 4.0
    for lo, hi, requantized in product((None, -900.0, 2.0, 900.0), (None, -900.0, 3.0, 900.0), (True, False)):
        if (lo, hi) == (None, None):
            continue
        names = ["" if b is None else k for k, b in (("lo", lo), ("hi", hi))]
        nodes = [
            node("Quant", "x s zero eight", "q", signed=1, narrow=0, rounding_mode="ROUND"),
            node("MatMul", "q w", "h"),
            node("Clip", ["h", *names], "c"),
            node("Neg", "c", "n"),
        ]
        if requantized:
            nodes.append(node("Quant", "n s zero eight", "y", signed=1, narrow=0, rounding_mode="ROUND"))
        constants = [const("s", 0.25), const("zero", 0.0), const("eight", 8.0), const("w", weights)]
        constants += [const(k, b) for k, b in (("lo", lo), ("hi", hi)) if b is not None]
        got = hwq.compile(model(nodes, {"x": [1, 3]}, [nodes[-1].output[0]], constants)).simulate(x)
        codes = np.clip(np.rint(x * 4), -128, 127) / 4 @ weights
        want = -np.minimum(np.maximum(codes, -np.inf if lo is None else lo), np.inf if hi is None else hi)
        if requantized:
            want = np.clip(np.rint(want * 4), -128, 127) / 4
        assert np.array_equal(got.reshape(want.shape), want), (lo, hi, requantized)


@pytest.mark.parametrize("bound", [-900.0, -3.0, 0.0, 900.0])
@pytest.mark.parametrize("upper", [False, True])
def test_a_one_sided_clamp_beyond_the_range_before_factors_of_both_signs_or_a_concat_is_exact(
    bound: float, upper: bool
) -> None:
    for last in ("Mul", "Concat"):
        kind = "Min" if upper else "Max"
        nodes = [
            node("Quant", "x s zero four", "q", signed=1, narrow=0, rounding_mode="ROUND"),
            node(kind, "q bound", "c"),
            node("Mul", "c factors", "m") if last == "Mul" else node("Concat", "c q", "m", axis=1),
            node("Quant", "m s2 zero eight", "y", signed=1, narrow=0, rounding_mode="ROUND"),
        ]
        constants = [const("s", 0.5), const("s2", 8.0), const("zero", 0.0), const("four", 4.0), const("eight", 8.0)]
        constants += [const("bound", bound), const("factors", [[1.5, -2.0, 0.5]])]
        outcome = hwq.compile(model(nodes, {"x": [1, 3]}, ["y"], constants)).exactly()
        assert outcome, outcome.text(last)
        assert outcome.left == ()
