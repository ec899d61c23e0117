"""Keras files: what is converted computes what QKeras computes, bit for bit; what is not is refused by name."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

import hwq
from conftest import Cli, one_line
from hwq.build.toolchain import find_headers
from hwq.models import qkeras_domain as onnx_ops
from hwq.models import qonnx_domain as qonnx_ops
from hwq.models.builder import Builder
from hwq.models.keras import convert
from hwq.models.keras.convert import RULES
from hwq.models.keras.topology import snake_case
from hwq.models.quantizer_nodes import activation_form, constant_node
from hwq.quantizers import quantizer
from hwq.targets import get_target

h5py = pytest.importorskip("h5py", reason="Keras files need h5py")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models" / "qkeras"
GOLDEN = Path(__file__).parent / "golden" / "keras"
PAIRS = {"mixed_dense.keras": "mixed_dense", "qkeras-v3_3layer.keras": "qkeras-v3_3layer"}
PAIRS["qkeras_mnist_cnn.json"] = "qkeras_mnist_cnn"
OWN = ("planes", "lines", "plain", "norms", "quantizers", "adaptive")


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return path


def evaluate(model: onnx.ModelProto, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Every output by name, in onnx.reference with hwq's op classes."""
    ops = [*onnx_ops.reference_ops(), *qonnx_ops.reference_ops()]
    names = [o.name for o in model.graph.output]
    return dict(zip(names, ReferenceEvaluator(model, new_ops=ops).run(None, dict(inputs)), strict=True))


def layers_of(archive: Any) -> dict[str, Any]:
    return {key.removeprefix("layer/"): archive[key] for key in archive.files if key.startswith("layer/")}


def inputs_of(archive: Any, model: onnx.ModelProto) -> dict[str, Any]:
    found = {key.removeprefix("input/"): archive[key] for key in archive.files if key.startswith("input/")}
    names = [i.name for i in model.graph.input]
    return found if set(found) == set(names) else dict(zip(names, found.values(), strict=True))


# -- the reference pairs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRS)
def test_all_layer_outputs_before_softmax_equal_the_reference_pairs(name: str) -> None:
    path = shared(name)
    reference = np.load(SHARED / f"{PAIRS[name]}.npz")
    meta = json.loads((SHARED / f"{PAIRS[name]}_meta.json").read_text())
    layers = [layer["name"] for layer in meta["layers"] if layer["name"] != "softmax"]
    model = convert(path, ends=layers)
    got = evaluate(model, {model.graph.input[0].name: reference["input"]})
    assert list(got) == layers
    for layer in layers:
        expected = reference[f"{layer}/output"]
        np.testing.assert_array_equal(got[layer][: len(expected)], expected, err_msg=layer)


@pytest.mark.parametrize("name", PAIRS)
def test_quantized_kernels_and_biases_equal_the_reference_pairs(name: str) -> None:
    path = shared(name)
    reference = np.load(SHARED / f"{PAIRS[name]}.npz")
    model = convert(path)
    made = {node.output[0] for node in model.graph.node}
    checked = 0
    for key in (k for k in reference.files if k.endswith(("/kernel_q", "/bias_q"))):
        tensor = key.replace("/", "_").removesuffix("_q")
        assert tensor in made
        cut = onnx.ModelProto()
        cut.CopyFrom(model)
        del cut.graph.output[:], cut.graph.input[:]
        cut.graph.output.append(helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))
        nodes = [node for node in cut.graph.node if node.output[0] == tensor]
        del cut.graph.node[:]
        cut.graph.node.extend(nodes)
        expected = reference[key]
        expected = expected.transpose(3, 2, 0, 1) if expected.ndim == 4 else expected
        np.testing.assert_array_equal(evaluate(cut, {})[tensor], expected, err_msg=key)
        checked += 1
    assert checked >= 6


INPUT_TYPE = "ap_fixed<16,6>"


def compiled(path: Path | onnx.ModelProto, archive: Any, first: str) -> Any:
    config = {"input_types": {first: INPUT_TYPE}} if "qin/output" not in archive.files else {}
    return hwq.compile(path, config)


@pytest.mark.parametrize("name", PAIRS)
def test_simulator_equals_the_reference_pairs(name: str) -> None:
    path = shared(name)
    reference = np.load(SHARED / f"{PAIRS[name]}.npz")
    meta = json.loads((SHARED / f"{PAIRS[name]}_meta.json").read_text())
    last = [layer["name"] for layer in meta["layers"] if layer["name"] != "softmax"][-1]
    model = convert(path, ends=[last])
    samples = 40
    got = compiled(model, reference, model.graph.input[0].name).simulate(reference["input"][:samples])
    np.testing.assert_array_equal(got.astype(np.float32), reference[f"{last}/output"][:samples])


@pytest.mark.parametrize("name", [n for n in PAIRS if n.endswith(".keras")])
def test_compiled_project_equals_the_simulator(name: str, tmp_path: Path) -> None:
    path = shared(name)
    if find_headers(get_target("vivado")) is None:
        pytest.skip("no ap_fixed headers")
    reference = np.load(SHARED / f"{PAIRS[name]}.npz")
    model = convert(path, ends=["output"] if "3layer" in name else [])
    design = compiled(model, reference, model.graph.input[0].name)
    result = design.export(tmp_path / "p").verify(reference["input"][:30])
    assert result
    assert result.codes > 0


def test_the_early_ternary_model_converts_with_weights_of_its_own(tmp_path: Path) -> None:
    path = shared("KERAS_3layer_ternary_small.json")
    rng = np.random.default_rng(3)
    sizes, kernels = (16, 64, 32, 32, 5), {}
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for i, name in enumerate(("fc1", "fc2", "fc3", "output")):
            kernels[name] = rng.uniform(-1, 1, sizes[i : i + 2]).astype(np.float32)
            legacy(file, name, {"kernel": kernels[name]})
        for i in range(3):
            count = sizes[i + 1]
            bn = {n: np.zeros(count) for n in ("gamma", "beta", "moving_mean")} | {"moving_variance": np.ones(count)}
            legacy(file, f"bn{i + 1}", {**bn, "gamma": np.full(count, 0.25)})
    model = convert(path, tmp_path / "w.h5", ends=["act1"])
    x = np.ldexp(rng.integers(-20, 21, (30, 16)), -4).astype(np.float32)
    got = evaluate(model, {model.graph.input[0].name: x})["act1"]
    ternary = (kernels["fc1"] > 0.5).astype(float) - (kernels["fc1"] <= -0.5)
    y = x.astype(float) @ ternary * 0.25 / np.sqrt(1 + 1e-6)
    np.testing.assert_array_equal(got, (y > 0.5).astype(float) - (y <= -0.5))
    assert len(np.unique(got)) == 3


def legacy(file: Any, layer: str, weights: Mapping[str, Any]) -> None:
    group = file.create_group(layer)
    group.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in weights]
    for name, values in weights.items():
        group.create_dataset(f"{layer}/{name}:0", data=np.asarray(values, dtype=np.float32))


# -- models of every layer, made by QKeras ---------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", OWN)
def test_every_layer_equals_what_the_package_computes(name: str, suffix: str) -> None:
    path = GOLDEN / f"{name}{suffix}"
    if not path.is_file():
        pytest.skip("the package writes no such file")
    archive = np.load(GOLDEN / f"{name}.npz")
    layers = layers_of(archive)
    model = convert(path, ends=list(layers))
    got = evaluate(model, inputs_of(archive, model))
    assert set(got) == set(layers)
    for layer, expected in layers.items():
        if name == "plain" or layer in FLOAT32:
            np.testing.assert_allclose(got[layer], expected, rtol=1e-5, atol=1e-5, err_msg=layer)
        else:
            np.testing.assert_array_equal(got[layer], expected, err_msg=layer)


FLOAT32 = frozenset({"qbn", "bn", "probabilities", "k2", "k15", "k20"})  # real numbers, rounded by each in its own way


def kinds_of(config: Any) -> set[str]:
    """Every class in a configuration, operations as `ops.NAME`."""
    found: set[str] = set()
    if isinstance(config, dict):
        kind = config.get("class_name")
        if isinstance(kind, str):
            found.add(f"ops.{kind}" if ".ops" in str(config.get("module")) else kind)
        config = list(config.values())
    return found.union(*map(kinds_of, config)) if isinstance(config, list) else found


def test_every_rule_is_met_by_a_model() -> None:
    seen = set()
    for path in GOLDEN.rglob("*.keras"):
        seen |= kinds_of(json.loads(zipfile.ZipFile(path).read("config.json")))
    assert {kind for kind in set(RULES) - seen if not kind.startswith(("Random", "ops."))} == UNSEEN


UNSEEN = {"SpatialDropout1D", "ActivityRegularization", "TernaryDense"}  # the last has a test of its own
UNSEEN |= {"QConv2DTranspose"}


@pytest.mark.parametrize("name", ["planes", "lines", "norms"])
def test_compiled_models_equal_the_package_and_their_own_code(name: str, tmp_path: Path) -> None:
    archive = np.load(GOLDEN / f"{name}.npz")
    design = hwq.compile(GOLDEN / f"{name}.keras")
    inputs = inputs_of(archive, convert(GOLDEN / f"{name}.keras"))
    values = design.simulate(inputs)
    values = values if isinstance(values, dict) else {design.outputs[0].name: values}
    for out, got in values.items():
        np.testing.assert_array_equal(got.astype(np.float32), archive[f"layer/{out}"], err_msg=out)
    result = design.export(tmp_path / "p").verify(inputs, types="native")
    assert result
    assert result.codes > 0


def test_graphs_in_the_legacy_notation_are_the_same_graphs(tmp_path: Path) -> None:
    parts = members(GOLDEN / "lines.keras")
    config = json.loads(parts["config.json"])
    config["class_name"] = "Model"
    for entry in config["config"]["layers"]:
        entry["inbound_nodes"] = [[[*ref, {}] for ref in histories(n)] for n in entry["inbound_nodes"]]
        shape = entry["config"].pop("batch_shape", None)
        if shape is not None:
            entry["config"]["batch_input_shape"] = shape
    (tmp_path / "lines.keras").write_bytes(packed({**parts, "config.json": json.dumps(config).encode()}))
    assert convert(tmp_path / "lines.keras") == convert(GOLDEN / "lines.keras")


def histories(value: Any) -> list[list[Any]]:
    """The keras_history of every tensor in an inbound node."""
    if isinstance(value, dict) and "keras_history" in value:
        return [value["keras_history"]]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for item in inner for found in histories(item)]


def test_a_shared_layer_quantizes_twice_with_the_same_weights() -> None:
    model = convert(GOLDEN / "lines.keras")
    convs = [n for n in model.graph.node if n.op_type == "Conv" and n.name.startswith("shared")]
    assert len(convs) == 2
    values = {t.name: t for t in model.graph.initializer}
    kernels = [next(n for n in model.graph.node if n.output[0] == c.input[1]) for c in convs]
    first, second = (values[k.input[0]].raw_data for k in kernels)
    assert first == second


def test_outputs_of_a_model_keep_kerass_order_and_names() -> None:
    model = convert(GOLDEN / "lines.keras")
    assert [i.name for i in model.graph.input] == ["left", "right"]
    assert [o.name for o in model.graph.output] == ["y", "ap"]
    shapes = [[d.dim_value or d.dim_param for d in o.type.tensor_type.shape.dim] for o in model.graph.output]
    assert shapes == [["N", 2, 3], ["N", 6, 4]]
    archive = np.load(GOLDEN / "lines.npz")
    got = evaluate(model, inputs_of(archive, model))
    np.testing.assert_array_equal(got["ap"], archive["layer/ap"])


@pytest.mark.parametrize("name", OWN)
def test_the_written_model_is_standard(name: str) -> None:
    model = convert(GOLDEN / f"{name}.keras")
    onnx.checker.check_model(model)
    inferred = onnx_ops.infer_shapes(model)
    assert {n.domain for n in model.graph.node} <= {"", onnx_ops.DOMAIN, qonnx_ops.DOMAIN}
    assert {o.domain for o in model.opset_import} == {n.domain for n in model.graph.node} | {""}
    assert len({n.name for n in model.graph.node}) == len(model.graph.node)
    assert len(inferred.graph.output) == len(model.graph.output)


def test_converting_and_compiling_the_onnx_equals_compiling_the_keras_file(tmp_path: Path, cli: Cli) -> None:
    path = shared("mixed_dense.keras")
    result = cli("convert", path, "-o", tmp_path / "mixed_dense.onnx")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "next: hwq export" in result.stdout
    direct, through = hwq.compile(path), hwq.compile(tmp_path / "mixed_dense.onnx")
    assert str(direct.graph) == str(through.graph)
    assert direct.render() == through.render()
    x = np.load(SHARED / "mixed_dense.npz")["input"]
    np.testing.assert_array_equal(direct.simulate(x, codes=True), through.simulate(x, codes=True))


# -- quantizers ------------------------------------------------------------------------------------------------------

EXACT = ("quantized_bits(8,2,1)", "quantized_relu(6,2)", "quantized_tanh(6)", "quantized_linear(6,2,1,alpha=0.5)")
EXACT += ("quantized_bits(1,0,1)", "binary()", "binary(alpha=0.5)", "quantized_linear(1,0,1)")
NOT_EXACT = ("quantized_sigmoid(6)", "quantized_po2(4)", "ternary()", "quantized_bits(4,0,1,alpha=0.5)")
NOT_EXACT += ("binary(use_01=True)", "quantized_relu(6,2,negative_slope=0.25)", "binary_tanh", "hard_tanh")


@pytest.mark.parametrize("spec", EXACT + NOT_EXACT)
def test_an_activation_becomes_a_qonnx_node_only_where_that_is_the_same_function(spec: str) -> None:
    q = quantizer(spec)
    form = activation_form(q)
    assert (form is not None) == (spec in EXACT)
    if form is not None:
        x = np.ldexp(np.arange(-3000, 3001), -9).astype(np.float32)
        np.testing.assert_array_equal(form(x), q(x))


def test_a_dead_channel_stays_zero() -> None:
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    values[:, 1] = 0
    for spec in ("quantized_bits(4,0,1,alpha='auto')", "binary(alpha='auto')", "ternary(alpha='auto')"):
        b, q = Builder(), quantizer(spec)
        name = constant_node(b, "w", q, values)
        assert b.nodes[0].op_type == "Quant"
        graph = helper.make_graph(
            b.nodes, "g", [], [helper.make_tensor_value_info(name, 1, None)], list(b.constants.values())
        )
        opsets = [helper.make_opsetid("", 20), qonnx_ops.opset()]
        got = evaluate(helper.make_model(graph, opset_imports=opsets), {})["w"]
        np.testing.assert_array_equal(got, q(values))
        assert not got[:, 1].any()
        assert got[:, 0].any()


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("QDense", "q_dense"),
        ("QConv2DBatchnorm", "q_conv2d_batchnorm"),
        ("ReLU", "re_lu"),
        ("LeakyReLU", "leaky_re_lu"),
        ("ZeroPadding2D", "zero_padding2d"),
        ("QDepthwiseConv2D", "q_depthwise_conv2d"),
    ],
)
def test_weight_groups_are_called_as_keras_calls_them(kind: str, group: str) -> None:
    assert snake_case(kind) == group


# -- files that are not to be trusted --------------------------------------------------------------------------------

Edit = Callable[[dict[str, bytes]], None]


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


def edited(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """adaptive.keras with another configuration."""
    parts = members(GOLDEN / "adaptive.keras")
    config = json.loads(parts["config.json"])
    change(config)
    return packed({**parts, "config.json": json.dumps(config).encode()})


def layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(x for x in config["config"]["layers"] if x["config"].get("name") == name)
    return found


def reweighted(change: Callable[[Any], None]) -> bytes:
    """adaptive.keras with other weights."""
    parts = members(GOLDEN / "adaptive.keras")
    data = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(data, "r+") as file:
        change(file["layers"]["q_dense"]["vars"])
    return packed({**parts, "model.weights.h5": data.getvalue()})


def circle() -> bytes:
    """lines.keras where two layers read each other."""
    parts = members(GOLDEN / "lines.keras")
    config = json.loads(parts["config.json"])
    layer(config, "turn")["inbound_nodes"] = [[["shape", 0, 0, {}]]]
    return packed({**parts, "config.json": json.dumps(config).encode()})


def replace_kernel(group: Any, **options: Any) -> None:
    del group["0"]
    if "link" in options:
        group["0"] = options["link"]
    else:
        group.create_dataset("0", **options)


def nothing(_: Any) -> None:
    """No change."""


HOSTILE: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"hello", "no .keras archive"),
    "cut short": (lambda: packed(members(GOLDEN / "adaptive.keras"))[:-400], "damaged archive"),
    "no config": (lambda: packed({"model.weights.h5": b""}), "holds no config.json"),
    "no weights": (lambda: packed({"config.json": b"{}"}), "holds no model.weights.h5"),
    "config no JSON": (lambda: packed({"config.json": b"{", "model.weights.h5": b""}), "is no JSON"),
    "config a list": (lambda: packed({"config.json": b"[]", "model.weights.h5": b""}), "is no object"),
    "config too deep": (lambda: packed({"config.json": b"[" * 200000, "model.weights.h5": b""}), "is no JSON"),
    "weights no HDF5": (
        lambda: packed({**members(GOLDEN / "adaptive.keras"), "model.weights.h5": b"x" * 999}),
        "not an HDF5 file",
    ),
    "a zip bomb": (
        lambda: packed({"config.json": b"{}", "model.weights.h5": b"\0" * (1 << 24)}, zipfile.ZIP_DEFLATED),
        "unpacks",
    ),
    "a path upward": (lambda: packed({**members(GOLDEN / "adaptive.keras"), "../x": b""}), "holds the path"),
    "an absolute path": (lambda: packed({**members(GOLDEN / "adaptive.keras"), "/etc/x": b""}), "holds the path"),
    "a Lambda": (lambda: edited(lambda c: layer(c, "d").update(class_name="Lambda")), "node 'd' (Lambda)"),
    "an unknown layer": (lambda: edited(lambda c: layer(c, "d").update(class_name="LSTM")), "node 'd' (LSTM)"),
    "somebody's class": (
        lambda: edited(lambda c: layer(c, "d").update(registered_name="evil>QDense")),
        "custom code ('evil>QDense')",
    ),
    "somebody's module": (lambda: edited(lambda c: layer(c, "d").update(module="os")), "custom code ('os')"),
    "no name": (lambda: edited(lambda c: layer(c, "d")["config"].pop("name")), "without a name"),
    "a name twice": (lambda: edited(lambda c: layer(c, "d")["config"].update(name="ad")), "two layers are called"),
    "units of text": (lambda: edited(lambda c: layer(c, "d")["config"].update(units="4")), "units is 4"),
    "absurd units": (lambda: edited(lambda c: layer(c, "d")["config"].update(units=1 << 40)), "units is"),
    "other units": (lambda: edited(lambda c: layer(c, "d")["config"].update(units=7)), "kernel of shape [5, 4]"),
    "half precision": (lambda: edited(lambda c: layer(c, "d")["config"].update(dtype="mixed_float16")), "dtype"),
    "a policy of Keras' own quantization": (
        lambda: edited(lambda c: layer(c, "d")["config"].update(dtype=quantized_policy("int8"))),
        "dtype policy 'int8_from_float32'; save the model as it was before model.quantize",
    ),
    "a policy of GPTQ": (
        lambda: edited(lambda c: layer(c, "d")["config"].update(dtype=quantized_policy("gptq/4/128"))),
        "dtype policy 'gptq/4/128_from_float32'",
    ),
    "a policy by its name": (
        lambda: edited(lambda c: layer(c, "d")["config"].update(dtype="float8_from_float32")),
        "dtype policy 'float8_from_float32'; save the model as it was before",
    ),
    "a policy of the whole model": (
        lambda: edited(lambda c: c["config"].update(dtype=quantized_policy("int4"))),
        "node 'adaptive' (Sequential): the dtype policy 'int4_from_float32'",
    ),
    "a map of policies": (
        lambda: edited(lambda c: layer(c, "d")["config"].update(dtype={"class_name": "DTypePolicyMap", "config": {}})),
        "dtype policy 'DTypePolicyMap'",
    ),
    "a quantization without a policy": (
        lambda: edited(lambda c: layer(c, "d")["config"].update(quantization_mode="int8")),
        "quantization_mode=int8, which hwq does not know",
    ),
    "an unknown key": (
        lambda: edited(lambda c: layer(c, "d")["config"].update(sharpen=2)),
        "node 'd' (QDense): sharpen=2, which hwq does not know",
    ),
    "an unknown key of the model": (lambda: edited(lambda c: c["config"].update(sharpen=2)), "the key 'sharpen'"),
    "an unknown key beside a configuration": (
        lambda: edited(lambda c: layer(c, "d").update(quantizers=[1])),
        "node 'd' (QDense): the key 'quantizers'",
    ),
    "an input of bytes": (
        lambda: edited(lambda c: c["config"]["layers"][0]["config"].update(dtype="uint8")),
        "node 'q_in' (QActivation): a tensor of type uint8",
    ),
    "an input in half precision": (
        lambda: edited(lambda c: c["config"]["layers"][0]["config"].update(dtype="bfloat16")),
        "dtype policy 'bfloat16'",
    ),
    "a sparse input": (
        lambda: edited(lambda c: c["config"]["layers"][0]["config"].update(sparse=True)),
        "an input that is sparse",
    ),
    "a kernel of integers": (
        lambda: reweighted(lambda g: replace_kernel(g, data=np.ones((5, 4), np.int8))),
        "kernel is of type int8; save the model in float32, as it was before model.quantize",
    ),
    "a weight too many": (
        lambda: reweighted(lambda g: g.create_dataset("2", data=np.ones(4, "f"))),
        "the weight 'layers/q_dense/vars/2' belongs to no layer",
    ),
    "a layer's weights too many": (
        lambda: reweighted(lambda g: g.parent.parent.create_dataset("dense/vars/0", data=np.ones(4, "f"))),
        "the weight 'layers/dense/vars/0' belongs to no layer",
    ),
    "somebody's function": (
        lambda: edited(lambda c: layer(c, "q_in")["config"].update(activation=function_of("evil>relu"))),
        "custom code ('evil>relu')",
    ),
    "a quantizer that is none": (
        lambda: edited(lambda c: layer(c, "d")["config"].update(kernel_quantizer="__import__('os')")),
        "node 'd' (QDense): kernel_quantizer",
    ),
    "noise": (
        lambda: edited(lambda c: layer(c, "q_in")["config"].update(activation=NOISY)),
        "qnoise_factor=0.5",
    ),
    "an automatic activation": (
        lambda: edited(lambda c: layer(c, "q_in")["config"].update(activation="quantized_bits(4,0,1,alpha='auto')")),
        "its scale would depend on the data",
    ),
    "an absurd input": (
        lambda: edited(lambda c: c["config"]["layers"][0]["config"].update(batch_shape=[None, 1 << 30])),
        "an input of shape",
    ),
    "a circle": (lambda: circle(), "in a circle"),
    "a subclassed model": (lambda: edited(lambda c: c.update(class_name="MyModel")), "a model of class 'MyModel'"),
    "a kernel of NaN": (lambda: reweighted(lambda g: g["0"].write_direct(np.full((5, 4), np.nan, "f"))), "NaN"),
    "a missing kernel": (lambda: reweighted(lambda g: g.__delitem__("0")), "has no kernel"),
    "an absurd kernel": (
        lambda: reweighted(lambda g: replace_kernel(g, shape=(1 << 20, 1 << 10), dtype="f", fillvalue=0)),
        "absurd shape",
    ),
    "a kernel of text": (lambda: reweighted(lambda g: replace_kernel(g, data=b"x" * 20)), "of type"),
    "a kernel in another file": (
        lambda: reweighted(lambda g: replace_kernel(g, link=h5py.ExternalLink("/etc/passwd", "/x"))),
        "has no kernel",
    ),
    "a kernel of raw bytes elsewhere": (
        lambda: reweighted(lambda g: replace_kernel(g, shape=(5, 4), dtype="f", external=[("/etc/passwd", 0, 80)])),
        "lies in another file",
    ),
    "a soft link": (lambda: reweighted(lambda g: replace_kernel(g, link=h5py.SoftLink("/layers"))), "has no kernel"),
}


def quantized_policy(mode: str) -> dict[str, Any]:
    config = {"mode": mode, "source_name": "float32"}
    return {"module": "keras.dtype_policies", "class_name": "QuantizedDTypePolicy", "config": config}


def function_of(name: str) -> dict[str, Any]:
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}


NOISY = {"class_name": "quantized_bits", "config": {"bits": 4, "qnoise_factor": 0.5}}


def test_the_model_that_hostile_ones_are_made_of_converts(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "m.keras").write_bytes(edited(nothing))
    (tmp_path / "w.keras").write_bytes(reweighted(nothing))
    assert cli("convert", "m.keras", "-o", "m.onnx").exit_code == 0
    assert cli("convert", "w.keras", "-o", "w.onnx").exit_code == 0
    assert Path("m.onnx").read_bytes() == Path("w.onnx").read_bytes()


@pytest.mark.parametrize("case", HOSTILE)
def test_damaged_and_hostile_files_are_refused_in_one_line_and_nothing_is_written(
    case: str, tmp_path: Path, cli: Cli, contents: Callable[[], dict[str, bytes | None]]
) -> None:
    make, words = HOSTILE[case]
    (tmp_path / "m.keras").write_bytes(make())
    before = contents()
    line = one_line(cli("convert", "m.keras", "-o", "m.onnx"))
    assert words in line
    assert contents() == before


def test_cut_files_never_end_in_a_traceback(tmp_path: Path) -> None:
    for name in ("adaptive.keras", "lines.h5"):
        data = (GOLDEN / name).read_bytes()
        rng = np.random.default_rng(5)
        for cut in rng.integers(1, len(data), 25):
            path = tmp_path / f"cut{Path(name).suffix}"
            path.write_bytes(data[:cut])
            with pytest.raises(hwq.HwqError):
                convert(path)


def test_weights_alone_and_a_model_without_weights_are_refused(tmp_path: Path, cli: Cli) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        legacy(file, "d", {"kernel": np.ones((2, 2))})
    assert "without a model" in one_line(cli("convert", "w.h5", "-o", "m.onnx"))
    (tmp_path / "m.json").write_bytes(members(GOLDEN / "adaptive.keras")["config.json"])
    assert "without weights" in one_line(cli("convert", "m.json", "-o", "m.onnx"))
    assert "no file" in one_line(cli("convert", "none.keras", "-o", "m.onnx"))
    assert "no layer 'x'" in one_line(cli("convert", GOLDEN / "lines.keras", "--end", "x", "-o", "m.onnx"))


def test_json_with_the_weights_of_a_keras_archive_converts_to_the_same(tmp_path: Path, cli: Cli) -> None:
    parts = members(GOLDEN / "lines.keras")
    (tmp_path / "m.json").write_bytes(parts["config.json"])
    (tmp_path / "m.weights.h5").write_bytes(parts["model.weights.h5"])
    assert cli("convert", "m.json", "-o", "beside.onnx").exit_code == 0
    assert cli("convert", "m.json", "--weights", "m.weights.h5", "-o", "given.onnx").exit_code == 0
    assert cli("convert", GOLDEN / "lines.keras", "-o", "whole.onnx").exit_code == 0
    written = {Path(f"{name}.onnx").read_bytes() for name in ("beside", "given", "whole")}
    assert len(written) == 1


def test_without_h5py_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Cli) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    line = one_line(cli("convert", GOLDEN / "lines.keras", "-o", "m.onnx"))
    assert "pip install h5py" in line


def test_an_output_that_cannot_be_written_is_one_line(cli: Cli) -> None:
    assert "cannot write" in one_line(cli("convert", GOLDEN / "lines.keras", "-o", "none/m.onnx"))
