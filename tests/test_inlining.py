"""Model-local functions and constant branches become the nodes they stand for; what cannot is refused in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import AttributeProto, TensorProto, helper

import hwq
from hwq.errors import HwqError
from rational_onnx import tensor

FLOAT = TensorProto.FLOAT
CONSTANTS = [
    tensor("one", FLOAT, 0.125),
    tensor("zero", TensorProto.INT8, 0),
    tensor("w", TensorProto.INT8, np.arange(-6, 6).reshape(4, 3)),
]
OPSET = helper.make_opsetid("", 17)
node = helper.make_node


def pair(x: str, y: str, name: str = "") -> list[onnx.NodeProto]:
    """QuantizeLinear and DequantizeLinear of x to y."""
    made = [
        node("QuantizeLinear", [x, "one", "zero"], [f"{y}_q"]),
        node("DequantizeLinear", [f"{y}_q", "one", "zero"], [y]),
    ]
    for one in made:
        one.name = name and f"{name}_{one.op_type}"
    return made


def function(
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    nodes: Sequence[onnx.NodeProto],
    attributes: Sequence[str] = (),
    opsets: Sequence[onnx.OperatorSetIdProto] = (OPSET,),
    defaults: Sequence[AttributeProto] = (),
) -> onnx.FunctionProto:
    return helper.make_function("f", name, inputs, outputs, nodes, [*opsets], [*attributes], [*defaults])


def model(nodes: Sequence[onnx.NodeProto], functions: Sequence[onnx.FunctionProto] = (), constants: Any = ()) -> Any:
    graph = helper.make_graph(
        [*pair("x", "d"), *nodes],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [*CONSTANTS, *constants],
    )
    opsets = [OPSET, helper.make_opsetid("f", 1)]
    return helper.make_model(graph, functions=[*functions], opset_imports=opsets, ir_version=9)


def same_as_onnxruntime(proto: onnx.ModelProto) -> None:
    x = np.random.default_rng(0).integers(-64, 64, (20, 4)).astype(np.float32) / 8
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    want = session.run(["y"], {"x": x})[0]
    have = hwq.compile(proto).simulate(x)
    assert np.array_equal(have.reshape(want.shape), want.astype(np.float64))


def refused(proto: onnx.ModelProto, *words: str) -> None:
    with pytest.raises(HwqError) as error:
        hwq.compile(proto)
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text


def referring(made: onnx.NodeProto, name: str, kind: int, to: str) -> onnx.NodeProto:
    made.attribute.add(name=name, type=kind, ref_attr_name=to)
    return made


LEAK = function(
    "Leak",
    ["i"],
    ["o"],
    [referring(node("LeakyRelu", ["i"], ["o"]), "alpha", AttributeProto.FLOAT, "slope")],
    ["slope"],
)
LINEAR = function(
    "Linear",
    ["a", "w", "s", "extra"],
    ["o", "unused"],
    [
        node("DequantizeLinear", ["w", "s"], ["v"]),
        node("MatMul", ["a", "v"], ["m"], name="product"),
        node("Identity", ["m"], ["o"]),
        node("Neg", ["m"], ["unused"]),
    ],
)


def test_a_function_is_what_its_body_computes() -> None:
    same_as_onnxruntime(model([node("Linear", ["d", "w", "one"], ["y", "u"], domain="f", name="fc")], [LINEAR]))


def test_attributes_reach_the_nodes_that_refer_to_them() -> None:
    for slope in ({"slope": 0.25}, {}):  # left out: the op's default
        proto = model([node("Leak", ["d"], ["l"], domain="f", **slope), *pair("l", "y")], [LEAK])
        same_as_onnxruntime(proto)


def test_attributes_have_the_defaults_that_the_function_states() -> None:
    inner = [referring(node("LeakyRelu", ["i"], ["o"]), "alpha", AttributeProto.FLOAT, "slope")]
    defaulted = function("Leak", ["i"], ["o"], inner, defaults=[helper.make_attribute("slope", 0.5)])
    for slope in ({}, {"slope": 0.125}):
        same_as_onnxruntime(model([node("Leak", ["d"], ["l"], domain="f", **slope), *pair("l", "y")], [defaulted]))


def test_functions_call_functions_and_are_called_twice() -> None:
    twice = function(
        "Twice",
        ["i"],
        ["o"],
        [node("Leak", ["i"], ["m"], domain="f", slope=0.5), node("Leak", ["m"], ["o"], domain="f", slope=0.25)],
        opsets=[OPSET, helper.make_opsetid("f", 1)],
    )
    nodes = [node("Twice", ["d"], ["m"], domain="f"), *pair("m", "e"), node("Twice", ["e"], ["n"], domain="f")]
    proto = model([*nodes, *pair("n", "y")], [twice, LEAK])
    same_as_onnxruntime(proto)
    names = [n.name for n in hwq.compile(proto).meaning().nodes]
    assert len({n for n in names if "Leak" in n}) == 4  # one name a call


def test_names_inside_of_a_function_do_not_meet_those_outside() -> None:
    clash = function("Clash", ["y"], ["d"], [node("Neg", ["y"], ["m"]), node("Abs", ["m"], ["d"])])
    nodes = [node("Neg", ["d"], ["m"]), *pair("m", "e"), node("Clash", ["e"], ["n"], domain="f"), *pair("n", "y")]
    same_as_onnxruntime(model(nodes, [clash]))


def test_a_function_may_pass_its_input_on() -> None:
    both = function("Both", ["i"], ["i", "o"], [node("Neg", ["i"], ["o"])])
    nodes = [node("Both", ["d"], ["p", "n"], domain="f"), node("Add", ["p", "n"], ["s"]), *pair("s", "y")]
    with_function = model(nodes, [both])
    design = hwq.compile(with_function)
    assert not np.any(design.simulate(np.ones((3, 4))))


def test_a_function_of_another_opset_is_inlined_where_its_ops_are_the_same_and_else_refused() -> None:
    older = function("Leak", ["i"], ["o"], [node("LeakyRelu", ["i"], ["o"])], opsets=[helper.make_opsetid("", 16)])
    same_as_onnxruntime(model([node("Leak", ["d"], ["l"], domain="f"), *pair("l", "y")], [older]))
    oldest = function("Sum", ["i"], ["o"], [node("Relu", ["i"], ["o"])], opsets=[helper.make_opsetid("", 6)])
    refused(
        model([node("Sum", ["d"], ["l"], domain="f", name="call"), *pair("l", "y")], [oldest]),
        "call",
        "Relu",
        "opset 6",
    )


def test_functions_that_cannot_be_inlined_are_refused() -> None:
    opsets = [OPSET, helper.make_opsetid("f", 1)]
    ring = [
        function("A", ["i"], ["o"], [node("B", ["i"], ["o"], domain="f")], opsets=opsets),
        function("B", ["i"], ["o"], [node("A", ["i"], ["o"], domain="f")], opsets=opsets),
    ]
    refused(model([node("A", ["d"], ["y"], domain="f")], ring), "calls itself")
    refused(model([node("Leak", ["d"], ["y"], domain="f")], [LEAK, LEAK]), "twice")
    refused(model([node("Leak", ["d"], ["y"], domain="f", name="n", steep=1.0)], [LEAK]), "'n'", "steep")
    refused(model([node("Leak", ["d", "d"], ["y"], domain="f", name="n")], [LEAK]), "2 inputs")
    doubling = [
        function(
            f"F{k}",
            ["i"],
            ["o"],
            [node(f"F{k + 1}", ["i"], ["m"], domain="f"), node(f"F{k + 1}", ["m"], ["o"], domain="f")],
            opsets=opsets,
        )
        for k in range(40)
    ]
    refused(
        model(
            [node("F0", ["d"], ["y"], domain="f")],
            [*doubling, function("F40", ["i"], ["o"], [node("Neg", ["i"], ["o"])])],
        ),
        "nodes",
    )


def test_a_reference_to_an_attribute_outside_of_a_function_is_refused() -> None:
    bad = referring(node("LeakyRelu", ["d"], ["y"], name="n"), "alpha", AttributeProto.FLOAT, "slope")
    refused(model([bad]), "'n'", "alpha")


def branch(name: str, nodes: Sequence[onnx.NodeProto], outputs: Sequence[str], constants: Any = ()) -> onnx.GraphProto:
    infos = [helper.make_tensor_value_info(o, FLOAT, None) for o in outputs]
    return helper.make_graph([*nodes], name, [], infos, [*constants])


def conditional(then: onnx.GraphProto, other: onnx.GraphProto, condition: str = "c") -> onnx.NodeProto:
    return node("If", [condition], ["b"], then_branch=then, else_branch=other, name="choice")


@pytest.mark.parametrize("taken", [True, False])
def test_the_branch_that_a_constant_takes_is_compiled(taken: bool) -> None:
    k = tensor("k", FLOAT, [0.5, 1, 2, 4])
    then = branch("t", [node("Mul", ["d", "k"], ["m"]), node("Neg", ["m"], ["o"])], ["o"], [k])
    other = branch("e", [node("Abs", ["d"], ["m"]), node("Identity", ["m"], ["o"])], ["o"])
    nodes = [conditional(then, other), *pair("b", "y")]
    same_as_onnxruntime(model(nodes, constants=[tensor("c", TensorProto.BOOL, taken)]))


def test_a_condition_may_be_computed_from_shapes_and_branches_may_stand_in_branches() -> None:
    inner = node(
        "If",
        ["c"],
        ["i"],
        then_branch=branch("t2", [node("Neg", ["d"], ["n"])], ["n"]),
        else_branch=branch("e2", [node("Abs", ["d"], ["n2"])], ["n2"]),
    )
    then = branch("t", [inner, node("Identity", ["i"], ["o"])], ["o"])
    other = branch("e", [node("Identity", ["d"], ["o"])], ["o"])
    nodes = [
        node("Shape", ["d"], ["s"]),
        node("Gather", ["s", "axis"], ["extent"]),
        node("Equal", ["extent", "four"], ["c"]),
        conditional(then, other),
        *pair("b", "y"),
    ]
    constants = [tensor("axis", TensorProto.INT64, 1), tensor("four", TensorProto.INT64, 4)]
    same_as_onnxruntime(model(nodes, constants=constants))


def test_a_function_may_be_called_in_a_branch_and_hold_one() -> None:
    then, other = (
        branch("t", [node("Leak", ["d"], ["o"], domain="f", slope=0.5)], ["o"]),
        branch("e", [node("Neg", ["d"], ["o"])], ["o"]),
    )
    condition = tensor("c", TensorProto.BOOL, True)
    same_as_onnxruntime(model([conditional(then, other), *pair("b", "y")], [LEAK], [condition]))
    inside = node(
        "If",
        ["cond"],
        ["o"],
        then_branch=branch("t", [node("Neg", ["i"], ["m"])], ["m"]),
        else_branch=branch("e", [node("Abs", ["i"], ["m"])], ["m"]),
    )
    holding = function("Holding", ["i", "cond"], ["o"], [inside])
    same_as_onnxruntime(
        model([node("Holding", ["d", "c"], ["b"], domain="f"), *pair("b", "y")], [holding], [condition])
    )


def test_a_condition_that_depends_on_data_is_refused() -> None:
    then, other = branch("t", [node("Neg", ["d"], ["o"])], ["o"]), branch("e", [node("Abs", ["d"], ["o"])], ["o"])
    nodes = [
        node("ReduceMax", ["d"], ["m"], keepdims=0),
        node("Greater", ["m", "one"], ["c"]),
        conditional(then, other),
    ]
    refused(model([*nodes, *pair("b", "y")]))
    refused(model([conditional(then, other, "d"), *pair("b", "y")]), "choice", "depends on data")


def test_a_condition_that_is_no_single_bool_is_refused() -> None:
    then, other = branch("t", [node("Neg", ["d"], ["o"])], ["o"]), branch("e", [node("Abs", ["d"], ["o"])], ["o"])
    for bad in (tensor("c", TensorProto.BOOL, [True, False]), tensor("c", FLOAT, 1.0)):
        refused(model([conditional(then, other), *pair("b", "y")], constants=[bad]), "choice", "condition")


def test_other_executors_are_asked_for_the_inlined_model(tmp_path: Path) -> None:
    quantizing = function(
        "Quantizing",
        ["i", "s", "z"],
        ["o"],
        [node("QuantizeLinear", ["i", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["o"])],
    )
    nodes = [
        node("Linear", ["d", "w", "one"], ["m", "u"], domain="f", name="fc"),
        node("Quantizing", ["m", "one", "zero"], ["e"], domain="f", name="act"),
        conditional(branch("t", pair("e", "o", "in"), ["o"]), branch("e", [node("Neg", ["e"], ["o"])], ["o"])),
        *pair("b", "y"),
    ]
    proto = model(nodes, [LINEAR, quantizing], [tensor("c", TensorProto.BOOL, True)])
    path = tmp_path / "m.onnx"
    onnx.save(proto, path)
    compared = hwq.compile(path).reference("onnxruntime", samples=20)
    assert compared
    assert compared.quantizers >= 2
