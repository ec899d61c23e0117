"""Constant matrices as shared adders: signed digits, differences of outputs, common pairs, balanced trees."""

from __future__ import annotations

from hwq.passes.circuits.adder_graph.solve import solved

__all__ = ["solved"]
