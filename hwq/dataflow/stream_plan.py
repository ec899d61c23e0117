"""Streaming designs: a hardware graph as processes joined by FIFOs."""

from __future__ import annotations

from hwq.dataflow.forms import FORMS
from hwq.dataflow.names import array_names
from hwq.dataflow.planner import Plan, Planner
from hwq.dataflow.process import Fifo, Process
from hwq.ir.hardware import Graph


def stream_plan(graph: Graph, top: str) -> Plan:
    """The streaming design of a graph under the name of its top function."""
    return Planner(graph, top, array_names(graph, top), FORMS).run()


__all__ = ["Fifo", "Plan", "Process", "stream_plan"]
