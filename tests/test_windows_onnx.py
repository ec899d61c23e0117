"""Attributes of ONNX' window ops: hwq equals onnxruntime's float32 kernels on integers, where those are exact.

Inputs are multiples of 1/4 with a zero point; sums stay far below 2^24, so that one code too many shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import hwq

ort = pytest.importorskip("onnxruntime")

IMAGE = (1, 4, 7, 9)


def model(shape: tuple[int, ...], node: onnx.NodeProto, constants: dict[str, Any], opset: int) -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node,
    ]
    tensors = {"s": np.float32(0.25), "z": np.int8(5), **constants}
    graph = helper.make_graph(
        nodes,
        "window",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def check(kind: str, attributes: dict[str, Any], shape: tuple[int, ...] = IMAGE, outputs: int = 1, **constants: Any):
    opset = constants.pop("opset", 21)
    names = [n if constants[n] is not None else "" for n in constants]
    node = helper.make_node(kind, ["d", *names], [f"y{i}" for i in range(outputs)], **attributes)
    proto = model(shape, node, {k: v for k, v in constants.items() if v is not None}, opset)
    x = (np.random.default_rng(0).integers(-40, 40, (3, *shape[1:])) * 0.25).astype(np.float32)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    parts = [session.run(None, {"x": x[i : i + 1]}) for i in range(3)]
    got = hwq.compile(proto).simulate(x)
    got = got if isinstance(got, dict) else {"y0": got}
    for i in range(outputs):
        want = np.stack([p[i] for p in parts])
        assert got[f"y{i}"].size == want.size
        assert np.allclose(got[f"y{i}"].reshape(want.shape), want, rtol=0, atol=1e-4)


def weights(*shape: int) -> Any:
    return np.random.default_rng(1).integers(-5, 6, shape).astype(np.float32)


@pytest.mark.parametrize("group", [1, 2, 4])
@pytest.mark.parametrize("strides", [[1, 1], [2, 3]])
@pytest.mark.parametrize("mode", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
def test_conv_reads_groups_strides_dilations_and_every_way_of_padding(group: int, strides: list[int], mode: str):
    attributes = {"group": group, "strides": strides, "auto_pad": mode}
    if not mode.startswith("SAME"):  # onnxruntime has no dilation there
        attributes["dilations"] = [2, 1]
    if mode == "NOTSET":
        attributes["pads"] = [1, 2, 0, 1]
    check("Conv", attributes, w=weights(8, 4 // group, 3, 2), b=weights(8))


def test_conv_takes_one_and_three_spatial_axes():
    check("Conv", {"pads": [2, 1], "strides": [2]}, (1, 4, 11), w=weights(5, 4, 4))
    check("Conv", {"pads": [1, 0, 1, 0, 1, 0]}, (1, 2, 4, 5, 6), w=weights(3, 2, 2, 2, 2))


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 2]},
        {"strides": [2, 3], "pads": [1, 1, 0, 1], "output_padding": [1, 1]},
        {"strides": [2, 2], "output_shape": [15, 17]},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"dilations": [2, 1], "pads": [2, 1, 1, 0]},
        {"strides": [3, 3], "pads": [2, 2, 2, 2]},
    ],
)
def test_transposed_conv_is_a_conv_over_stuffed_data(group: int, attributes: dict[str, Any]):
    check("ConvTranspose", {**attributes, "group": group}, w=weights(4, 3, 3, 2), b=weights(3 * group))


POOLS = [
    {"kernel_shape": [3, 3]},
    {"kernel_shape": [3, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 2], "strides": [3, 2], "pads": [0, 1, 1, 0]},
    {"kernel_shape": [2, 2], "strides": [3, 3], "pads": [1, 0, 0, 1]},
    {"kernel_shape": [2, 2], "strides": [2, 1], "dilations": [2, 3]},
    {"kernel_shape": [4, 4], "strides": [3, 3], "pads": [2, 2, 2, 2]},
]


@pytest.mark.parametrize("attributes", POOLS)
@pytest.mark.parametrize("ceil", [0, 1])
def test_pools_know_padding_ceil_mode_and_who_is_counted(attributes: dict[str, Any], ceil: int):
    check("MaxPool", {**attributes, "ceil_mode": ceil})
    for include in (0, 1):
        check("AveragePool", {**attributes, "ceil_mode": ceil, "count_include_pad": include})


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_pools_pad_automatically(kind: str, mode: str):
    check(kind, {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": mode})


@pytest.mark.parametrize("kind", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pools_span_all_pixels(kind: str):
    check(kind, {})


@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("axes", [[2, 3], [1], [-1], [1, 3]])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions_span_the_axes_given(kind: str, axes: list[int], keepdims: int):
    check(kind, {"keepdims": keepdims}, a=np.asarray(axes))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize("pads", [[0, 0, 1, 2, 0, 0, 2, 1], [0, 1, 0, 0, 0, 2, 3, 4], [0, 0, -1, 2, 0, 0, 2, -3]])
def test_padding_adds_and_cuts(mode: str, pads: list[int]):
    value = {"v": np.float32(0.3)} if mode == "constant" else {}
    check("Pad", {"mode": mode}, p=np.asarray(pads), **value)


def test_padding_takes_axes():
    check("Pad", {}, p=np.asarray([1, 2]), v=None, a=np.asarray([3]))


def test_slices_split_gathers_and_tiles_pick_elements():
    ends = {"e": np.asarray([100, -100]), "a": np.asarray([2, 3]), "t": np.asarray([2, -1])}
    check("Slice", {}, b=np.asarray([1, -2]), **ends)
    check("Split", {"axis": 3, "num_outputs": 5}, outputs=5)
    check("Split", {"axis": 1}, outputs=2, sizes=np.asarray([1, 3]))
    check("Gather", {"axis": 2}, i=np.asarray([[0, -1], [3, 3]]))
    check("Tile", {}, r=np.asarray([1, 2, 1, 2]))
    check("Expand", {}, (1, 4, 1, 9), extents=np.asarray([7, 1]))


def test_depth_and_space_change_places():
    check("DepthToSpace", {"blocksize": 2, "mode": "DCR"}, (1, 8, 3, 4))
    check("DepthToSpace", {"blocksize": 2, "mode": "CRD"}, (1, 8, 3, 4))
    check("SpaceToDepth", {"blocksize": 2}, (1, 2, 4, 6))


@pytest.mark.parametrize("how", ["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"])
@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "linear"])
def test_resize_finds_its_sources(how: str, nearest: str):
    attributes = {"coordinate_transformation_mode": how, "mode": "linear" if nearest == "linear" else "nearest"}
    if nearest != "linear":
        attributes["nearest_mode"] = nearest
    for scales in ([1, 1, 2, 3], [1, 1, 0.5, 1.5]):
        check("Resize", attributes, roi=None, scales=np.asarray(scales, dtype=np.float32))
    check("Resize", attributes, roi=None, scales=None, sizes=np.asarray([1, 4, 10, 5]))


@pytest.mark.parametrize("nearest", ["round_prefer_ceil", "ceil"])
def test_resize_to_sizes_leaves_other_axes_alone(nearest: str):
    attributes = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": nearest}
    empty = np.zeros(0, dtype=np.float32)
    check("Resize", attributes, (1, 4, 8, 9), roi=empty, scales=empty, sizes=np.asarray([1, 4, 4, 18]), opset=13)


def test_older_resizes_are_asymmetric():
    check("Resize", {"mode": "nearest"}, scales=np.asarray([1, 1, 2, 3], dtype=np.float32), opset=10)
    proto = model(
        IMAGE,
        helper.make_node("Upsample", ["d", "scales"], ["y0"], mode="nearest"),
        {"scales": np.asarray([1, 1, 2, 3], dtype=np.float32)},
        9,
    )
    x = np.random.default_rng(0).integers(-20, 20, (1, *IMAGE[1:])) * 0.25
    y = hwq.compile(proto).simulate(x)
    assert np.array_equal(y, x.repeat(2, axis=2).repeat(3, axis=3))
