"""Quantizers that exporters write out in plain ops: grids in constants, roundings and signs of activations."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import hwq
from hwq.check.exact_samples import exactly
from hwq.errors import UnsupportedError
from hwq.ir.spelt_grids import on_spelt_grid
from spelt_models import TYPE, K, agree, constant, model, node, nodes_of, samples

# Weights whose grid is spelt out in constants.

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
        "straight_through": (
            "Div r s -> a; Round a -> b; Clip b lo hi -> c; Mul c s -> d; Sub d r -> e; Add r e -> w",
            {"r": real, "s": PER_CHANNEL, "lo": np.float32(-8), "hi": np.float32(7)},
        ),
        "ternary": (
            "Greater r p -> a; Less r n -> b; Where b m none -> c; Where a one c -> d; Mul d s -> w",
            {"r": real, "p": np.float32(0.2), "n": np.float32(-0.2), "m": np.float32(-1), "none": np.float32(0)}
            | {"one": np.float32(1), "s": PER_CHANNEL},
        ),
        "norm_folded": ("DequantizeLinear k s -> a; Mul a g -> w", {"k": k8, "s": s, "g": PER_CHANNEL * 100}),
        "relu_of_codes": (f"{cast}; Mul f s -> m; Relu m -> w", {"k": k8, "s": PER_CHANNEL}),
        "slice_of_codes": (
            f"{cast}; Mul f s -> m; Concat(axis=0) m m -> n; Slice n from to -> w",
            {"k": k8, "s": PER_CHANNEL, "from": np.asarray([3]), "to": np.asarray([9])},
        ),
        "max_of_codes": (f"{cast}; Mul f s -> m; Max m low -> w", {"k": k8, "s": s, "low": np.float32(-0.0071 * 90)}),
        "over_127": (
            "Clip r n p -> a; Mul a top -> b; Round b -> c; Div c top -> w",
            {"r": real, "n": np.float32(-1), "p": np.float32(1), "top": np.float32(127)},
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


ESTIMATORS = {
    "x_plus": "Div a s -> t; Round t -> r; Sub r t -> e; Add t e -> c; Clip c lo hi -> d; Mul d s -> b",
    "plus_x": "Div a s -> t; Clip t lo hi -> c; Round c -> r; Sub r c -> e; Add e c -> d; Mul d s -> b",
    "minus": "Div a s -> t; Clip t lo hi -> c; Round c -> r; Sub c r -> e; Sub c e -> d; Mul d s -> b",
    "whole": "Div a s -> t; Round t -> r; Clip r lo hi -> c; Mul c s -> d; Sub d a -> e; Add a e -> b",
    "half_away": "Div a s -> t; Clip t lo hi -> u; Abs u -> v; Add v half -> h; Floor h -> f; Sign u -> g; "
    "Mul g f -> d; Mul d s -> b",
}


@pytest.mark.parametrize("place", ["input", "sums"])
@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_straight_through_estimators_are_the_quantizers_inside_them(name: str, place: str) -> None:
    front = "Identity x -> a" if place == "input" else "MatMul x w -> a"
    constants = {"s": np.float32(0.25), "lo": np.float32(-8), "hi": np.float32(7), "half": np.float32(0.5)}
    text = f"{front}; {ESTIMATORS[name]}; MatMul b w -> y"
    used = {k: v for k, v in constants.items() if f" {k} " in text}
    proto = model(nodes_of(text), ("N", 4), {**used, "w": np.float32(K[:4, :4] // 16) * np.float32(0.25)})
    typed = place == "sums" or name == "half_away"
    agree(proto, samples(34, (80, 1, 4), 90), {"input_types": {"x": TYPE}} if typed else None)


@pytest.mark.parametrize("name", ["folded", "folded_per_channel", "sign_mean", "dorefa_folded", "cast_mul_per_channel"])
def test_the_second_reading_takes_weights_for_the_grid_that_they_are_rounded_from(name: str) -> None:
    proto = with_weights(chains()[name], False)
    design = hwq.compile(proto)
    x = samples(40, (4, 1, 6))
    assert exactly(proto, design.meaning(), design.graph, x)
    nodes, constants = chains()["folded"]
    other = with_weights((nodes, {"f": constants["f"] * (1 + np.float32(2**-19))}), False)
    if name == "folded":  # what float32's rounding does not hide is seen
        assert not exactly(other, design.meaning(), design.graph, x)
