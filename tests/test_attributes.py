"""Attributes: what no rule reads is refused by name, unless it is known to change no value."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import hwq
from hwq.errors import UnsupportedError
from hwq.frontends.attributes import HARMLESS, Attributes, ignored
from hwq.frontends.onnx import RULES

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


def test_harmless_names_are_attributes_of_some_schema_or_of_qonnx():
    known = {name for schema in onnx.defs.get_all_schemas_with_history() for name in schema.attributes}
    assert set(HARMLESS) - known == {"out_dtype", "signed"} | ({"input_shape"} - known)
    assert RULES


def test_the_document_lists_what_is_passed_over(update_golden: bool):
    rows = "".join(f"| `{name}` | {why} |\n" for name, why in sorted(HARMLESS.items()))
    text = (
        "# Attributes that change no value\n\n"
        "An attribute of a node that no rule reads is refused by name. Passed over are those that have the default of\n"
        "the op's schema, and these; the table is written by `pytest tests/test_attributes.py --update-golden`.\n\n"
        "| attribute | why it changes nothing |\n|---|---|\n" + rows
    )
    if update_golden:
        DOCS.write_text(text, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == text
