"""Normalizations over the data: within one step of correctly rounded, and the same integers in C++."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import onnx
import pytest

import hwq
from hwq.ir import real
from hwq.ir.hardware import Edge
from hwq.passes.lowering.normalize import normalize_op
from hwq.targets import HLS_TARGETS
from models import const, model, node

MP = mpmath.MPContext()
MP.dps = 60
RNG = np.random.default_rng(8)
KINDS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "layer": ("LayerNormalization", (1, 6, 16), {}),
    "layer_two_axes": ("LayerNormalization", (1, 3, 4, 5), {"axis": 2, "epsilon": 1e-3}),
    "layer_tiny_epsilon": ("LayerNormalization", (1, 10), {"epsilon": 1e-12}),
    "mean_square": ("RMSNormalization", (1, 3, 8), {"epsilon": 1e-6}),
    "simplified": ("SimplifiedLayerNormalization", (1, 3, 8), {}),
    "instance": ("InstanceNormalization", (1, 3, 5, 4), {}),
    "group": ("GroupNormalization", (1, 4, 3, 3), {"num_groups": 2}),
    "two_norm": ("LpNormalization", (1, 5, 3), {"axis": 1}),
    "one_norm": ("LpNormalization", (1, 5, 3), {"p": 1}),
    "pool_two": ("GlobalLpPool", (1, 3, 4, 4), {}),
    "pool_one": ("GlobalLpPool", (1, 3, 4, 4), {"p": 1}),
    "pool_windows": ("LpPool", (1, 2, 5, 5), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}),
}
MEAN_SQUARE = ("RMSNormalization", "SimplifiedLayerNormalization")
SCALE = np.float32(0.05)


def net(name: str, bits: int = 0, step: float = 1.0) -> Any:
    """Quant of 8 bits, the normalization, and a Quant of `bits` bits where there are any."""
    kind, shape, attributes = KINDS[name]
    constants = [const("s", SCALE), const("z", 0.0), const("b", 8.0)]
    nodes = [node("Quant", "x s z b", "xq", signed=1, narrow=0, rounding_mode="ROUND")]
    sizes = {"LayerNormalization": shape[attributes.get("axis", -1) :], "InstanceNormalization": shape[1:2]}
    sizes |= {
        "GroupNormalization": shape[1:2],
        "RMSNormalization": shape[-1:],
        "SimplifiedLayerNormalization": shape[-1:],
    }
    inputs = "xq"
    if kind in sizes:
        rng = np.random.default_rng(1)
        constants += [const("g", rng.uniform(-2, 2, sizes[kind])), const("c", rng.normal(size=sizes[kind]))]
        inputs = "xq g" if (sizes[kind] == shape[-1:] and "Layer" not in kind) or "Simplified" in kind else "xq g c"
    nodes.append(node(kind, inputs, "y", **attributes))
    if bits:
        constants += [const("s2", step), const("b2", float(bits))]
        nodes.append(node("Quant", "y s2 z b2", "yq", signed=1, narrow=0, rounding_mode="ROUND"))
    return model(nodes, {"x": shape}, ["yq" if bits else "y"], constants, opset=23)


def wanted(name: str, x: np.ndarray) -> np.ndarray:
    """The real values, from 8-bit codes, in 80-bit floats or better."""
    kind, shape, attributes = KINDS[name]
    q = np.clip(np.rint(x / float(SCALE)), -128, 127).astype(np.longdouble) * np.longdouble(SCALE)
    rng = np.random.default_rng(1)
    eps, p = np.longdouble(np.float32(attributes.get("epsilon", 1e-5))), attributes.get("p", 2)

    def parameters(size: tuple[int, ...], trailing: int = 0) -> tuple[np.ndarray, np.ndarray]:
        drawn = rng.uniform(-2, 2, size), rng.normal(size=size)
        g, c = (v.astype(np.float32).astype(np.longdouble).reshape(*size, *(1,) * trailing) for v in drawn)
        return g, c

    def over(v: np.ndarray, axes: Any, centred: bool = True) -> np.ndarray:
        t = v - v.mean(axes, keepdims=True) if centred else v
        return t / np.sqrt((t * t).mean(axes, keepdims=True) + eps)

    if kind == "LayerNormalization":
        axis = attributes.get("axis", -1)
        g, c = parameters(shape[axis:])
        return over(q, tuple(range(axis % len(shape), len(shape)))) * g + c
    if kind in MEAN_SQUARE:
        return over(q, -1, False) * parameters(shape[-1:])[0]
    if kind == "InstanceNormalization":
        g, c = parameters(shape[1:2], 2)
        return over(q, (2, 3)) * g + c
    if kind == "GroupNormalization":
        g, c = parameters(shape[1:2], 2)
        return over(q.reshape(len(q), 2, -1), -1).reshape(q.shape) * g + c
    if kind == "LpNormalization":
        size = (np.abs(q) ** p).sum(attributes.get("axis", -1), keepdims=True) ** (np.longdouble(1) / p)
        return np.where(size > 0, q / np.where(size > 0, size, 1), 0)
    if kind == "GlobalLpPool":
        return (np.abs(q) ** p).sum((2, 3), keepdims=True) ** (np.longdouble(1) / p)
    padded = np.pad(q, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    return np.sqrt((windows**2).sum((-1, -2)))


def inputs(name: str, samples: int = 600) -> np.ndarray:
    """Seeded, with groups of zeros, of equal codes, and of one code among zeros."""
    shape = KINDS[name][1]
    x = np.random.default_rng(8).normal(size=(samples, *shape[1:])) * 2
    x[0], x[1], x[2] = 0, 1.0, 0
    x[2].reshape(-1)[0] = SCALE
    return x.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", KINDS)
def test_what_leaves_the_design_is_within_a_step_of_the_real_value(name: str):
    design, x = hwq.compile(net(name)), inputs(name)
    most = 2.0 if KINDS[name][0] in ("LayerNormalization", "InstanceNormalization", "GroupNormalization") else 1.0
    step = 2.0**-16 if "pool" not in name else float(design.outputs[0].scale)
    assert np.abs(design.simulate(x).reshape(wanted(name, x).shape) - wanted(name, x)).max() < step * most


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("bits", "step"), [(6, 0.3), (8, 1 / 16), (16, 2.0**-12), (16, 2.0**-19)])
def test_a_quantizer_behind_it_is_within_one_of_its_codes(name: str, bits: int, step: float):
    design, x = hwq.compile(net(name, bits, step)), inputs(name)
    half = 1 << (bits - 1)
    want = np.clip(np.rint(wanted(name, x) / np.longdouble(np.float32(step))), -half, half - 1).astype(np.int64)
    apart = np.abs(design.simulate(x, codes=True).reshape(want.shape) - want)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01


@pytest.mark.parametrize("eps", [Fraction(0), Fraction(1, 1000), Fraction(40)])
@pytest.mark.parametrize(
    ("centred", "mean", "power"), [(True, True, 2), (False, True, 2), (False, False, 2), (False, False, 1)]
)
def test_every_vector_of_three_small_codes_is_within_a_step(centred: bool, mean: bool, power: int, eps: Fraction):
    """Exhaustive, against 60 digits: less than a step from the real value, at most one from its rounding."""
    x, step = Edge.covering((1, 3), -3, 3), Fraction(1, 7)
    eps = eps if mean else Fraction(0)
    op = normalize_op(real.Normalize(1, centred, mean, power, eps), step, x, 12)
    vectors = list(product(range(-3, 4), repeat=3))
    (got,) = op.prepare((x,))(np.asarray(vectors).reshape(-1, 1, 3))
    (edge,) = op.infer((x,))
    assert edge.lo <= got.min()
    assert got.max() <= edge.hi
    for row, codes in zip(vectors, got.reshape(-1, 3).tolist(), strict=True):
        values = [Fraction(c) * step for c in row]
        average = sum(values) / 3 if centred else Fraction(0)
        terms = [v - average for v in values]
        size = sum(abs(t) ** power for t in terms) / (3 if mean else 1) + eps
        root = MP.mpf(size.numerator) / size.denominator
        root = MP.sqrt(root) if power == 2 else root
        for term, code in zip(terms, codes, strict=True):
            exact = MP.mpf(term.numerator) / term.denominator / root * 2**12 if root else MP.mpf(0)
            assert abs(code - exact) < 1
            assert abs(code - int(MP.nint(exact))) <= 1


SPELLINGS = ["pow", "mul", "pow_half", "reciprocal", "rsqrt"]


def spelt_out(spelling: str, centred: bool, axes: list[int]) -> Any:
    """LayerNorm or RMSNorm as exporters write them in small ops."""
    constants = [const("s", SCALE), const("z", 0.0), const("b", 8.0), const("two", 2.0), const("e", 1e-5)]
    constants += [const("one", 1.0), const("half", 0.5), const("minus_half", -0.5), const("t", 1 / 16)]
    constants += [const("g", RNG.uniform(-2, 2, 4)), const("c", RNG.normal(size=4))]
    nodes, d = [node("Quant", "x s z b", "q", signed=1, narrow=0, rounding_mode="ROUND")], "q"
    if centred:
        nodes += [node("ReduceMean", "q", "m", axes=axes), node("Sub", "q m", "d")]
        d = "d"
    nodes.append(node("Mul", f"{d} {d}", "p") if spelling == "mul" else node("Pow", f"{d} two", "p"))
    nodes += [node("ReduceMean", "p", "v", axes=axes), node("Add", "v e", "w")]
    if spelling == "pow_half":
        nodes += [node("Pow", "w half", "r"), node("Div", f"{d} r", "n")]
    elif spelling == "reciprocal":
        nodes += [node("Sqrt", "w", "r"), node("Div", "one r", "i"), node("Mul", f"i {d}", "n")]
    elif spelling == "rsqrt":
        nodes += [node("Pow", "w minus_half", "i"), node("Mul", f"{d} i", "n")]
    else:
        nodes += [node("Sqrt", "w", "r"), node("Div", f"{d} r", "n")]
    nodes += [node("Mul", "n g", "ng"), node("Add", "ng c", "a")]
    nodes.append(node("Quant", "a t z b", "y", signed=1, narrow=0, rounding_mode="ROUND"))
    return model(nodes, {"x": (1, 3, 5, 4)}, ["y"], constants)


@pytest.mark.parametrize("axes", [[-1], [1, 2, 3], [2]])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_normalizations_in_small_ops_are_found(spelling: str, centred: bool, axes: list[int]):
    net = spelt_out(spelling, centred, axes)
    values = {t.name: onnx.numpy_helper.to_array(t).astype(np.longdouble) for t in net.graph.initializer}
    design, x = hwq.compile(net), RNG.normal(size=(30, 3, 5, 4)) * 2
    assert [n.op.kind for n in design.graph.nodes].count("normalize") == 1
    q = np.clip(np.rint(x / float(SCALE)), -128, 127).astype(np.longdouble) * values["s"]
    d = q - q.mean(tuple(axes), keepdims=True) if centred else q
    n = d / np.sqrt((d * d).mean(tuple(axes), keepdims=True) + values["e"])
    want = np.clip(np.rint((n * values["g"] + values["c"]) / values["t"]), -128, 127)
    apart = np.abs(design.simulate(x, codes=True).reshape(want.shape) - want)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01


def test_a_division_by_another_tensors_deviation_stays_refused():
    net = spelt_out("mul", True, [-1])
    div = next(n for n in net.graph.node if n.op_type == "Div")
    div.input[0] = "q"
    with pytest.raises(hwq.HwqError, match=r"node 'n' \(Div\): a division of two activations"):
        hwq.compile(net)


@pytest.mark.parametrize("name", ["layer", "mean_square", "instance", "two_norm", "pool_two"])
def test_cpp_equals_the_simulator(name: str, tmp_path: Path):
    """Natively; every target's types are tested with the op itself (test_ops), and under the slow marker here."""
    result = hwq.compile(net(name, 8, 1 / 16)).export(tmp_path / "p").verify(inputs(name, 6), types="native")
    assert result, str(result.first)


@pytest.mark.slow
@pytest.mark.parametrize("io", ["parallel", "stream"])
@pytest.mark.parametrize("target", sorted(HLS_TARGETS))
@pytest.mark.parametrize("name", KINDS)
def test_cpp_with_every_targets_types_equals_the_simulator(name: str, target: str, io: str, tmp_path: Path):
    result = hwq.compile(net(name, 8, 1 / 16), {"io": io}).export(tmp_path / "p", target).verify(inputs(name, 6))
    assert result, str(result.first)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("two_norm", {"p": 3}, "p=3; use p 1 or 2"),
        ("layer", {"epsilon": -1.0}, "epsilon -1"),
        ("layer", {"axis": 7}, "axis 7 of a tensor with 3 axes"),
        ("group", {"num_groups": 3}, "3 groups of an activation"),
    ],
)
def test_what_is_not_right_is_refused_by_name(name: str, change: dict[str, Any], words: str):
    made = net(name)
    for attribute in made.graph.node[1].attribute:
        if attribute.name in change:
            attribute.f, attribute.i = float(change[attribute.name]), int(change[attribute.name])
            change = {k: v for k, v in change.items() if k != attribute.name}
    made.graph.node[1].attribute.extend(node("Any", "", "", **change).attribute)
    with pytest.raises(hwq.HwqError) as caught:
        hwq.compile(made)
    assert words in str(caught.value)
    assert "node 'y'" in str(caught.value)
