"""Float models quantized after training: templates, calibration, and what is compiled from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml

import hwq
import hwq.design
from conftest import Cli, one_line
from hwq.models.quantize import LayerSpecs, Plan, calibrated, float_layers, quantized
from models import mlp

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"
FLOAT = ("ex_float_conv2d_small_keras", "ex_float_three_layer_keras", "ex_float_two_layer_pytorch")


def loaded(name: str) -> tuple[Path, Any]:
    path = SHARED / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return path, np.load(SHARED / f"{name}.npz")


@pytest.mark.parametrize("scale", ["po2", "real"])
@pytest.mark.parametrize("name", FLOAT)
def test_a_calibrated_config_keeps_the_classes_and_verifies(name: str, scale: str, tmp_path: Path, cli: Cli) -> None:
    path, data = loaded(name)
    np.save(tmp_path / "x.npy", data["x"])
    result = cli("config", path, "-o", "quant.yaml", "--calibrate", "x.npy", "--bits", 8, "--scale", scale)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "%" in result.stdout
    design = hwq.compile(path, "quant.yaml")
    y = design.simulate(data["x"])
    if y.shape[-1] > 1:
        assert np.mean(y.argmax(-1) == data["y"].argmax(-1)) > 0.95
    else:
        assert np.abs(y - data["y"]).max() < 0.02
    assert design.export("build").verify(data["x"][:20], types="native")
    assert str(hwq.design.Project.load("build").design.graph) == str(design.graph)


def test_the_template_without_data_compiles_as_it_is(cli: Cli) -> None:
    path, data = loaded(FLOAT[1])
    assert cli("config", path, "-o", "quant.yaml").exit_code == 0
    text = Path("quant.yaml").read_text()
    assert list(yaml.safe_load(text)["quantize"]["layers"]) == [layer.name for layer in float_layers(onnx.load(path))]
    assert text.count("#") > 5
    y = hwq.compile(path, "quant.yaml").simulate(data["x"][:20])
    assert np.mean(y.argmax(-1) == data["y"][:20].argmax(-1)) > 0.9


def test_an_own_line_wins_over_a_pattern_and_a_pattern_over_the_defaults() -> None:
    plan = Plan({"weight": "a", "bias": "b"}, {"fc*": {"weight": "c", "output": "d"}, "fc1": {"weight": "e"}})
    assert plan.of("fc1") == LayerSpecs("e", "b", "d")
    assert plan.of("fc2") == LayerSpecs("c", "b", "d")
    assert plan.of("conv") == LayerSpecs("a", "b", None)


def test_a_type_is_taken_where_a_quantizer_is(tmp_path: Path) -> None:
    path, data = loaded(FLOAT[1])
    both = []
    for weight in ("ap_fixed<8,2>", "quantized_bits(8,1,0)"):
        config = {"input_types": {"input_1_0": "ap_fixed<16,6>"}, "quantize": {"weight": weight, "bias": "s16.10"}}
        config["quantize"] = {"weight": weight, "bias": "ap_fixed<16,6>", "output": "ap_fixed<12,5>"}
        both.append(hwq.compile(path, config).simulate(data["x"][:30], codes=True))
    np.testing.assert_array_equal(*both)


def test_the_quantized_model_keeps_its_outputs_names_and_passes_the_checker() -> None:
    path, data = loaded(FLOAT[0])
    model = onnx.load(path)
    found = calibrated(model, {"conv2d_1_input_0": data["x"][:16]})
    made = quantized(model, found.plan)
    onnx.checker.check_model(made)
    assert [o.name for o in made.graph.output] == [o.name for o in model.graph.output]
    assert max(found.errors.values()) < 0.1
    finer = calibrated(model, {"conv2d_1_input_0": data["x"][:16]}, bits=12)
    assert max(finer.errors.values()) < max(found.errors.values()) / 4


@pytest.mark.parametrize(
    ("quantize", "words"),
    [
        ({"weight": "quantized_bit(8)"}, "unknown quantizer"),
        ({"wait": "quantized_bits(8)"}, "unknown key 'wait'"),
        ({"layers": {"none*": {"weight": "ap_fixed<8,2>"}}}, "matches nothing"),
        ({"layers": {"a": {"wait": "ap_fixed<8,2>"}}}, "not readable"),
        ({"weight": "ap_fixed<8,2,AP_RND_CONV,AP_WRAP>"}, "without a node"),
        ({"output": "quantized_bits(4,0,1,alpha='auto')"}, "its scale would depend on the data"),
    ],
)
def test_a_config_that_cannot_be_meant_is_one_line(
    quantize: dict[str, Any], words: str, tmp_path: Path, cli: Cli
) -> None:
    path, _ = loaded(FLOAT[1])
    (tmp_path / "q.yaml").write_text(yaml.safe_dump({"quantize": quantize}))
    assert words in one_line(cli("export", path, "--config", "q.yaml", "-o", "build"))
    assert not Path("build").exists()


def test_a_quantized_model_is_not_quantized_again(tmp_path: Path, cli: Cli) -> None:
    onnx.save(mlp(), tmp_path / "m.onnx")
    assert "quantized already" in one_line(cli("config", "m.onnx", "-o", "q.yaml"))


def test_verify_reports_the_error_against_the_float_model(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from hwq.cli.main import main

    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 6)).astype(np.float32)
    weights = [rng.normal(size=s).astype(np.float32) for s in ((6, 8), (8, 3))]
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "w0"], ["a"], name="first"),
        onnx.helper.make_node("Relu", ["a"], ["b"], name="relu"),
        onnx.helper.make_node("MatMul", ["b", "w1"], ["y"], name="last"),
    ]
    ports = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", k]) for n, k in (("x", 6), ("y", 3))]
    constants = [onnx.numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    graph = onnx.helper.make_graph(nodes, "float", ports[:1], ports[1:], constants)
    opsets = [onnx.helper.make_opsetid("", 13)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "f.onnx")
    np.save(tmp_path / "x.npy", x)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main, [a.replace("DIR", str(tmp_path)) for a in arguments])

    assert run("config", "DIR/f.onnx", "-o", "DIR/q.yaml", "--calibrate", "DIR/x.npy").exit_code == 0
    verify = ("verify", "DIR/f.onnx", "--data", "DIR/x.npy", "--types", "native", "--json", "--against-float")
    done = run(*verify, "--config", "DIR/q.yaml")
    assert done.exit_code == 0, done.output
    (report,) = json.loads(done.stdout)["against_float"]
    y = hwq.compile(tmp_path / "f.onnx", tmp_path / "q.yaml").simulate(x)
    floats = np.maximum(x @ weights[0], 0) @ weights[1]
    assert report["samples"] == 40
    assert report["argmax"] == float((y.argmax(axis=1) == floats.argmax(axis=1)).mean())
    assert abs(report["worst"] - np.abs(y - floats).max()) < 1e-5
    assert 0 < report["worst"] < 0.5
    refused = run("verify", str(EXAMPLE), "--types", "native", "--against-float")
    assert refused.exit_code == 2
    assert "--config quant.yaml" in refused.stderr
