"""verify: compile a project's C++, run it on the simulator's inputs, and compare every output code."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hwq.build.cache import VENDOR_FLAGS, Recipe, built
from hwq.build.emulator import load_library
from hwq.build.processes import RUN_SECONDS, cores, run_all
from hwq.build.split_units import with_shared_layers
from hwq.build.toolchain import Headers, native_headers, require_headers
from hwq.codegen.environment import data_folder
from hwq.codegen.streams import NETWORK
from hwq.codegen.vectors import codes_of_words, read_codes, write_codes
from hwq.dataflow.names import port_names
from hwq.errors import ToolError
from hwq.ir.hardware import Graph
from hwq.numeric.fixed import Codes
from hwq.simulate.simulator import Simulator
from hwq.targets import Target

PART_SAMPLES = 16  # at least so many for each of several processes
FIFO_FAULT = re.compile(r"^FIFO |[Rr]ead from empty channel|read while empty|contains leftover data")
FIFO_MARK = re.compile(r"(\S+) ([0-9]{1,18}) ([0-9]{1,18})")
Stage = Callable[[str], None]


@dataclass(frozen=True)
class Difference:
    """The first place where generated code and simulator part: an edge's maker, or an output itself."""

    node: str
    edge: str
    sample: int
    index: int  # in the flat array
    expected: int
    got: int
    language: str = "C++"

    def __str__(self) -> str:
        return (
            f"node '{self.node}' (array {self.edge}), sample {self.sample}, index {self.index}: "
            f"simulator {self.expected}, {self.language} {self.got}"
        )


@dataclass(frozen=True)
class FifoMark:
    """A FIFO of a streaming design: its depth, and the most tokens it held as its processes ran side by side."""

    name: str
    depth: int
    most: int


class FifoFault(Exception):
    """The C-simulation stopped at a FIFO: read when empty, left with data, or the design stands still."""


@dataclass(frozen=True)
class Result:
    """The outcome of a verification; true when every code of every output of every sample is equal."""

    samples: int
    codes: int  # compared
    mismatches: int
    first: Difference | None
    headers: str
    types: str = "vendor"
    seconds: Mapping[str, float] = field(default_factory=dict)
    fifos: tuple[FifoMark, ...] = ()  # of a streaming design
    fault: str = ""  # what is wrong with its FIFOs

    def __bool__(self) -> bool:
        return self.samples > 0 and self.mismatches == 0 and not self.fault


def verify_sources(
    folder: Path,
    graph: Graph,
    target: Target,
    top: str,
    x: Any,
    stage: Stage = lambda label: None,
    types: str = "vendor",
) -> Result:
    """Build the sources in `folder` with the vendor's headers or native types, run all samples, compare all outputs.

    `x` holds real model inputs. Nothing is written into `folder`.
    """
    require_headers(target, types)
    return verify_codes(folder, graph, target, top, Simulator(graph).quantized(x), stage, types)


def verify_codes(
    folder: Path,
    graph: Graph,
    target: Target,
    top: str,
    inputs: Mapping[str, Codes],
    stage: Stage = lambda label: None,
    types: str = "vendor",
) -> Result:
    """The same from codes by input edge."""
    headers = require_headers(target, types)
    stage("simulating in Python")
    simulator = Simulator(graph)
    samples = next(iter(inputs.values())).shape[0]
    expected = simulator.run(inputs)
    bench = Bench(_sources(folder), graph, top, headers)
    fifos: tuple[FifoMark, ...] = ()
    label = f"{target.types.header} from {headers.origin}"
    if bench.streams:
        try:
            got, _ = bench.run(inputs, expected, (), stage)
            if all(np.array_equal(got[p.name], expected[p.edge]) for p in graph.outputs):
                fifos = bench.side_by_side(inputs, expected, stage)
        except FifoFault as fault:
            compared = samples * sum(graph.edges[p.edge].size for p in graph.outputs)
            return Result(samples, compared, 0, None, label, types, fault=str(fault))
    else:
        got = bench.loaded(inputs, stage) if types == "native" else bench.run(inputs, expected, (), stage)[0]
    wrong, first_bad, compared = 0, samples, 0
    for port in graph.outputs:
        unequal = (got[port.name] != expected[port.edge]).reshape(samples, -1)
        wrong += int(unequal.sum())
        compared += unequal.size
        bad = np.nonzero(unequal.any(axis=1))[0]
        first_bad = min(first_bad, int(bad[0]) if bad.size else samples)
    first = None
    if wrong:
        stage("tracing the first difference")
        start = 0 if graph.draws else first_bad  # what is drawn depends on how many samples went before
        one = {k: v[start : first_bad + 1] for k, v in inputs.items()}
        first = _first_difference(bench, simulator, one, first_bad)
    return Result(samples, compared, wrong, first, label, types, fifos=fifos)


@dataclass(frozen=True)
class Bench:
    """A project's sources and testbench, ready to be built and run on codes."""

    files: Mapping[str, bytes]
    graph: Graph
    top: str
    headers: Headers

    @property
    def streams(self) -> bool:
        """Whether the design streams."""
        return NETWORK.format(top=self.top) in self.files

    def loaded(self, inputs: Mapping[str, Codes], stage: Stage) -> dict[str, Codes]:
        """Output codes by name from the native build, loaded into this process."""
        library = load_library(self.files, self.graph, self.top, stage)
        stage(f"running {next(iter(inputs.values())).shape[0]} samples in C++")
        return library.run(inputs)

    def run(
        self,
        inputs: Mapping[str, Codes],
        expected: Mapping[str, Codes],
        defines: tuple[str, ...] = (),
        stage: Stage = lambda label: None,
    ) -> tuple[dict[str, Codes], str]:
        """Output codes by name from the project's own testbench, and the trace if one was asked for."""
        program = self._program(defines, stage)
        samples = next(iter(inputs.values())).shape[0]
        parts = 1 if defines or self.graph.draws else max(1, min(cores(), samples // PART_SAMPLES))
        return self._results(program, inputs, expected, stage, parts=parts)

    def side_by_side(
        self, inputs: Mapping[str, Codes], expected: Mapping[str, Codes], stage: Stage = lambda label: None
    ) -> tuple[FifoMark, ...]:
        """Run the processes of a streaming design side by side, with native types and FIFOs as deep as in hardware."""
        network = replace(self, headers=native_headers())
        recipe = replace(
            network._recipe(("-DHWQ_NETWORK",)), includes=("streams", "src", "trace"), units=(f"tb/{self.top}_tb.cpp",)
        )
        got, report = self._results(built(recipe, stage), inputs, expected, stage, "fifos.txt")
        for port in self.graph.outputs:
            if not np.array_equal(got[port.name], expected[port.edge]):
                raise FifoFault(f"output {port.name} has other codes when the processes run side by side")
        rows = [FIFO_MARK.fullmatch(line) for line in report.splitlines()]
        return tuple(FifoMark(row[1], int(row[2]), int(row[3])) for row in rows if row)

    def _results(
        self,
        program: Path,
        inputs: Mapping[str, Codes],
        expected: Mapping[str, Codes],
        stage: Stage,
        report: str = "trace.txt",
        parts: int = 1,
    ) -> tuple[dict[str, Codes], str]:
        """Output codes by name and the report; the samples are shared out between `parts` processes."""
        samples = next(iter(inputs.values())).shape[0]
        stage(f"running {samples} samples in C++")
        names, ends = port_names(self.graph, self.top)[1], [samples * k // parts for k in range(parts + 1)]
        with tempfile.TemporaryDirectory(prefix="hwq-verify-") as name:
            works = [Path(name) / str(k) for k in range(parts)]
            for work, (first, last) in zip(works, pairwise(ends), strict=True):
                work.mkdir()
                shares = ({k: v[first:last] for k, v in codes.items()} for codes in (inputs, expected))
                _write_vectors(work, self.graph, self.top, *shares)
            _run(program, works)
            got = {}
            for port in self.graph.outputs:
                files = [work / f"got_{names[port.name]}.txt" for work in works]
                counts = [last - first for first, last in pairwise(ends)]
                edge = self.graph.edges[port.edge]
                got[port.name] = np.concatenate([read_codes(f, edge, n) for f, n in zip(files, counts, strict=True)])
            written = works[0] / report
            return got, written.read_text(errors="replace") if written.is_file() else ""

    def _program(self, defines: tuple[str, ...], stage: Stage) -> Path:
        """The testbench, with layers in both units; where that does not compile, the units as they are."""
        recipe = self._recipe(defines)
        files, units = with_shared_layers(recipe.files, recipe.units)
        try:
            return built(replace(recipe, files=files, units=units), stage)
        except ToolError:
            if units == recipe.units:
                raise
        return built(recipe, stage)

    def _recipe(self, defines: tuple[str, ...]) -> Recipe:
        home = data_folder("hls_testbench")
        files = {**self.files, **{f"trace/{f}": (home / f).read_bytes() for f in ("trace.h", "trace_fifo.h")}}
        units = (f"src/{self.top}.cpp", f"tb/{self.top}_tb.cpp")
        recipe = Recipe(files, units, ("src", "trace"), self.headers, (*VENDOR_FLAGS, *defines))
        if not self.streams:
            return recipe
        own = {f"streams/{f.name}": f.read_bytes() for f in sorted((home / "streams").iterdir())}
        return replace(recipe, files={**files, **own}, last=("streams",))


def _sources(folder: Path) -> dict[str, bytes]:
    """What a project's C++ is made of, as it lies in its folder."""
    found = [p for sub in ("src", "tb") for p in sorted((folder / sub).rglob("*")) if p.suffix in (".h", ".cpp")]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if p.is_file()}


def _write_vectors(
    work: Path, graph: Graph, top: str, inputs: Mapping[str, Codes], expected: Mapping[str, Codes]
) -> None:
    in_names, out_names = port_names(graph, top)
    for port in graph.inputs:
        write_codes(work / f"in_{in_names[port.name]}.txt", graph.edges[port.edge], inputs[port.edge])
    for out in graph.outputs:
        write_codes(work / f"{out_names[out.name]}.txt", graph.edges[out.edge], expected[out.edge])


def _run(program: Path, works: list[Path]) -> None:
    """Run the testbench in each of the folders, side by side."""
    commands = [[str(program), str(work), "--all"] for work in works]
    for done in run_all(commands, "the C-simulation", RUN_SECONDS, works):
        fault = next((line for line in done.errors.splitlines() if FIFO_FAULT.search(line)), "")
        if fault:
            raise FifoFault(fault.strip())
        if done.status not in (0, 1):
            line = (done.errors.strip().splitlines() or [f"exit status {done.status}"])[0]
            raise ToolError(f"the C-simulation stopped: {line}", remedy="report it with the model")


def _first_difference(
    bench: Bench, simulator: Simulator, inputs: Mapping[str, Codes], sample: int
) -> Difference | None:
    """Run samples with every edge recorded, and in the last one find the first edge, in order, with a wrong code."""
    graph = bench.graph
    edges = simulator.run(inputs, keep=True)
    results, trace = bench.run(inputs, {p.edge: edges[p.edge] for p in graph.outputs}, ("-DHWQ_TRACE",))
    edges, results = ({name: codes[-1:] for name, codes in some.items()} for some in (edges, results))
    recorded = {}
    for line in trace.splitlines():
        name, *words = line.split(" ")
        with contextlib.suppress(ValueError, OverflowError):  # what a changed project writes is anything
            recorded[name] = np.asarray(words, dtype=np.int64)
    for node in graph.nodes:
        for name in node.outputs:
            if name in recorded:
                got = codes_of_words(recorded[name], graph.edges[name], 1)
                found = _compare(node.name, name, sample, edges[name], got)
                if found:
                    return found
    names = port_names(graph, bench.top)[1]
    for port in graph.outputs:
        found = _compare(port.name, names[port.name], sample, edges[port.edge], results[port.name])
        if found:
            return found
    return None


def _compare(node: str, edge: str, sample: int, expected: Codes, got: Codes) -> Difference | None:
    flat, other = expected.reshape(-1), got.reshape(-1)
    bad = np.nonzero(flat != other)[0]
    if not bad.size:
        return None
    index = int(bad[0])
    return Difference(node, edge, sample, index, int(flat[index]), int(other[index]))
