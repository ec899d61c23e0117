"""What the peers need for one model; runs inside the benchmark's own environment and prints one line of JSON.

python peers.py {hls4ml|qonnx|ort} MODEL.onnx WORK_FOLDER
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3")

import numpy as np
import onnx

SECONDS, RUNS = 1.5, 1000  # about how long a repeated measurement may take, and how often it is made at most
BUILDS, PATIENCE = 3, 40  # builds of which the median counts; fewer where they take more seconds than that


def median(run: Callable[[], Any]) -> float:
    """The median time of a call, after one that does not count."""
    run()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < SECONDS and len(times) < RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def input_of(model: onnx.ModelProto, batch: int) -> tuple[str, Any]:
    """A seeded batch for the model's one input."""
    made = {i.name for i in model.graph.initializer}
    (port,) = [i for i in model.graph.input if i.name not in made]
    shape = [d.dim_value or 1 for d in port.type.tensor_type.shape.dim]
    x = np.random.default_rng(0).normal(size=(batch, *shape[1:])).astype(np.float32)
    return port.name, np.ascontiguousarray(x)


def hls4ml(path: str, work: str) -> dict[str, Any]:
    """Convert and write, compile, predict."""
    import hls4ml as peer
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model

    model = cleanup_model(cleanup_model(ModelWrapper(path)).transform(GemmToMatMul()))
    if any(node.op_type == "Conv" and node.domain in ("", "ai.onnx") for node in model.graph.node):
        model = cleanup_model(model.transform(ConvertToChannelsLastAndClean()))
    start = time.perf_counter()
    config = peer.utils.config.config_from_onnx_model(
        model, granularity="name", backend="Vivado", default_precision="fixed<16,6>"
    )
    net = peer.converters.convert_from_onnx_model(
        model, output_dir=work, io_type="io_parallel", backend="Vivado", hls_config=config
    )
    net.write()
    written = time.perf_counter()
    builds: list[float] = []
    while len(builds) < BUILDS and sum(builds) < PATIENCE:
        begun = time.perf_counter()
        net.compile()
        builds.append(time.perf_counter() - begun)
    _, x = input_of(model.model, 100)
    return {
        "version": peer.__version__,
        "convert": written - start,
        "compile": sorted(builds)[len(builds) // 2],
        "predict": median(lambda: net.predict(x)) / len(x),
    }


def qonnx(path: str, work: str) -> dict[str, Any]:
    """The executor, a sample at a time."""
    from importlib.metadata import version

    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model

    model = cleanup_model(ModelWrapper(path))
    name, x = input_of(model.model, 1)
    return {"version": version("qonnx"), "execute": median(lambda: execute_onnx(model, {name: x}))}


def ort(path: str, work: str) -> dict[str, Any]:
    """The same graph in float32, its quantizers left out, on one thread; batches where it was made for one sample."""
    import onnxruntime

    model = onnx.load(path)
    passed: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        node.input[:] = [passed.get(i, i) for i in node.input]
        if node.op_type in ("Quant", "BipolarQuant", "IntQuant", "Trunc"):
            passed[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    for output in model.graph.output:
        if output.name in passed:
            kept.append(onnx.helper.make_node("Identity", [passed[output.name]], [output.name]))
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(kept)
    flattened = {node.input[1] for node in kept if node.op_type == "Reshape"}
    for constant in [c for c in model.graph.initializer if c.name in flattened]:
        shape = onnx.numpy_helper.to_array(constant).copy()
        shape[:1][shape[:1] == 1] = -1  # the batch
        constant.CopyFrom(onnx.numpy_helper.from_array(shape, constant.name))
    for port in (*model.graph.input, *model.graph.output):
        if port.type.tensor_type.shape.dim:
            port.type.tensor_type.shape.dim[0].dim_param = "n"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: dict[str, Any] = {"version": onnxruntime.__version__}
    for batch in (1, 256):
        name, x = input_of(model, batch)
        found[f"batch {batch}"] = median(partial(session.run, None, {name: x}))
    return found


def main() -> None:
    """One measurement; an exception becomes its first line."""
    which, path, work = sys.argv[1:4]
    Path(work).mkdir(parents=True, exist_ok=True)
    try:
        found = {"hls4ml": hls4ml, "qonnx": qonnx, "ort": ort}[which](path, work)
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:160]}
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
