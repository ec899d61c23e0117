"""docs/exporters.md: what each exporter writes and what becomes of it, found out by compiling. See --update-golden."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

import hwq
from float_models import MODELS, float_model
from hwq.errors import HwqError
from hwq.models import qkeras_domain, qonnx_domain
from models import const, mlp, model, node
from test_quantize_static import optimized, quantized

DOC = Path(__file__).resolve().parents[1] / "docs" / "exporters.md"
KERAS = Path(__file__).resolve().parent / "golden" / "keras"
SCALES = [
    const("s", 0.125),
    const("z", 0, np.int8),
    const("k", 0.0625),
    const("w", np.arange(-6, 6).reshape(4, 3), np.int8),
]
WEIGHT = node("DequantizeLinear", "w s", "v")
BODY = [WEIGHT, node("MatMul", "d v", "m")]


def pair(x: str, y: str) -> list[onnx.NodeProto]:
    """QuantizeLinear and DequantizeLinear of x to y."""
    return [node("QuantizeLinear", f"{x} s z", f"{y}_q"), node("DequantizeLinear", f"{y}_q s z", y)]


def qdq(nodes: Sequence[onnx.NodeProto], constants: Sequence[Any] = (), shape: Any = (1, 4), **options: Any) -> Any:
    """A quantized x called d, then the nodes."""
    return model([*pair("x", "d"), *nodes], {"x": list(shape)}, constants=[*SCALES, *constants], opset=17, **options)


def eager() -> onnx.ModelProto:
    cast = node("Cast", "x_q", "x_c", to=TensorProto.INT8)
    nodes = [node("QuantizeLinear", "x s z", "x_q"), cast, node("DequantizeLinear", "x_c s z", "d"), WEIGHT]
    return model([*nodes, node("MatMul", "d v", "m"), *pair("m", "y")], constants=SCALES, opset=17)


def qcdq() -> onnx.ModelProto:
    clip = node("Clip", "x_q low high", "x_c")
    nodes = [node("QuantizeLinear", "x s z", "x_q"), clip, node("DequantizeLinear", "x_c s z", "d"), WEIGHT]
    bounds = [const("low", -8, np.int8), const("high", 7, np.int8)]
    return model([*nodes, node("MatMul", "d v", "y")], constants=[*SCALES, *bounds], opset=17)


def dorefa() -> onnx.ModelProto:
    nodes = [
        node("Clip", "x zero one", "c"),
        node("Mul", "c levels", "l"),
        node("Round", "l", "r"),
        node("Div", "r levels", "d"),
        *BODY[:1],
        node("MatMul", "d v", "y"),
    ]
    return model(nodes, constants=[*SCALES, const("zero", 0.0), const("one", 1.0), const("levels", 15.0)], opset=17)


def learned_step() -> onnx.ModelProto:
    nodes = [
        node("Div", "x k", "a"),
        node("Clip", "a low high", "c"),
        node("Round", "c", "r"),
        node("Mul", "r k", "d"),
        *BODY[:1],
        node("MatMul", "d v", "y"),
    ]
    return model(nodes, constants=[*SCALES, const("low", -8.0), const("high", 7.0)], opset=17)


def function() -> onnx.ModelProto:
    inner = [helper.make_node("DequantizeLinear", ["w", "s"], ["v"]), helper.make_node("MatMul", ["a", "v"], ["o"])]
    proto = qdq([node("QLinear", "d w s", "m", domain="local"), *pair("m", "y")], opsets=[("", 17), ("local", 1)])
    opset = [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("local", "QLinear", ["a", "w", "s"], ["o"], inner, opset))
    return proto


def conditional(condition: str = "c") -> onnx.ModelProto:
    def branch(name: str, kind: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(kind, ["d"], [name])], name, [], [out])

    chosen = node("If", condition, "m", then_branch=branch("t", "Neg"), else_branch=branch("e", "Abs"))
    return qdq([chosen, *pair("m", "y")], [const("c", True, np.bool_)])


def shapes() -> onnx.ModelProto:
    nodes = [
        node("Shape", "d", "sh"),
        node("Gather", "sh zero", "n"),
        node("Gather", "sh one", "c"),
        node("Div", "c two", "h"),
        node("Unsqueeze", "n axis", "n1"),
        node("Unsqueeze", "h axis", "h1"),
        node("Concat", ["n1", "two1", "h1"], "to", axis=0),
        node("Reshape", "d to", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 1]),
        *pair("t", "y"),
    ]
    whole = {"zero": 0, "one": 1, "two": 2, "axis": [0], "two1": [2]}
    return qdq(nodes, [const(name, value, np.int64) for name, value in whole.items()], ("N", 4))


def dynamic() -> onnx.ModelProto:
    nodes = [node("DynamicQuantizeLinear", "x", ["q", "qs", "qz"]), node("MatMulInteger", "q w qz", "i")]
    nodes += [node("Cast", "i", "f", to=TensorProto.FLOAT), node("Mul", "f qs", "y")]
    return model(nodes, constants=SCALES, opset=17)


def resize(scale: float, mode: str) -> onnx.ModelProto:
    nodes = [node("Resize", "d _ scales", "r", mode=mode), *pair("r", "y")]
    return qdq(nodes, [const("scales", [1, 1, scale, scale])], (1, 2, 5, 5))


def static(
    name: str, form: str, optimize: bool, kinds: str = "u8s8", per_channel: bool = True
) -> Callable[[Path], Any]:
    def made(folder: Path) -> Path:
        path = quantized(name, form, per_channel, kinds, folder)
        return optimized(path) if optimize else path

    return made


ROWS: list[tuple[str, str, Any]] = [
    ("onnxruntime", "quantize_static, QDQ, per channel", static("cnn relu", "QDQ", False)),
    ("onnxruntime", "quantize_static, QDQ, its graph optimizations applied", static("residual", "QDQ", True)),
    ("onnxruntime", "quantize_static, QOperator", static("unet", "QOperator", False)),
    (
        "onnxruntime",
        "quantize_static, QOperator, per tensor, unsigned",
        static("inception", "QOperator", False, "u8u8", False),
    ),
    ("onnxruntime", "quantize_dynamic: DynamicQuantizeLinear, MatMulInteger", dynamic),
    ("onnxruntime", "a float model, not quantized", lambda: float_model("mlp relu")),
    ("PyTorch", "eager static quantization: QuantizeLinear, Cast to its own type, DequantizeLinear", eager),
    ("PyTorch", "shape arithmetic of a dynamic batch: Shape, Gather, Div, Concat, Reshape", shapes),
    ("PyTorch", "If on a constant or on a shape", conditional),
    ("PyTorch", "If on data", lambda: conditional("d")),
    ("PyTorch", "interpolate by 1.2, nearest", lambda: resize(1.2, "nearest")),
    ("PyTorch", "interpolate by 0.7, bilinear", lambda: resize(0.7, "linear")),
    ("PyTorch", "interpolate, bicubic", lambda: resize(2.0, "cubic")),
    ("PyTorch", "model-local functions (dynamo, onnxscript)", function),
    ("PyTorch", "a fixed batch of 8", lambda: qdq([WEIGHT, node("MatMul", "d v", "y")], shape=(8, 4))),
    ("PyTorch", "a symbolic axis besides the batch", lambda: qdq([node("Relu", "d", "y")], shape=("N", 3, "H", "W"))),
    ("PyTorch", "DoReFa: Clip, Mul, Round, Div", dorefa),
    ("PyTorch", "LSQ: Div, Clip, Round, Mul", learned_step),
    ("Brevitas", "QONNX: Quant, real scales per channel", lambda: mlp(batch_norm=False)),
    ("Brevitas", "QCDQ: QuantizeLinear, Clip, DequantizeLinear", qcdq),
    ("QKeras, Keras", "a .keras file of float layers and quantizers", KERAS / "lines.keras"),
    ("QKeras, Keras", "an .h5 file of float layers and quantizers", KERAS / "lines.h5"),
]


OWN = (qonnx_domain.DOMAIN, qkeras_domain.DOMAIN)


def own_executor(proto: onnx.ModelProto, wanted: Sequence[str]) -> Any:
    """onnx.reference with QONNX' and QKeras' quantizers."""
    ops = [*qonnx_domain.reference_ops(), *qkeras_domain.reference_ops()]
    evaluator = ReferenceEvaluator(proto, new_ops=ops)
    return lambda arrays: list(evaluator.run(list(wanted), dict(arrays)))


def outcome(source: Any, folder: Path) -> str:
    """What becomes of a file, in the words of the table."""
    made = (
        source
        if isinstance(source, Path)
        else source(folder)
        if source.__code__.co_varnames[:1] == ("folder",)
        else source()
    )
    try:
        design = hwq.compile(made)
    except HwqError as error:
        return f"refused: {error}"
    own = any(n.domain in OWN for n in onnx.load_from_string(design.model).graph.node)
    rng, data = np.random.default_rng(0), {}
    for info in design.inputs:
        data[info.name] = rng.normal(size=(24, *info.shape)).astype(np.float32)
    reads = "onnx.reference" if own else "onnxruntime"
    compared = design.reference(reads, data, executor=own_executor if own else None)
    assert compared, compared.text("the row")
    said = f"; said: {design.notes[0]}" if design.notes else ""
    return f"equal to {compared.executor}{said}"


def test_the_table_is_what_becomes_of_the_models(tmp_path: Path, update_golden: bool) -> None:
    lines = ["| exporter | what it writes | what becomes of it |", "|---|---|---|"]
    for number, (exporter, what, source) in enumerate(ROWS):
        folder = tmp_path / str(number)
        folder.mkdir()
        lines.append(f"| {exporter} | {what} | {outcome(source, folder).replace('|', '/')} |")
    block = re.compile(r"(<!-- generated: exporters -->\n).*?(<!-- end -->)", re.DOTALL)
    text = DOC.read_text()
    fresh = block.sub(lambda m: m[1] + "\n".join(lines) + "\n" + m[2], text)
    if update_golden:
        DOC.write_text(fresh)
        text = fresh
    assert text == fresh, "docs/exporters.md is out of date: run with --update-golden"


def test_refusals_of_the_table_end_in_a_remedy() -> None:
    refused = [line for line in DOC.read_text().splitlines() if "| refused: " in line]
    assert len(refused) >= 4
    assert all("; " in line for line in refused)


def test_every_float_model_is_known_by_a_name_of_its_own() -> None:
    assert len(MODELS) >= 45
    with pytest.raises(KeyError):
        float_model("no such model")
