"""Graph -> Graph, one file per pass. `PASSES` is their whole order, from the real graph to the folded hardware graph,
with the law that each requires of what it gets and the one that it ensures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from hwq.ir.hardware import Graph
from hwq.ir.real import InputType, RealGraph
from hwq.passes.absorb_offsets import absorb
from hwq.passes.circuits.costs import DEFAULT_COSTS, Costs
from hwq.passes.circuits.narrow import narrow
from hwq.passes.circuits.select import realise
from hwq.passes.circuits.share_adders import share_adders
from hwq.passes.count_agreements import count_agreements
from hwq.passes.fold import fold
from hwq.passes.fold_to_budget import Choice, arranged
from hwq.passes.laws import complete, exact, kept_ports, legal, ported
from hwq.passes.lowering import lower
from hwq.passes.lowering.state import TABLE_BITS
from hwq.passes.real.batch import of_one_sample
from hwq.passes.real.final_softmax import with_softmax
from hwq.passes.real.merge import merge
from hwq.passes.real.output_types import with_output_types
from hwq.passes.real.spelt_quantizers import with_quantizers
from hwq.passes.sink_transposes import sink_transposes


@dataclass(frozen=True)
class Options:
    """What a compilation is asked for.

    `semantics` is "real" (correctly rounded real functions) or "ort" (onnxruntime's float32 requantization). Functions
    of at most 2**table_bits codes are tabulated. `reuse_of` and `choices_of` go by the ONNX node's name; `pace` folds
    for a rate, where one is asked for. Inputs of `stated_shapes` hold one sample, whatever their leading axis.
    """

    softmax: str = "hardware"
    output_types: Mapping[str, InputType] = field(default_factory=lambda: MappingProxyType({}))
    semantics: str = "real"
    table_bits: int = TABLE_BITS
    costs: Costs = DEFAULT_COSTS
    reuse_of: Callable[[str], int | None] = lambda name: None
    pace: Callable[[Graph], Graph] | None = None
    choices_of: Callable[[str], Choice] = lambda name: Choice()
    io: str = "parallel"
    stated_shapes: frozenset[str] = frozenset()


Law = Callable[[Any], None]


@dataclass(frozen=True)
class Pass:
    """One step: what it is called, what it does, and the laws before and behind it."""

    name: str
    run: Callable[[Any, Options], Any]
    requires: Law
    ensures: Law


PASSES: tuple[Pass, ...] = (
    # the real graph: exact fractions, no widths
    Pass("of_one_sample", lambda g, o: of_one_sample(g, o.stated_shapes), complete, complete),
    Pass("final_softmax", lambda g, o: with_softmax(g, o.softmax), complete, complete),
    Pass("output_types", lambda g, o: with_output_types(g, o.output_types), complete, complete),
    Pass("spelt_quantizers", lambda g, o: with_quantizers(g), complete, complete),
    Pass("merge", lambda g, o: merge(g), complete, complete),
    # integers; every quantizer an exact step function or table
    Pass("lower", lambda g, o: lower(g, o.semantics, o.table_bits), complete, exact),
    Pass("sink_transposes", lambda g, o: sink_transposes(g), exact, exact),
    Pass("narrow", lambda g, o: narrow(g), exact, exact),
    # circuits, each proved equal to the step function it replaces
    Pass("realise", lambda g, o: realise(g, o.costs), exact, legal),
    Pass("absorb_offsets", lambda g, o: absorb(g), legal, legal),
    Pass("count_agreements", lambda g, o: count_agreements(g), legal, legal),
    # how parallel each layer is
    Pass("fold", lambda g, o: fold(o.reuse_of)(g), legal, legal),
    Pass("fold_to_rate", lambda g, o: g if o.pace is None else o.pace(g), legal, legal),
    Pass("arrange", lambda g, o: arranged(g, o.choices_of), legal, legal),
    Pass("share_adders", lambda g, o: share_adders(g, o.choices_of, o.io), legal, legal),
)
MEANING = "spelt_quantizers"  # up to this pass nothing is rearranged: what the file denotes, as configured


@dataclass(frozen=True)
class Stages:
    """A graph on its way: what its quantizers are, and what they became."""

    exact: Graph  # every quantizer an exact step function or table
    narrowed: Graph  # the same outputs, joins in their narrowest form
    realised: Graph  # circuits only


def run_passes(graph: RealGraph, options: Options, last: str = PASSES[-1].name) -> dict[str, Any]:
    """The graph behind each pass, by the pass' name, up to `last`; laws are checked between them."""
    found: dict[str, Any] = {}
    now: Any = graph
    PASSES[0].requires(now)
    for step in PASSES:
        before, now = now, step.run(now, options)
        step.ensures(now)
        if isinstance(before, Graph):
            kept_ports(before, now)
        if isinstance(now, Graph):
            ported(now)
        found[step.name] = now
        if step.name == last:
            break
    return found


def meaning(graph: RealGraph, options: Options) -> RealGraph:
    """The real graph that the file denotes, as configured, before anything is rearranged."""
    result: RealGraph = run_passes(graph, options, MEANING)[MEANING]
    return result


def stages(graph: RealGraph, options: Options) -> Stages:
    """The passes up to the one that makes circuits, with what they keep to themselves."""
    found = run_passes(graph, options, "realise")
    return Stages(found["sink_transposes"], found["narrow"], found["realise"])


def compile_graph(graph: RealGraph, options: Options) -> Graph:
    """The hardware graph, folded: all passes in order."""
    result: Graph = run_passes(graph, options)[PASSES[-1].name]
    return result


__all__ = [
    "DEFAULT_COSTS",
    "PASSES",
    "Choice",
    "Costs",
    "Options",
    "Pass",
    "Stages",
    "absorb",
    "compile_graph",
    "count_agreements",
    "fold",
    "lower",
    "meaning",
    "merge",
    "narrow",
    "realise",
    "run_passes",
    "sink_transposes",
    "stages",
]
