"""Throughput of the integer simulator on the digits CNN at batch 1000, beside onnxruntime's float32 on one thread.

usage: python benchmarks/digits_cnn.py MODEL.onnx

The model's quantizers are left out for onnxruntime (it has no kernels for them): what remains are its float layers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

import hwq

BATCH, ROUNDS = 1000, 7


def without_quantizers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with every Quant node replaced by its input, and a batch axis of any extent."""
    graph = model.graph
    alias = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Quant"}

    def root(name: str) -> str:
        while name in alias:
            name = alias[name]
        return name

    kept = [n for n in graph.node if n.op_type != "Quant"]
    for node in kept:
        for i, name in enumerate(node.input):
            node.input[i] = root(name)
    del graph.node[:]
    graph.node.extend(kept)
    for info in (*graph.input, *graph.output):
        if info.name not in {t.name for t in graph.initializer}:
            info.type.tensor_type.shape.dim[0].dim_param = "batch"
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT64 and list(tensor.dims) == [2]:
            shape = onnx.numpy_helper.to_array(tensor).copy()
            shape[0] = -1  # the Reshape before the last layer
            tensor.CopyFrom(onnx.numpy_helper.from_array(shape, tensor.name))
    del graph.value_info[:]
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", 20))
    return model


def best_seconds(run: Callable[[], object]) -> float:
    """The fastest of several runs: what the machine can do when nothing else disturbs it."""
    run()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main(path: Path, batch: int = BATCH) -> None:
    """Measure and print."""
    design = hwq.compile(path)
    x = np.random.default_rng(0).uniform(0, 9, (batch, *design.inputs[0].shape[1:])).astype(np.float32)
    ours = best_seconds(lambda: design.simulate(x))
    print(f"hwq          {1e3 * ours:7.2f} ms   {batch / ours:9.0f} images/s")
    try:
        import onnxruntime as ort
    except ImportError:
        print("onnxruntime  not installed")
        return
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # it warns of every initializer that is an input too
    data = without_quantizers(onnx.load(path)).SerializeToString()
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    name = next(i.name for i in session.get_inputs() if i.name == "x")
    theirs = best_seconds(lambda: session.run(None, {name: x}))
    print(f"onnxruntime  {1e3 * theirs:7.2f} ms   {batch / theirs:9.0f} images/s   float32, one thread")
    print(f"ratio        {theirs / ours:7.2f}      (hwq's throughput over onnxruntime's; the goal is at least 0.25)")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
