"""Quantizers put into a float model: behind weights and biases, and where a layer's output is made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx

from hwq.errors import HwqError, SpecError, printable
from hwq.models import qkeras_domain as onnx_ops
from hwq.models import qonnx_domain as qonnx_ops
from hwq.models.builder import Builder, Floats
from hwq.models.qonnx_domain import Quant
from hwq.models.quantize.layers import float_layers, initializers
from hwq.models.quantize.plan import Plan, Spec, parsed
from hwq.models.quantizer_nodes import Move, activation_node, constant_node, form_node


def quantized(model: onnx.ModelProto, plan: Plan) -> onnx.ModelProto:
    """A copy of a float model with the plan's quantizers in it. Raises `HwqError` where a name or a spec does not fit.

    Automatic scales of a weight are per output channel. An output keeps its name; what it was is called NAME_float.
    """
    layers = float_layers(model)
    for pattern in plan.unmatched(tuple(layer.name for layer in layers)):
        shown = ", ".join(printable(layer.name) for layer in layers[:8])
        raise SpecError(f"quantize: layer '{printable(pattern)}' matches nothing", remedy=f"the layers: {shown}")
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph, values = result.graph, initializers(model)
    b = Builder()
    b.reserve(name for node in graph.node for name in (*node.input, *node.output, node.name))
    b.reserve(t.name for t in graph.initializer)
    b.reserve(t.name for t in (*graph.input, *graph.output))
    by_output = {name: node for node in graph.node for name in node.output}
    behind: dict[str, list[onnx.NodeProto]] = {}
    for layer in layers:
        specs = plan.of(layer.name)
        try:
            if layer.weight:
                spec, move = parsed(specs.weight, "weight"), _channels_last(layer.axis, values[layer.weight].ndim)
                _constant(b, by_output[layer.node], layer.weight, spec, values[layer.weight], move)
            if layer.bias:
                spec = parsed(specs.bias, "bias")
                _constant(b, by_output[layer.biased], layer.bias, spec, values[layer.bias], (0,))
            spec = parsed(specs.output, "output")
            if spec is not None:
                behind[layer.output] = _output(b, by_output[layer.output], layer.output, spec)
        except HwqError as error:
            if error.node is not None:
                raise
            raise type(error)(error.found, node=layer.name, op=layer.op, remedy=error.remedy) from None
    nodes = [*b.nodes, *_interleaved(graph, behind)]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(b.constants.values())
    _drop_unused(graph, {layer.weight for layer in layers} | {layer.bias for layer in layers})
    result.ir_version = max(result.ir_version, 4)  # before, every initializer had to be an input too
    _state_domains(result)
    return result


def _constant(b: Builder, node: onnx.NodeProto, name: str, spec: Spec, values: Floats, axes: tuple[int, ...]) -> None:
    """Let a node read q(values); `axes` brings the channels last, where automatic scales look for them."""
    if spec is None:
        return
    wish = f"{name}_quantized"
    if isinstance(spec, Quant):
        new = form_node(b, wish, spec, b.constant(f"{wish}_values", values))
    elif axes == (0,):
        new = constant_node(b, wish, spec, values)
    else:
        back = tuple(int(i) for i in np.argsort(axes))
        move: Move = lambda a: a.transpose(back)  # noqa: E731
        new = constant_node(b, wish, spec, np.ascontiguousarray(values.transpose(axes)), move)
    node.input[:] = [new if i == name else i for i in node.input]


def _channels_last(axis: int, rank: int) -> tuple[int, ...]:
    return (*[i for i in range(rank) if i != axis], axis)


def _output(b: Builder, node: onnx.NodeProto, name: str, spec: Spec) -> list[onnx.NodeProto]:
    """Let the node make NAME_float, and give the nodes that quantize it to NAME."""
    raw = b.fresh(f"{name}_float")
    node.output[:] = [raw if o == name else o for o in node.output]
    before = len(b.nodes)
    made = form_node(b, f"{name}_quantizer", spec, raw) if isinstance(spec, Quant) else _activation(b, name, spec, raw)
    new = b.nodes[before:]
    del b.nodes[before:]
    new[-1].output[:] = [name if o == made else o for o in new[-1].output]
    return new


def _activation(b: Builder, name: str, spec: Spec, raw: str) -> str:
    assert spec is not None
    assert not isinstance(spec, Quant)
    return activation_node(b, f"{name}_quantizer", spec, raw)


def _interleaved(graph: onnx.GraphProto, behind: dict[str, list[onnx.NodeProto]]) -> Iterator[onnx.NodeProto]:
    """The nodes, each followed by what quantizes its output."""
    waiting = {node.input[0]: nodes for nodes in behind.values() for node in nodes[:1]}
    for node in list(graph.node):
        yield node
        for name in node.output:
            yield from waiting.get(name, ())


def _drop_unused(graph: onnx.GraphProto, names: set[str]) -> None:
    """Remove the float constants that nothing reads any more; older files list them as inputs too."""
    used = {name for node in graph.node for name in node.input}
    gone = {name for name in names if name and name not in used}
    for field in (graph.initializer, graph.input):
        kept = [item for item in field if item.name not in gone]
        del field[:]
        field.extend(kept)  # type: ignore[arg-type]


def _state_domains(model: onnx.ModelProto) -> None:
    used = {node.domain for node in model.graph.node} - {o.domain for o in model.opset_import}
    for domain, opset in ((onnx_ops.DOMAIN, onnx_ops.opset()), (qonnx_ops.DOMAIN, qonnx_ops.opset())):
        if domain in used:
            model.opset_import.append(opset)
