"""One ONNX node as its evaluator sees it: attributes as Python values, and the opset's version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

Op = Callable[..., Any]
"""(node, an `Exact` per input or None) -> an `Exact`, or a tuple of them."""


class Unknown(Exception):
    """An op, attribute or type that the evaluator does not know; its text names it."""


@dataclass(frozen=True, eq=False)
class Node:
    """Name, op, opset version, attributes and how many outputs are asked for."""

    name: str
    kind: str
    domain: str
    version: int
    attributes: Mapping[str, Any]
    outputs: tuple[str, ...]
    run: Callable[..., Any]  # (graph, outer values) -> values of its outputs; for subgraphs

    def integer(self, name: str, default: int) -> int:
        return int(self.attributes.get(name, default))

    def integers(self, name: str) -> list[int] | None:
        value = self.attributes.get(name)
        return None if value is None else [int(v) for v in value]

    def number(self, name: str, default: float) -> Fraction:
        """A float attribute: float32, and therefore a fraction."""
        return Fraction(float(np.float32(self.attributes.get(name, default))))

    def text(self, name: str, default: str) -> str:
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)
