"""Outputs that depend on no input: no hardware makes them, the host header holds their values."""

from __future__ import annotations

from typing import Any

from hwq.ir.hardware import Graph
from hwq.ir.names import unique_namer


def constants_of(graph: Graph) -> list[dict[str, Any]]:
    """The outputs that depend on no input, for the host header and the README."""
    fresh = unique_namer()
    return [
        {"name": f"constant_{fresh(name)}", "label": name, "literals": [repr(float(v)) for v in values.reshape(-1)]}
        for name, values in graph.constants.items()
    ]
