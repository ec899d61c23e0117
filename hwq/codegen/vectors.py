"""Test vectors: sample inputs, and codes as text files, a sample per line."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.dataflow.names import port_names
from hwq.errors import SpecError, ToolError, shown
from hwq.ir.hardware import Edge, Graph
from hwq.ir.host_quantizers import SteppedQuantizer, TypedQuantizer
from hwq.numeric.fixed import Codes

WORD = 64
VECTOR_SAMPLES = 16  # shipped with a project for the vendor's own C-simulation
VECTOR_CODES = 1 << 20  # of one edge in all samples: fewer samples of large tensors


def vector_samples(graph: Graph) -> int:
    """How many samples a project ships."""
    widest = max(edge.size for edge in graph.edges.values())
    return max(1, min(VECTOR_SAMPLES, VECTOR_CODES // widest))


MOST_DRAWN = 1 << 28  # elements of an input


def random_inputs(graph: Graph, samples: int, seed: int = 0) -> dict[str, npt.NDArray[np.float64]]:
    """Seeded real inputs by ONNX name: all lowest, all highest, then codes drawn evenly, steps hit from both sides."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise SpecError(f"the seed {shown(seed)}", remedy="use an integer from 0 on")
    widest = max(graph.edges[port.edge].size for port in graph.inputs)
    if (
        isinstance(samples, bool)
        or not isinstance(samples, int | np.integer)
        or not 0 < samples <= MOST_DRAWN // widest
    ):
        raise SpecError(
            f"{shown(samples)} samples to be drawn", remedy=f"use 1 to {MOST_DRAWN // widest}, or give data"
        )
    rng = np.random.default_rng(seed)
    data: dict[str, npt.NDArray[np.float64]] = {}
    for port in graph.inputs:
        if port.source in data:
            continue
        edge = graph.edges[port.edge]
        shape = (samples, *edge.shape)
        quantizer = port.quantizer
        if isinstance(quantizer, TypedQuantizer):
            kind = quantizer.type
            lo, hi = max(kind.lo, -(1 << 52)), min(kind.hi, 1 << 52)
            codes = rng.integers(lo, hi, shape, endpoint=True).astype(np.float64)
            codes[:1], codes[1:2] = lo, hi
            data[port.source] = np.ldexp(codes, -kind.frac)
        elif isinstance(quantizer, SteppedQuantizer):
            data[port.source] = _around_steps(quantizer, shape, rng)
    return data


def _around_steps(
    quantizer: SteppedQuantizer, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Values at the bounds of a random level of each element's channel, half of them just below."""
    bounds = quantizer.rows.bounds
    finite = np.where(np.isfinite(bounds), bounds, 0.0)
    if finite.shape[1] == 0:
        return rng.normal(size=shape)
    size = int(np.prod(shape[1:]))
    channel = (np.arange(size) // quantizer.inner) % quantizer.count
    level = rng.integers(0, finite.shape[1], (shape[0], size))
    level[:1], level[1:2] = 0, finite.shape[1] - 1
    values = finite[channel[None, :], level]
    below = rng.random(values.shape) < 0.5
    below[:1], below[1:2] = True, False
    return np.where(below, np.nextafter(values, -np.inf), values).reshape(shape)


def words_per_code(edge: Edge) -> int:
    """64-bit words that a code of the edge takes."""
    return -(-edge.type.width // WORD)


def write_codes(path: Path, edge: Edge, codes: Codes) -> None:
    """Write codes as a text file, a sample per line."""
    path.write_bytes(codes_text(edge, codes))


def codes_text(edge: Edge, codes: Codes) -> bytes:
    """A sample per line; codes past 64 bits as 64-bit words, the lowest first."""
    rows = _in_words(edge, codes)
    return ("\n".join(" ".join(map(str, row)) for row in rows.tolist()) + "\n").encode()


def vector_files(graph: Graph, top: str, codes: Mapping[str, Codes]) -> dict[str, bytes]:
    """The testbench's vectors by path, of codes by edge."""
    in_names, out_names = port_names(graph, top)
    ports = [(f"in_{in_names[p.name]}", p.edge) for p in graph.inputs]
    ports += [(out_names[p.name], p.edge) for p in graph.outputs]
    return {f"tb/data/{name}.txt": codes_text(graph.edges[edge], codes[edge]) for name, edge in ports}


def words_of_codes(edge: Edge, codes: Codes) -> npt.NDArray[np.int64]:
    """The same words as a flat array of machine integers."""
    return np.ascontiguousarray(_in_words(edge, codes).reshape(-1), dtype=np.int64)


def _in_words(edge: Edge, codes: Codes) -> Codes:
    rows = codes.reshape(codes.shape[0], -1)
    count = words_per_code(edge)
    if count > 1:
        return np.stack([_word(rows, k) for k in range(count)], axis=-1).reshape(codes.shape[0], -1)
    return _word(rows, 0) if not edge.type.signed and edge.type.width == WORD else rows


def _word(rows: Codes, k: int) -> Codes:
    """Word k of two's complement codes, as a signed 64-bit integer."""
    low = (rows.astype(object) >> (WORD * k)) & ((1 << WORD) - 1)
    return np.asarray(low - (low >> (WORD - 1)) * (1 << WORD), dtype=object)


def read_codes(path: Path, edge: Edge, samples: int) -> Codes:
    """Codes written by a testbench: (samples, *shape)."""
    text = path.read_text(encoding="ascii", errors="replace") if path.is_file() else ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what is no integer ends them
        words = np.fromstring(text, dtype=np.int64, sep=" ")
    return codes_of_words(words, edge, samples)


def codes_of_words(words: Any, edge: Edge, samples: int) -> Codes:
    """Codes (samples, *shape) from the 64-bit words a testbench writes."""
    count = words_per_code(edge)
    if words.size != samples * edge.size * count:
        raise ToolError(
            f"the C-simulation wrote {words.size} words, not {samples * edge.size * count}",
            remedy="export the project again with --force",
        )
    if count == 1 and not (edge.type.width == WORD and not edge.type.signed):
        return np.asarray(words).reshape(samples, *edge.shape)
    parts = np.asarray(words).reshape(-1, count).astype(object)
    total = parts[:, -1] if edge.type.signed else parts[:, -1] & ((1 << WORD) - 1)
    for k in range(count - 2, -1, -1):
        total = (total << WORD) | (parts[:, k] & ((1 << WORD) - 1))
    return total.reshape(samples, *edge.shape)
