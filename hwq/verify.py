"""verify: compile a project's C++, run it on the simulator's inputs, and compare every output code."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hwq.codegen.environment import data_folder
from hwq.codegen.render import port_names
from hwq.errors import ToolError
from hwq.fixed import Codes
from hwq.ir import Graph
from hwq.simulate import Simulator
from hwq.targets import Target
from hwq.toolchain import Headers, compile_cpp, require_headers
from hwq.vectors import codes_of_words, read_codes, write_codes

RUN_SECONDS = 3600
Stage = Callable[[str], None]


@dataclass(frozen=True)
class Difference:
    """The first place where C++ and simulator part: an edge's maker, or an output where no layer is to blame."""

    node: str
    edge: str
    sample: int
    index: int  # in the flat array
    expected: int
    got: int

    def __str__(self) -> str:
        return (
            f"node '{self.node}' (array {self.edge}), sample {self.sample}, index {self.index}: "
            f"simulator {self.expected}, C++ {self.got}"
        )


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

    def __bool__(self) -> bool:
        return self.samples > 0 and self.mismatches == 0


def verify_sources(
    folder: Path, graph: Graph, target: Target, top: str, x: Any, stage: Stage = lambda label: None
) -> Result:
    """Build the sources in `folder` with the vendor's headers, run all samples, compare all outputs.

    `x` holds real model inputs. Nothing is written into `folder`.
    """
    require_headers(target)
    return verify_codes(folder, graph, target, top, Simulator(graph).quantized(x), stage)


def verify_codes(
    folder: Path,
    graph: Graph,
    target: Target,
    top: str,
    inputs: Mapping[str, Codes],
    stage: Stage = lambda label: None,
) -> Result:
    """The same from codes by input edge."""
    headers = require_headers(target)
    stage("simulating in Python")
    simulator = Simulator(graph)
    samples = next(iter(inputs.values())).shape[0]
    expected = simulator.run(inputs)
    with tempfile.TemporaryDirectory(prefix="hwq-verify-") as name:
        work = Path(name)
        _write_vectors(work, graph, top, inputs, expected)
        stage("compiling C++ against " + headers.origin)
        program = _build(folder, work, top, headers, ("-O1",))
        stage(f"running {samples} samples in C++")
        _run(program, work)
        names = port_names(graph, top)[1]
        wrong, first_bad, compared = 0, samples, 0
        for port in graph.outputs:
            edge = graph.edges[port.edge]
            got = read_codes(work / f"got_{names[port.name]}.txt", edge, samples)
            unequal = (got != expected[port.edge]).reshape(samples, -1)
            wrong += int(unequal.sum())
            compared += unequal.size
            bad = np.nonzero(unequal.any(axis=1))[0]
            first_bad = min(first_bad, int(bad[0]) if bad.size else samples)
        first = None
        if wrong:
            stage("tracing the first difference")
            one = {k: v[first_bad : first_bad + 1] for k, v in inputs.items()}
            first = _first_difference(folder, work, graph, top, headers, simulator, one, first_bad)
        return Result(samples, compared, wrong, first, f"{target.types.header} from {headers.origin}")


def _write_vectors(
    work: Path, graph: Graph, top: str, inputs: Mapping[str, Codes], expected: Mapping[str, Codes]
) -> None:
    in_names, out_names = port_names(graph, top)
    for port in graph.inputs:
        write_codes(work / f"in_{in_names[port.name]}.txt", graph.edges[port.edge], inputs[port.edge])
    for out in graph.outputs:
        write_codes(work / f"{out_names[out.name]}.txt", graph.edges[out.edge], expected[out.edge])


def _build(folder: Path, work: Path, top: str, headers: Headers, flags: tuple[str, ...]) -> Path:
    sources = [folder / "src" / f"{top}.cpp", folder / "tb" / f"{top}_tb.cpp"]
    missing = [s for s in sources if not s.is_file()]
    if missing:
        raise ToolError(f"the project lacks '{missing[0].name}'", remedy="export it again with --force")
    program = work / f"{top}_tb"
    compile_cpp(sources, program, [folder / "src", data_folder("hls_testbench")], [headers.folder], flags)
    return program


def _run(program: Path, work: Path) -> None:
    try:
        done = subprocess.run(
            [str(program), str(work), "--all"],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError("the C-simulation took over an hour", remedy="verify fewer --samples") from None
    if done.returncode not in (0, 1):
        line = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
        raise ToolError(f"the C-simulation stopped: {line}", remedy="report it with the model")


def _first_difference(
    folder: Path,
    work: Path,
    graph: Graph,
    top: str,
    headers: Headers,
    simulator: Simulator,
    inputs: Mapping[str, Codes],
    sample: int,
) -> Difference | None:
    """Run one sample with every edge recorded, and find the first edge, in order, with a wrong code."""
    traced = work / "trace"
    traced.mkdir()
    edges = simulator.run(inputs, keep=True)
    _write_vectors(traced, graph, top, inputs, {p.edge: edges[p.edge] for p in graph.outputs})
    shutil.copy(data_folder("hls_testbench") / "trace.h", traced)
    program = _build(folder, traced, top, headers, ("-O1", "-DHWQ_TRACE", f"-I{traced}", f"-I{folder / 'src'}"))
    _run(program, traced)
    recorded = {}
    for line in (traced / "trace.txt").read_text().splitlines():
        name, *words = line.split(" ")
        recorded[name] = np.asarray(words, dtype=np.int64)
    for node in graph.nodes:
        for name in node.outputs:
            if name in recorded:
                got = codes_of_words(recorded[name], graph.edges[name], 1)
                found = _compare(node.name, name, sample, edges[name], got)
                if found:
                    return found
    names = port_names(graph, top)[1]
    for port in graph.outputs:
        got = read_codes(traced / f"got_{names[port.name]}.txt", graph.edges[port.edge], 1)
        found = _compare(port.name, names[port.name], sample, edges[port.edge], got)
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
