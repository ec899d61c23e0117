"""A second reading of ONNX for the tests: every value a Fraction, straight from the op texts, no code of hwq in it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hwq.frontends.onnx import read_onnx
from hwq.passes import Options, compile_graph
from hwq.simulate.simulator import Simulator

RANGES = {
    TensorProto.UINT8: (0, 255),
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT16: (0, 65535),
    TensorProto.INT16: (-32768, 32767),
    TensorProto.INT32: (-(2**31), 2**31 - 1),
    TensorProto.UINT4: (0, 15),
    TensorProto.INT4: (-8, 7),
    TensorProto.UINT2: (0, 3),
    TensorProto.INT2: (-2, 1),
}


def tensor(name: str, kind: int, values: Any) -> onnx.TensorProto:
    array = np.asarray(values)
    return helper.make_tensor(name, kind, array.shape, array.reshape(-1).tolist())


def model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, tuple[int, ...]]],
    outputs: dict[str, int],
    constants: list[onnx.TensorProto],
    opset: int = 25,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(n, kind, None) for n, kind in outputs.items()],
        constants,
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets)


def fractions(array: Any) -> Any:
    source = np.asarray(array)
    out = np.empty(source.shape, dtype=object)
    for index in np.ndindex(source.shape):
        out[index] = Fraction(source[index].item())
    return out


def half_even(value: Fraction) -> int:
    return round(value)  # Python's round of a Fraction is half-even


def _each(function: Any, *arrays: Any) -> Any:
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), dtype=object)


class Reader:
    """Evaluates one sample (batch axis of 1 included)."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self.graph = proto.graph
        self.kinds = {t.name: t.data_type for t in self.graph.initializer}
        self.constants = {}
        for t in self.graph.initializer:
            array = numpy_helper.to_array(t)
            self.constants[t.name] = fractions(array.astype(np.float64 if array.dtype.kind == "f" else np.int64))

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        env = dict(self.constants)
        env.update((k, fractions(v)) for k, v in sample.items())
        for node in self.graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            inputs = [env[i] if i else None for i in node.input]
            env[node.output[0]] = getattr(self, node.op_type)(node, attributes, *inputs)
        return {o.name: env[o.name] for o in self.graph.output}

    def _along(self, attributes: Any, p: Any, shape: Any) -> Any:
        if p.size == 1:
            return p.reshape(())
        axis = attributes.get("axis", 1) % len(shape)
        if attributes.get("block_size"):
            return np.repeat(p, attributes["block_size"], axis).take(range(shape[axis]), axis)
        return p.reshape([-1 if i == axis else 1 for i in range(len(shape))])

    def QuantizeLinear(self, node: Any, attributes: Any, x: Any, s: Any, z: Any = None) -> Any:
        kind = attributes.get("output_dtype", 0) or TensorProto.UINT8
        if z is not None:
            kind = self.kinds[node.input[2]]
        lo, hi = RANGES[kind]
        z = fractions(np.zeros(())) if z is None else z
        s, z = self._along(attributes, s, x.shape), self._along(attributes, z, x.shape)
        return _each(lambda v, ss, zz: Fraction(min(max(half_even(v / ss) + int(zz), lo), hi)), x, s, z)

    def DequantizeLinear(self, node: Any, attributes: Any, x: Any, s: Any, z: Any = None) -> Any:
        z = fractions(np.zeros(())) if z is None else z
        return (x - self._along(attributes, z, x.shape)) * self._along(attributes, s, x.shape)

    def MatMul(self, node: Any, attributes: Any, a: Any, b: Any) -> Any:
        return a @ b

    def Gemm(self, node: Any, attributes: Any, a: Any, b: Any, c: Any = None) -> Any:
        y = a @ (b.T if attributes.get("transB") else b)
        return y if c is None else y + c

    def Relu(self, node: Any, attributes: Any, x: Any) -> Any:
        return np.maximum(x, 0)

    def Clip(self, node: Any, attributes: Any, x: Any, lo: Any, hi: Any) -> Any:
        return np.minimum(np.maximum(x, lo), hi)

    def Add(self, node: Any, attributes: Any, a: Any, b: Any) -> Any:
        return a + b

    def Sub(self, node: Any, attributes: Any, a: Any, b: Any) -> Any:
        return a - b

    def Mul(self, node: Any, attributes: Any, a: Any, b: Any) -> Any:
        return a * b

    def Sum(self, node: Any, attributes: Any, *parts: Any) -> Any:
        return sum(parts)

    def Mean(self, node: Any, attributes: Any, *parts: Any) -> Any:
        return sum(parts) / Fraction(len(parts))

    def Max(self, node: Any, attributes: Any, *parts: Any) -> Any:
        return _each(lambda *v: max(v), *parts)

    def Min(self, node: Any, attributes: Any, *parts: Any) -> Any:
        return _each(lambda *v: min(v), *parts)

    def Concat(self, node: Any, attributes: Any, *parts: Any) -> Any:
        return np.concatenate(parts, axis=attributes["axis"])

    def Reshape(self, node: Any, attributes: Any, x: Any, shape: Any) -> Any:
        return x.reshape([int(d) for d in shape])


def exact(proto: onnx.ModelProto, x: dict[str, Any], reader: type[Reader] = Reader) -> dict[str, Any]:
    """Outputs as Fractions; every array of `x` has samples first, then the shape of one sample without its 1."""
    read = reader(proto)
    count = len(next(iter(x.values())))
    results = [read({k: v[i : i + 1] for k, v in x.items()}) for i in range(count)]
    return {k: np.concatenate([r[k] for r in results]) for k in results[0]}


def simulated(proto: onnx.ModelProto, x: dict[str, Any]) -> dict[str, Any]:
    """hwq's outputs as Fractions: scale * code + offset, exactly."""
    graph = compile_graph(read_onnx(proto), Options())
    run = Simulator(graph)
    codes = run.run(run.quantized(x))
    out = {}
    for port in graph.outputs:
        values = codes[port.edge].astype(object) * port.scale + port.offset
        shape = graph.edges[port.edge].shape
        out[port.name] = values.reshape(len(values), *(shape[1:] if shape[:1] == (1,) else shape))
    return out


def agree(proto: onnx.ModelProto, x: dict[str, Any], reader: type[Reader] = Reader) -> bool:
    """Whether every output element is the same rational number."""
    want, have = exact(proto, x, reader), simulated(proto, x)
    return all(bool((want[k].reshape(-1) == have[k].reshape(-1)).all()) for k in want)
