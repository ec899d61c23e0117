"""A fixed leading axis: a batch of which the hardware computes one sample, or part of the sample; both are said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

import hwq
from conftest import Cli, one_line
from hwq.errors import HwqError
from rational_onnx import tensor

FLOAT = TensorProto.FLOAT
node = helper.make_node
BASE = [tensor("s", FLOAT, 0.125), tensor("z", TensorProto.INT8, 0)]


def pair(x: str, y: str) -> list[onnx.NodeProto]:
    return [node("QuantizeLinear", [x, "s", "z"], [f"{y}_q"]), node("DequantizeLinear", [f"{y}_q", "s", "z"], [y])]


def model(shape: Sequence[Any], nodes: Sequence[onnx.NodeProto], constants: Any = (), outputs: Any = ("y",)) -> Any:
    graph = helper.make_graph(
        [*pair("x", "d"), *nodes],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, [*shape])],
        [helper.make_tensor_value_info(o, FLOAT, None) for o in outputs],
        [*BASE, *constants],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def weight(*shape: int) -> list[Any]:
    """An int8 weight `w`, dequantized to `v` by the first node of `linear`."""
    return [tensor("w", TensorProto.INT8, np.random.default_rng(1).integers(-9, 9, shape))]


DEQUANTIZE = node("DequantizeLinear", ["w", "s"], ["v"])


def whole(*values: int) -> onnx.TensorProto:
    return tensor("k", TensorProto.INT64, [*values])


BATCHES = {
    "dense": ((8, 6), [DEQUANTIZE, node("MatMul", ["d", "v"], ["y"])], weight(6, 4)),
    "convolution": ((4, 2, 5, 5), [DEQUANTIZE, node("Conv", ["d", "v"], ["y"])], weight(3, 2, 3, 3)),
    "a batch that stands in a Reshape": (
        (8, 2, 3),
        [DEQUANTIZE, node("Reshape", ["d", "k"], ["r"]), node("MatMul", ["r", "v"], ["y"])],
        [*weight(6, 4), whole(8, 6)],
    ),
    "samples behind one another in a Gemm": (
        (4, 5, 6),
        [
            DEQUANTIZE,
            node("Reshape", ["d", "k"], ["r"]),
            node("Gemm", ["r", "v"], ["m"]),
            node("Reshape", ["m", "back"], ["y"]),
        ],
        [*weight(6, 3), whole(20, 6), tensor("back", TensorProto.INT64, [4, 5, 3])],
    ),
    "pooling and softmax": (
        (4, 3, 4, 4),
        [
            node("MaxPool", ["d"], ["p"], kernel_shape=[2, 2]),
            node("GlobalAveragePool", ["p"], ["m"]),
            node("Flatten", ["m"], ["f"]),
            node("Softmax", ["f"], ["t"], axis=1),
            *pair("t", "y"),
        ],
        [],
    ),
    "a residual and a transpose": (
        (4, 3, 5),
        [
            node("Transpose", ["d"], ["t"], perm=[0, 2, 1]),
            node("Relu", ["t"], ["r"]),
            node("Add", ["t", "r"], ["y"]),
        ],
        [],
    ),
}

ROWS = tensor("c", FLOAT, np.arange(12).reshape(4, 3))
GRAM = [node("Transpose", ["d"], ["t"]), node("MatMul", ["d", "t"], ["y"])]
WHOLE = {
    "a softmax over it": ((4, 3), [node("Softmax", ["d"], ["t"], axis=0), *pair("t", "y")], []),
    "a mean over it": ((4, 3), [node("ReduceMean", ["d"], ["y"], axes=[0])], []),
    "a constant for each of it": (
        (4, 3),
        [node("Mul", ["d", "c"], ["y"])],
        [tensor("c", FLOAT, np.arange(12).reshape(4, 3))],
    ),
    "its elements in another order": ((4, 3), [node("Gather", ["d", "k"], ["y"], axis=0)], [whole(3, 2, 1, 0)]),
    "a transpose that moves it": ((4, 4, 3), [node("Transpose", ["d"], ["y"], perm=[1, 0, 2])], []),
    "padding of it": ((4, 3), [node("Pad", ["d", "k"], ["y"])], [whole(1, 0, 1, 0)]),
    "itself on both sides of a product": (
        (4, 3),
        [node("Transpose", ["d"], ["t"]), node("MatMul", ["d", "t"], ["y"])],
        [],
    ),
}


def data(shape: Sequence[int], seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(-32, 32, shape).astype(np.float32) / 8


def onnxruntime(proto: onnx.ModelProto, x: Any) -> Any:
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("name", BATCHES)
def test_what_every_op_treats_as_a_batch_is_one(name: str) -> None:
    shape, nodes, constants = BATCHES[name]
    proto = model(shape, nodes, constants)
    design = hwq.compile(proto)
    (note,) = design.notes
    assert "is a batch" in note
    assert design.inputs[0].shape == (1, *shape[1:])
    x = data(shape)
    want = onnxruntime(proto, x)
    step = 2.0**-3 + 1e-6 if "softmax" in name else 1e-5
    assert np.abs(design.simulate(x).reshape(want.shape) - want).max() <= step
    runs = np.stack([x, data(shape, 1)])
    in_runs = design.simulate(runs)
    assert in_runs.shape[:2] == (2, shape[0]) or in_runs.shape[0] == 2
    assert np.array_equal(in_runs[0].reshape(-1), design.simulate(x).reshape(-1))
    assert design.reference("onnxruntime", samples=11)


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_makes_the_hardware_of_the_model_with_a_batch_of_one(name: str) -> None:
    shape, nodes, constants = BATCHES[name]
    if "Reshape" in {n.op_type for n in nodes}:
        pytest.skip("its Reshape holds the batch")
    many, one = (hwq.compile(model((n, *shape[1:]), nodes, constants)) for n in (shape[0], 1))
    assert many.weights_digest() == one.weights_digest()
    assert str(many.graph).split("\n  note ")[0].strip() == str(one.graph).strip()


@pytest.mark.parametrize("name", WHOLE)
def test_what_an_op_works_across_is_part_of_the_sample(name: str) -> None:
    shape, nodes, constants = WHOLE[name]
    proto = model(shape, nodes, constants)
    design = hwq.compile(proto)
    (note,) = design.notes
    assert "part of the sample" in note
    assert design.inputs[0].shape == shape
    x = data(shape)
    want = onnxruntime(proto, x)
    step = 2.0**-3 + 1e-6 if "softmax" in name else 1e-5
    assert np.abs(design.simulate(x[None]).reshape(want.shape) - want).max() <= step


def test_a_leading_axis_of_one_or_none_is_no_news() -> None:
    for shape in ((1, 6), ("N", 6)):
        assert hwq.compile(model(shape, BATCHES["dense"][1], weight(6, 4))).notes == ()


def test_a_stated_shape_keeps_the_batch_in_the_sample() -> None:
    shape, nodes, constants = BATCHES["dense"]
    design = hwq.compile(model(shape, nodes, constants), {"input_shapes": {"x": "8,6"}})
    assert design.inputs[0].shape == (8, 6)
    assert design.notes == ()
    assert hwq.compile(model(shape, nodes, constants), {"input_shapes": {"x": [3, 6]}}).inputs[0].shape == (3, 6)


def test_symbolic_axes_take_the_shape_that_is_stated() -> None:
    _, nodes, constants = BATCHES["convolution"]
    proto = model(("N", 2, "H", "W"), nodes, constants)
    with pytest.raises(HwqError, match="--input-shape 'x=1,2,N,N'"):
        hwq.compile(proto)
    design = hwq.compile(proto, {"input_shapes": {"x": "1,2,5,6"}})
    x = data((3, 2, 5, 6))
    assert np.allclose(design.simulate(x), onnxruntime(proto, x), atol=1e-5)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"x": "1,3,5,6"}, "symbolic"),
        ({"x": "1,2,5"}, "symbolic"),
        ({"x": "1,2,5,0"}, "extents"),
        ({"x": "1,2,5,six"}, "extents"),
        ({"x": "1,2,5,99999999999"}, "extents"),
        ({"x": "1,2,99999,99999"}, "absurd"),
        ({"z": "1,2,5,6"}, "no input 'z'"),
    ],
)
def test_a_stated_shape_that_does_not_fit_is_refused(shapes: dict[str, str], words: str) -> None:
    _, nodes, constants = BATCHES["convolution"]
    with pytest.raises(HwqError, match=words):
        hwq.compile(model(("N", 2, "H", "W"), nodes, constants), {"input_shapes": shapes})


def test_commands_take_shapes_and_say_what_became_of_the_batch(cli: Cli, tmp_path: Path) -> None:
    shape, nodes, constants = BATCHES["dense"]
    onnx.save(model(shape, nodes, constants), tmp_path / "batch.onnx")
    _, nodes, constants = BATCHES["convolution"]
    onnx.save(model(("N", 2, "H", "W"), nodes, constants), tmp_path / "open.onnx")
    result = cli("export", "batch.onnx", "-o", "p", "--target", "native")
    assert result.exit_code == 0, result.output
    assert "note: the leading axis of 8" in result.stderr
    assert "Note: the leading axis of 8" in (tmp_path / "p" / "README.md").read_text()
    assert json.loads((tmp_path / "p" / "hwq.json").read_text())["batch"] == 8
    assert cli("verify", "p", "--reference", "onnxruntime", "--samples", "5", "--types", "native").exit_code == 0
    assert "the leading axis of 8" in cli("inspect", "batch.onnx").stdout
    assert "symbolic" in one_line(cli("inspect", "open.onnx", "--input-shape", "x=1,3,5,5"))
    shown = cli("inspect", "open.onnx", "--input-shape", "x=1,2,5,5")
    assert "1x3x3x3" in shown.stdout
    assert "write --input-shape 'NAME=1,3,32,32'" in one_line(cli("inspect", "open.onnx", "--input-shape", "x"))


def test_an_output_that_is_constant_is_kept(cli: Cli, tmp_path: Path) -> None:
    c = np.asarray([[0.5, -2.0, 3.25]])
    for shape, io in (((1, 6), "parallel"), (("N", 6), "stream"), ((8, 6), "parallel")):
        nodes = [DEQUANTIZE, node("MatMul", ["d", "v"], ["y"]), node("Neg", ["c"], ["anchors"])]
        proto = model(shape, nodes, [*weight(6, 4), tensor("c", FLOAT, c)], ["y", "anchors"])
        design = hwq.compile(proto, {"target": "native", "io": io})
        y = design.simulate(data((5, 6)))
        assert set(y) == {"y", "anchors"}
        assert np.array_equal(y["anchors"], np.repeat(-c, 5, axis=0))
        files = design.render()
        assert "anchors" in files["README.md"].decode()
        header = next(text.decode() for name, text in files.items() if name.startswith("host/"))
        assert "static const double constant_anchors[3]" in header
        assert "{-0.5, 2.0, -3.25}" in header
        assert json.loads(files["hwq.json"])["constants"] == {"anchors": [[-0.5, 2.0, -3.25]]}
        assert design.reference("onnxruntime", samples=9)
    onnx.save(proto, tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", data((5, 6)))
    result = cli("simulate", "m.onnx", "--data", "x.npy", "-o", "y.npz")
    assert result.exit_code == 0, result.output
    assert "anchors: [5, 3] values that depend on no input" in result.stdout
    assert np.load(tmp_path / "y.npz")["anchors"].shape == (5, 3)
    project = hwq.compile(proto, {"target": "native"}).export(tmp_path / "p")
    assert project.verify(samples=5, types="native")
    emulated = hwq.compile(proto).emulator()(data((5, 6)))
    assert np.array_equal(emulated["anchors"], y["anchors"])


def test_a_constant_output_without_a_number_is_refused() -> None:
    nodes = [node("Identity", ["d"], ["y"]), node("Identity", ["c"], ["bad"])]
    with pytest.raises(HwqError, match="'bad'"):
        hwq.compile(model((1, 6), nodes, [tensor("c", FLOAT, [np.inf])], ["y", "bad"]))


def test_tensors_of_other_sizes_are_one_line_of_the_reference(cli: Cli, tmp_path: Path) -> None:
    nodes = [DEQUANTIZE, node("MatMul", ["d", "v"], ["y"])]
    design = hwq.compile(model((1, 6), nodes, weight(6, 4)))

    def wrong(proto: onnx.ModelProto, wanted: Sequence[str]) -> Any:
        return lambda arrays: [np.zeros((1, 3)) for _ in wanted]

    with pytest.raises(HwqError, match="3 elements with other, 6 with hwq") as error:
        design.reference("other", samples=3, executor=wrong)
    assert "\n" not in str(error.value)


def test_a_config_keeps_the_shapes_that_were_stated_for_it(cli: Cli, tmp_path: Path) -> None:
    _, nodes, constants = BATCHES["convolution"]
    proto = model(("N", 2, "H", "W"), nodes, constants)
    del proto.graph.node[:3]  # the quantizer, and that of the weight: a float model
    proto.graph.node[0].input[:] = ["x", "f"]
    proto.graph.initializer.append(tensor("f", FLOAT, np.linspace(-1, 1, 54).reshape(3, 2, 3, 3)))
    onnx.save(proto, tmp_path / "float.onnx")
    assert cli("config", "float.onnx", "-o", "q.yaml", "--input-shape", "x=1,2,5,5").exit_code == 0
    assert "1x3x3x3" in cli("inspect", "float.onnx", "--config", "q.yaml").stdout
    assert "extents" in one_line(cli("config", "float.onnx", "-o", "q.yaml", "--input-shape", "x=1,2,5,H"))
