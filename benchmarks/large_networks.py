"""Networks of real size with random weights: how long export takes, how much memory, how fast one image simulates.

    python benchmarks/large_networks.py [mobilenet|resnet18] [--io stream] [--target-fps N] [--write FILE.onnx]

MobileNetV1 0.25 (224 x 224, 4-bit weights and activations, 0.47 M weights) and ResNet-18 (224 x 224, 8 bit, 11.7 M
weights), as QONNX: every Conv with BatchNormalization, Relu and Quant, weights per output channel, real scales.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import hwq

DOMAIN = "qonnx.custom_op.general"


class Builder:
    """A QONNX graph as it grows; activations keep a standard deviation near 1, so that scales are easily chosen."""

    def __init__(self, name: str, bits: int, seed: int = 0) -> None:
        self.name, self.bits = name, bits
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.channels = 3

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], domain: str = "", **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def quant(self, x: str, scale: Any, bits: int, signed: int, narrow: int = 0) -> str:
        inputs = [x, self.constant(scale), self.constant(0), self.constant(bits)]
        return self.node("Quant", inputs, DOMAIN, signed=signed, narrow=narrow, rounding_mode="ROUND")

    def weights(self, *shape: int, bits: int = 0) -> str:
        bits = bits or self.bits
        w = self.rng.normal(0, np.prod(shape[1:]) ** -0.5, shape)
        scale = np.abs(w).max(axis=tuple(range(1, w.ndim)), keepdims=True) / (2 ** (bits - 1) - 1)
        return self.quant(self.constant(w), scale, bits, 1, 1)

    def normalized(self, x: str, channels: int) -> str:
        gamma, beta = self.rng.uniform(0.8, 1.2, channels), self.rng.normal(0, 0.2, channels)
        mean, var = self.rng.normal(0, 0.1, channels), self.rng.uniform(0.4, 0.8, channels)
        return self.node("BatchNormalization", [x, *(self.constant(v) for v in (gamma, beta, mean, var))])

    def active(self, x: str) -> str:
        """Relu and an unsigned quantizer."""
        return self.quant(self.node("Relu", [x]), 3.0 / (2**self.bits - 1), self.bits, 0)

    def conv(self, x: str, n_in: int, n_out: int, k: int, stride: int = 1, group: int = 1, bits: int = 0) -> str:
        w = self.weights(n_out, n_in // group, k, k, bits=bits)
        pads = [k // 2] * 4
        y = self.node("Conv", [x, w], group=group, kernel_shape=[k, k], strides=[stride, stride], pads=pads)
        return self.normalized(y, n_out)

    def finish(self, x: str, channels: int, classes: int = 1000, side: int = 224) -> onnx.ModelProto:
        """Global average, its quantizer, and the classifier."""
        pooled = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        w = self.weights(classes, channels, bits=8)
        bias = self.constant(self.rng.normal(0, 0.1, classes))
        self.nodes.append(
            helper.make_node("Gemm", [self.quant(pooled, 3 / 255, 8, 0), w, bias], ["y"], name="fc", transB=1)
        )
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, side, side))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, classes))],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid(DOMAIN, 1)])


def mobilenet() -> onnx.ModelProto:
    """MobileNetV1, width 0.25."""
    b = Builder("mobilenet_v1_025", 4)
    x = b.active(b.conv(b.quant("x", 1 / 127, 8, 1), 3, 8, 3, 2, bits=8))
    channels = 8
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    for n_out, stride in plan:
        x = b.active(b.conv(x, channels, channels, 3, stride, channels))
        x = b.active(b.conv(x, channels, n_out, 1))
        channels = n_out
    return b.finish(x, channels)


def resnet18() -> onnx.ModelProto:
    """ResNet-18; both branches of an addition are quantized to one scale."""
    b = Builder("resnet18", 8)
    x = b.active(b.conv(b.quant("x", 1 / 127, 8, 1), 3, 64, 7, 2))
    x = b.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for n_out, stride in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]:
        y = b.active(b.conv(x, channels, n_out, 3, stride))
        y = b.quant(b.conv(y, n_out, n_out, 3), 3 / 127, 8, 1)
        shortcut = x
        if stride > 1 or channels != n_out:
            shortcut = b.conv(x, channels, n_out, 1, stride)
        x = b.active(b.node("Add", [y, b.quant(shortcut, 3 / 127, 8, 1)]))
        channels = n_out
    return b.finish(x, channels)


NETWORKS = {"mobilenet": mobilenet, "resnet18": resnet18}


def measure(
    name: str, made: Callable[[], onnx.ModelProto], write: Path | None, export: bool, config: dict[str, Any]
) -> None:
    """Print the seconds of each stage, from the ONNX file to the exported project."""
    start = time.perf_counter()

    def lap(label: str) -> None:
        nonlocal start
        now = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{name:12} {label:28} {now - start:7.2f} s   peak {peak:5.2f} GiB", flush=True)
        start = time.perf_counter()

    model = made()
    if write:
        onnx.save(model, write)
    lap("built")
    design = hwq.compile(model, config)
    lap("compiled")
    pace = design.estimate()
    lap(f"estimated, {pace['interval']:,} cycles")
    x = np.random.default_rng(1).uniform(-1, 1, design.inputs[0].shape)
    design.simulate(x)
    lap("first image (tables made)")
    codes = design.simulate(x, codes=True)
    lap(f"second image, {np.unique(codes).size} codes")
    if export:
        with tempfile.TemporaryDirectory() as folder:
            design.export(Path(folder) / "project")
            lap("exported")
            size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
            print(f"{name:12} {len(design.graph.nodes)} layers, {size / 2**20:.0f} MiB of files")
            if config["io"] == "stream":
                fifos = json.loads((Path(folder) / "project" / "hwq.json").read_text())["fifos"]
                deepest = max(fifos, key=lambda f: f["depth"])
                print(f"{name:12} {len(fifos)} FIFOs, the deepest {deepest['name']}: {deepest['depth']} tokens")


def main() -> None:
    """Measure the networks that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="?", choices=sorted(NETWORKS), help="one of them; both without")
    parser.add_argument("--io", choices=["parallel", "stream"], default="parallel", help="as of hwq export")
    parser.add_argument("--target-fps", type=float, default=0, help="as of hwq export")
    parser.add_argument("--write", type=Path, help="keep the ONNX file")
    parser.add_argument("--no-export", action="store_true", help="stop after the simulator")
    options = parser.parse_args()
    for name in [options.network] if options.network else NETWORKS:
        config = {"io": options.io, "target_fps": options.target_fps}
        measure(name, NETWORKS[name], options.write, not options.no_export, config)


if __name__ == "__main__":
    main()
