"""Bad input: one line that names node, finding and remedy, exit status 2, nothing written; hostile names compile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import hwq
from conftest import Cli, one_line
from hwq.build.toolchain import find_compiler, find_headers
from hwq.errors import HwqError, ModelError, UnsupportedError
from hwq.ir.names import comment, identifier, unique_namer
from hwq.targets import get_target
from models import FLOAT, const, mlp, model, node, quant_constants, samples, small_model

Contents = Callable[[], dict[str, bytes | None]]
TESTS = Path(__file__).resolve().parent


def refusal(proto: onnx.ModelProto | bytes) -> str:
    """The message of the error that compiling raises."""
    with pytest.raises(HwqError) as error:
        hwq.compile(proto)
    assert error.value.remedy
    return str(error.value)


# -- files that are no models ---------------------------------------------------------------------------------------


def truncated() -> bytes:
    whole = mlp().SerializeToString()
    return whole[: len(whole) * 2 // 3]


def zip_file() -> bytes:
    path = Path("some.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    content = path.read_bytes()
    path.unlink()
    return content


NO_MODELS: tuple[tuple[str, Callable[[], bytes], str], ...] = (
    ("truncated", truncated, "cut short"),
    ("text", lambda: b"this is a text file\n" * 9, "not an ONNX file"),
    ("zip", zip_file, "not an ONNX file"),
    ("empty", lambda: b"", "holds no ONNX graph"),
    ("no graph", lambda: onnx.ModelProto(ir_version=9).SerializeToString(), "holds no ONNX graph"),
    ("zeros", lambda: bytes(100), "not an ONNX file"),
)


@pytest.mark.parametrize(("make", "words"), [c[1:] for c in NO_MODELS], ids=[c[0] for c in NO_MODELS])
@pytest.mark.parametrize("command", ["export", "inspect", "verify"])
def test_a_file_that_is_no_model_is_refused_in_one_line(
    command: str, make: Callable[[], bytes], words: str, cli: Cli, contents: Contents
) -> None:
    Path("bad.onnx").write_bytes(make())
    before = contents()
    line = one_line(cli(command, "bad.onnx", *(["-o", "build"] if command == "export" else [])))
    assert words in line
    assert "'bad.onnx'" in line
    assert "; " in line
    assert contents() == before


def test_a_missing_file_and_a_folder_are_refused(cli: Cli, contents: Contents) -> None:
    Path("folder").mkdir()
    before = contents()
    assert "no file 'none.onnx'" in one_line(cli("export", "none.onnx"))
    assert "no file 'folder'" in one_line(cli("export", "folder"))
    assert "not a project that hwq wrote" in one_line(cli("verify", "folder"))
    assert contents() == before


# -- models that are refused, each through the command line ----------------------------------------------------------


def appended(kind: str, more: str = "", *constants: onnx.TensorProto, **attributes: Any) -> onnx.ModelProto:
    """The small model with one more node called `bad`, which reads `h` and `more`."""
    return small_model([node(kind, f"h {more}", "y", "bad", **attributes)], constants)


def float_model() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "y", "bad")], None, ["y"], [const("w", np.ones((4, 3)))])


def floats_after_a_quantizer() -> onnx.ModelProto:
    return small_model([node("MatMul", "h v", "y", "bad")], [const("v", samples((3, 2)))])


def cycle() -> onnx.ModelProto:
    nodes = [node("Add", "h b", "a", "good"), node("Add", "h b", "b", "bad"), node("Add", "a h", "y", "downstream")]
    return small_model(nodes)


def duplicate_tensor() -> onnx.ModelProto:
    return small_model([node("Relu", "h", "y", "first"), node("Neg", "h", "y", "bad")])


def attribute_graph() -> onnx.ModelProto:
    inner = helper.make_graph(
        [node("Identity", "h", "i")], "branch", [], [helper.make_tensor_value_info("i", FLOAT, None)]
    )
    return appended("If", then_branch=inner, else_branch=inner)


def sparse_attribute() -> onnx.ModelProto:
    sparse = helper.make_sparse_tensor(const("v", [1.0]), const("i", [2], np.int64), [3])
    return small_model([node("Constant", "", "c", "bad", sparse_value=sparse), node("Add", "h c", "y")])


def string_constant() -> onnx.ModelProto:
    text = helper.make_tensor("t", TensorProto.STRING, [1], [b"text"])
    return small_model([node("Constant", "", "c", "bad", value=text), node("Add", "h c", "y")])


def with_constant(name: str, values: Any) -> onnx.ModelProto:
    """The small model with one of its constants replaced."""
    proto = small_model()
    for tensor in proto.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(const(name, values))
    return proto


def quant_of(parameters: str, **attributes: Any) -> onnx.ModelProto:
    """A second Quant, called `bad`, with parameters from what `constants` lists."""
    constants = [
        const("zero", 0.0),
        const("negative", -0.5),
        const("nan", np.nan),
        const("inf", np.inf),
        const("many", [0.5, 0.25]),
        const("huge", 1e30),
        const("part", 2.5),
        const("one", 1.0),
        const("thresholds", [[0.0, np.nan]]),
    ]
    return small_model([node("Quant", f"h {parameters}", "y", "bad", **attributes)], constants)


REFUSED: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "float model without types": (float_model, "--input-type 'x=ap_fixed<16,6>'"),
    "float weights": (floats_after_a_quantizer, "float weights"),
    "FloatQuant": (lambda: appended("FloatQuant", "s bits bits bits bits"), "minifloat"),
    "DynamicQuantizeLinear": (lambda: appended("DynamicQuantizeLinear"), "dynamic quantization"),
    "LSTM": (lambda: appended("LSTM", "w w"), "recurrent"),
    "unknown op": (lambda: appended("Frobnicate"), "does not compile this op"),
    "unknown domain": (lambda: appended("Relu", domain="evil.domain"), "evil.domain"),
    "non-constant scale": (lambda: quant_of("h z bits"), "the scale is not a constant"),
    "non-constant zero point": (lambda: quant_of("s h bits"), "the zero point is not a constant"),
    "non-constant bit width": (lambda: quant_of("s z h"), "the bit width is not a constant"),
    "scale of zero": (lambda: quant_of("zero z bits"), "not positive"),
    "negative scale": (lambda: quant_of("negative z bits"), "not positive"),
    "NaN scale": (lambda: quant_of("nan z bits"), "NaN"),
    "infinite scale": (lambda: quant_of("inf z bits"), "infinity"),
    "NaN zero point": (lambda: quant_of("s nan bits"), "NaN"),
    "NaN bit width": (lambda: quant_of("s z nan"), "one integer"),
    "infinite bit width": (lambda: quant_of("s z inf"), "one integer"),
    "huge bit width": (lambda: quant_of("s z huge"), "bits"),
    "bit width of two and a half": (lambda: quant_of("s z part"), "one integer"),
    "no bit width": (lambda: quant_of("s z zero"), "bits"),
    "two bit widths": (lambda: quant_of("s z many"), "one integer"),
    "scale that does not broadcast": (lambda: quant_of("many z bits"), "[2]"),
    "unknown rounding": (lambda: quant_of("s z bits", rounding_mode="SIDEWAYS"), "SIDEWAYS"),
    "rounding that is a number": (lambda: quant_of("s z bits", rounding_mode=3), "'rounding_mode' is 3"),
    "signed that is text": (lambda: quant_of("s z bits", signed="yes"), "'signed' is yes"),
    "one bit with a zero point": (lambda: quant_of("s one one", signed=1), "zero point"),
    "missing inputs": (lambda: quant_of(""), "input 1 is missing"),
    "NaN thresholds": (lambda: appended("MultiThreshold", "t", const("t", [[0.0, np.nan]])), "thresholds"),
    "thresholds of a wrong shape": (lambda: appended("MultiThreshold", "t", const("t", [0.0, 1.0])), "thresholds"),
    "thresholds of two channels for three": (
        lambda: appended("MultiThreshold", "t", const("t", [[0.0], [1.0]])),
        "2 rows of thresholds for 3 channels",
    ),
    "output scale NaN": (
        lambda: appended("MultiThreshold", "t", const("t", [[0.0]]), out_scale=float("nan")),
        "'out_scale' is nan",
    ),
    "Trunc to more bits": (lambda: appended("Trunc", "s z bits b8", const("b8", 8.0)), "4 to 8 bits"),
    "infinite variance": (
        lambda: appended("BatchNormalization", "c c c v", const("c", [1.0] * 3), const("v", [1.0, np.inf, 1.0])),
        "infinity",
    ),
    "negative variance": (
        lambda: appended("BatchNormalization", "c c c v", const("c", [1.0] * 3), const("v", [1.0, -2.0, 1.0])),
        "variance",
    ),
    "NaN epsilon": (
        lambda: appended("BatchNormalization", "c c c c", const("c", [1.0] * 3), epsilon=float("nan")),
        "'epsilon' is nan",
    ),
    "NaN bias": (lambda: appended("Add", "c", const("c", [1.0, np.nan, 1.0])), "NaN"),
    "division by zero": (lambda: appended("Div", "c", const("c", [1.0, 0.0, 1.0])), "zero"),
    "a constant that grows the activation": (lambda: appended("Add", "c", const("c", np.ones((5, 3)))), "[5, 3]"),
    "shapes that do not broadcast": (lambda: appended("Add", "c", const("c", [1.0, 2.0])), "broadcast"),
    "matrices that do not fit": (lambda: appended("MatMul", "c", const("c", np.ones((5, 3)))), "do not fit"),
    "reshape to a wrong size": (lambda: appended("Reshape", "c", const("c", [7, 7], np.int64)), "[7, 7]"),
    "reshape to negative extents": (lambda: appended("Reshape", "c", const("c", [-1, -1], np.int64)), "[-1, -1]"),
    "transpose of axes that are not there": (lambda: appended("Transpose", perm=[0, 9]), "perm"),
    "transpose by text": (lambda: appended("Transpose", perm="up"), "perm"),
    "flatten at an axis that is not there": (lambda: appended("Flatten", axis=9), "axis 9"),
    "flatten at a word": (lambda: appended("Flatten", axis="one"), "'axis' is one"),
    "TopK of more than there are": (lambda: appended("TopK", "k", const("k", [9], np.int64)), "k = 9"),
    "gather by an activation": (
        lambda: small_model([node("Gather", "w h", "y", "bad")]),
        "the index is not a constant",
    ),
    "cycle": (cycle, "cycle through this node"),
    "node that reads itself": (lambda: small_model([node("Add", "h y", "y", "bad")]), "cycle through this node"),
    "tensor defined twice": (duplicate_tensor, "'y', which is already defined"),
    "node writes an initializer": (lambda: small_model([node("Relu", "h", "s", "bad")]), "'s', which is already"),
    "undefined tensor": (lambda: appended("Add", "ghost"), "'ghost', which nothing defines"),
    "output that no rule computes": (
        lambda: small_model([node("Relu", "h", ["r", "extra"]), node("Add", "r extra", "y", "bad")]),
        "'extra', an output that hwq does not compute",
    ),
    "control flow": (attribute_graph, "control flow"),
    "sparse constant": (sparse_attribute, "sparse"),
    "string constant": (string_constant, "strings"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_a_bad_model_is_refused_by_its_node_in_one_line_and_writes_nothing(
    case: str, cli: Cli, contents: Contents
) -> None:
    build, words = REFUSED[case]
    onnx.save(build(), "bad.onnx")
    before = contents()
    line = one_line(cli("export", "bad.onnx", "-o", "build"))
    assert words in line
    assert line.startswith("node 'bad' (")
    assert "; " in line
    assert contents() == before


EMPTY: dict[str, Callable[[], onnx.ModelProto]] = {
    "Slice": lambda: appended("Slice", "from to axes", ints("from", 2), ints("to", 2), ints("axes", 1)),
    "Split": lambda: small_model([node("Split", "h parts", "y rest", "bad", axis=1)], [ints("parts", 0, 3)]),
    "Pad": lambda: appended("Pad", "pads", ints("pads", 0, -2, 0, -1)),
    "Gather": lambda: appended("Gather", "none", ints("none"), axis=1),
    "Tile": lambda: appended("Tile", "repeats", ints("repeats", 1, 0)),
    "Resize by sizes": lambda: appended("Resize", "_ _ sizes", ints("sizes", 1, 0)),
    "Resize by scales": lambda: appended("Resize", "_ scales", const("scales", [1.0, 0.25])),
    "TopK": lambda: small_model([node("TopK", "h k", "y where", "bad")], [ints("k", 0)]),
    "Expand": lambda: small_model(
        [node("Reshape", "h column", "c"), node("Expand", "c shape", "y", "bad")],
        [ints("column", 3, 1), ints("shape", 3, 0)],
    ),
}


@pytest.mark.parametrize("case", sorted(EMPTY))
def test_an_output_without_elements_is_valid_and_refused_as_such(case: str) -> None:
    with pytest.raises(UnsupportedError, match=r"^node 'bad'.*hwq compiles no empty tensors") as error:
        hwq.compile(EMPTY[case]())
    assert error.value.op == case.split()[0]


def test_no_remedy_names_a_tool_that_finds_nothing() -> None:
    """onnx.checker takes what this says no to."""
    for build in (EMPTY["Slice"], lambda: appended("Im2Col", kernel_size=[9, 9], stride=[1, 1])):
        assert "onnx.checker" not in refusal(build())


def test_a_good_model_of_the_same_make_exports(cli: Cli) -> None:
    onnx.save(small_model(), "good.onnx")
    result = cli("export", "good.onnx", "-o", "build")
    assert (result.exit_code, result.stderr) == (0, "")
    assert Path("build/hwq.json").is_file()


def test_a_cycle_is_named_by_a_node_on_it_and_not_by_one_behind_it() -> None:
    nodes = [node("Relu", "b", "behind"), node("Add", "h c", "a"), node("Relu", "a", "b"), node("Neg", "b", "c")]
    found = re.match(r"node '(\w+)'", refusal(small_model(nodes, outputs=["behind"])))
    assert found is not None
    assert found[1] in {"a", "b", "c"}


def test_nodes_may_stand_in_any_order() -> None:
    proto = mlp()
    turned = onnx.ModelProto()
    turned.CopyFrom(proto)
    del turned.graph.node[:]
    turned.graph.node.extend(reversed(proto.graph.node))
    x = samples((20, 6))
    assert np.array_equal(hwq.compile(turned).simulate(x), hwq.compile(proto).simulate(x))


def test_a_long_chain_in_reverse_order_is_sorted_in_no_time() -> None:
    count = 20000  # a quadratic sort would take minutes
    chain = [node("Identity", f"t{i}", f"t{i + 1}", "") for i in range(count)]
    proto = model([node("Quant", "x s z bits", "t0"), *reversed(chain)], None, [f"t{count}"], quant_constants())
    assert hwq.compile(proto).outputs[0].type.width == 4


# -- defects of the graph as a whole ---------------------------------------------------------------------------------


def changed(change: Callable[[onnx.GraphProto], Any]) -> onnx.ModelProto:
    proto = small_model()
    change(proto.graph)
    return proto


def damaged(name: str, raw: bytes) -> Callable[[onnx.GraphProto], None]:
    def change(graph: onnx.GraphProto) -> None:
        next(t for t in graph.initializer if t.name == name).raw_data = raw

    return change


def kind_of(name: str, kind: int) -> Callable[[onnx.GraphProto], None]:
    def change(graph: onnx.GraphProto) -> None:
        next(t for t in graph.initializer if t.name == name).data_type = kind

    return change


def extents(name: str, *dims: int) -> Callable[[onnx.GraphProto], None]:
    def change(graph: onnx.GraphProto) -> None:
        tensor = next(t for t in graph.initializer if t.name == name)
        del tensor.dims[:]
        tensor.dims.extend(dims)

    return change


def input_extents(*dims: int | str | None) -> Callable[[onnx.GraphProto], None]:
    def change(graph: onnx.GraphProto) -> None:
        graph.input[0].CopyFrom(helper.make_tensor_value_info("x", FLOAT, dims))

    return change


GRAPHS: dict[str, tuple[Callable[[onnx.GraphProto], Any], str]] = {
    "initializer twice": (lambda g: g.initializer.append(g.initializer[0]), "tensor 's' is defined twice"),
    "input twice": (lambda g: g.input.append(g.input[0]), "input 'x' is defined twice"),
    "output twice": (lambda g: g.output.append(g.output[0]), "output 'h' is listed twice"),
    "output that nothing makes": (lambda g: setattr(g.output[0], "name", "ghost"), "output 'ghost' is never computed"),
    "no output": (lambda g: g.output.pop(), "holds no ONNX graph"),
    "no input": (lambda g: g.input.pop(), "the graph has no input"),
    "constant output only": (lambda g: setattr(g.output[0], "name", "w"), "no output depends on an input"),
    "sparse initializer": (
        lambda g: g.sparse_initializer.append(
            helper.make_sparse_tensor(const("v", [1.0]), const("i", [2], np.int64), [3])
        ),
        "sparse",
    ),
    "string initializer": (
        lambda g: g.initializer.append(helper.make_tensor("text", TensorProto.STRING, [1], [b"t"])),
        "tensor 'text' holds strings",
    ),
    "complex initializer": (
        lambda g: g.initializer.append(helper.make_tensor("c", TensorProto.COMPLEX64, [1], [1 + 2j])),
        "tensor 'c' holds complex",
    ),
    "raw data too short": (damaged("w", b"\0" * 7), "tensor 'w' is damaged"),
    "raw data too long": (damaged("w", b"\0" * 4000), "tensor 'w' is damaged"),
    "undefined type": (kind_of("w", 0), "tensor 'w'"),
    "type of the future": (kind_of("w", 250), "tensor 'w'"),
    "negative extent": (extents("w", -4, -3), "absurd shape [-4, -3]"),
    "extents without data": (extents("w", 1 << 15, 1 << 15), "tensor 'w' is damaged"),
    "extents past all memory": (extents("w", 1 << 62, 1 << 62), "absurd shape"),
    "input without extents": (input_extents(None, None), "axis 1 of input 'x' has no fixed extent"),
    "input with two symbolic axes": (input_extents("N", "M"), "axis 1 of input 'x' has no fixed extent"),
    "input of terabytes": (input_extents(1, 1 << 40), "absurd shape"),
    "input of extents whose product overflows": (input_extents(1, 1 << 32, 1 << 32), "absurd shape"),
    "NaN weights": (
        lambda g: next(t for t in g.initializer if t.name == "w").CopyFrom(const("w", [[np.nan] * 3] * 4)),
        "NaN",
    ),
    "infinite weights": (
        lambda g: next(t for t in g.initializer if t.name == "w").CopyFrom(const("w", [[np.inf] * 3] * 4)),
        "infinity",
    ),
}


@pytest.mark.parametrize("case", sorted(GRAPHS))
def test_a_damaged_graph_is_refused(case: str) -> None:
    change, words = GRAPHS[case]
    line = refusal(changed(change))
    assert words in line


def test_text_that_is_not_utf8_is_refused() -> None:
    raw = small_model().SerializeToString()
    assert raw.count(b"\x02xq") >= 2
    assert "not UTF-8" in refusal(raw.replace(b"\x02xq", b"\x02\xff\xfe"))


def test_an_input_without_any_shape_is_refused() -> None:
    assert "has no shape" in refusal(changed(lambda g: g.input[0].type.tensor_type.ClearField("shape")))


# -- external data ---------------------------------------------------------------------------------------------------


def with_external(location: str, **entries: int) -> onnx.ModelProto:
    proto = small_model()
    tensor = next(t for t in proto.graph.initializer if t.name == "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return proto


W_BYTES = next(t for t in quant_constants() if t.name == "w").raw_data


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "sub/../../secret", "link", "linked/secret", "", "."])
def test_external_data_outside_the_folder_is_refused(
    location: str, cli: Cli, contents: Contents, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    Path("secret").write_bytes(W_BYTES)
    (folder / "link").symlink_to("../secret")
    (folder / "linked").symlink_to("..")
    onnx.save(with_external(location), folder / "bad.onnx")
    before = contents()
    line = one_line(cli("export", "folder/bad.onnx", "-o", "build"))
    assert "tensor 'w' points outside the model's folder" in line
    assert contents() == before


@pytest.mark.parametrize(
    ("location", "entries", "words"),
    [
        ("none.bin", {}, "missing file 'none.bin'"),
        ("w.bin", {"offset": 40}, "past the end"),
        ("w.bin", {"offset": 4000}, "past the end"),
        ("w.bin", {"offset": -8}, "damaged reference"),
        ("w.bin", {"length": 1 << 50}, "damaged reference"),
        ("w.bin", {"length": 40}, "damaged reference"),
        ("w.bin", {"offset": "²"}, "damaged reference"),
        ("w.bin", {"offset": "9" * 5000}, "damaged reference"),
        ("loop", {}, "damaged reference"),
        ("w.bin", {"offset": "0x", "length": "many"}, "damaged reference"),
        ("folder", {}, "missing file 'folder'"),
        ("a\0b", {}, "damaged reference"),
        ("n" * 5000, {}, "damaged reference"),
    ],
)
def test_external_data_that_is_not_there_is_refused(
    location: str, entries: dict[str, int], words: str, tmp_path: Path
) -> None:
    (tmp_path / "w.bin").write_bytes(W_BYTES)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    onnx.save(with_external(location, **entries), tmp_path / "bad.onnx")
    with pytest.raises(ModelError, match=words):
        hwq.compile(tmp_path / "bad.onnx")


def test_external_data_beside_the_model_means_the_same_as_data_within(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"\0" * 16 + W_BYTES)
    onnx.save(with_external("sub/w.bin", offset=16, length=len(W_BYTES)), tmp_path / "good.onnx")
    outside, inside = hwq.compile(tmp_path / "good.onnx"), hwq.compile(small_model())
    x = samples((30, 4))
    assert np.array_equal(outside.simulate(x, codes=True), inside.simulate(x, codes=True))
    again = hwq.compile(outside.model)  # what an export keeps of the model needs no other file
    assert np.array_equal(again.simulate(x, codes=True), inside.simulate(x, codes=True))


def test_external_data_cannot_be_read_from_bytes() -> None:
    assert "compile from the model's path" in refusal(with_external("w.bin").SerializeToString())


# -- absurd sizes are refused before memory is taken -----------------------------------------------------------------


def big(kind: str, inputs: str, *constants: onnx.TensorProto, **attributes: Any) -> onnx.ModelProto:
    """A model that folds constants to something huge, and adds it to the activation."""
    return small_model([node(kind, inputs, "big", "bad", **attributes), node("Add", "h big", "y", "sum")], constants)


def ints(name: str, *values: int) -> onnx.TensorProto:
    return const(name, list(values), np.int64)


def two_ranges(kind: str) -> onnx.ModelProto:
    limits = [const("a0", 0.0), const("a1", float(1 << 21)), const("a2", 1.0), ints("col", -1, 1), ints("row", 1, -1)]
    nodes = [
        node("Range", "a0 a1 a2", "r"),
        node("Reshape", "r col", "column"),
        node("Reshape", "r row", "line"),
        node(kind, "column line", "big", "bad"),
        node("Add", "h big", "y"),
    ]
    return small_model(nodes, limits)


def doubling() -> onnx.ModelProto:
    nodes = [node("Concat", f"d{i} d{i}", f"d{i + 1}", f"bad{i}", axis=0) for i in range(60)]
    return small_model([*nodes, node("Add", "h d60", "y")], [const("d0", [1.0, 2.0])])


def many_constants() -> onnx.ModelProto:
    nodes = [node("ConstantOfShape", "n", f"c{i}", f"bad{i}") for i in range(1000)]
    return small_model([*nodes, node("Add", "h c0", "y")], [ints("n", 1 << 23)])


ABSURD: dict[str, Callable[[], onnx.ModelProto]] = {
    "input": lambda: changed(input_extents(1, 1 << 40)),
    "initializer": lambda: changed(extents("w", 1 << 15, 1 << 15)),
    "ConstantOfShape": lambda: big("ConstantOfShape", "n", ints("n", 1 << 40)),
    "ConstantOfShape of many axes": lambda: big("ConstantOfShape", "n", ints("n", *[2] * 60)),
    "many constants": many_constants,
    "Expand": lambda: big("Expand", "c n", const("c", 1.0), ints("n", 1 << 20, 1 << 20)),
    "Expand both ways": lambda: big("Expand", "c n", const("c", np.ones((1 << 16, 1))), ints("n", 1, 1 << 16)),
    "Tile": lambda: big("Tile", "c n", const("c", [1.0, 2.0]), ints("n", 1 << 40)),
    "Range": lambda: big("Range", "a b c", const("a", 0.0), const("b", 1e12), const("c", 1.0)),
    "Range without a step": lambda: big("Range", "a b c", const("a", 0.0), const("b", 9.0), const("c", 0.0)),
    "Range to infinity": lambda: big("Range", "a b c", const("a", 0.0), const("b", np.inf), const("c", 1.0)),
    "Add of a row and a column": lambda: two_ranges("Add"),
    "Pow of a row and a column": lambda: two_ranges("Pow"),
    "MatMul of a row and a column": lambda: two_ranges("MatMul"),
    "Max of a row and a column": lambda: two_ranges("Max"),
    "Gather of repeated rows": lambda: big(
        "Gather", "c n", const("c", np.ones((1, 1 << 16))), const("n", np.zeros(1 << 16), np.int64)
    ),
    "doubling": doubling,
    "Unsqueeze to many axes": lambda: big("Unsqueeze", "c n", const("c", 1.0), ints("n", *range(5000))),
    "Reshape to many axes": lambda: small_model([node("Reshape", "h n", "y", "bad")], [ints("n", *[1] * 5000)]),
    "weights of no extent": lambda: small_model([node("MatMul", "h e", "y", "bad")], [const("e", np.ones((3, 0)))]),
}


def test_absurd_sizes_are_refused_before_memory_is_taken() -> None:
    """In a process that may take 600 MB more than it has after importing."""
    program = """
        import resource, sys
        sys.path.insert(0, %r)
        import hwq.design, onnx.reference
        from test_hostile import ABSURD, HwqError
        models = {name: build().SerializeToString() for name, build in ABSURD.items()}
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + (600 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for name, model in models.items():
            try:
                hwq.compile(model)
                print(name, "was compiled")
            except HwqError as error:
                if not error.remedy:
                    print(name, "has no remedy:", error)
            except BaseException as error:
                print(name, type(error).__name__, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program % str(TESTS))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=TESTS.parent,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


# -- names -----------------------------------------------------------------------------------------------------------

NAMES = (
    "int",
    "../../x",
    '"; system("reboot"); //',
    "n" * 500,
    "🦄🔥",
    "new\nline\n#error injected",
    "a backslash at the end \\",
    "a trigraph at the end ??/",
    "*/ int broken( /*",
    "%n%s%d",
    "{{ 7 * 7 }}{% raw %}",
    "size",
    "int8",
    "wchar",
    "div",
    "a",
    "a_t",
    "fc",
    "dense_fc",
    "dense_fc_weights",
    "fc_weights",
    "i",
    "folder",
    "x1",
    "in_x1",
    "out_y",
    "types",
    "}; puts [exec reboot]; {",
    "|pipe|`tick`<script>",
    "\u202eright to left\u2028",
    "Ünïcödé",
    "",
    "twice",
    "twice",
)


# Inputs called as functions of the C library, or as variables and arrays of the testbench.
PORTS = ("index", "printf", "exp", "i", "folder", "words", "file_x1", "expected_out_of_i", "out_of_i", "hwq", "std")


def named_model(names: tuple[str, ...] = NAMES, graph: str = '*/ "graph"\n`\\') -> onnx.ModelProto:
    """A chain of one MatMul and one Quant for each pair of names; inputs and outputs carry hostile names too."""
    inputs, outputs = ("../../in */\n", "x1"), ('"out"; system("', "{{ out }}\\")
    rng = np.random.default_rng(3)
    constants = [const("s", 0.5), const("z", 0.0), const("bits", 5.0), const("wide", 8.0)]
    nodes = [node("Quant", [source, "s", "z", "bits"], f"q{k}") for k, source in enumerate(inputs)]
    edges = ["q0", "q1"]
    for k, name in enumerate(names):
        source, edge = edges[k % 2], f"t{k}"
        if k // 2 % 2 == 0:
            constants.append(const(f"w{k}", rng.integers(-2, 3, (3, 3))))
            nodes.append(node("MatMul", [source, f"w{k}"], edge, name))
        else:
            constants.append(const(f"s{k}", rng.choice([0.5, 1.0, 2.0])))
            nodes.append(node("Quant", [source, f"s{k}", "z", "wide"], edge, name))
        edges[k % 2] = edge
    nodes += [node("Quant", [edges[k], "s", "z", "wide"], outputs[k]) for k in (0, 1)]
    nodes += [node("Quant", [n, "s", "z", "bits"], f"of {n}") for n in PORTS]
    ends = [*outputs, *(f"of {n}" for n in PORTS)]
    return model(nodes, {n: [1, 3] for n in (*inputs, *PORTS)}, ends, constants, name=graph)


def test_hostile_names_compile_and_verify_equal(cli: Cli, contents: Contents, tmp_path: Path) -> None:
    onnx.save(named_model(), "x1.onnx")
    exported = cli("export", "x1.onnx", "-o", "build")
    assert (exported.exit_code, exported.stderr) == (0, "")
    written = {name for name in contents() if name not in ("x1.onnx", "tmp")}
    assert all(name.split("/")[0] == "build" for name in written)
    assert all(re.fullmatch(r"[\w./]+", name, re.ASCII) for name in written)
    lines = exported.stdout.splitlines()
    assert all(line.isprintable() for line in lines)
    verified = cli("verify", "build", "--samples", "20")
    assert verified.exit_code == 0, verified.output
    assert all(line.isprintable() for line in verified.stdout.splitlines())


def test_hostile_names_reach_the_error_line_harmlessly(cli: Cli) -> None:
    for name in NAMES:
        onnx.save(small_model([node("Frobnicate", "h", "y", name)]), "bad.onnx")
        line = one_line(cli("export", "bad.onnx"))
        assert len(line) < 400
        assert line.startswith("node '")


def test_hostile_tensor_names_reach_the_error_line_harmlessly(cli: Cli) -> None:
    for name in NAMES:
        onnx.save(model([node("Relu", [name or "x"], "y")], {name or "x": [1, 4]}, ["y"]), "bad.onnx")
        line = one_line(cli("export", "bad.onnx"))
        assert "--input-type" in line


@pytest.mark.parametrize(
    "stem", ["int", "types", "layers", "main", "hwq_codes", "printf", "wchar", "design", "🦄", "1 2", "x"]
)
def test_a_model_file_may_be_called_anything(stem: str, tmp_path: Path) -> None:
    path = tmp_path / f"{stem}.onnx"
    onnx.save(small_model(), path)
    design = hwq.compile(path)
    files = design.render()
    top = design.settings().top
    assert len({name for name in files if name.startswith("src/")}) == 6
    assert re.fullmatch(r"[a-z_]\w*", top)
    assert f"void {top}(" in files[f"src/{top}.h"].decode()


def test_identifiers_are_identifiers_and_differ() -> None:
    fresh = unique_namer()
    names = [fresh(text) for text in NAMES * 3]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,50}", n) for n in names)
    assert not {identifier(n) for n in ("int", "class", "size", "int8", "main", "a_t")} & {
        "int",
        "class",
        "size",
        "int8",
    }
    assert identifier("fc1/MatMul") == "fc1_matmul"


def test_ten_thousand_equal_names_get_numbers_quickly() -> None:
    fresh = unique_namer()
    assert [fresh("a") for _ in range(10000)][-1] == "a_10000"


@pytest.mark.parametrize("text", NAMES)
def test_a_comment_is_one_line_that_cannot_go_on(text: str) -> None:
    safe = comment(text)
    assert safe.isprintable()
    assert safe
    assert not safe.endswith("\\")
    assert "*/" not in safe
    assert "??/" not in safe


# -- data ------------------------------------------------------------------------------------------------------------


def pickled() -> None:
    np.save("x.npy", np.asarray([{"a": 1}], dtype=object), allow_pickle=True)


def bad_header() -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 4), }"
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    Path("x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))


def pickled_npz() -> None:
    np.savez("x.npz", x=np.asarray([{"a": 1}], dtype=object))


DATA: dict[str, tuple[Callable[[], object], str, str]] = {
    "pickled": (pickled, "x.npy", "cannot read 'x.npy'"),
    "pickled in an archive": (pickled_npz, "x.npz", "cannot read 'x.npz'"),
    "text": (lambda: Path("x.npy").write_text("1 2 3"), "x.npy", "cannot read 'x.npy'"),
    "empty": (lambda: Path("x.npy").write_bytes(b""), "x.npy", "cannot read 'x.npy'"),
    "terabytes in the header": (bad_header, "x.npy", "cannot read 'x.npy'"),
    "missing": (lambda: None, "x.npy", "cannot read 'x.npy'"),
    "empty archive": (lambda: np.savez("x.npz"), "x.npz", "holds no array"),
    "wrong shape": (lambda: np.save("x.npy", np.zeros((3, 7))), "x.npy", "shape [3, 7]"),
    "one number": (lambda: np.save("x.npy", np.float64(3)), "x.npy", "shape []"),
    "no samples": (lambda: np.save("x.npy", np.zeros((0, 4))), "x.npy", "no samples"),
    "strings": (lambda: np.save("x.npy", np.asarray([["a"] * 4])), "x.npy", "numbers"),
    "complex": (lambda: np.save("x.npy", np.zeros((1, 4), dtype=complex)), "x.npy", "numbers"),
    "NaN": (lambda: np.save("x.npy", np.full((1, 4), np.nan)), "x.npy", "NaN"),
    "wrong names": (lambda: np.savez("x.npz", a=np.zeros((1, 4)), b=np.zeros((1, 4))), "x.npz", "no array 'x'"),
}


@pytest.mark.parametrize("case", sorted(DATA))
@pytest.mark.parametrize("command", ["simulate", "verify"])
def test_bad_data_is_refused_in_one_line(case: str, command: str, cli: Cli, contents: Contents) -> None:
    write, path, words = DATA[case]
    onnx.save(small_model(), "good.onnx")
    write()
    before = contents()
    output = ["-o", "y.npz"] if command == "simulate" else []
    line = one_line(cli(command, "good.onnx", "--data", path, *output))
    assert words in line
    assert contents() == before


@pytest.mark.parametrize("text", ["INT²", "UINT٣", "INT" + "9" * 5000, "INT0", "INT-3", "INT65", ""])
def test_annotations_that_name_no_type_are_passed_over(text: str) -> None:
    proto = small_model()
    note = proto.graph.quantization_annotation.add(tensor_name="x")
    note.quant_parameter_tensor_names.add(key="finn_datatype", value=text)
    assert str(hwq.compile(proto).graph) == str(hwq.compile(small_model()).graph)


def test_absurdly_many_thresholds_are_refused_at_once() -> None:
    many = const("t", np.zeros((1, 1 << 21)))
    assert "2097152 thresholds" in refusal(appended("MultiThreshold", "t", many))


@pytest.mark.parametrize("exponent", [1e30, -3e38, 2000.0])
def test_an_absurd_power_is_refused(exponent: float) -> None:
    assert "a power past 2^10" in refusal(appended("Pow", "p", const("p", exponent)))


def test_an_attribute_that_refers_to_one_of_a_function_stands_in_one() -> None:
    proto = appended("Softmax", axis=0)
    proto.graph.node[-1].attribute[0].ref_attr_name = "outer"
    assert "attribute 'axis' refers to one of a function" in refusal(proto)


# -- noise -----------------------------------------------------------------------------------------------------------


def mutated(raw: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(raw)
    for _ in range(int(rng.integers(1, 6))):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    return bytes(data)


def only_refuses(bad: bytes | onnx.ModelProto) -> bool:
    """Whether a damaged model either compiles or is refused on purpose, with a remedy."""
    try:
        hwq.compile(bad)
    except HwqError as error:
        return type(error).__name__ != "InternalError" and bool(error.remedy)
    return True


def survives_noise(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for raw in (mlp().SerializeToString(), named_model(NAMES[:6]).SerializeToString()):
        for _ in range(count):
            bad = mutated(raw, rng)
            assert only_refuses(bad), bad


def test_random_bytes_in_a_model_are_refused_or_harmless() -> None:
    survives_noise(60, 0)


KINDS = [
    "Quant",
    "BipolarQuant",
    "Trunc",
    "MultiThreshold",
    "MatMul",
    "Gemm",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Neg",
    "BatchNormalization",
    "Relu",
    "Clip",
    "Flatten",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Dropout",
    "Shape",
    "Size",
    "Constant",
    "ConstantOfShape",
    "Gather",
    "Concat",
    "Cast",
    "Pow",
    "ArgMax",
    "ArgMin",
    "TopK",
    "Expand",
    "Tile",
    "Range",
    "Slice",
    "Split",
    "Where",
    "Min",
    "Max",
    "Sum",
    "Mean",
    "ReduceSum",
    "QuantizeLinear",
    "DequantizeLinear",
]
ODD_VALUES = (0.0, -0.0, -1.0, 1.0, 0.5, 2.0, 3.0, 1e30, -1e30, 1e-40, np.nan, np.inf, -np.inf, 7.5, 64.0, 65.0, 1e9)
ODD_ATTRIBUTES = ("axis", "axes", "perm", "k", "signed", "narrow", "rounding_mode", "to", "alpha", "transB", "epsilon")
ODD_SHAPES = ((), (1,), (0,), (3,), (4,), (1, 3), (3, 1), (4, 3), (1, 1, 1), (2, 2, 2), (0, 3), (1,) * 40)


def disordered(proto: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto:
    """A model that parses, with one to three things in it that make no sense."""
    bad = onnx.ModelProto()
    bad.CopyFrom(proto)
    graph = bad.graph
    edges = [t.name for t in graph.initializer] + [o for n in graph.node for o in n.output] + ["x", ""]

    def pick(things: Any) -> Any:
        return things[int(rng.integers(len(things)))]

    for _ in range(int(rng.integers(1, 4))):
        victim, tensor, choice = pick(graph.node), pick(graph.initializer), int(rng.integers(9))
        if choice == 0 and victim.input:
            victim.input[int(rng.integers(len(victim.input)))] = pick(edges)
        elif choice == 1:
            victim.op_type = str(pick(KINDS))
            victim.domain = str(pick(("", victim.domain)))
        elif choice == 2:
            victim.input.append(pick(edges))
        elif choice == 3 and victim.input:
            victim.input.pop()
        elif choice == 4:
            values = rng.choice(ODD_VALUES, pick(ODD_SHAPES))
            with np.errstate(all="ignore"):
                tensor.CopyFrom(const(tensor.name, values, pick((np.float32, np.int64, np.int8, np.float64, np.bool_))))
        elif choice == 5:
            value = pick((-9, 0, 1, 2, 99, 0.5, float("nan"), "text", [1], [-1, 0], [0, 0], [1.5], ["a"]))
            victim.attribute.append(helper.make_attribute(str(pick(ODD_ATTRIBUTES)), value))
        elif choice == 6:
            victim.output.append(f"more{len(victim.output)}")
        elif choice == 7:
            graph.output[0].name = pick(edges)
        elif choice == 8:
            del tensor.dims[:]
            tensor.dims.extend(pick(ODD_SHAPES))
    return bad


def survives_disorder(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tail = [node("Relu", "h", "r"), node("Reshape", "r n", "f"), node("TopK", "f k", ["v", "y"])]
    small = small_model(tail, [ints("n", 1, 3), ints("k", 2)], outputs=["y", "v"])
    for proto in (small, mlp((3, 3, 2)), flat_model()):
        for _ in range(count):
            bad = disordered(proto, rng)
            assert only_refuses(bad), onnx.printer.to_text(bad)


def flat_model() -> onnx.ModelProto:
    nodes = [
        node("Quant", "x s z bits", "q"),
        node("Shape", "q", "extents"),
        node("Gather", "extents zero", "first"),
        node("Unsqueeze", "first axes", "batch"),
        node("Concat", "batch rest", "shape", axis=0),
        node("Reshape", "q shape", "flat"),
        node("Clip", "flat low high", "c"),
        node("MultiThreshold", "c t", "m"),
        node("Transpose", "m", "y", perm=[0, 1]),
    ]
    constants = [ints("zero"), ints("axes", 0), ints("rest", -1), const("low", -1.0), const("high", 1.0)]
    constants[0].CopyFrom(const("zero", 0, np.int64))
    thresholds = const("t", [[-0.5, 0.25, 0.5]])
    return model(nodes, {"x": [1, 2, 2]}, ["y"], [*quant_constants()[:3], *constants, thresholds])


def test_models_that_make_no_sense_are_refused_or_harmless() -> None:
    survives_disorder(100, 0)


@pytest.mark.slow
def test_much_noise_is_refused_or_harmless() -> None:
    survives_noise(3000, 1)
    survives_disorder(3000, 1)


def test_no_type_of_an_array_is_one_of_the_c_library(tmp_path: Path) -> None:
    """Every `NAME_t` that the headers mention is reserved, or may be declared again."""
    target = get_target("vivado")
    headers = find_headers(target)
    if headers is None or find_compiler() is None:
        pytest.skip("needs a C++ compiler and AMD's headers")
    includes = "".join(f"#include <{h}>\n" for h in ("cmath", "cstdio", "cstring", "string", target.types.header))
    source = tmp_path / "types.cpp"
    source.write_text(includes)
    base = [str(find_compiler()), "-std=c++14", "-w", "-isystem", str(headers.folder), str(source)]
    text = subprocess.run([*base, "-E"], capture_output=True, text=True, check=True).stdout
    stems = sorted({s for s in re.findall(r"\b([a-z]\w*)_t\b", text) if identifier(s) == s})
    assert len(stems) > 20
    source.write_text(includes + "".join(f"typedef ap_fixed<8, 8> {s}_t;\n" for s in stems))
    done = subprocess.run([*base, "-fsyntax-only"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
