"""Streaming designs: a hardware graph as processes joined by FIFOs."""

from __future__ import annotations

from hwq.codegen.naming import array_names
from hwq.ir import Graph
from hwq.stream.forms import FORMS
from hwq.stream.plan import Plan, Planner
from hwq.stream.process import Fifo, Process


def stream_plan(graph: Graph, top: str) -> Plan:
    """The streaming design of a graph under the name of its top function."""
    return Planner(graph, top, array_names(graph, top), FORMS).run()


__all__ = ["Fifo", "Plan", "Process", "stream_plan"]
