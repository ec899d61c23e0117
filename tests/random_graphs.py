"""Random valid quantized graphs, seeded: quantizers of every kind with odd scales, and what stands between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
ROUNDINGS = ("ROUND", "ROUND", "ROUND", "FLOOR", "CEIL", "HALF_UP", "HALF_DOWN", "DOWN", "UP")
FUNCTIONS = ("Sigmoid", "Tanh", "HardSwish", "Elu", "Softsign", "LeakyRelu", "Softplus", "Exp", "HardSigmoid", "Abs")


class Writer:
    """One graph as it grows: `shape[t]` of every tensor, `coded` ones just came out of a quantizer."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shape: dict[str, tuple[int, ...]] = {}
        self.size: dict[str, float] = {}  # about the greatest value
        self.ready: list[str] = []  # quantized tensors, that anything may read
        self.count = 0
        self.qdq = bool(self.rng.random() < 0.5)

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def const(self, values: Any, dtype: Any = np.float32) -> str:
        name = self.name("c")
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(
        self, kind: str, inputs: list[str], shape: tuple[int, ...], size: float, domain: str = "", **attributes: Any
    ) -> str:
        out = self.name("t")
        self.nodes.append(helper.make_node(kind, inputs, [out], name=self.name("n"), domain=domain, **attributes))
        self.shape[out], self.size[out] = shape, size
        return out

    def scale(self, size: float, levels: float) -> float:
        """About size / levels: a power of two, a short decimal or anything."""
        rough = max(size, 1e-3) / levels * float(self.rng.uniform(0.3, 1.5))
        kind = self.rng.integers(3)
        return float(2.0 ** np.round(np.log2(rough))) if kind == 0 else float(f"{rough:.2g}") if kind == 1 else rough

    def quantized(self, x: str) -> str:
        """The tensor through a quantizer of some kind."""
        shape, size, bits = self.shape[x], self.size[x], int(self.pick(2, 3, 4, 4, 6, 8, 8))
        signed = bool(self.rng.random() < 0.7)
        step = self.scale(size, 2 ** (bits - 1))
        if self.qdq:
            kind = self.pick(np.int8, np.uint8, np.int8, np.int16) if bits == 8 else self.pick(np.int8, np.uint8)
            info = np.iinfo(kind)
            zero = int(self.rng.integers(-3, 4)) if info.min < 0 else int(self.rng.integers(0, 255))
            if kind is np.int16:
                step, zero = self.scale(size, 2**11), 0
            s, z = self.const(step), self.const(zero, kind)
            q = self.node("QuantizeLinear", [x, s, z], shape, size)
            if bits < 8 and kind is np.int8 and self.rng.random() < 0.5:
                q = self.node(
                    "Clip",
                    [q, self.const(-(2 ** (bits - 1)), kind), self.const(2 ** (bits - 1) - 1, kind)],
                    shape,
                    size,
                )
            y = self.node("DequantizeLinear", [q, s, z], shape, step * 300)
        elif self.rng.random() < 0.08:
            y = self.node("BipolarQuant", [x, self.const(step)], shape, step, QONNX)
        else:
            zero = float(self.rng.integers(-2, 3)) if self.rng.random() < 0.3 else 0.0
            scale: Any = step
            if len(shape) == 4 and self.rng.random() < 0.3:
                scale = step * self.rng.uniform(0.5, 2, (1, shape[1], 1, 1))
            attributes = {
                "signed": int(signed),
                "narrow": int(self.rng.random() < 0.3),
                "rounding_mode": self.pick(*ROUNDINGS),
            }
            inputs = [x, self.const(scale), self.const(zero), self.const(float(bits))]
            y = self.node("Quant", inputs, shape, float(np.max(scale)) * 2**bits, QONNX, **attributes)
        self.ready.append(y)
        return y

    def weights(self, shape: tuple[int, ...], channel: int) -> str:
        bits = int(self.pick(2, 3, 4, 8))
        values = self.rng.normal(size=shape)
        if self.qdq:
            codes = self.rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)
            scale = self.scale(1.0, 2 ** (bits - 1))
            inputs = [self.const(codes, np.int8), self.const(scale), self.const(0, np.int8)]
            attributes = {}
            if self.rng.random() < 0.4:
                inputs[1] = self.const(scale * self.rng.uniform(0.5, 2, shape[channel]))
                inputs[2], attributes = self.const(np.zeros(shape[channel]), np.int8), {"axis": channel}
            return self.node("DequantizeLinear", inputs, shape, 1.0, **attributes)
        scale = self.scale(2.0, 2 ** (bits - 1))
        if self.rng.random() < 0.4:
            scale = scale * self.rng.uniform(
                0.5,
                2,
                [-1 if i == channel else 1 for i in range(len(shape))]
                and [shape[i] if i == channel else 1 for i in range(len(shape))],
            )
        inputs = [self.const(values), self.const(scale), self.const(0.0), self.const(float(bits))]
        return self.node(
            "Quant", inputs, shape, 2.0, QONNX, signed=1, narrow=int(self.rng.random() < 0.5), rounding_mode="ROUND"
        )

    # -- what stands between quantizers: each takes a quantized tensor, and gives one that is to be quantized again

    def linear(self, x: str) -> str:
        shape, size = self.shape[x], self.size[x]
        if len(shape) == 4:
            return self.conv(x)
        out = int(self.rng.integers(1, 6))
        w = self.weights((shape[-1], out), 1)
        y = self.node("MatMul", [x, w], (*shape[:-1], out), size * shape[-1] * 0.5)
        if self.rng.random() < 0.5:
            y = self.node("Add", [y, self.const(self.rng.normal(size=out))], self.shape[y], self.size[y])
        return y

    def conv(self, x: str) -> str:
        (n, c, h, w), size = self.shape[x], self.size[x]
        groups = int(self.pick(1, 1, c)) if c > 1 else 1
        out = groups * int(self.rng.integers(1, 3))
        kernel = [int(self.rng.integers(1, min(3, d) + 1)) for d in (h, w)]
        strides = [int(self.rng.integers(1, 3)) for _ in range(2)]
        attributes: dict[str, Any] = {"strides": strides, "group": groups}
        if self.rng.random() < 0.4:
            attributes["auto_pad"] = self.pick("SAME_UPPER", "SAME_LOWER")
            extents = [-(-d // s) for d, s in zip((h, w), strides, strict=True)]
        else:
            dilations = [int(self.rng.integers(1, 3)) if d > 2 * k else 1 for d, k in zip((h, w), kernel, strict=True)]
            pads = [int(self.rng.integers(0, 2)) for _ in range(4)]
            attributes |= {"dilations": dilations, "pads": pads}
            extents = [
                (d + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
                for i, d in enumerate((h, w))
            ]
        weights = self.weights((out, c // groups, *kernel), 0)
        inputs = [x, weights]
        if self.rng.random() < 0.5:
            inputs.append(self.const(self.rng.normal(size=out)))
        return self.node("Conv", inputs, (n, out, *extents), size * c * 4 / groups, **attributes)

    def pool(self, x: str) -> str:
        shape, size = self.shape[x], self.size[x]
        if len(shape) != 4:
            return self.reduce(x)
        n, c, h, w = shape
        if self.rng.random() < 0.3:
            return self.node(self.pick("GlobalAveragePool", "GlobalMaxPool"), [x], (n, c, 1, 1), size)
        kernel = [int(self.rng.integers(1, min(3, d) + 1)) for d in (h, w)]
        strides, pads = [int(self.rng.integers(1, 3)) for _ in range(2)], [0, 0, 0, 0]
        if min(kernel) > 1 and self.rng.random() < 0.5:
            pads = [int(self.rng.integers(0, 2)) for _ in range(4)]
        extents = [(d + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i, d in enumerate((h, w))]
        attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": pads}
        kind = self.pick("MaxPool", "AveragePool")
        if kind == "AveragePool":
            attributes["count_include_pad"] = int(self.rng.random() < 0.5)
        return self.node(kind, [x], (n, c, *extents), size, **attributes)

    def reduce(self, x: str) -> str:
        shape, size = self.shape[x], self.size[x]
        axis = int(self.rng.integers(1, len(shape))) if len(shape) > 1 else 0
        kind = self.pick("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")
        inputs, attributes = [x], {"keepdims": 1}
        if kind == "ReduceSum":
            inputs.append(self.const([axis], np.int64))
        else:
            attributes["axes"] = [axis]  # type: ignore[assignment]
        kept = (*shape[:axis], 1, *shape[axis + 1 :])
        return self.node(kind, inputs, kept, size * (shape[axis] if kind == "ReduceSum" else 1), **attributes)

    def clamp(self, x: str) -> str:
        shape, size = self.shape[x], self.size[x]
        kind = self.pick("Relu", "Clip", "Clip", "Max", "Min")
        if kind == "Relu":
            return self.node("Relu", [x], shape, size)
        bounds = [
            self.const(float(np.float32(self.rng.uniform(-1.5, 1.5) * size * self.pick(0.1, 1, 1)))) for _ in range(2)
        ]
        if kind == "Clip":
            return self.node("Clip", [x, *self.pick([bounds[0]], ["", bounds[1]], bounds)], shape, size)
        return self.node(kind, [x, bounds[0]], shape, size)

    def norm(self, x: str) -> str:
        shape = self.shape[x]
        if len(shape) < 2:
            return self.clamp(x)
        c = shape[1]
        draws = [self.rng.normal(size=c), self.rng.normal(size=c), self.rng.normal(size=c), self.rng.uniform(0.2, 2, c)]
        return self.node("BatchNormalization", [x, *map(self.const, draws)], shape, self.size[x] * 3)

    def scaled(self, x: str) -> str:
        kind = self.pick("Mul", "Div", "Add", "Sub", "Neg")
        if kind == "Neg":
            return self.node("Neg", [x], self.shape[x], self.size[x])
        factor = float(self.rng.normal()) + self.pick(0.0, 2.0) or 1.0
        return self.node(kind, [x, self.const(factor)], self.shape[x], self.size[x] * 2)

    def function(self, x: str) -> str:
        kind = self.pick(*FUNCTIONS)
        if kind == "Swish":
            kind = "Sigmoid"
        return self.node(kind, [x], self.shape[x], max(1.0, self.size[x]) if kind != "Exp" else 5.0)

    def join(self, x: str) -> str:
        others = [t for t in self.ready if self.shape[t] == self.shape[x]]
        y = self.pick(*others) if others else x
        kind = self.pick("Add", "Add", "Sub", "Mul", "Max", "Min", "Concat")
        size = max(self.size[x], self.size[y])
        if kind == "Concat" and len(self.shape[x]) > 1:
            shape = (self.shape[x][0], 2 * self.shape[x][1], *self.shape[x][2:])
            return self.node("Concat", [x, y], shape, size, axis=1)
        kind = "Add" if kind == "Concat" else kind
        return self.node(kind, [x, y], self.shape[x], size * size if kind == "Mul" else 2 * size)

    def move(self, x: str) -> str:
        shape, size = self.shape[x], self.size[x]
        kind = self.pick("Transpose", "Reshape", "Slice", "Pad", "Resize", "Flatten")
        if len(shape) != 4 or kind == "Flatten":
            flat = (shape[0], int(np.prod(shape[1:])))
            return self.node("Flatten", [x], flat, size)
        n, c, h, w = shape
        if kind == "Transpose":
            return self.node("Transpose", [x], (n, c, w, h), size, perm=[0, 1, 3, 2])
        if kind == "Reshape":
            return self.node("Reshape", [x, self.const([n, c, h * w, 1], np.int64)], (n, c, h * w, 1), size)
        if kind == "Slice" and w > 1:
            inputs = [x, self.const([1], np.int64), self.const([w], np.int64), self.const([3], np.int64)]
            return self.node("Slice", inputs, (n, c, h, w - 1), size)
        if kind == "Pad":
            inputs = [x, self.const([0, 0, 1, 0, 0, 0, 0, 1], np.int64), self.const(float(self.pick(0.0, 0.5)))]
            return self.node("Pad", inputs, (n, c, h + 1, w + 1), size)
        if h * w <= 36:
            inputs = [x, "", self.const([1.0, 1.0, 2.0, 2.0])]
            return self.node(
                "Resize",
                inputs,
                (n, c, 2 * h, 2 * w),
                size,
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        return self.node("Identity", [x], shape, size)


def random_model(seed: int) -> onnx.ModelProto:
    """A valid graph of a few quantizers and what may stand between them."""
    w = Writer(seed)
    shape = w.pick((1, 6), (1, 2, 5, 5), (1, 3, 4, 4), (1, 4), (1, 1, 6, 5))
    w.shape["x"], w.size["x"] = shape, 2.0
    last = w.quantized("x")
    for _ in range(int(w.rng.integers(1, 5))):
        y = w.pick(*w.ready) if w.rng.random() < 0.25 else last
        for step in range(int(w.rng.integers(1, 4))):
            ops = [w.linear, w.linear, w.pool, w.clamp, w.clamp, w.norm, w.scaled, w.function, w.join, w.move]
            if step:
                ops = [w.clamp, w.clamp, w.norm, w.scaled, w.function, w.pool, w.move]
            y = w.pick(*ops)(y)
        last = w.quantized(y)
    if w.rng.random() < 0.3:
        last = w.pick(w.linear, w.clamp, w.scaled, w.join, w.move)(last)
    outputs = [last] + ([w.ready[-2]] if len(w.ready) > 2 and w.rng.random() < 0.2 and w.ready[-2] != last else [])
    graph = helper.make_graph(
        w.nodes,
        f"random{seed}",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        w.constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)
