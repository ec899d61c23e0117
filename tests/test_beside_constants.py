"""Constants beside activations: masks, choices, offsets and factors along any axis, blocks of weights, class tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import hwq
from hwq.check.exact_samples import exactly
from hwq.errors import HwqError, UnsupportedError
from hwq.models.quantize.calibrate import calibrated
from hwq.models.quantize.template import template
from spelt_models import TYPE, K, agree, executed, model, node, nodes_of, samples

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


# Weights in blocks, and the parameters of operators on integers.


def nbits(bits: int, zeros: str, extra: dict[str, Any] | None = None, bias: bool = False) -> onnx.ModelProto:
    """MatMulNBits of 40 inputs in blocks of 16 (the last one not full), 3 outputs."""
    rng = np.random.default_rng(bits)
    k, n, block = 40, 3, 16
    blocks = -(-k // block)
    row = -(-blocks * bits // 8)
    constants: dict[str, Any] = {
        "b": rng.integers(0, 256, (n, blocks, block * bits // 8)).astype(np.uint8),
        "s": rng.uniform(0.001, 0.02, n * blocks).astype(np.float32),
    }
    if zeros == "packed":
        constants["z"] = rng.integers(0, 256, n * row).astype(np.uint8)
    elif zeros == "float":
        constants["z"] = rng.integers(0, 2 << bits, (n, blocks)).astype(np.float32) / 2
    if bias:
        constants["bias"] = rng.standard_normal(n).astype(np.float32)
    constants.update({key: v for key, v in (extra or {}).items() if isinstance(v, np.ndarray)})
    attributes = {key: v for key, v in (extra or {}).items() if not isinstance(v, np.ndarray)}
    names = f"x b s {'z' if zeros else '_'} {'g' if 'g' in constants else '_'} {'bias' if bias else '_'}"
    made = node("MatMulNBits", names, "y", domain="com.microsoft", K=k, N=n, bits=bits, block_size=block, **attributes)
    return model([made], ("N", k), constants)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zeros", ["", "packed"])
@pytest.mark.parametrize("bias", [False, True])
def test_blockwise_weights_of_few_bits_are_exact(bits: int, zeros: str, bias: bool) -> None:
    proto, x = nbits(bits, zeros, bias=bias), samples(26, (20, 1, 40), 60)
    design = agree(proto, x, {"input_types": {"x": TYPE}})
    assert exactly(proto, design.meaning(), design.graph, x[:3])


def test_float_zero_points_and_blocks_in_order_are_exact() -> None:
    agree(nbits(4, "float"), samples(27, (20, 1, 40), 60), {"input_types": {"x": TYPE}})
    proto = nbits(4, "", {"g": (np.arange(40) // 16).astype(np.int32)})
    agree(proto, samples(27, (20, 1, 40), 60), {"input_types": {"x": TYPE}})


def test_blockwise_weights_that_are_not_computed_exactly_are_refused_by_name() -> None:
    for extra, word in (({"accuracy_level": 4}, "accuracy_level 4"), ({"g": np.arange(40)[::-1] // 16}, "g_idx")):
        with pytest.raises(UnsupportedError, match=word):
            hwq.compile(nbits(4, "", extra), {"input_types": {"x": TYPE}})
    short = nbits(4, "")
    short.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones(8, np.float32), "s"))
    with pytest.raises(HwqError, match="8 elements where 9 are stated"):
        hwq.compile(short, {"input_types": {"x": TYPE}})


@pytest.mark.parametrize("shape", [(5,), (1, 5)])
def test_qlinear_matmul_takes_scales_per_column_in_both_spellings(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(28)
    constants = {
        "xs": np.float32(0.013),
        "xz": np.uint8(3),
        "w": rng.integers(-127, 128, (6, 5)).astype(np.int8),
        "ws": rng.uniform(0.005, 0.02, shape).astype(np.float32),
        "wz": np.zeros(shape, np.int8),
        "ys": np.float32(0.0317),
        "yz": np.uint8(77),
    }
    text = "QuantizeLinear x xs xz -> q; QLinearMatMul q xs xz w ws wz ys yz -> p; DequantizeLinear p ys yz -> y"
    want = hwq.compile(model(nodes_of(text), ("N", 6), {**constants, "ws": constants["ws"].reshape(-1)}))
    have = hwq.compile(model(nodes_of(text), ("N", 6), constants))
    x = samples(29, (50, 1, 6), 60)
    assert np.array_equal(want.simulate(x), have.simulate(x))
    assert len(np.unique(have.simulate(x))) > 20
    turned = model(nodes_of(text), ("N", 6), {**constants, "ws": np.ones((5, 1), np.float32)})
    with pytest.raises(HwqError, match="shape"):
        hwq.compile(turned)


def test_a_weight_channel_of_scale_zero_is_zero_whatever_its_codes() -> None:
    constants = {
        "xs": np.float32(0.25),
        "xz": np.int8(0),
        "w": K.astype(np.int8),
        "ws": np.asarray([0.01, 0, 0.0071, 0], np.float32),
        "wz": np.zeros(4, np.int8),
        "b": np.asarray([0.5, 1, -2, 0], np.float32),
    }
    text = "QuantizeLinear x xs xz -> q; DequantizeLinear q xs xz -> d; DequantizeLinear w ws wz -> v; Gemm d v b -> y"
    proto = model(nodes_of(text), ("N", 6), constants)
    design = agree(proto, samples(30, (40, 1, 6), 60))
    assert np.all(np.asarray(design.simulate(samples(30, (40, 1, 6), 60)))[:, 1] == 1)
    text = "QuantizeLinear x s z -> q; DequantizeLinear q s z -> y"
    dead = model(nodes_of(text), ("N", 6), {"s": np.float32(0), "z": np.int8(0)})
    with pytest.raises(UnsupportedError, match="not positive"):
        hwq.compile(dead)


# A clamp on one side, and factors of both signs behind it.

BOTH = np.asarray([0.7, -1.3, 0.0, -0.2], np.float32)
AFTER = {
    "mul": "Mul r f -> m",
    "batch_normalization": "BatchNormalization r f b mean var -> m",
    "mul_twice": "Mul r f -> n; Add n b -> o; Mul o f2 -> m",
    "upper": "Neg r -> n; Mul n f -> m",
    "pool": "Mul r f -> m",
}


@pytest.mark.parametrize("name", sorted(AFTER))
@pytest.mark.parametrize("clamp", ["Relu h -> r", "Max h b -> r", "Min h b -> r", "Clip h -> r"])
def test_a_clamp_on_one_side_takes_factors_of_both_signs(name: str, clamp: str) -> None:
    constants = {
        "w": np.float32(K) * np.float32(0.0071),
        "f": BOTH,
        "f2": -BOTH[::-1],
        "b": np.asarray([0.3, -0.2, 0.9, 0], np.float32),
        "mean": np.asarray([0.1, 0.5, -0.4, 2], np.float32),
        "var": np.asarray([0.5, 1.5, 1.1, 0.3], np.float32),
        "s": np.float32(0.0613),
        "z": np.int8(-4),
    }
    text = f"MatMul x w -> h; {clamp}; {AFTER[name]}; QuantizeLinear m s z -> q; DequantizeLinear q s z -> y"
    proto = model(nodes_of(text), ("N", 6), constants)
    agree(proto, samples(31, (80, 1, 6), 60), {"input_types": {"x": TYPE}})


def test_factors_of_both_signs_behind_a_relu_are_done_without_a_quantizer_too() -> None:
    constants = {"w": np.float32(K) * np.float32(0.5), "f": np.asarray([0.5, -2, 1, -0.25], np.float32)}
    constants["v"] = np.float32(K[:4, :3])
    proto = model(nodes_of("MatMul x w -> h; Relu h -> r; Mul r f -> m; MatMul m v -> y"), ("N", 6), constants)
    agree(proto, samples(32, (40, 1, 6), 60), {"input_types": {"x": TYPE}})


def test_a_dense_relu_batch_normalization_is_calibrated_with_its_trained_statistics(tmp_path: Path) -> None:
    rng = np.random.default_rng(33)
    constants = {
        "w": rng.standard_normal((6, 4)).astype(np.float32),
        "b": rng.standard_normal(4).astype(np.float32),
        "f": BOTH,
        "g": rng.standard_normal(4).astype(np.float32),
        "mean": np.asarray([0.1, 0.5, -0.4, 2], np.float32),
        "var": np.asarray([0.5, 1.5, 1.1, 0.3], np.float32),
        "v": rng.standard_normal((4, 2)).astype(np.float32),
        "c": rng.standard_normal(2).astype(np.float32),
    }
    text = "Gemm x w b -> h; Relu h -> r; BatchNormalization r f g mean var -> m; Gemm m v c -> y"
    x = rng.standard_normal((200, 6)).astype(np.float32)
    for opset in (13, 17):
        path = tmp_path / f"m{opset}.onnx"
        onnx.save(model(nodes_of(text), ("N", 6), constants, opset), path)
        found = calibrated(onnx.load(path), {"x": x})
        assert max(found.errors.values()) < 0.05
        (tmp_path / "q.yaml").write_text(template(onnx.load(path), "m", 8, found))
        want = executed(onnx.load(path), x[:, None])[:, 0]
        have = hwq.compile(path, tmp_path / "q.yaml").simulate(x)
        assert np.sqrt(np.mean((have - want) ** 2) / np.mean(want**2)) < 0.05


GEMMS = {
    "plain": "Gemm x w b -> y",
    "left_turned": "Transpose(perm=[1,0]) x -> t; Gemm(transA=1) t w b -> y",
    "scaled": "Gemm(alpha=0.5,beta=2.0) x w b -> y",
    "constant_left": "Transpose(perm=[1,0]) x -> t; Gemm(transA=1) w t c -> y",
    "constant_left_both_turned": "Gemm(transA=1,transB=1,alpha=0.25) w x c -> y",
    "two_activations": "Gemm(transB=1) x x -> y",
}


@pytest.mark.parametrize("name", sorted(GEMMS))
def test_a_gemm_takes_a_constant_on_either_side_turned_or_not(name: str) -> None:
    constants = {
        "w": np.float32(K) * np.asarray([0.0071, 0.003, 0.0113, 0.009], np.float32),
        "b": np.asarray([0.5, -1, 0.25, 3], np.float32),
        "c": np.asarray([[0.5], [-1], [0.25], [3]], np.float32),
    }
    text = GEMMS[name]
    proto = model(nodes_of(text), (1, 6), {k: v for k, v in constants.items() if f" {k} " in text})
    agree(proto, samples(35, (30, 1, 6), 60), {"input_types": {"x": TYPE}})


CAUSAL = np.triu(np.ones((5, 5), bool), 1)
SCORES = {
    "added": "Mul x eighth -> b; Add b a -> m",
    "chosen": "Where causal low x -> m",
    "of_a_product": "QuantizeLinear x s z -> q; DequantizeLinear q s z -> d; Transpose(perm=[0,2,1]) d -> t; "
    "MatMul d t -> p; Add p a -> m",
}


@pytest.mark.parametrize("low", [-1e4, -3.4028235e38, -np.inf])
@pytest.mark.parametrize("name", sorted(SCORES))
def test_masked_scores_get_no_share_of_a_softmax(name: str, low: float, tmp_path: Path) -> None:
    constants = {
        "causal": CAUSAL,
        "low": np.float32(low),
        "a": np.where(CAUSAL, np.float32(low), np.float32(0)),
        "eighth": np.float32(0.125),
        "s": np.float32(0.0213),
        "z": np.int8(3),
    }
    text = f"{SCORES[name]}; Softmax(axis=-1) m -> y"
    proto = model(nodes_of(text), ("N", 5, 5), {k: v for k, v in constants.items() if f" {k} " in text})
    x = samples(36, (30, 1, 5, 5), 60)
    want = executed(proto, x)
    design = hwq.compile(proto, None if name == "of_a_product" else {"input_types": {"x": TYPE}})
    have = np.asarray(design.simulate(x)).reshape(want.shape)
    assert np.abs(have - want).max() < 2e-5
    assert np.all(have[:, :, CAUSAL] == 0)
    if low == -np.inf and name == "added":
        assert design.export(tmp_path / "build").verify(x[:10], types="native")


def test_minus_infinity_that_no_softmax_takes_is_refused() -> None:
    constants = {"a": np.where(CAUSAL, -np.inf, 0).astype(np.float32), "w": np.float32(K[:5, :3])}
    for text in ("Add x a -> y", "Add x a -> m; MatMul m w -> y"):
        used = {k: v for k, v in constants.items() if f" {k} " in text}
        proto = model(nodes_of(text), ("N", 5, 5), used)
        with pytest.raises(UnsupportedError, match="minus infinity"):
            hwq.compile(proto, {"input_types": {"x": TYPE}})
    text = "Add x a -> m; QuantizeLinear m s z -> q; DequantizeLinear q s z -> y"
    agree(
        model(nodes_of(text), ("N", 5, 5), {"a": constants["a"], "s": np.float32(0.25), "z": np.int8(0)}),
        samples(37, (20, 1, 5, 5), 60),
    )
