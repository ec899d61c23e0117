"""verify, of Verilog: simulate a project's testbench, compare every output code, count the cycles; then with waits."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwq.build.processes import RUN_SECONDS, run_all
from hwq.build.verilator import simulator_of
from hwq.check.verify import Difference, Result
from hwq.codegen.rtl.names import Names, names_of
from hwq.codegen.rtl.pipeline import Pipeline
from hwq.codegen.rtl.vectors import codes_of_lines, element_bits, hex_lines, port_octets
from hwq.errors import ToolError
from hwq.ir.hardware import Graph
from hwq.numeric.fixed import Codes
from hwq.simulate.simulator import Simulator

Stage = Callable[[str], None]
STALL_SEED = 1


@dataclass(frozen=True)
class Run:
    """Output codes by edge, and the cycles in which samples went in and came out, by port."""

    codes: Mapping[str, Codes]
    taken: Mapping[int, Codes]
    given: Mapping[int, Codes]
    fault: str = ""


@dataclass(frozen=True)
class RtlBench:
    """A project's Verilog and testbench as they lie in its folder."""

    files: Mapping[str, bytes]
    graph: Graph
    top: str
    pipeline: Pipeline

    @property
    def names(self) -> Names:
        """What the project calls things."""
        return names_of(self.graph, self.top)

    def run(self, command: Sequence[str], inputs: Mapping[str, Codes], work: Path, seed: int) -> Run:
        """All samples, at full rate (`seed` 0) or with both sides waiting at random."""
        names, samples = self.names, next(iter(inputs.values())).shape[0]
        for port in self.graph.inputs:
            edge = self.graph.edges[port.edge]
            text = hex_lines(inputs[port.edge], element_bits(edge), port_octets(edge))
            (work / f"in_{names.inputs[port.name]}.hex").write_bytes(text)
        said = _simulated([*command, f"+folder={work}", f"+samples={samples}", f"+seed={seed}", "+write=1"], work)
        fault = next((line for line in said.splitlines() if line.startswith("ERROR: ")), "").removeprefix("ERROR: ")
        if fault:
            return Run({}, {}, {}, fault)
        codes = {}
        for out in self.graph.outputs:
            edge, name = self.graph.edges[out.edge], names.outputs[out.name]
            text = (work / f"got_{name}.hex").read_bytes()
            widths, signs = [element_bits(edge)] * edge.size, [edge.type.signed] * edge.size
            codes[out.name] = codes_of_lines(text, samples, widths, signs, out.name).reshape(samples, *edge.shape)
        return Run(codes, *_cycles((work / "cycles.txt").read_text(), samples))

    def traced(self, work: Path, samples: int) -> dict[str, Codes]:
        """What each layer made, by edge, of a run that was traced."""
        edges = [e for n in self.graph.nodes for e in n.outputs]
        found = {}
        for k, edge in enumerate(edges):
            tensor = self.pipeline.tensors[edge]
            text = (work / f"trace_{k}.hex").read_bytes()
            signs = [lo < 0 for lo, _ in tensor.intervals]
            codes = codes_of_lines(text, samples, tensor.widths, signs, edge)
            found[edge] = codes.reshape(samples, *self.graph.edges[edge].shape)
        return found


def verify_rtl(
    folder: Path,
    graph: Graph,
    top: str,
    pipeline: Pipeline,
    inputs: Mapping[str, Codes],
    stage: Stage = lambda label: None,
    simulator: str = "",
) -> Result:
    """Simulate the Verilog in `folder` on codes by input edge, at full rate and with waits; compare all outputs.

    Latency and interval that are counted have to be the pipeline's. Nothing is written into `folder`.
    """
    found = [p for sub in ("rtl", "tb") for p in sorted((folder / sub).rglob("*")) if p.suffix in (".v", ".sv", ".cpp")]
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if p.is_file()}
    bench = RtlBench(files, graph, top, pipeline)
    samples = next(iter(inputs.values())).shape[0]
    with tempfile.TemporaryDirectory(prefix="hwq-verify-") as name:
        work = Path(name)
        command, tool = simulator_of(files, top, False, work, stage, simulator)
        stage("simulating in Python")
        expected = Simulator(graph).run(inputs)
        compared = samples * sum(graph.edges[p.edge].size for p in graph.outputs)
        wrong, fault = 0, ""
        for seed in (0, STALL_SEED):
            stage(f"running {samples} samples in {tool.split(' ')[0]}{', ports waiting at random' if seed else ''}")
            run = bench.run(command, inputs, work, seed)
            if run.fault:
                return Result(samples, compared, 0, None, tool, "rtl", fault=run.fault)
            bad = {p.name: run.codes[p.name] != expected[p.edge] for p in graph.outputs}
            wrong = int(sum(b.sum() for b in bad.values()))
            if wrong:
                break
            fault = fault or ("" if seed else pace_fault(run, pipeline.latency))
        first = None
        if wrong:
            stage("tracing the first difference")
            rows = [np.nonzero(b.reshape(samples, -1).any(axis=1))[0] for b in bad.values()]
            sample = min(int(r[0]) for r in rows if r.size)
            first = _first_difference(bench, inputs, sample, work, stage, simulator, run)
        return Result(samples, compared, wrong, first, tool, "rtl", fault=fault)


def pace_fault(run: Run, latency: int) -> str:
    """What is wrong with a run at full rate: a sample a cycle goes in, each comes out `latency` cycles later."""
    for name, given in run.given.items():
        late = given - np.maximum.reduce(list(run.taken.values()))
        if (late != latency).any():
            sample = int(np.nonzero(late != latency)[0][0])
            return f"output {name}: sample {sample} came after {int(late[sample])} cycles, not {latency}"
    for name, taken in run.taken.items():
        if (np.diff(taken) != 1).any():
            sample = int(np.nonzero(np.diff(taken) != 1)[0][0])
            return f"input {name}: {int(np.diff(taken)[sample])} cycles after sample {sample}, not 1"
    return ""


def _simulated(command: Sequence[str], work: Path) -> str:
    """What the simulation prints."""
    (done,) = run_all([command], "the simulation", RUN_SECONDS, [work])
    if done.status:
        line = (done.errors.strip().splitlines() or [f"exit status {done.status}"])[0]
        raise ToolError(f"the simulation stopped: {line}", remedy="report it with the model")
    return done.output


def _cycles(text: str, samples: int) -> tuple[dict[int, Codes], dict[int, Codes]]:
    """The cycles in which samples went in and came out, by the number of the port."""
    words = [line.split() for line in text.splitlines()]
    by: dict[str, dict[int, list[int]]] = {"i": {}, "o": {}}
    for which, port, cycle in words:
        by[which].setdefault(int(port), []).append(int(cycle))
    taken, given = ({k: np.asarray(v[:samples]) for k, v in by[which].items()} for which in "io")
    return taken, given


def _first_difference(
    bench: RtlBench,
    inputs: Mapping[str, Codes],
    sample: int,
    work: Path,
    stage: Stage,
    simulator: str,
    run: Run,
) -> Difference | None:
    """Run samples up to the first bad one with every layer recorded; the first layer, in order, with a wrong code.

    Where all layers are right, the output port.
    """
    graph = bench.graph
    some = {k: v[: sample + 1] for k, v in inputs.items()}
    command, _ = simulator_of(bench.files, bench.top, True, work, stage, simulator)
    bench.run(command, some, work, 0)
    edges = Simulator(graph).run(some, keep=True)
    recorded = bench.traced(work, sample + 1)
    for node in graph.nodes:
        for name in node.outputs:
            found = _difference(node.name, name, sample, edges[name][sample], recorded[name][sample])
            if found:
                return found
    for port in graph.outputs:
        name = f"m_axis_{bench.names.outputs[port.name]}"
        found = _difference(port.name, name, sample, edges[port.edge][sample], run.codes[port.name][sample])
        if found:
            return found
    return None


def _difference(node: str, edge: str, sample: int, expected: Codes, got: Codes) -> Difference | None:
    flat, other = expected.reshape(-1), got.reshape(-1)
    bad = np.nonzero(flat != other)[0]
    if not bad.size:
        return None
    index = int(bad[0])
    return Difference(node, edge, sample, index, int(flat[index]), int(other[index]), "Verilog")
