"""Quantization that exporters write out in plain ops: grids in constants, roundings of activations, masks, offsets."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import hwq
from hwq.errors import HwqError, UnsupportedError
from hwq.ir.spelt_grids import on_spelt_grid

Floats = npt.NDArray[Any]
TYPE = "ap_fixed<12,8>"  # multiples of 1/16


def node(kind: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    names = ["" if i == "_" else i for i in inputs.split()]
    return helper.make_node(kind, names, output.split(), name=f"{kind}_{output.split()[0]}", **attributes)


def nodes_of(text: str) -> list[onnx.NodeProto]:
    """Nodes as `Kind(attribute=value) inputs -> outputs`, parted by semicolons."""
    found = []
    for part in text.split(";"):
        head, outputs = part.split("->")
        kind, _, rest = head.strip().partition(" ")
        name, _, attributes = kind.partition("(")
        given = dict(pair.split("=") for pair in re.split(r",(?=\w+=)", attributes.rstrip(")")) if pair)
        found.append(node(name, rest, outputs.strip(), **{k: ast.literal_eval(v) for k, v in given.items()}))
    return found


def constant(name: str, value: Any) -> onnx.NodeProto:
    """A Constant node, as TorchScript's exporter writes every number."""
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value), name))


def model(
    nodes: list[onnx.NodeProto], shape: tuple[Any, ...], constants: dict[str, Any], opset: int = 17, kind: int = 1
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def executed(proto: onnx.ModelProto, x: Floats) -> Floats:
    """onnxruntime's values, sample by sample, without its optimizations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return np.stack([session.run(None, {"x": sample})[0] for sample in x])


def agree(proto: onnx.ModelProto, x: Floats, config: Any = None) -> hwq.Design:
    """The compiled design, whose values have to be onnxruntime's up to float32."""
    design = hwq.compile(proto, config)
    want = executed(proto, x)
    have = np.asarray(design.simulate(x)).reshape(want.shape)
    np.testing.assert_allclose(have, want, rtol=3e-6, atol=3e-6 * float(np.abs(want).max()))
    assert np.abs(want).max() > 0
    return design


def samples(seed: int, shape: tuple[int, ...], reach: int = 150) -> Floats:
    """Multiples of 1/16."""
    return (np.random.default_rng(seed).integers(-reach, reach, shape) / 16).astype(np.float32)


# Weights whose grid is spelt out in constants.

K = np.random.default_rng(1).integers(-127, 128, (6, 4))
K[0, 0] = 127
PER_CHANNEL = np.asarray([0.0053, 0.0079, 0.0077, 0.0095], dtype=np.float32)
Chain = tuple[str, dict[str, Any]]


def chains() -> dict[str, Chain]:
    """Nodes that make the weight `w` of shape (6, 4), and the constants that they read."""
    k8, s, rng = K.astype(np.int8), np.float32(0.0071), np.random.default_rng(2)
    real = (K * np.float32(0.0071) + rng.uniform(-0.003, 0.003, K.shape)).astype(np.float32)
    mask = (rng.random(K.shape) < 0.6).astype(np.float32)
    cast = "Cast(to=1) k -> f"
    levels = np.float32(15)
    return {
        "cast_mul": (f"{cast}; Mul f s -> w", {"k": k8, "s": s}),
        "cast_mul_per_channel": (f"{cast}; Mul s f -> w", {"k": k8, "s": PER_CHANNEL}),
        "cast_sub_mul": (
            f"{cast}; Sub f z -> c; Mul c s -> w",
            {"k": (K + 127).astype(np.uint8), "z": np.float32(119), "s": s},
        ),
        "neg": (f"{cast}; Neg f -> n; Mul n s -> w", {"k": k8, "s": s}),
        "neg_behind": (f"{cast}; Mul f s -> n; Neg n -> w", {"k": k8, "s": PER_CHANNEL}),
        "concat": (
            f"{cast}; Mul f s -> a; Cast(to=1) k2 -> g; Mul g s2 -> b; Concat(axis=1) a b -> w",
            {"k": k8[:, :3], "s": PER_CHANNEL[:3], "k2": k8[:, 3:], "s2": np.float32(0.031)},
        ),
        "mask": (f"{cast}; Mul f s -> m; Mul m mask -> w", {"k": k8, "s": s, "mask": mask}),
        "where_mask": (
            f"{cast}; Mul f s -> m; Where mask m none -> w",
            {"k": k8, "s": PER_CHANNEL, "mask": mask > 0, "none": np.float32(0)},
        ),
        "div_round_clip_mul": (
            "Div r s -> a; Round a -> b; Clip b lo hi -> c; Mul c s -> w",
            {"r": real, "s": s, "lo": np.float32(-8), "hi": np.float32(7)},
        ),
        "mul_round_clip_div": (
            "Mul r i -> a; Round a -> b; Clip b lo hi -> c; Div c i -> w",
            {"r": real, "i": np.float32(141.3), "lo": np.float32(-8), "hi": np.float32(7)},
        ),
        "floor_of_half": (
            "Div r s -> a; Add a h -> b; Floor b -> c; Mul c s -> w",
            {"r": real, "s": PER_CHANNEL, "h": np.float32(0.5)},
        ),
        "sign_mean": (
            "Sign r -> a; Abs r -> b; ReduceMean(keepdims=0) b -> m; Mul a m -> w",
            {"r": real + np.float32(1e-5)},
        ),
        "sign_mean_per_channel": (
            "Sign r -> a; Abs r -> b; ReduceMean(axes=[0]) b -> m; Mul a m -> w",
            {"r": real + np.float32(1e-5)},
        ),
        "where_sign": (
            "GreaterOrEqual r zero -> a; Where a p n -> w",
            {"r": real, "zero": np.float32(0), "p": np.float32(0.37), "n": np.float32(-0.37)},
        ),
        "dorefa": (
            "Tanh r -> t; Abs t -> u; ReduceMax(keepdims=0) u -> top; Div t top -> v; Mul v half -> h; "
            "Add h half -> o; Mul o n -> p; Round p -> q; Div q n -> d; Mul d two -> e; Sub e one -> w",
            {"r": real, "half": np.float32(0.5), "n": levels, "two": np.float32(2), "one": np.float32(1)},
        ),
        "dorefa_by_reciprocal": (
            "Mul k n -> d; Mul d two -> e; Sub e one -> w",
            {"k": np.float32(K % 16), "n": 1 / levels, "two": np.float32(2), "one": np.float32(1)},
        ),
        "dorefa_folded": ("Identity f -> w", {"f": np.float32(2) * (np.float32(K % 16) / levels) - np.float32(1)}),
        "folded": ("Identity f -> w", {"f": K.astype(np.float32) * s}),
        "folded_per_channel": ("Identity f -> w", {"f": K.astype(np.float32) * PER_CHANNEL}),
        "blocks": (
            "Cast(to=1) k -> f; Reshape f by -> b; Sub b z -> c; Mul c s -> d; Reshape d back -> w",
            {
                "k": k8,
                "by": np.asarray([3, 2, 4]),
                "z": rng.integers(-3, 4, (3, 1, 4)).astype(np.float32),
                "s": rng.uniform(0.005, 0.01, (3, 1, 4)).astype(np.float32),
                "back": np.asarray([6, 4]),
            },
        ),
    }


def with_weights(chain: Chain, inline: bool) -> onnx.ModelProto:
    """A quantized product with these weights; `inline`: constants as Constant nodes."""
    nodes, constants = chain
    around = [
        *nodes_of("QuantizeLinear x sx zx -> xq; DequantizeLinear xq sx zx -> xd"),
        *nodes_of(nodes),
        *nodes_of("MatMul xd w -> sums; QuantizeLinear sums sy zx -> yq; DequantizeLinear yq sy zx -> y"),
    ]
    given = {**constants, "sx": np.float32(0.0213), "zx": np.int8(0), "sy": np.float32(0.0613)}
    if not inline:
        return model(around, ("N", 6), given)
    return model([*(constant(k, v) for k, v in given.items()), *around], ("N", 6), {})


@pytest.mark.parametrize("inline", [False, True], ids=["initializers", "constants"])
@pytest.mark.parametrize("name", sorted(chains()))
def test_weights_whose_grid_is_spelt_out_in_constants_are_codes(name: str, inline: bool) -> None:
    agree(with_weights(chains()[name], inline), samples(3, (40, 1, 6)))


def test_spelt_out_weights_are_stored_as_the_integers_they_are_made_of() -> None:
    for name in ("cast_mul", "cast_mul_per_channel", "folded", "folded_per_channel", "neg_behind"):
        graph = hwq.compile(with_weights(chains()[name], False)).graph
        weights = next(n.op.weights for n in graph.nodes if n.op.kind == "dense")
        assert np.array_equal(np.abs(weights), np.abs(K)), name


def test_weights_that_lie_on_no_grid_are_refused_with_what_was_tried() -> None:
    w = np.random.default_rng(4).standard_normal((6, 4)).astype(np.float32)
    with pytest.raises(UnsupportedError, match=r"no grid of 20 bits, and are no integers of 16 bits times a scale"):
        hwq.compile(with_weights(("Identity f -> w", {"f": w}), False))
    mask = (np.arange(24).reshape(6, 4) % 3 > 0).astype(np.float32)
    with pytest.raises(UnsupportedError, match="no grid"):
        hwq.compile(with_weights(("Mul f m -> w", {"f": w, "m": mask}), False))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 9, 13, 16])
@pytest.mark.parametrize("per_channel", [False, True])
def test_the_search_finds_the_integers_and_scales_that_floats_were_made_of(bits: int, per_channel: bool) -> None:
    rng = np.random.default_rng(bits)
    top = (1 << (bits - 1)) - 1 or 1
    k = rng.integers(-top, top + 1, (64, 96))
    k[0], k[1], k[:, 5] = top, 1 - top, 0
    k[0, 5] = 1
    s = rng.uniform(1e-4, 0.1, 96 if per_channel else 1).astype(np.float32)
    found = on_spelt_grid(k.astype(np.float32) * s, -1)
    assert found is not None
    assert np.array_equal(found.codes, k)
    assert [float(v) for v in found.scale.reshape(-1)] == s.tolist()
    first = on_spelt_grid((k.astype(np.float32) * s).T.reshape(96, 4, 4, 4), 0)
    assert first is not None
    assert np.array_equal(first.codes.reshape(96, 64), k.T)


def test_every_float_lies_within_half_a_unit_of_what_is_computed_instead() -> None:
    rng = np.random.default_rng(5)
    k = rng.integers(-127, 128, (300, 7))
    w = (k * 0.01234567890123).astype(np.float32)  # the scale is no float32
    found = on_spelt_grid(w, -1)
    assert found is not None
    exact = found.scale * found.codes.astype(object)
    half = [Fraction(float(v)) / 2 for v in np.spacing(np.abs(w)).reshape(-1)]
    apart = [abs(a - Fraction(float(b))) for a, b in zip(exact.reshape(-1), w.reshape(-1), strict=True)]
    assert all(d <= h for d, h in zip(apart, half, strict=True))


@pytest.mark.parametrize("shape", [(5, 20), (6, 4), (40, 30), (9, 8), (3, 100), (2, 64)])
def test_the_search_finds_nothing_in_random_floats(shape: tuple[int, ...]) -> None:
    w = np.random.default_rng(6).standard_normal(shape).astype(np.float32)
    assert on_spelt_grid(w, -1) is None
    w[:, 0] = np.arange(shape[0]) * np.float32(0.1)
    assert on_spelt_grid(w, -1) is None


def test_one_float_that_is_a_unit_off_the_grid_is_seen() -> None:
    k = np.random.default_rng(7).integers(-127, 128, (50, 6))
    w = k.astype(np.float32) * np.float32(0.0071)
    w[20, 3] = np.nextafter(np.float32(w[20, 3]), np.float32(9))
    w[20, 3] = np.nextafter(np.float32(w[20, 3]), np.float32(9))
    small = np.float32(2.0**-20)
    w[21, 3] += small
    assert on_spelt_grid(w, -1) is None


# The same chains on activations.


def quantizers() -> dict[str, Chain]:
    """Nodes from `a` to `b`, and their constants."""
    f = np.float32
    scaled = "Div a s -> t; Round t -> r"
    clip = {"lo": f(-8), "hi": f(7)}
    return {
        "div_round_clip_mul": (
            f"{scaled}; Clip r lo hi -> c; Mul c s -> b",
            {"s": f(0.213), **clip},
        ),
        "div_clip_round_mul": (
            "Div a s -> t; Clip t lo hi -> c; Round c -> r; Mul r s -> b",
            {"s": f(0.213), **clip},
        ),
        "mul_round_clip_div": (
            "Mul a s -> t; Round t -> r; Clip r lo hi -> c; Div c s -> b",
            {"s": f(3.7), **clip},
        ),
        "clip_mul_round_div": (
            "Clip a lo hi -> c; Mul c n -> t; Round t -> r; Div r n -> b",
            {"lo": f(0), "hi": f(1), "n": f(15)},
        ),
        "floor_of_half": (
            "Div a s -> t; Add t half -> h; Floor h -> r; Max r lo -> m; Min m hi -> c; Mul c s -> b",
            {"s": f(0.25), "half": f(0.5), **clip},
        ),
        "ceil": ("Ceil a -> r; Clip r lo hi -> b", clip),
        "lsq_offset": (
            "Sub a beta -> o; Div o s -> t; Clip t zero top -> c; Round c -> r; Mul r s -> u; Add u beta -> b",
            {"beta": f(-1.07), "s": f(0.213), "zero": f(0), "top": f(15)},
        ),
        "per_channel": (
            f"{scaled}; Clip r lo hi -> c; Mul c s -> b",
            {"s": np.asarray([0.21, 0.3, 0.11, 0.5], dtype=f), **clip},
        ),
        "relu_first": (
            "Relu a -> p; Div p s -> t; Round t -> r; Clip r lo hi -> c; Mul c s -> b",
            {"s": f(0.113), "lo": f(0), "hi": f(255)},
        ),
        "sign": ("Sign a -> b", {}),
        "sign_scaled": ("Sign a -> t; Mul t s -> b", {"s": f(0.37)}),
    }


@pytest.mark.parametrize("place", ["input", "sums"])
@pytest.mark.parametrize("name", sorted(quantizers()))
def test_roundings_written_out_on_activations_are_quantizers(name: str, place: str) -> None:
    nodes, constants = quantizers()[name]
    weights = (K[:4, :4] // 16 * np.float32(0.25)).astype(np.float32)
    constants = {**constants, "w": weights}
    inner = [node("MatMul", "b w", "y")]
    front = [node("Identity", "x", "a")] if place == "input" else [node("MatMul", "x w", "a")]
    proto = model([*front, *nodes_of(nodes), *inner], ("N", 4), constants)
    x = samples(8, (60, 1, 4), 90)
    x[0], x[1] = 0, -0.0
    config = None if place == "input" else {"input_types": {"x": TYPE}}
    design = agree(proto, x, config)
    if place == "input":  # the host quantizes: no type had to be stated
        assert design.graph.edges[design.graph.inputs[0].edge].type.width <= 9


def test_sign_of_wide_sums_needs_no_table() -> None:
    w = np.random.default_rng(9).integers(-127, 128, (40, 3)) * np.float32(0.0071)
    proto = model(
        [node("MatMul", "x w", "h"), node("Add", "h b", "a"), node("Sign", "a", "s"), node("MatMul", "s v", "y")],
        ("N", 40),
        {"w": w.astype(np.float32), "b": np.asarray([0.3, -4, 0.011], np.float32), "v": np.eye(3, dtype=np.float32)},
    )
    design = agree(proto, samples(10, (50, 1, 40)), {"input_types": {"x": "ap_fixed<16,12>"}})
    assert {n.op.kind for n in design.graph.nodes} == {"dense", "threshold"}


def test_an_unbounded_rounding_of_an_untyped_input_asks_for_its_type() -> None:
    proto = model([node("Round", "x", "y")], ("N", 4), {})
    with pytest.raises(UnsupportedError, match="--input-type"):
        hwq.compile(proto)
    agree(proto, samples(11, (40, 1, 4)), {"input_types": {"x": TYPE}})


@pytest.mark.parametrize("name", ["sign", "lsq_offset", "floor_of_half"])
def test_spelt_out_quantizers_are_the_same_in_compiled_cpp(name: str, tmp_path: Path) -> None:
    nodes, constants = quantizers()[name]
    text = f"Identity x -> a; {nodes}; MatMul b v -> y"
    down = model(nodes_of(text), ("N", 6), {**constants, "v": K.astype(np.float32) * np.float32(0.0071)})
    x = samples(12, (50, 1, 6))
    design = agree(down, x)
    assert design.export(tmp_path / "build").verify(x, types="native")


# Comparisons, choices and masks.

MASK = np.random.default_rng(13).random((4, 6)) < 0.5


@pytest.mark.parametrize("kind", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"])
@pytest.mark.parametrize("order", ["x c", "c x", "x u"])
def test_comparisons_step_at_the_constant_itself(kind: str, order: str) -> None:
    text = f"Mul x m -> u; {kind} {order} -> b; Cast(to=1) b -> f; Mul f s -> y"
    constants = {"c": np.asarray([0.25, 0, -1, 2], np.float32), "m": np.float32(-0.5), "s": np.float32(0.7)}
    agree(model(nodes_of(text), ("N", 4), constants), samples(14, (80, 1, 4), 40), {"input_types": {"x": TYPE}})


WHERES = {
    "bipolar": "GreaterOrEqual x none -> b; Where b p n -> y",
    "bipolar_by_cast": "GreaterOrEqual x none -> b; Cast(to=1) b -> f; Mul f two -> g; Sub g p -> y",
    "relu": "Greater x none -> b; Where b x none -> y",
    "of_activations": "Greater x p -> b; Mul x two -> u; Where b u x -> y",
    "not_and_or": "Greater x p -> b; Less x none -> c; Not b -> d; And d c -> e; Or e b -> f; Where f x two -> y",
    "constant_mask": "Where mask x none -> y",
    "constant_mask_turned": "Where mask p x -> y",
    "constant_mask_of_activations": "Mul x two -> u; Where mask x u -> y",
    "mask_factor": "Cast(to=1) mask -> m; Mul x m -> y",
}


@pytest.mark.parametrize("name", sorted(WHERES))
@pytest.mark.parametrize("behind", ["nothing", "product", "quantizer"])
def test_choices_and_masks_are_exact(name: str, behind: str) -> None:
    constants = {
        "none": np.float32(0),
        "p": np.float32(1),
        "n": np.float32(-1),
        "two": np.float32(2),
        "mask": MASK,
        "w": np.float32(K[:, :3]) * np.float32(0.0071),
        "s": np.float32(0.23),
        "z": np.int8(3),
    }
    text = {
        "nothing": WHERES[name],
        "product": WHERES[name].replace("-> y", "-> h") + "; MatMul h w -> y",
        "quantizer": WHERES[name].replace("-> y", "-> h") + "; QuantizeLinear h s z -> q; DequantizeLinear q s z -> y",
    }[behind]
    agree(model(nodes_of(text), ("N", 4, 6), constants), samples(15, (30, 1, 4, 6), 40), {"input_types": {"x": TYPE}})


# Constants that vary along any axis, before products.

LINEAR = {
    "position": ("Add x c -> a; MatMul a w -> y", (1, 5, 6)),
    "position_without_axis": ("Add x c -> a; MatMul a w -> y", (5, 6)),
    "rows": ("Add x c -> a; MatMul a w -> y", (5, 1)),
    "row_scales": ("Mul x c -> a; MatMul a w -> y", (5, 1)),
    "both": ("Mul x c -> m; Add m c -> a; MatMul a w -> y", (1, 5, 1)),
    "columns": ("Mul x c -> m; Sub m c -> a; MatMul a w -> y", (6,)),
}


@pytest.mark.parametrize("name", sorted(LINEAR))
def test_constants_that_vary_along_any_axis_pass_through_a_product(name: str) -> None:
    text, shape = LINEAR[name]
    rng = np.random.default_rng(16)
    c = (rng.integers(-40, 40, shape) / 16).astype(np.float32)
    if "Add x" in text:
        c = rng.standard_normal(shape).astype(np.float32)  # an offset needs no grid
    w = np.float32(K[:, :3]) * np.float32(0.0071)
    proto = model(nodes_of(text), ("N", 5, 6), {"c": c, "w": w})
    agree(proto, samples(17, (30, 1, 5, 6), 60), {"input_types": {"x": TYPE}})


@pytest.mark.parametrize("shape", [(5, 6), (1, 5, 6), (3, 5), (7, 6, 5)])
def test_a_constant_left_of_an_activation_is_a_turned_product(shape: tuple[int, ...]) -> None:
    a = np.float32(np.random.default_rng(18).integers(-7, 8, shape)) * np.float32(0.13)
    proto = model(nodes_of("MatMul a x -> y"), ("N", shape[-1], 4), {"a": a})
    if len(shape) == 3 and shape[0] == 7:
        with pytest.raises(HwqError):
            hwq.compile(proto, {"input_types": {"x": TYPE}})
        return
    agree(proto, samples(19, (30, 1, shape[-1], 4)), {"input_types": {"x": TYPE}})


def test_an_activation_is_repeated_against_a_larger_constant() -> None:
    c = np.random.default_rng(20).integers(-9, 9, (1, 5, 6)).astype(np.float32) / 4
    for kind in ("Add", "Mul", "Max"):
        proto = model(nodes_of(f"{kind} x c -> y"), ("N", 1, 6), {"c": c})
        agree(proto, samples(21, (30, 1, 1, 6)), {"input_types": {"x": TYPE}})


CONV = {
    "positions": ("Add x c -> a; Conv(pads=[1,1,1,1]) a w -> y", (1, 2, 5, 6)),
    "positions_strided": ("Add x c -> a; Conv(strides=[2,1]) a w -> y", (2, 5, 6)),
    "columns": ("Sub x c -> a; Conv(pads=[0,1,0,1],dilations=[1,2]) a w -> y", (6,)),
    "no_code_for_zero": ("Add x c -> a; Conv(pads=[1,0,1,2]) a w -> y", (2, 1, 1)),
    "mask": ("Mul x m -> a; Conv(pads=[1,1,1,1]) a w -> y", (2, 5, 6)),
    "mask_and_positions": ("Mul x m -> b; Add b c -> a; Conv(pads=[1,1,1,1]) a w -> y", (2, 5, 6)),
    "groups": ("Add x c -> a; Conv(pads=[1,1,1,1],group=2) a g -> y", (2, 5, 6)),
}


@pytest.mark.parametrize("name", sorted(CONV))
def test_constants_that_vary_by_position_pass_through_a_convolution(name: str) -> None:
    text, shape = CONV[name]
    rng = np.random.default_rng(22)
    k = rng.integers(-7, 8, (4, 2, 3, 3)).astype(np.float32)
    constants = {
        "c": rng.standard_normal(shape).astype(np.float32),
        "m": (rng.random((2, 5, 6)) < 0.6).astype(np.float32),
        "w": k * np.asarray([0.013, 0.0071, 0.2, 0.011], np.float32)[:, None, None, None],
        "g": k[:, :1] * np.float32(0.013),
    }
    used = {n: v for n, v in constants.items() if f" {n} " in text}
    agree(model(nodes_of(text), ("N", 2, 5, 6), used), samples(23, (20, 1, 2, 5, 6), 60), {"input_types": {"x": TYPE}})


CONCAT = {
    "class_token": "Concat(axis=1) c x -> t; MatMul t w -> y",
    "class_token_and_positions": "Concat(axis=1) c x -> t; Add t p -> u; MatMul u w -> y",
    "between": "Mul x two -> v; Concat(axis=1) x c v c -> t; MatMul t w -> y",
    "features": "Concat(axis=2) x f -> t; QuantizeLinear t s z -> q; DequantizeLinear q s z -> y",
    "behind_relu": "Relu x -> r; Concat(axis=1) r c -> t; QuantizeLinear t s z -> q; DequantizeLinear q s z -> y",
}


@pytest.mark.parametrize("name", sorted(CONCAT))
def test_constants_stand_beside_activations_in_a_concat(name: str) -> None:
    rng = np.random.default_rng(24)
    constants = {
        "c": rng.standard_normal((1, 1, 6)).astype(np.float32),
        "p": rng.standard_normal((1, 6, 6)).astype(np.float32),
        "f": rng.standard_normal((1, 5, 2)).astype(np.float32),
        "w": np.float32(K[:, :3]) * np.float32(0.0071),
        "two": np.float32(2),
        "s": np.float32(0.0613),
        "z": np.int8(5),
    }
    text = CONCAT[name]
    used = {n: v for n, v in constants.items() if f" {n} " in text}
    proto = model(nodes_of(text), ("N", 5, 6), used)
    agree(proto, samples(25, (20, 1, 5, 6), 60), {"input_types": {"x": TYPE}})
