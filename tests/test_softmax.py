"""Softmax: within one step of the real one, never above 1, and the same integers in C++ (docs/softmax.md)."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp, mpf

import hwq
from hwq.build.toolchain import find_headers
from hwq.errors import UnsupportedError
from hwq.ir.hardware import Edge
from hwq.passes.lowering.softmax import softmax_op
from hwq.targets import get_target
from models import const, model, node

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"


def exact(codes: np.ndarray, step: Fraction) -> list[list[mpf]]:
    """Real softmax of rows of codes, to 40 digits."""
    with mp.workdps(40):
        rows = []
        for row in codes:
            exps = [mp.exp(mpf(int(c - row.max())) * step.numerator / step.denominator) for c in row]
            rows.append([e / sum(exps) for e in exps])
        return rows


def check(codes: np.ndarray, step: Fraction, frac: int, span: int) -> None:
    op = softmax_op(step, 1, codes.shape[1], span, frac)
    edge = Edge.covering((1, codes.shape[1]), int(codes.min()), int(codes.max()))
    (got,) = op.prepare((edge,))(codes[:, None, :])
    got = got.reshape(codes.shape)
    assert int(got.max()) <= 1 << frac
    for row, reals in zip(got, exact(codes, step), strict=True):
        for code, real in zip(row, reals, strict=True):
            assert abs(int(code) - real * 2**frac) < 1, (int(code), real * 2**frac)


@pytest.mark.parametrize("step", [Fraction(1, 4), Fraction(3, 7), Fraction(1, 64)])
@pytest.mark.parametrize("frac", [4, 8, 16])
def test_small_vectors_are_exhaustively_within_one_step(step: Fraction, frac: int):
    codes = np.asarray(list(product(range(-4, 5), repeat=3)))
    check(codes, step, frac, 8)


@pytest.mark.parametrize(
    ("count", "step", "span"),
    [(10, Fraction(1, 1000), 40000), (100, Fraction(1, 16), 500), (2, Fraction(1, 100000), 3000000)],
)
def test_large_vectors_and_fine_steps_are_within_one_step(count: int, step: Fraction, span: int):
    rng = np.random.default_rng(count)
    codes = rng.integers(0, span, (40, count), endpoint=True)
    check(codes, step, 16, span)


def test_fine_steps_take_two_tables_of_bounded_size():
    op = softmax_op(Fraction(1, 100000), 1, 10, 1 << 22, 16)
    assert op.split > 0
    assert len(op.high) <= 4097
    assert len(op.low) <= 4096


def test_sums_on_an_absurdly_fine_grid_are_refused_at_once():
    with pytest.raises(UnsupportedError, match="quantizer"):
        softmax_op(Fraction(1, 1 << 48), 1, 10, 1 << 60, 16)


def softmax_model(scale: float, axis: int, shape: list[int], opset: int = 13) -> object:
    return model(
        [node("Quant", "x s z bits", "q", signed=1), node("Softmax", "q", "y", axis=axis)],
        {"x": shape},
        constants=[const("s", scale), const("z", 0.0), const("bits", 8.0)],
        opset=opset,
    )


@pytest.mark.parametrize(
    ("count", "scale", "step"),
    [(10, 0.05, 2.0**-20), (1000, 0.05, 1e-2 / 65535), (3000, 0.0004, 1 / 65535), (10, 1e-6, 2.0**-16), (10, 50, 0.01)],
)
def test_a_quantizer_of_any_step_behind_a_softmax_is_within_one_of_its_codes(count: int, scale: float, step: float):
    scale, step = np.float32(scale), np.float32(step)
    constants = [const("s", scale), const("z", 0.0), const("bits", 16.0), const("t", step)]
    nodes = [node("Quant", "x s z bits", "q", signed=1), node("Softmax", "q", "p", axis=-1)]
    nodes.append(node("Quant", "p t z bits", "y", signed=0))
    x = np.random.default_rng(3).normal(size=(20, count)) * min(3, float(scale) * 8000)
    got = hwq.compile(model(nodes, {"x": [1, count]}, constants=constants)).simulate(x, codes=True)
    q = np.clip(np.rint(x / float(scale)), -(1 << 15), (1 << 15) - 1).astype(np.longdouble) * np.longdouble(scale)
    e = np.exp(q - q.max(axis=1, keepdims=True))
    want = np.clip(np.rint(e / e.sum(axis=1, keepdims=True) / np.longdouble(step)), 0, (1 << 16) - 1)
    assert np.abs(got - want).max() <= 1


def test_a_quantizer_of_an_absurd_step_behind_a_softmax_is_refused():
    constants = [const("s", 0.1), const("z", 0.0), const("bits", 8.0), const("t", 1e-15)]
    nodes = [node("Quant", "x s z bits", "q", signed=1), node("Softmax", "q", "p", axis=-1)]
    nodes.append(node("Quant", "p t z bits", "y", signed=0))
    with pytest.raises(UnsupportedError, match=r"quantizer of step 1e-15.*at least 2\^-38"):
        hwq.compile(model(nodes, {"x": [1, 4]}, constants=constants))


def test_a_final_softmax_has_sixteen_bits_and_sums_to_about_one():
    design = hwq.compile(softmax_model(0.0625, 1, [1, 10]))
    x = np.random.default_rng(0).normal(0, 3, (50, 10))
    y = design.simulate(x)
    q = np.clip(np.rint(x / 0.0625), -128, 127) * 0.0625
    e = np.exp(q - q.max(axis=1, keepdims=True))
    assert design.outputs[0].scale == 2.0**-16
    assert float(np.abs(y - e / e.sum(axis=1, keepdims=True)).max()) < 2.0**-16
    assert float(y.max()) <= 1.0


def test_before_opset_13_softmax_runs_over_all_trailing_axes():
    x = np.random.default_rng(1).normal(0, 1, (4, 2, 3))
    old = hwq.compile(softmax_model(0.0625, 1, [1, 2, 3], opset=11)).simulate(x)
    new = hwq.compile(softmax_model(0.0625, 2, [1, 2, 3])).simulate(x)
    assert np.allclose(old.sum(axis=(1, 2)), 1, atol=1e-3)
    assert np.allclose(new.sum(axis=2), 1, atol=1e-3)


@pytest.mark.parametrize("mode", ["argmax", "skip", "host"])
def test_a_final_softmax_can_be_left_to_others(mode: str):
    x = np.random.default_rng(2).normal(0, 3, (20, 10))
    design = hwq.compile(softmax_model(0.0625, 1, [1, 10]), {"softmax": mode})
    q = np.clip(np.rint(x / 0.0625), -128, 127) * 0.0625
    y = design.simulate(x)
    assert not any(n.op.kind == "softmax" for n in design.graph.nodes)
    if mode == "argmax":
        assert np.array_equal(y.reshape(-1), q.argmax(axis=1))
    elif mode == "skip":
        assert np.array_equal(y, q)
    else:
        e = np.exp(q - q.max(axis=1, keepdims=True))
        assert np.allclose(y, e / e.sum(axis=1, keepdims=True), rtol=1e-12)
        assert np.array_equal(design.simulate(x, codes=True) * 0.0625, q)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("qkeras_jettagging", {"input_types": {"global_in": "ap_fixed<24,6>"}}),
        ("qdq_digits_cnnplain_softmax_a16w8", {}),
    ],
)
def test_models_that_end_in_softmax_are_within_one_step_and_equal_in_cpp(name: str, config: dict, tmp_path: Path):
    path = SHARED / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}: the shared models are not here")
    with np.load(path.with_suffix(".npz")) as data:
        x, want = data["x"], data["y64"]
    design = hwq.compile(path, config)
    y = design.simulate(x)
    if name.startswith("qdq"):
        codes = np.rint(want / design.outputs[0].scale) - design.simulate(x, codes=True)
        assert int(np.abs(codes).max()) <= 1
    assert (y.argmax(axis=1) == want.argmax(axis=1)).mean() > 0.99
    if name == "qkeras_jettagging":  # its Softmax leaves the design: hold it against that of hwq's own exact sums
        sums = hwq.compile(path, {**config, "softmax": "skip"}).simulate(x)
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        assert float(np.abs(y - powers / powers.sum(axis=1, keepdims=True)).max()) < 2.0**-16
    if find_headers(get_target("vivado")) is None:
        pytest.skip("no ap_fixed.h: pip install da4ml")
    result = design.export(tmp_path / "project").verify(x[:12])
    assert result, str(result.first)


def test_a_softmax_of_one_number_without_axes_is_one():
    constants = [const("s", 0.0625), const("z", 0, np.int8), const("axes", [0], np.int64)]
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("Squeeze", "d axes", "e"),
        node("Softmax", "e", "y"),
    ]
    design = hwq.compile(model(nodes, {"x": [1]}, ["y"], constants))
    assert np.asarray(design.simulate(np.asarray([[0.5], [-3.0]]))).reshape(-1).tolist() == [1.0, 1.0]
