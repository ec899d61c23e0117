"""output_types: an output for which the user states a fixed-point type gets a quantizer of that type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hwq.errors import SpecError
from hwq.ir import real
from hwq.numeric.fixed import Overflow, pow2
from hwq.numeric.rational import scalar


def with_output_types(graph: real.RealGraph, types: Mapping[str, real.InputType]) -> real.RealGraph:
    """The real graph with a rounding to the stated type before each named output."""
    nodes, shapes, outputs = list(graph.nodes), dict(graph.shapes), dict(graph.outputs)
    for name, stated in types.items():
        if name not in outputs:
            raise SpecError(f"the model has no output '{name}'", remedy="its outputs: " + ", ".join(outputs))
        if stated.overflow not in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC):
            raise SpecError(f"output '{name}' cannot overflow by '{stated.overflow.value}'", remedy="use AP_SAT")
        kind = stated.type
        lo = -kind.hi if stated.overflow is Overflow.SATURATE_SYMMETRIC and kind.signed else kind.lo
        op = real.Quantize(
            scalar(pow2(kind.frac)), scalar(0), stated.rounding, lo, kind.hi, scalar(pow2(-kind.frac)), scalar(0)
        )
        edge = f"{outputs[name]}_typed"
        nodes.append(real.RealNode(name, "output type", op, (outputs[name],), (edge,)))
        shapes[edge] = shapes[outputs[name]]
        outputs[name] = edge
    return replace(graph, nodes=tuple(nodes), shapes=shapes, outputs=outputs)
