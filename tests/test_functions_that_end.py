"""Functions that end a model: rounded once on a grid of at most 16 bits that spans them, whatever reaches them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.errors import UnsupportedError
from spelt_models import K, executed, model, nodes_of, samples

ENDS = {
    "tanh": "Tanh h -> y",
    "gelu": "Gelu h -> y",
    "gelu_written_out": "Div h r2 -> a; Erf a -> b; Add b one -> c; Mul h c -> d; Mul d half -> y",
    "mish_written_out": "Softplus h -> a; Tanh a -> b; Mul h b -> y",
    "silu": "Sigmoid h -> a; Mul h a -> y",
    "hard_swish": "HardSwish h -> y",
    "exp": "Mul h down -> a; Exp a -> y",
    "scaled_silu": "Sigmoid h -> a; Mul h a -> b; Mul b down -> c; Add c one -> y",
}
CONSTANTS = {
    "w": np.float32(K) * np.float32(0.0071),
    "per_channel": np.float32(K) * np.asarray([0.0071, 0.003, 0.0113, 0.009], np.float32),
    "half": np.float32(0.5),
    "down": np.float32(-0.2),
    "one": np.float32(1),
    "r2": np.float32(np.sqrt(2)),
}


@pytest.mark.parametrize(("name", "weights"), [*((n, "w") for n in sorted(ENDS)), ("silu", "per_channel")])
def test_a_function_of_wide_sums_ends_a_model_rounded_once(name: str, weights: str) -> None:
    text = f"MatMul x {weights} -> h; {ENDS[name]}"
    used = {k: v for k, v in CONSTANTS.items() if f" {k} " in text}
    proto = model(nodes_of(text), ("N", 6), used, 20)
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<16,6>"}})
    sums = design.graph.edges[design.graph.nodes[0].outputs[0]]
    assert sums.hi - sums.lo > 1 << 16  # no table
    x = samples(1, (80, 1, 6), 60)
    want = executed(proto, x)
    (port,) = design.graph.outputs
    step = float(port.scale.reshape(-1)[0])
    apart = np.abs(np.asarray(design.simulate(x)).reshape(want.shape) - want)
    assert apart.max() <= step / 2 + 2e-6 * np.abs(want).max()
    edge = design.graph.edges[port.edge]
    assert 1 << 12 < edge.hi - edge.lo <= 1 << 16


def test_a_gelu_that_ends_a_model_is_the_same_in_compiled_cpp(tmp_path: Path) -> None:
    proto = model(nodes_of("MatMul x w -> h; Gelu h -> y"), ("N", 6), {"w": CONSTANTS["w"]}, 20)
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<16,6>"}})
    assert design.export(tmp_path / "build").verify(samples(2, (40, 1, 6), 60), types="native")


@pytest.mark.parametrize("name", ["gelu", "silu", "tanh", "mish_written_out"])
def test_the_refusal_in_the_middle_of_a_model_says_that_a_quantizer_behind_helps_and_it_does(name: str) -> None:
    middle = ENDS[name].replace("-> y", "-> g")
    constants = {**CONSTANTS, "v": np.float32(K[:4, :3]), "s": np.float32(0.03), "z": np.int8(-20)}

    def built(text: str) -> hwq.Design:
        used = {k: v for k, v in constants.items() if f" {k} " in text}
        proto = model(nodes_of(text), ("N", 6), used, 20)
        design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<16,6>"}})
        x = samples(3, (60, 1, 6), 60)
        want = executed(proto, x)
        np.testing.assert_allclose(np.asarray(design.simulate(x)).reshape(want.shape), want, rtol=1e-5, atol=1e-5)
        return design

    with pytest.raises(UnsupportedError, match="right behind it"):
        built(f"MatMul x w -> h; {middle}; MatMul g v -> y")
    built(f"MatMul x w -> h; {middle}; QuantizeLinear g s z -> q; DequantizeLinear q s z -> d; MatMul d v -> y")


@pytest.mark.parametrize("io", ["parallel", "stream"])
@pytest.mark.parametrize("opset", [11, 20])
@pytest.mark.parametrize("axis", [-3, -2, -1, 1, 2, 3])
def test_a_softmax_runs_over_any_axis(axis: int, opset: int, io: str) -> None:
    proto = model(nodes_of(f"Softmax(axis={axis}) x -> y"), ("N", 3, 4, 5), {}, opset)
    x = samples(4, (20, 1, 3, 4, 5), 60)
    want = executed(proto, x)
    have = hwq.compile(proto, {"input_types": {"x": "ap_fixed<12,8>"}, "io": io}).simulate(x)
    assert np.abs(np.asarray(have).reshape(want.shape) - want).max() < 2e-5
