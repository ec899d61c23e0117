"""The pipeline: its order, and the laws that are checked between its passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hwq.passes
from hwq.errors import InternalError
from hwq.frontends.onnx import read_onnx
from hwq.ir import real
from hwq.ir.hardware import Graph
from hwq.numeric.rational import scalar
from hwq.passes import PASSES, Options, Pass, compile_graph, run_passes
from hwq.passes.laws import complete, exact, legal

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"


def broken(name: str, spoil: Any) -> tuple[Pass, ...]:
    """The pipeline with a pass that spoils its result."""
    return tuple(
        replace(p, run=lambda g, o, p=p: spoil(p.run(g, o))) if p.name == name else p  # type: ignore[misc]
        for p in PASSES
    )


def test_the_order_is_the_one_that_is_written_down():
    names = [p.name for p in PASSES]
    assert names == [
        "of_one_sample",
        "final_softmax",
        "output_types",
        "spelt_quantizers",
        "merge",
        "lower",
        "sink_transposes",
        "narrow",
        "realise",
        "absorb_offsets",
        "count_agreements",
        "fold",
        "fold_to_rate",
        "arrange",
        "share_adders",
    ]
    assert [p.requires for p in PASSES[1:]] == [p.ensures for p in PASSES[:-1]]


def test_every_graph_on_the_way_obeys_the_law_of_its_pass():
    found = run_passes(read_onnx(EXAMPLE), Options())
    assert list(found) == [p.name for p in PASSES]
    for step in PASSES:
        step.ensures(found[step.name])
    with pytest.raises(InternalError, match="requant"):
        legal(found["narrow"])


def test_a_stop_on_the_way_gives_no_later_graph():
    names = ["of_one_sample", "final_softmax", "output_types", "spelt_quantizers", "merge"]
    assert list(run_passes(read_onnx(EXAMPLE), Options(), "merge")) == names


def forgets_a_node(graph: real.RealGraph) -> real.RealGraph:
    return replace(graph, nodes=graph.nodes[1:])


def doubles_an_output(graph: Graph) -> Graph:
    (port,) = graph.outputs
    return replace(graph, outputs=(replace(port, scale=port.scale * 2),))


def renames_an_input(graph: Graph) -> Graph:
    (port,) = graph.inputs
    return replace(graph, inputs=(replace(port, name="other"),))


def loses_a_port(graph: Graph) -> Graph:
    return replace(graph, outputs=())


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("merge", forgets_a_node, "before it is made"),
        ("narrow", doubles_an_output, "changed the graph's ports"),
        ("fold", renames_an_input, "changed the graph's ports"),
        ("absorb_offsets", loses_a_port, "changed the graph's ports"),
    ],
)
def test_a_pass_that_breaks_a_law_is_caught_behind_it(
    monkeypatch: pytest.MonkeyPatch, name: str, spoil: Any, message: str
):
    monkeypatch.setattr(hwq.passes, "PASSES", broken(name, spoil))
    with pytest.raises(InternalError, match=message):
        compile_graph(read_onnx(EXAMPLE), Options())


def test_a_quantizer_that_no_circuit_replaced_is_no_hardware(monkeypatch: pytest.MonkeyPatch):
    skipped = tuple(replace(p, run=lambda g, o: g) if p.name == "realise" else p for p in PASSES)
    monkeypatch.setattr(hwq.passes, "PASSES", skipped)
    with pytest.raises(InternalError, match="no hardware op"):
        compile_graph(read_onnx(EXAMPLE), Options())


def test_real_edges_are_made_once_and_have_shapes():
    graph = read_onnx(EXAMPLE)
    complete(graph)
    again = real.RealNode("n", "Mul", real.Affine(scalar(1), scalar(0)), graph.nodes[0].inputs, graph.nodes[0].outputs)
    with pytest.raises(InternalError, match="made twice"):
        complete(replace(graph, nodes=(*graph.nodes, again)))
    with pytest.raises(InternalError, match="not made"):
        complete(replace(graph, outputs={"y": "nowhere"}))


def test_exact_graphs_hold_hardware_ops_and_exact_quantizers_only():
    graph = run_passes(read_onnx(EXAMPLE), Options(), "lower")["lower"]
    exact(graph)
    with pytest.raises(InternalError, match="no hardware op"):
        legal(graph)
