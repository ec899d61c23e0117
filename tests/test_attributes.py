"""Attributes: what no rule reads is refused by name, unless it is known to change no value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import hwq
from hwq.errors import HwqError, UnsupportedError
from hwq.frontends.attributes import HARMLESS, HARMLESS_ELSEWHERE, Attributes, ignored
from hwq.frontends.onnx import RULES, read_onnx

DOCS = Path(__file__).resolve().parents[1] / "docs" / "attributes.md"
TYPED = {"input_types": {"x": "ap_fixed<8,4>"}}


def model(kind: str, domain: str = "", opset: int = 13, **attributes: object) -> onnx.ModelProto:
    node = helper.make_node(kind, ["x"], ["y"], name="n", domain=domain)
    node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


CONSTANTS = {
    "s": np.float32(0.5),
    "z": np.uint8(0),
    "w": np.ones((4, 3), np.uint8),
    "v": np.ones((1, 4), np.uint8),
    "c": np.ones(4, np.float32),
    "m": np.ones((4, 3), np.float32),
    "k": np.ones((2, 1, 3, 3), np.float32),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "yes": np.array(True),
}
IM2COL = {"kernel_size": [2, 2], "stride": [1, 1], "input_shape": "(1, 4, 4, 1)"}
QLINEAR = ["x", "s", "z", "v", "s", "z", "s", "z"]


def read(kind: str, inputs: list[str], opset: int, shape: list[int], dtype: int = TensorProto.FLOAT, **attributes: Any):
    """The real graph of one node; `kind` may begin with a domain and a colon."""
    domain, _, op = kind.rpartition(":")
    node = helper.make_node(op, inputs, ["y"], name="n", domain=domain)
    node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in CONSTANTS.items()],
    )
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return read_onnx(helper.make_model(graph, opset_imports=imports, ir_version=8))


@pytest.mark.parametrize(
    ("kind", "domain"), [("Relu", ""), ("Softmax", ""), ("Identity", ""), ("Gelu", "com.microsoft")]
)
def test_an_attribute_that_no_rule_reads_is_refused_by_name(kind: str, domain: str):
    with pytest.raises(UnsupportedError, match="attribute 'twist'"):
        hwq.compile(model(kind, domain, twist=3), TYPED)


def test_harmless_attributes_and_defaults_are_taken():
    hwq.compile(model("Relu", opset=13, consumed_inputs=[0]), TYPED)
    hwq.compile(model("Clip", opset=6, min=-1.0, max=1.0, consumed_inputs=[0]), TYPED)


def test_reading_in_any_way_counts_and_copying_does_not():
    attributes = Attributes({"a": 1, "b": 2, "c": 3, "d": 4})
    assert attributes.plain() == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert attributes.unread() == ["a", "b", "c", "d"]
    assert attributes["a"] == 1
    assert attributes.get("b") == 2
    assert "c" in attributes
    assert attributes.unread() == ["d"]
    assert attributes.updated({"e": 5})["d"] == 4
    assert attributes.unread() == []


def test_the_default_of_the_schema_is_no_wish():
    assert ignored(Attributes({"axis": -1}), "", "Softmax", 13) is None
    assert ignored(Attributes({"axis": 0}), "", "Softmax", 13) == "axis"


def test_harmless_names_are_attributes_of_ops_that_have_a_rule():
    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if s.domain == "" and s.name in RULES[""]]
    assert set(HARMLESS) <= {name for schema in schemas for name in schema.attributes}
    assert {kind for kind, _ in HARMLESS_ELSEWHERE} <= {kind for rules in RULES.values() for kind in rules}


@pytest.mark.parametrize("name", sorted({*HARMLESS, *(name for _, name in HARMLESS_ELSEWHERE)} - {"consumed_inputs"}))
@pytest.mark.parametrize("kind", ["Relu", "com.microsoft:Gelu"])
def test_a_name_that_is_harmless_for_one_op_is_refused_on_another(kind: str, name: str):
    with pytest.raises(UnsupportedError, match=f"attribute '{name}'"):
        read(kind, ["x"], 13, [1, 4], **{name: 1})


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes"),
    [
        ("QLinearMatMul", ["x", "s", "z", "w", "s", "z", "s", "z"], {"axis": 7}),
        ("MatMulInteger", ["x", "w", "z", "z"], {"axis": 7}),
        ("com.microsoft:QGemm", ["x", "s", "z", "w", "s", "z", "", "s", "z"], {"beta": 0.5}),
        ("com.microsoft:QLinearAdd", QLINEAR, {"axis": 1}),
        ("com.microsoft:QLinearAdd", QLINEAR, {"block_size": 2}),
        ("com.microsoft:QLinearMul", QLINEAR, {"output_dtype": 3}),
    ],
)
def test_what_a_rule_sets_for_another_rule_is_not_read_of_the_node(kind: str, inputs: list[str], attributes: Any):
    read(kind, inputs, 13, [1, 4], TensorProto.UINT8)
    with pytest.raises(UnsupportedError, match=f"attribute '{next(iter(attributes))}'"):
        read(kind, inputs, 13, [1, 4], TensorProto.UINT8, **attributes)


def test_an_unknown_attribute_of_an_if_with_a_constant_condition_is_refused():
    def branch(op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(op, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(op, ["x"], [op])], op, [], [out])

    both = {"then_branch": branch("Relu"), "else_branch": branch("Neg")}
    read("If", ["yes"], 13, [1, 4], **both)
    with pytest.raises(UnsupportedError, match="attribute 'twist'"):
        read("If", ["yes"], 13, [1, 4], **both, twist=3)


@pytest.mark.parametrize(
    ("kind", "inputs", "opset", "shape", "attributes"),
    [
        ("qonnx.custom_op.general:Im2Col", ["x"], 13, [1, 4, 4, 1], {**IM2COL, "depthwise": 0}),
        ("qonnx.custom_op.general:Im2Col", ["x"], 13, [1, 4, 4, 1], {**IM2COL, "depthwise": 1}),
        ("Conv", ["x", "k"], 13, [1, 1, 4, 4], {"auto_pad": "VALID", "pads": [0, 0, 0, 0]}),
        ("Conv", ["x", "k"], 13, [1, 1, 4, 4], {"auto_pad": "SAME_UPPER", "pads": [1, 1, 1, 1]}),
        ("QuantizeLinear", ["x", "s", "z"], 21, [1, 4], {"output_dtype": TensorProto.UINT8}),
        ("ReduceSum", ["x"], 13, [1, 4], {"noop_with_empty_axes": 1, "keepdims": 0}),
        ("Pad", ["x"], 2, [1, 4], {"pads": [0, 1, 0, 1], "mode": "reflect", "value": 3.0}),
        ("Resize", ["x", "", "scales"], 13, [1, 1, 4, 4], {"mode": "nearest", "cubic_coeff_a": -0.5}),
        ("Add", ["x", "c"], 6, [1, 4], {"broadcast": 1}),
        ("Mul", ["x", "c"], 6, [1, 4], {"broadcast": 1, "axis": 1}),
        ("Gemm", ["x", "m", "s"], 6, [1, 4], {"broadcast": 1}),
    ],
)
def test_what_changes_no_value_of_this_node_is_taken(
    kind: str, inputs: list[str], opset: int, shape: list[int], attributes: Any
):
    assert read(kind, inputs, opset, shape, **attributes).nodes is not None


@pytest.mark.parametrize(
    ("kind", "inputs", "opset", "shape", "attributes", "found"),
    [
        (
            "Conv",
            ["x", "k"],
            13,
            [1, 1, 4, 4],
            {"auto_pad": "VALID", "pads": [1, 1, 1, 1]},
            "auto_pad 'VALID' and pads",
        ),
        ("Conv", ["x", "k"], 13, [1, 1, 4, 4], {"auto_pad": "SAME_LOWER", "pads": [2, 2, 0, 0]}, "and pads"),
        ("QuantizeLinear", ["x", "s", "z"], 21, [1, 4], {"output_dtype": TensorProto.INT8}, "output_dtype int8"),
        ("Add", ["x", "c"], 6, [1, 4, 4, 4], {"broadcast": 1, "axis": 1}, "attribute 'axis'"),
        ("Add", ["x", "c"], 13, [1, 4], {"broadcast": 1}, "attribute 'broadcast'"),
        ("BatchNormalization", ["x", "c", "c", "c", "c"], 7, [1, 4], {"spatial": 0}, "attribute 'spatial'"),
    ],
)
def test_what_would_change_a_value_is_refused(
    kind: str, inputs: list[str], opset: int, shape: list[int], attributes: Any, found: str
):
    with pytest.raises(HwqError, match=found):
        read(kind, inputs, opset, shape, **attributes)


def test_the_document_lists_what_is_passed_over(update_golden: bool):
    standard = [("", name, why) for name, why in HARMLESS.items()]
    others = [(f"{kind}: ", name, why) for (kind, name), why in HARMLESS_ELSEWHERE.items()]
    rows = "".join(f"| {kind}`{name}` | {why} |\n" for kind, name, why in sorted(standard) + sorted(others))
    text = (
        "# Attributes that change no value\n\n"
        "An attribute of a node that no rule reads is refused by name. Passed over are those that have the default of\n"
        "the op's schema, and these: where no op is named, of the standard ops whose schema has them in some opset.\n"
        "The `broadcast` and `axis` of opsets before 7 are passed over where they mean today's broadcasting.\n"
        "The table is written by `pytest tests/test_attributes.py --update-golden`.\n\n"
        "| attribute | why it changes nothing |\n|---|---|\n" + rows
    )
    if update_golden:
        DOCS.write_text(text, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == text
