"""A design's native build, loaded into this process: batches of codes through C++ at machine speed."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.build.cache import NATIVE_FLAGS, VECTOR_FLAGS, Recipe, built
from hwq.build.linked_roms import as_header, machine_integers
from hwq.build.processes import cores
from hwq.build.toolchain import native_headers
from hwq.codegen.arrays import Settings, render, rom_text
from hwq.codegen.c_api import batch_entry, c_face, host_converts
from hwq.codegen.vectors import codes_of_words, words_of_codes, words_per_code
from hwq.dataflow.names import layer_functions
from hwq.errors import ToolError
from hwq.ir.hardware import Graph
from hwq.numeric.fixed import Codes
from hwq.passes.pack_for_cpu import for_processor, samples_at_once
from hwq.simulate.presented import presented
from hwq.simulate.simulator import Simulator, decode, outer_shape
from hwq.targets import Target
from hwq.targets.native import EMULATOR

Floats = npt.NDArray[np.float64]
Arrays = Sequence[npt.NDArray[Any]]
Stage = Callable[[str], None]
BATCH = "batch/{}"
LINKED = "src/weights/linked"  # of the file in which a design's ROMs lie, without its ending


def _silent(label: str) -> None:
    """For callers that do not ask what goes on."""


def library_recipe(sources: Mapping[str, bytes], graph: Graph, top: str, at_once: int = 0) -> Recipe:
    """How a project's sources become a shared library of native types with a batch entry.

    With the host header among them, and ports that it converts, the entry takes and gives real numbers too. `at_once`:
    how many samples its function for several takes; 0 where it has none.
    """
    files = {name: content for name, content in sources.items() if name.startswith(("src/", "host/"))}
    face = c_face(graph, top, _host(files, graph, top), at_once)
    own = {BATCH.format(name): text.encode() for name, text in face.items()}
    unit = BATCH.format(f"{top}_c.cpp")  # with all else that is short: a compiler takes 30 ms to begin
    own[unit] += b"\n" + batch_entry(graph, top).encode()
    if f"{LINKED}.h" in files:
        own[unit] += f'\n#include "{LINKED.removeprefix("src/")}.h"\n'.encode()
    return Recipe(
        {**files, **own},
        (f"src/{top}.cpp", unit),
        ("src", "host", "batch"),
        native_headers(),
        (*(VECTOR_FLAGS if at_once else NATIVE_FLAGS), "-fvisibility=hidden"),
        ("-shared", "-pthread"),
        "emulator.so",
    )


def _host(sources: Mapping[str, bytes], graph: Graph, top: str) -> bool:
    return f"host/{top}_host.h" in sources and host_converts(graph)


class Library:
    """A built batch entry: codes in, codes out, every sample exact; doubles too where `host`, singles by `floats`."""

    def __init__(self, path: Path, graph: Graph, host: bool = False, floats: bool = False) -> None:
        self.graph = graph
        self.host = host
        self.floats = floats
        try:
            self._entry = ctypes.CDLL(str(path)).hwq_batch  # ctypes lets go of the interpreter lock in the call
        except (OSError, AttributeError) as error:
            raise ToolError(f"cannot load the native build ({error})", remedy="see hwq doctor") from None
        self._entry.restype = ctypes.c_int
        self._entry.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, *[ctypes.c_int] * 3)

    def run(self, codes: Mapping[str, Codes], threads: int | None = None) -> dict[str, Codes]:
        """Codes of the outputs by output name, from codes by input edge."""
        edges = self.graph.edges
        inputs = [words_of_codes(edges[p.edge], codes[p.edge]) for p in self.graph.inputs]
        samples = next(iter(codes.values())).shape[0]
        outs = [
            np.empty(samples * edges[p.edge].size * words_per_code(edges[p.edge]), dtype=np.int64)
            for p in self.graph.outputs
        ]
        self._call(inputs, outs, samples, threads, 0, False)
        return {
            p.name: codes_of_words(out, edges[p.edge], samples) for p, out in zip(self.graph.outputs, outs, strict=True)
        }

    def evaluate(
        self, values: Mapping[str, npt.NDArray[Any]], codes: bool, threads: int | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """The same from finite real values by input edge, to codes or to real values."""
        singles = self.floats and all(v.dtype == np.float32 for v in values.values())
        given: Any = np.float32 if singles else np.float64
        inputs = [np.ascontiguousarray(values[p.edge], dtype=given) for p in self.graph.inputs]
        samples = inputs[0].shape[0]
        kind = np.int64 if codes else np.float64
        outs = [np.empty((samples, *self.graph.edges[p.edge].shape), dtype=kind) for p in self.graph.outputs]
        self._call(inputs, outs, samples, threads, 2 if singles else 1, not codes)
        return {p.name: out for p, out in zip(self.graph.outputs, outs, strict=True)}

    def _call(
        self, inputs: Arrays, outs: Arrays, samples: int, threads: int | None, real_in: int, real_out: bool
    ) -> None:
        if self._entry(_pointers(inputs), _pointers(outs), samples, threads or cores(), real_in, real_out):
            raise ToolError("no memory or threads for the native build", remedy="use smaller batches")


def _pointers(arrays: Arrays) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))


def load_library(
    sources: Mapping[str, bytes], graph: Graph, top: str, stage: Stage = _silent, at_once: int = 0
) -> Library:
    """Build (or find) the library of a project's sources, and load it."""
    path = built(library_recipe(sources, graph, top, at_once), stage)
    return Library(path, graph, _host(sources, graph, top), at_once > 0)


def emulator_of(simulator: Simulator, settings: Settings, stage: Stage = _silent) -> Emulator:
    """A design's own library: its native text, with sums and steps as a processor takes them."""
    graph = for_processor(simulator.graph)
    sources = emulator_sources(graph, settings)
    return Emulator(simulator, load_library(sources, graph, settings.top, stage, samples_at_once(graph)))


def emulator_sources(graph: Graph, settings: Settings) -> dict[str, bytes]:
    """The sources of a graph that was made for a processor; its large ROMs in binary form where that can be linked."""
    target = EMULATOR if sys.platform.startswith("linux") else replace(EMULATOR, links=0)
    return {**render(graph, target, settings), **_linked(graph, settings.top, target)}


def _linked(graph: Graph, top: str, target: Target) -> dict[str, bytes]:
    """The ROMs that the sources only declare, as a header that defines them."""
    functions, found = layer_functions(graph, top), {}
    for node in graph.nodes:
        for rom in node.op.roms():
            text = rom_text(rom, functions[node.outputs[0]], target)
            if text.linked(target.links):
                found[text.name] = (rom.words if rom.coding is None else rom.stored).astype(
                    machine_integers(text.native)
                )
    return as_header(LINKED, found) if found else {}


def _finite(values: npt.NDArray[Any]) -> bool:
    """Whether all are numbers: then their sum is one, unless it overflows."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.add.reduce(values, axis=None)) or np.isfinite(values).all())


class Emulator:
    """A design as a function: `emu(x)` gives values, `emu(x, codes=True)` int64 codes, equal to `Design.simulate`'s."""

    def __init__(self, simulator: Simulator, library: Library) -> None:
        self._simulator = simulator
        self._library = library

    def __call__(self, x: Any, codes: bool = False, threads: int | None = None) -> Any:
        """Evaluate a batch on all cores (or `threads` of them)."""
        graph = self._simulator.graph
        values = self._simulator.values(x)
        results: dict[str, npt.NDArray[Any]]
        if self._library.host and all(_finite(v) for v in values.values()):
            results = self._library.evaluate(values, codes, threads)
        else:
            results = self._library.run(self._simulator.quantized(x), threads)
        for port in graph.outputs:
            edge, out = graph.edges[port.edge], results[port.name]
            real = out.dtype == np.float64
            results[port.name] = out.reshape(outer_shape(edge, out)) if codes or real else decode(port, edge, out)
        return presented(graph, x, results)
