"""The spine's speed: export, build, C-simulation and simulator, each beside a peer or a floor run in the same minute.

    python benchmarks/spine.py [--json FILE] [--quick]

Models: TFC_1W2A (from ../shared/models, left out where that is absent) and a generated MLP of 4 x 512 (4-bit weights
and activations, real scales, BatchNorm). Peers: qonnx's executor and onnxruntime where installed (`pip install qonnx
onnxruntime`), and as the floor a chain of float64 numpy matrix products of the same sizes. Ratios above 1 mean hwq is
faster than the peer.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import hwq
from hwq.ops import Dense
from hwq.report.text_table import text_table

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"
DOMAIN = "qonnx.custom_op.general"
BATCH = 1000
SAMPLES = 100  # through C++


def mlp(width: int = 512, depth: int = 4, bits: int = 4, seed: int = 0) -> onnx.ModelProto:
    """A random QONNX MLP: input quantizer, then `depth` layers of MatMul, BatchNorm, Relu and Quant."""
    rng = np.random.default_rng(seed)
    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def quant(x: str, y: str, scale: float, width_bits: int, signed: int, narrow: int) -> str:
        inputs = [x, constant(y + "_s", scale), constant(y + "_z", 0), constant(y + "_b", width_bits)]
        nodes.append(
            helper.make_node(
                "Quant", inputs, [y], name=y, domain=DOMAIN, signed=signed, narrow=narrow, rounding_mode="ROUND"
            )
        )
        return y

    edge = quant("x", "xq", 0.031, 8, 1, 0)
    for i in range(depth):
        w = rng.normal(0, 1, (width, width))
        weight = quant(constant(f"w{i}", w), f"wq{i}", float(np.abs(w).max() / 7), bits, 1, 1)
        nodes.append(helper.make_node("MatMul", [edge, weight], [f"m{i}"], name=f"fc{i}"))
        gamma, beta = rng.uniform(0.5, 1.5, width), rng.normal(0, 0.3, width)
        norm = [gamma, beta, rng.normal(0, 1, width), rng.uniform(100, 900, width)]
        names = [constant(f"bn{i}_{k}", v) for k, v in enumerate(norm)]
        nodes.append(helper.make_node("BatchNormalization", [f"m{i}", *names], [f"n{i}"], name=f"bn{i}"))
        nodes.append(helper.make_node("Relu", [f"n{i}"], [f"r{i}"], name=f"relu{i}"))
        edge = quant(f"r{i}", f"a{i}", 0.17, bits, 0, 0)
    graph = helper.make_graph(
        nodes,
        f"mlp{depth}x{width}",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, width])],
        [helper.make_tensor_value_info(edge, TensorProto.FLOAT, [1, width])],
        constants,
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def best(run: Callable[[], Any], repeats: int = 5) -> float:
    """The median time of a call, after one that does not count."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def sizes(design: hwq.Design) -> list[tuple[int, ...]]:
    """The shapes of the weights of all dense layers."""
    return [n.op.weights.shape for n in design.graph.nodes if isinstance(n.op, Dense)]


def numpy_chain(design: hwq.Design, batch: int) -> Callable[[], Any]:
    """Float64 matrix products of the same sizes: the floor for any simulator."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=s) for s in sizes(design)]
    x = rng.normal(size=(batch, weights[0].shape[0]))

    def run() -> Any:
        a = x
        for w in weights:
            a = a @ w
        return a

    return run


def float_onnx(design: hwq.Design) -> bytes:
    """A float32 MLP of the same sizes with Relu between, for onnxruntime."""
    rng = np.random.default_rng(0)
    nodes, constants, edge = [], [], "x"
    for i, shape in enumerate(sizes(design)):
        constants.append(numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), f"w{i}"))
        nodes.append(helper.make_node("MatMul", [edge, f"w{i}"], [f"m{i}"]))
        nodes.append(helper.make_node("Relu", [f"m{i}"], [f"r{i}"]))
        edge = f"r{i}"
    graph = helper.make_graph(
        nodes,
        "float",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", sizes(design)[0][0]])],
        [helper.make_tensor_value_info(edge, TensorProto.FLOAT, None)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def ort_seconds(design: hwq.Design, batch: int) -> float | None:
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(float_onnx(design), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(batch, sizes(design)[0][0])).astype(np.float32)
    return best(lambda: session.run(None, {"x": x}))


QONNX_SCRIPT = """
import sys, time, numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model
model = cleanup_model(ModelWrapper(sys.argv[1]))
name = model.graph.input[0].name
x = np.random.default_rng(0).normal(size=[d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim])
x = x.astype(np.float32)
execute_onnx(model, {name: x})
start = time.perf_counter()
for _ in range(5):
    execute_onnx(model, {name: x})
print((time.perf_counter() - start) / 5)
"""


def qonnx_seconds(model: Path, python: str) -> float | None:
    """Seconds per sample of qonnx's executor, run by a Python that has it."""
    done = subprocess.run([python, "-c", QONNX_SCRIPT, str(model)], capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout.split() else None


def measure(path: Path, python: str) -> list[dict[str, Any]]:
    """Rows of (what, hwq seconds, peer, peer seconds)."""
    start = time.perf_counter()
    hwq.compile(path)
    first = time.perf_counter() - start
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as work:
        export = best(lambda: hwq.compile(path).export(Path(work) / "project", force=True), 3)
        design = hwq.compile(path)
        project = design.export(Path(work) / "project", force=True)
        shape = design.inputs[0].shape
        stages: dict[str, float] = {}
        begun, running = time.perf_counter(), ""

        def stage(label: str) -> None:
            nonlocal begun, running
            now = time.perf_counter()
            stages[running] = now - begun
            begun, running = now, label

        cache = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = work  # an empty build cache: the build is what is measured
        try:
            assert project.verify(rng.normal(size=(SAMPLES, *shape)), stage=stage)
        finally:
            os.environ.pop("XDG_CACHE_HOME") if cache is None else os.environ.update(XDG_CACHE_HOME=cache)
        stage("")
    build = next(v for k, v in stages.items() if k.startswith("compiling"))
    csim = next(v for k, v in stages.items() if k.startswith("running")) / SAMPLES
    x = rng.normal(size=(BATCH, *shape))
    simulate = best(lambda: design.simulate(x, codes=True))
    one = x[:1]
    single = best(lambda: design.simulate(one, codes=True), 20)
    qonnx = qonnx_seconds(path, python)
    rows = [
        {"what": "first compile in the process", "hwq": first},
        {"what": "compile + export", "hwq": export},
        {"what": "build (g++, ap_fixed)", "hwq": build},
        {"what": "C-simulation per sample (ap_fixed)", "hwq": csim, "peer": "qonnx executor", "theirs": qonnx},
        {"what": "simulator, batch 1", "hwq": single, "peer": "qonnx executor", "theirs": qonnx},
        {
            "what": f"simulator, batch {BATCH}",
            "hwq": simulate,
            "peer": "float64 numpy matmul chain",
            "theirs": best(numpy_chain(design, BATCH)),
        },
        {
            "what": f"simulator, batch {BATCH}",
            "hwq": simulate,
            "peer": "onnxruntime float32, 1 thread",
            "theirs": ort_seconds(design, BATCH),
        },
    ]
    for row in rows:
        row["model"] = path.stem
    return rows


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.0f} us"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the rows here")
    parser.add_argument("--qonnx-python", default=sys.executable, help="a Python with qonnx installed")
    parser.add_argument("--quick", action="store_true", help="a small network only")
    chosen = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        made = Path(work) / ("mlp2x16.onnx" if chosen.quick else "mlp4x512.onnx")
        onnx.save(mlp(16, 2) if chosen.quick else mlp(), made)
        shared = [p for p in (SHARED / "TFC_1W2A.onnx",) if p.is_file() and not chosen.quick]
        for path in (*shared, made):
            rows += measure(path, chosen.qonnx_python)
    table = [
        [
            r["model"],
            r["what"],
            seconds(r["hwq"]),
            r.get("peer", ""),
            seconds(r.get("theirs")) if r.get("peer") else "",
            f"{r['theirs'] / r['hwq']:.2f}" if r.get("theirs") else "",
        ]
        for r in rows
    ]
    print(text_table(["model", "what", "hwq", "peer", "theirs", "ratio"], table, right=(2, 4, 5)))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
