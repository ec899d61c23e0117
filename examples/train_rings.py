"""Trains the example that ships with hwq: which of three noisy rings does a point lie on?

Quantization-aware training in plain numpy (straight-through gradients), exported as a QONNX file the way Brevitas
writes one: real activation scales, 4-bit weights, BatchNormalization, an unquantized last layer.

    python examples/train_rings.py        writes examples/rings.onnx and examples/rings.npz, the same on every run
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper, save

HERE = Path(__file__).resolve().parent
DOMAIN = "qonnx.custom_op.general"
SIZES = (2, 24, 16, 3)
WEIGHT_BITS, ACTIVATION_BITS, INPUT_BITS = 4, 4, 8
EPSILON = 1e-5


def rings(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points on three rings of radius 0.6, 1.3 and 2.0, with noise; and the ring of each."""
    label = rng.integers(0, 3, count)
    radius = 0.6 + 0.7 * label + rng.normal(0, 0.12, count)
    angle = rng.uniform(0, 2 * np.pi, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), label


def quantized(x: np.ndarray, scale: float, lo: int, hi: int) -> np.ndarray:
    return np.rint(np.clip(x / scale, lo, hi)) * scale


def weight_scale(w: np.ndarray) -> float:
    return float(np.float32(np.abs(w).max() / (2 ** (WEIGHT_BITS - 1) - 1)))


class Net:
    """A small MLP with BatchNorm; forward and backward with quantized weights and activations."""

    def __init__(self, rng: np.random.Generator) -> None:
        pairs = list(pairwise(SIZES))
        self.weights = [rng.normal(0, np.sqrt(2 / a), (a, b)) for a, b in pairs]
        self.gamma = [np.ones(b) for _, b in pairs[:-1]]
        self.beta = [np.zeros(b) for _, b in pairs[:-1]]
        self.bias = np.zeros(SIZES[-1])
        self.mean = [np.zeros(b) for _, b in pairs[:-1]]
        self.var = [np.ones(b) for _, b in pairs[:-1]]
        self.input_scale = float(np.float32(2.6 / 127))
        self.scales = [float(np.float32(0.17)), float(np.float32(0.21))]

    def parameters(self) -> list[np.ndarray]:
        return [*self.weights, *self.gamma, *self.beta, self.bias]

    def gradients(self, x: np.ndarray, label: np.ndarray) -> list[np.ndarray]:
        top = 2**ACTIVATION_BITS - 1
        a = quantized(x, self.input_scale, -128, 127)
        saved = []
        for i in range(len(SIZES) - 2):
            s = weight_scale(self.weights[i])
            w = quantized(self.weights[i], s, -7, 7)
            z = a @ w
            mean, var = z.mean(axis=0), z.var(axis=0)
            self.mean[i] = 0.95 * self.mean[i] + 0.05 * mean
            self.var[i] = 0.95 * self.var[i] + 0.05 * var
            hat = (z - mean) / np.sqrt(var + EPSILON)
            y = self.gamma[i] * hat + self.beta[i]
            saved.append((a, w, hat, np.sqrt(var + EPSILON), y))
            a = quantized(np.maximum(y, 0), self.scales[i], 0, top)
        w = quantized(self.weights[-1], weight_scale(self.weights[-1]), -7, 7)
        logits = a @ w + self.bias
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(label)), label] -= 1
        d = p / len(label)
        gamma: list[npt.NDArray[np.float64]] = []
        beta: list[npt.NDArray[np.float64]] = []
        weights = [a.T @ d]
        bias = d.sum(axis=0)
        d = d @ w.T
        for i in reversed(range(len(SIZES) - 2)):
            a, w, hat, std, y = saved[i]
            d = d * ((y > 0) & (y < self.scales[i] * top))
            gamma.insert(0, (d * hat).sum(axis=0))
            beta.insert(0, d.sum(axis=0))
            g = d * self.gamma[i]
            d = (g - g.mean(axis=0) - hat * (g * hat).mean(axis=0)) / std
            weights.insert(0, a.T @ d)
            d = d @ w.T
        return [*weights, *gamma, *beta, bias]

    def train(self, rng: np.random.Generator, steps: int = 3000) -> None:
        first = [np.zeros_like(p) for p in self.parameters()]
        second = [np.zeros_like(p) for p in self.parameters()]
        for step in range(1, steps + 1):
            x, label = rings(256, rng)
            rate = 0.01 * (1 - step / steps) + 1e-4
            for p, g, m, v in zip(self.parameters(), self.gradients(x, label), first, second, strict=True):
                m += 0.1 * (g - m)
                v += 0.01 * (g * g - v)
                p -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8)

    def to_onnx(self) -> ModelProto:
        constants, nodes = [], []

        def constant(name: str, value: npt.ArrayLike) -> str:
            constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
            return name

        def quant(x: str, y: str, name: str, scale: float, bits: int, signed: int, narrow: int) -> str:
            inputs = [x, constant(f"{y}_scale", scale), constant(f"{y}_zero", 0), constant(f"{y}_bits", bits)]
            nodes.append(
                helper.make_node(
                    "Quant", inputs, [y], name=name, domain=DOMAIN, signed=signed, narrow=narrow, rounding_mode="ROUND"
                )
            )
            return y

        edge = quant("point", "point_q", "input_quant", self.input_scale, INPUT_BITS, signed=1, narrow=0)
        for i, w in enumerate(self.weights):
            scale = weight_scale(w)
            layer = f"fc{i + 1}"
            stored = constant(f"{layer}_weight", w)
            weight = quant(stored, f"{layer}_wq", f"{layer}/weight_quant", scale, WEIGHT_BITS, signed=1, narrow=1)
            if i == len(self.weights) - 1:
                nodes.append(
                    helper.make_node("Gemm", [edge, weight, constant("bias", self.bias)], ["score"], name=layer)
                )
                break
            nodes.append(helper.make_node("MatMul", [edge, weight], [f"{layer}_acc"], name=layer))
            parts = {"gamma": self.gamma, "beta": self.beta, "mean": self.mean, "var": self.var}
            parameters = [constant(f"{layer}_{k}", v[i]) for k, v in parts.items()]
            inputs = [f"{layer}_acc", *parameters]
            norm = helper.make_node("BatchNormalization", inputs, [f"{layer}_bn"], name=f"{layer}/bn", epsilon=EPSILON)
            nodes.append(norm)
            nodes.append(helper.make_node("Relu", [f"{layer}_bn"], [f"{layer}_relu"], name=f"{layer}/relu"))
            edge = quant(
                f"{layer}_relu", f"{layer}_q", f"{layer}/act_quant", self.scales[i], ACTIVATION_BITS, signed=0, narrow=0
            )
        graph = helper.make_graph(
            nodes,
            "rings",
            [helper.make_tensor_value_info("point", TensorProto.FLOAT, ["batch", 2])],
            [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch", 3])],
            constants,
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid(DOMAIN, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="hwq example")
        checker.check_model(model)
        return model


def main() -> None:
    rng = np.random.default_rng(7)
    net = Net(rng)
    net.train(rng)
    save(net.to_onnx(), HERE / "rings.onnx")
    x, label = rings(500, np.random.default_rng(8))
    np.savez(HERE / "rings.npz", x=x.astype(np.float32), label=label)
    import hwq

    scores = hwq.compile(HERE / "rings.onnx").simulate(x.astype(np.float32))
    print(f"accuracy of the integers on 500 new points: {(scores.argmax(axis=1) == label).mean():.1%}")


if __name__ == "__main__":
    main()
