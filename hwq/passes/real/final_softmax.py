"""final_softmax: a Softmax that ends the model may be replaced by an argmax, left out, or left to the host."""

from __future__ import annotations

from dataclasses import replace

from hwq.errors import SpecError
from hwq.ir import real

MODES = ("hardware", "argmax", "skip", "host")


def with_softmax(graph: real.RealGraph, mode: str) -> real.RealGraph:
    """The real graph with its final Softmax nodes treated as stated; `host_softmax` says which are left to the host."""
    if mode not in MODES:
        raise SpecError(f"softmax '{mode}' is not available", remedy="use " + ", ".join(MODES))
    makers = {n.outputs[0]: n for n in graph.nodes if isinstance(n.op, real.Softmax)}
    if mode == "hardware":
        return graph
    nodes, shapes, outputs, axes = list(graph.nodes), dict(graph.shapes), dict(graph.outputs), {}
    for name, edge in graph.outputs.items():
        made = makers.get(edge)
        if made is None:
            continue
        assert isinstance(made.op, real.Softmax)
        axis, source = made.op.axis, made.inputs[0]
        if mode == "argmax":
            shape = shapes[source]
            kept = (*shape[:axis], 1, *shape[axis + 1 :])
            outs = (f"{edge}_greatest", f"{edge}_argmax")
            nodes.append(real.RealNode(made.name, "Softmax", real.TopK(axis, 1, True), (source,), outs))
            shapes.update(dict.fromkeys(outs, kept))
            outputs[name] = outs[1]
        else:
            outputs[name] = source
            if mode == "host":
                axes[name] = axis
    return replace(graph, nodes=tuple(nodes), shapes=shapes, outputs=outputs, host_softmax=axes)
