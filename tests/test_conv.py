"""Convolutions, pools and moves: reference models, and the ONNX texts read a second time in exact fractions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T

import test_models
from hwq.build.toolchain import find_headers
from hwq.errors import HwqError
from hwq.frontends.onnx import read_onnx
from hwq.ops import Conv
from hwq.passes import Options, compile_graph
from hwq.targets import get_target
from rational_onnx import agree, model, simulated, tensor
from rational_windows import WindowReader
from test_qdq import node, samples

MODELS = (
    "bv_digits_cnn_w4a4_pc",
    "bv_digits_dwsep_w8a8_po2",
    "bv_digits_resnet_w6a6_trunc",
    "qonnx_espcn_nnresize_16",
    "ex_separable_conv_ch_last_16",
    "ex_branched_ch_last_32",
    "qdq_digits_cnn_s8s8_po2",
    "qdq_digits_cnn_u8s8_pc",
    "qdq_digits_conv1d_s8s8_asym_pc",
    "qop_digits_cnn_u8s8_pc",
    "bvqcdq_digits_cnn_w8a8_pc",
    "nncf_digits_cnn_mixed",
    "pt2e_digits_cnn_x86",
)
UNITS = (
    "conv_autopad_same_rect",
    "conv_bias_relu_quant",
    "conv_dilated",
    "conv_grouped_asympad_stride2",
    "conv_zp_input_padding",
    "maxpool_padded_signed",
    "avgpool_same_scale_ties",
    "gap_7x7",
    "reducemean_hw",
    "pad_constant",
)
needs_headers = pytest.mark.skipif(find_headers(get_target("vivado")) is None, reason="no headers: pip install da4ml")


@pytest.mark.parametrize("name", [*MODELS, *(f"units/{u}" for u in UNITS)])
def test_every_code_of_every_sample_equals_the_float64_reference(name: str) -> None:
    test_models.test_simulated_values_equal_the_float64_reference(name)


@needs_headers
@pytest.mark.parametrize(("name", "samples"), [("bv_digits_cnn_w4a4_pc", 20), ("units/conv_zp_input_padding", 20)])
def test_compiled_cpp_equals_the_simulator(name: str, samples: int, tmp_path: Path) -> None:
    design, data = test_models.compiled(name)
    assert design.export(tmp_path / "p").verify(data["x"][:samples])


@pytest.mark.slow
@needs_headers
@pytest.mark.parametrize("name", [*MODELS, *(f"units/{u}" for u in UNITS)])
def test_compiled_cpp_equals_the_simulator_on_many_samples(name: str, tmp_path: Path) -> None:
    design, data = test_models.compiled(name)
    assert design.export(tmp_path / "p").verify(data["x"][:40])


# Meaning --------------------------------------------------------------------------------------------------------------

IMAGE = (1, 3, 4, 5)
LOW = 0.333  # no code of any quantizer here: a clamp to it stays pending


def quantized(name: str, scale: float, zero: int, kind: int = T.UINT8) -> tuple[list[onnx.NodeProto], list[Any]]:
    """`name`_d from `name`: a pair of QuantizeLinear and DequantizeLinear."""
    nodes = [
        node("QuantizeLinear", f"{name} {name}_s {name}_z", f"{name}_q"),
        node("DequantizeLinear", f"{name}_q {name}_s {name}_z", f"{name}_d"),
    ]
    return nodes, [tensor(f"{name}_s", T.FLOAT, np.float32(scale)), tensor(f"{name}_z", kind, zero)]


def network(
    middle: list[onnx.NodeProto],
    constants: list[Any],
    last: str = "quantize",
    zero: int = 117,
    shape: tuple[int, ...] = IMAGE,
    inputs: str = "x",
) -> onnx.ModelProto:
    """Quantized inputs, the nodes from x_d (and w_d) to m, and a quantizer of m unless the output is bare."""
    nodes: list[onnx.NodeProto] = []
    constants = [*constants, tensor("low", T.FLOAT, np.float32(LOW)), tensor("none", T.FLOAT, np.float32(1e9))]
    for i, name in enumerate(inputs):
        pair, more = quantized(name, 0.037 + 0.02 * i, zero + 9 * i)
        nodes, constants = nodes + pair, constants + more
    nodes += middle
    if last == "quantize":
        pair, more = quantized("m", 0.21, 131)
        nodes, constants = nodes + pair, constants + more
    return model(
        nodes, dict.fromkeys(inputs, (T.FLOAT, shape)), {"m_d" if last == "quantize" else "m": T.FLOAT}, constants
    )


def data(shape: tuple[int, ...] = IMAGE, inputs: str = "x", count: int = 5) -> dict[str, Any]:
    return {n: samples(i, (count, *shape[1:]), 2.5) for i, n in enumerate(inputs)}


def coded_weights(
    shape: tuple[int, ...], per_channel: bool, zero: bool = False
) -> tuple[list[onnx.NodeProto], list[Any]]:
    """w from int8 or uint8 codes behind a DequantizeLinear."""
    rng = np.random.default_rng(7)
    count = shape[0] if per_channel else 1
    scales = (rng.uniform(0.01, 0.09, count)).astype(np.float32)
    kind, codes = (T.UINT8, rng.integers(0, 256, shape)) if zero else (T.INT8, rng.integers(-127, 128, shape))
    zeros = rng.integers(90, 160, count) if zero else np.zeros(count, dtype=np.int64)
    one = (lambda v: v) if per_channel else (lambda v: v[0])
    tensors = [tensor("w_q", kind, codes), tensor("w_s", T.FLOAT, one(scales)), tensor("w_z", kind, one(zeros))]
    return [node("DequantizeLinear", "w_q w_s w_z", "w", axis=0)], tensors


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("weight_zero", [False, True])
@pytest.mark.parametrize("last", ["quantize", "none"])
def test_convolutions_of_asymmetric_codes_are_exact_with_padding(
    per_channel: bool, weight_zero: bool, last: str
) -> None:
    nodes, constants = coded_weights((4, 3, 2, 3), per_channel, weight_zero)
    constants.append(tensor("b", T.FLOAT, np.asarray([0.3, -1.7, 0.01, 2.2], dtype=np.float32)))
    nodes.append(node("Conv", "x_d w b", "m", pads=[1, 0, 2, 1], strides=[1, 2]))
    assert agree(network(nodes, constants, last), data(), WindowReader)


def test_a_depthwise_convolution_takes_a_scale_and_an_offset_per_channel() -> None:
    nodes, constants = coded_weights((6, 1, 2, 2), True)
    constants += [
        tensor("k", T.FLOAT, np.asarray([0.31, -0.77, 1.9], dtype=np.float32).reshape(3, 1, 1)),
        tensor("o", T.FLOAT, np.asarray([0.11, 0.5, -2.3], dtype=np.float32).reshape(3, 1, 1)),
    ]
    nodes += [node("Mul", "x_d k", "a"), node("Add", "a o", "c"), node("Conv", "c w", "m", group=3)]
    assert agree(network(nodes, constants), data(), WindowReader)


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_a_convolution_joins_parts_of_different_scales_and_zero_points(pads: list[int]) -> None:
    """Both scales are multiples of 1/64, so that one grid holds them; padded, that grid also has a code for zero."""
    rng = np.random.default_rng(3)
    constants = [
        tensor("w_f", T.FLOAT, rng.integers(-7, 8, (2, 6, 2, 2)).astype(np.float32)),
        *(tensor(f"{n}_s", T.FLOAT, np.float32(s)) for n, s in (("x", 3 / 64), ("w", 5 / 64))),
        *(tensor(f"{n}_z", T.UINT8, z) for n, z in (("x", 100), ("w", 140))),
    ]
    nodes = [
        node(kind, f"{n}{tail} {n}_s {n}_z", f"{n}_{out}")
        for n in "xw"
        for kind, tail, out in (("QuantizeLinear", "", "q"), ("DequantizeLinear", "_q", "d"))
    ]
    nodes += [node("Concat", "x_d w_d", "c", axis=1), node("Conv", "c w_f", "m", pads=pads)]
    proto = model(nodes, dict.fromkeys("xw", (T.FLOAT, IMAGE)), {"m": T.FLOAT}, constants)
    assert agree(proto, data(inputs="xw"), WindowReader)


@pytest.mark.parametrize("before", ["none", "clip", "negative", "mixed", "mixed_clip"])
@pytest.mark.parametrize("last", ["quantize", "none"])
def test_max_pools_commute_with_what_is_pending(before: str, last: str) -> None:
    factors = {"negative": [-0.5, -1.25, -2.0], "mixed": [-0.5, 1.25, 0.0], "mixed_clip": [0.75, -1.5, 1.0]}
    nodes, constants, edge = [], [], "x_d"
    if before in factors:
        constants.append(tensor("k", T.FLOAT, np.asarray(factors[before], dtype=np.float32).reshape(3, 1, 1)))
        nodes.append(node("Mul", f"{edge} k", "a"))
        edge = "a"
    if before.endswith("clip"):
        nodes.append(node("Clip", f"{edge} low none", "r"))
        edge = "r"
    nodes.append(node("MaxPool", edge, "m", kernel_shape=[2, 3], pads=[1, 1, 0, 1], strides=[2, 1]))
    assert agree(network(nodes, constants, last), data(), WindowReader)


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("last", ["quantize", "none"])
def test_average_pools_divide_by_what_each_window_holds(include: int, clip: bool, last: str) -> None:
    nodes = [node("Clip", "x_d low none", "r")] if clip else []
    pads = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "count_include_pad": include}
    nodes.append(node("AveragePool", "r" if clip else "x_d", "m", **pads))
    assert agree(network(nodes, [], last), data(), WindowReader)


@pytest.mark.parametrize("value", [0.0, 1.5, -3.1])
@pytest.mark.parametrize("clip", [False, True])
def test_padding_may_have_any_value(value: float, clip: bool) -> None:
    nodes = [node("Clip", "x_d low none", "r")] if clip else []
    nodes.append(node("Pad", f"{'r' if clip else 'x_d'} p v", "m"))
    constants = [tensor("p", T.INT64, [0, 0, 1, 0, 0, 1, 0, 2]), tensor("v", T.FLOAT, np.float32(value))]
    assert agree(network(nodes, constants), data(), WindowReader)


def test_a_pool_after_a_pool_keeps_scales_that_differ_by_position() -> None:
    first = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [node("AveragePool", "x_d", "a", **first), node("MaxPool", "a", "m", kernel_shape=[2, 2])]
    assert agree(network(nodes, []), data(), WindowReader)


def test_parts_of_an_unquantized_input_may_be_taken_before_the_quantizer() -> None:
    pair, more = quantized("m", 0.21, 131)
    constants = [tensor(n, T.INT64, v) for n, v in (("b", [1, 3]), ("e", [3, -9]), ("a", [2, 3]), ("t", [1, -2]))]
    nodes = [node("Slice", "x b e a t", "m")]
    proto = model([*nodes, *pair], {"x": (T.FLOAT, IMAGE)}, {"m_d": T.FLOAT}, constants + more)
    whole = model(pair, {"m": (T.FLOAT, (1, 3, 2, 2))}, {"m_d": T.FLOAT}, more)
    x = data()
    parts = x["x"][:, :, 1:3, [3, 1]]
    have, want = simulated(proto, x), simulated(whole, {"m": parts})
    assert bool((have["m_d"] == want["m_d"]).all())


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 2, 0, 1]])
def test_im2col_and_a_product_of_matrices_are_a_convolution(pads: list[int]) -> None:
    weights = np.random.default_rng(5).integers(-7, 8, (4, 3, 2, 3)).astype(np.float32)
    direct = [node("Conv", "x_d w", "m", pads=pads, strides=[1, 2], dilations=[2, 1])]
    turned = weights.transpose(2, 3, 1, 0).reshape(-1, 4)
    attributes = {"kernel_size": [2, 3], "stride": [1, 2], "pad_amount": pads, "dilations": [2, 1], "input_shape": "()"}
    columns = [
        node("Transpose", "x_d", "t", perm=[0, 2, 3, 1]),
        node("Im2Col", "t", "c", domain="qonnx.custom_op.general", **attributes),
        node("MatMul", "c w", "p"),
        node("Transpose", "p", "m", perm=[0, 3, 1, 2]),
    ]
    want = simulated(network(direct, [tensor("w", T.FLOAT, weights)], "none"), data())
    have = simulated(network(columns, [tensor("w", T.FLOAT, turned)], "none"), data())
    assert bool((want["m"] == have["m"]).all())


@pytest.mark.parametrize(("layout", "stride"), [("NCHW", 2), ("NHWC", 1)])
def test_quant_avg_pool_shifts_the_sum_of_the_window(layout: str, stride: int) -> None:
    """(sum >> shift), the shift being the bits of 3 x 3 x 15 less obits: 8 - 4."""
    attributes = {"kernel": 3, "stride": stride, "ibits": 4, "obits": 4, "signed": 0, "data_layout": layout}
    nodes = [node("QuantAvgPool2d", "x_d", "m", domain="qonnx.custom_op.general", **attributes)]
    pair, more = quantized("x", 1.0, 0)
    x = np.random.default_rng(2).integers(0, 16, (4, 5, 6, 7))
    have = simulated(model(pair + nodes, {"x": (T.FLOAT, (1, 5, 6, 7))}, {"m": T.FLOAT}, more), {"x": x})["m"]
    data = x if layout == "NCHW" else x.transpose(0, 3, 1, 2)
    slid = np.lib.stride_tricks.sliding_window_view(data, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
    want = slid.sum(axis=(-2, -1)) >> 4
    assert bool((have == (want if layout == "NCHW" else want.transpose(0, 2, 3, 1))).all())


def test_channels_last_ops_are_their_namesakes_between_transposes() -> None:
    rng = np.random.default_rng(8)
    weights = rng.integers(-7, 8, (4, 3, 2, 3)).astype(np.float32)
    four = {k: rng.uniform(0.5, 1.5, 4).astype(np.float32) for k in ("gamma", "beta", "mean", "var")}
    constants = [tensor(k, T.FLOAT, v) for k, v in four.items()]
    pool = {"kernel_shape": [2, 1], "strides": [2, 1], "pads": [1, 0, 0, 0]}

    def ops(domain: str) -> list[onnx.NodeProto]:
        return [
            node("Conv", "t w b", "c", domain=domain, pads=[1, 1, 0, 2], strides=[1, 2], kernel_shape=[2, 3]),
            node("MaxPool", "c", "p", domain=domain, **pool),
            node("BatchNormalization", "p gamma beta mean var", "n", domain=domain),
        ]

    constants.append(tensor("b", T.FLOAT, four["beta"]))
    first = [node("Transpose", "x_d", "t", perm=[0, 2, 3, 1]), *ops("qonnx.custom_op.channels_last")]
    last = [*first, node("Transpose", "n", "m", perm=[0, 3, 1, 2])]
    plain = [node("Identity", "x_d", "t"), *ops(""), node("Identity", "n", "m")]
    turned = tensor("w", T.FLOAT, weights.transpose(0, 2, 3, 1))
    have = simulated(network(last, [*constants, turned], "quantize"), data())
    want = simulated(network(plain, [*constants, tensor("w", T.FLOAT, weights)], "quantize"), data())
    assert bool((have["m_d"] == want["m_d"]).all())
    kinds = [n.op.kind for n in compile_graph(read_onnx(network(last, [*constants, turned])), Options()).nodes]
    assert "transpose" not in kinds


def test_integer_offsets_become_the_bias_of_the_convolution() -> None:
    nodes = [node("Conv", "x_d w_f b", "m")]
    constants = [
        tensor("w_f", T.FLOAT, np.random.default_rng(1).integers(-7, 8, (2, 3, 2, 2)).astype(np.float32)),
        tensor("b", T.FLOAT, np.asarray([3.0, -8.0], dtype=np.float32)),
    ]
    pair, more = quantized("x", 0.5, 0)
    pair_out, more_out = quantized("m", 4.0, 0, T.INT8)
    proto = model(pair + nodes + pair_out, {"x": (T.FLOAT, IMAGE)}, {"m_d": T.FLOAT}, constants + more + more_out)
    graph = compile_graph(read_onnx(proto), Options())
    (conv,) = (n.op for n in graph.nodes if isinstance(n.op, Conv))
    assert conv.bias is not None
    assert conv.bias.tolist() == [6, -16]
    assert agree(proto, data(), WindowReader)


def test_scales_by_channel_that_share_no_step_are_refused_before_a_convolution() -> None:
    four = {k: np.asarray([0.3, 0.7, 1.1], dtype=np.float32) for k in ("gamma", "beta", "mean", "var")}
    weights = tensor("w_f", T.FLOAT, np.ones((2, 3, 2, 2), dtype=np.float32))
    nodes = [node("BatchNormalization", "x_d gamma beta mean var", "n"), node("Conv", "n w_f", "m", pads=[1, 1, 0, 0])]
    proto = network(nodes, [weights, *(tensor(k, T.FLOAT, v) for k, v in four.items())])
    with pytest.raises(HwqError, match=r"node 'm' \(Conv\): .*scale varies by channel by no common step"):
        compile_graph(read_onnx(proto), Options())


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (node("Conv", "x_d w_f", "m", group=2), "groups"),
        (node("Conv", "x_d w_f", "m", pads=[0, 0, 0]), "pads"),
        (node("Conv", "x_d w_f", "m", strides=[0, 1]), "strides"),
        (node("Conv", "x_d w_f", "m", dilations=[9, 9]), "does not fit"),
        (node("Conv", "x_d x_d", "m"), "constant"),
        (node("MaxPool", "x_d", "m", kernel_shape=[1, 1], pads=[2, 2, 2, 2]), "padding alone"),
        (node("MaxPool", "x_d", "m"), "kernel_shape"),
        (node("Resize", "x_d _ s", "m", mode="cubic"), "cubic"),
        (node("Gather", "x_d i", "m", axis=1), "index"),
        (node("Pad", "x_d i", "m"), "pads"),
        (node("Split", "x_d i", "m", axis=1), "parts"),
    ],
)
def test_what_cannot_be_is_refused_by_name(broken: onnx.NodeProto, told: str) -> None:
    constants = [
        tensor("w_f", T.FLOAT, np.ones((2, 3, 2, 2), dtype=np.float32)),
        tensor("s", T.FLOAT, np.asarray([1, 1, 2, 2], dtype=np.float32)),
        tensor("i", T.INT64, [17]),
    ]
    with pytest.raises(HwqError, match=told) as raised:
        compile_graph(read_onnx(network([broken], constants, "none")), Options())
    assert "node 'm'" in str(raised.value)
