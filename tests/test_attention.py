"""A block of quantized attention: products of activations, Softmax, LayerNorm, against float64; equal in C++."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwq
from hwq.targets import HLS_TARGETS
from models import const, model, node

RNG = np.random.default_rng(11)
WEIGHTS = {name: np.round(RNG.normal(size=(8, 8)) * 8) / 16 for name in ("wq", "wk", "wv", "wo")}


def quant(source: str, result: str, step: str = "s", signed: int = 1) -> Any:
    return node("Quant", f"{source} {step} z b", result, signed=signed, narrow=0, rounding_mode="ROUND")


def block() -> Any:
    """Five tokens of 8 features, two heads."""
    constants = [const("s", 1 / 16), const("z", 0.0), const("b", 8.0), const("t", 1 / 256), const("root", 2.0)]
    constants += [const(k, v) for k, v in WEIGHTS.items()]
    constants += [const("heads", [1, 5, 2, 4], np.int64), const("flat", [1, 5, 8], np.int64)]
    constants += [const("g", np.linspace(0.5, 2, 8)), const("c", np.linspace(-1, 1, 8))]
    nodes = [quant("x", "q")]
    for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [node("MatMul", f"q w{name}", f"{name}0"), quant(f"{name}0", f"{name}1")]
        nodes += [node("Reshape", f"{name}1 heads", f"{name}2"), node("Transpose", f"{name}2", f"{name}3", perm=perm)]
    nodes += [node("MatMul", "q3 k3", "scores"), node("Div", "scores root", "scaled"), quant("scaled", "sq")]
    nodes += [node("Softmax", "sq", "p", axis=-1), quant("p", "pq", "t", 0), node("MatMul", "pq v3", "mixed")]
    nodes += [node("Transpose", "mixed", "m1", perm=[0, 2, 1, 3]), node("Reshape", "m1 flat", "m2"), quant("m2", "m")]
    nodes += [node("MatMul", "m wo", "o0"), node("Add", "o0 q", "o1"), quant("o1", "o")]
    nodes += [node("LayerNormalization", "o g c", "n"), quant("n", "y")]
    return model(nodes, {"x": (1, 5, 8)}, ["y"], constants, opset=17)


def wanted(x: np.ndarray) -> np.ndarray:
    """The codes, in float64."""

    def codes(v: np.ndarray, step: float = 1 / 16, signed: bool = True) -> np.ndarray:
        return np.clip(np.rint(v / step), -128 if signed else 0, 127 if signed else 255) * step

    q = codes(x)
    a, k, v = (codes(q @ WEIGHTS[w]).reshape(-1, 5, 2, 4).transpose(0, 2, 1, 3) for w in ("wq", "wk", "wv"))
    e = np.exp(codes(a @ k.transpose(0, 1, 3, 2) / 2))
    p = codes(e / e.sum(-1, keepdims=True), 1 / 256, signed=False)
    m = codes((p @ v).transpose(0, 2, 1, 3).reshape(-1, 5, 8))
    o = codes(m @ WEIGHTS["wo"] + q)
    d = o - o.mean(-1, keepdims=True)
    n = d / np.sqrt((d * d).mean(-1, keepdims=True) + float(np.float32(1e-5)))
    return codes(n * np.linspace(0.5, 2, 8).astype(np.float32) + np.linspace(-1, 1, 8).astype(np.float32)) * 16


def test_an_attention_block_computes_what_its_graph_says():
    x = RNG.normal(size=(100, 5, 8)) * 2
    apart = np.abs(hwq.compile(block()).simulate(x, codes=True).reshape(-1, 5, 8) - wanted(x))
    # Softmax and LayerNorm are within a step: beside a tie that is a code, and moves what follows.
    assert apart.max() <= 2
    assert (apart > 0).mean() < 0.002


@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_an_attention_block_is_equal_in_cpp(io: str, tmp_path: Path):
    project = hwq.compile(block(), {"io": io}).export(tmp_path / "p")
    result = project.verify(RNG.normal(size=(6, 5, 8)) * 2, types="native")
    assert result, f"{result.first} {result.fault}"


@pytest.mark.slow
@pytest.mark.parametrize("io", ["parallel", "stream"])
@pytest.mark.parametrize("target", sorted(HLS_TARGETS))
def test_an_attention_block_is_equal_with_every_targets_types(target: str, io: str, tmp_path: Path):
    project = hwq.compile(block(), {"io": io}).export(tmp_path / "p", target)
    result = project.verify(RNG.normal(size=(6, 5, 8)) * 2)
    assert result, f"{result.first} {result.fault}"


@pytest.mark.parametrize(
    ("left", "right"), [((1, 2, 3, 4), (1, 2, 4, 5)), ((1, 3, 4), (1, 4, 2)), ((1, 1, 3), (1, 3, 1))]
)
def test_products_of_activations_are_exact(left: tuple[int, ...], right: tuple[int, ...]):
    constants = [const("s", 0.3), const("r", 0.7), const("z", 0.0), const("b", 6.0)]
    nodes = [quant("u", "a"), quant("v", "c", "r"), node("MatMul", "a c", "y")]
    design = hwq.compile(model(nodes, {"u": left, "v": right}, ["y"], constants))
    u, v = RNG.normal(size=(20, *left[1:])) * 4, RNG.normal(size=(20, *right[1:])) * 9
    a, c = (np.clip(np.rint(w / float(np.float32(step))), -32, 31) for w, step in ((u, 0.3), (v, 0.7)))
    got = design.simulate({"u": u, "v": v}, codes=True)
    assert np.array_equal(np.reshape(got, (20, *np.matmul(a, c).shape[1:])), np.matmul(a, c))
