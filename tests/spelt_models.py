"""Small models written as lines of text, run by onnxruntime and by hwq: what the tests of exporters' habits share."""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import hwq
from hwq.check.exact_samples import exactly

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
    """The compiled design; its values have to be onnxruntime's up to float32, and exactly those of a second reading."""
    design = hwq.compile(proto, config)
    want = executed(proto, x)
    have = np.asarray(design.simulate(x)).reshape(want.shape)
    np.testing.assert_allclose(have, want, rtol=3e-6, atol=3e-6 * float(np.abs(want).max()))
    assert np.abs(want).max() > 0
    again = exactly(proto, design.meaning(), design.graph, x[:2])
    assert again, again.text("a second reading")
    assert again.values, again.left
    return design


def samples(seed: int, shape: tuple[int, ...], reach: int = 150) -> Floats:
    """Multiples of 1/16."""
    return (np.random.default_rng(seed).integers(-reach, reach, shape) / 16).astype(np.float32)


K = np.random.default_rng(1).integers(-127, 128, (6, 4))
K[0, 0] = 127
