"""The integer simulator: runs the steps of a hardware IR on batches of codes, none of which leaves its proved range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import SpecError, printable
from hwq.ir.hardware import Edge, Graph, Node, OutputPort
from hwq.ir.host_quantizers import holds_nan
from hwq.numeric.fixed import Codes, code_dtype
from hwq.ops.base import Kernel
from hwq.simulate.schedule import Step, check, every_edge, joined, results_only

Floats = npt.NDArray[np.float64] | npt.NDArray[np.float32]
KEPT_BYTES = (1 << 25) - (1 << 16)  # glibc's DEFAULT_MMAP_THRESHOLD_MAX, less its own header
PIECE = 1 << 18  # codes of the widest edge that go through at once: what fits the cache


class Simulator:
    """A graph made ready to run: tables and matrices are prepared once."""

    def __init__(self, graph: Graph) -> None:
        _keep_freed_memory()
        self.graph = graph
        self._kernels: dict[str, Kernel] = {}

    def _kernel(self, node: Node) -> Kernel:
        """What evaluates a node, prepared when first asked for: quantizing inputs needs none of it."""
        key = node.outputs[0]
        if key not in self._kernels:
            self._kernels[key] = node.op.prepare(self.graph.ins(node))
        return self._kernels[key]

    def quantized(self, x: Any) -> dict[str, Codes]:
        """Codes of every input port from real model inputs: an array, or a dict by ONNX input name."""
        return self._quantize(self.values(x))

    def values(self, x: Any) -> dict[str, Floats]:
        """Model inputs as batches by port edge, float32 where they are, else float64: shapes checked, NaN refused."""
        by_source = self._by_source(x)
        values = {
            p.edge: _batched(by_source[p.source], self.graph.edges[p.edge].shape, p.source, self.graph.batch)
            for p in self.graph.inputs
        }
        sizes = {v.shape[0] for v in values.values()}
        if len(sizes) > 1:
            raise SpecError(f"inputs of different batch sizes {sorted(sizes)}", remedy="give as many samples of each")
        return values

    def _quantize(self, values: Mapping[str, Floats], lean: bool = False) -> dict[str, Codes]:
        codes = {}
        for port in self.graph.inputs:
            x, edge, quantizer = values[port.edge], self.graph.edges[port.edge], port.quantizer
            with np.errstate(over="ignore"):  # what passes the doubles lies beyond every limit
                made = quantizer.lean(x) if lean else None if holds_nan(x) else quantizer(x)
            if made is None:
                raise SpecError(f"input '{port.source}' holds NaN", remedy="clean the data")
            if not (edge.lo <= quantizer.limits[0] and quantizer.limits[1] <= edge.hi):
                check(port.edge, edge, made)
            codes[port.edge] = made
        return codes

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The ONNX inputs, each once."""
        return tuple(dict.fromkeys(p.source for p in self.graph.inputs))

    def _by_source(self, x: Any) -> Mapping[str, npt.NDArray[Any]]:
        sources = self.sources
        if len(sources) == 1 and isinstance(x, np.ndarray):
            return {sources[0]: x}
        if isinstance(x, Mapping):
            missing = [s for s in sources if s not in x]
            if missing:
                raise SpecError(f"no data for input '{missing[0]}'", remedy="inputs: " + ", ".join(sources))
            return x
        if len(sources) != 1:
            raise SpecError(f"one array for {len(sources)} inputs", remedy="give a dict by name: " + ", ".join(sources))
        return {sources[0]: x}

    def run(self, codes: Mapping[str, Codes], *, keep: bool = False) -> dict[str, Codes]:
        """Codes of all output edges (with `keep`, of every edge) from codes of the input ports."""
        if not _batch(codes):
            return self._nothing(keep)
        for name, port_codes in codes.items():
            check(name, self.graph.edges[name], port_codes)
        return _in_pieces(codes, self._step, lambda piece, first: self._run(piece, keep, first))

    def evaluate(self, x: Any, lean: bool = False) -> dict[str, Codes]:
        """Codes of all output edges from real model inputs; with `lean` in whatever dtype they were quickest in."""
        values = self.values(x)
        if not _batch(values):
            return self._nothing(False)
        return _in_pieces(
            values, self._step, lambda piece, first: self._run(self._quantize(piece, lean=True), False, first, lean)
        )

    def _nothing(self, keep: bool) -> dict[str, Codes]:
        """What a batch of no samples gives."""
        known = self.graph.edges
        wanted = list(known) if keep else [p.edge for p in self.graph.outputs]
        return {e: np.empty((0, *known[e].shape), dtype=code_dtype(known[e].lo, known[e].hi)) for e in wanted}

    @cached_property
    def _step(self) -> int:
        return max(1, PIECE // max(e.size for e in self.graph.edges.values()))

    @cached_property
    def steps(self) -> list[Step]:
        """What makes the output edges."""
        return results_only(self.graph, self._kernel)

    @cached_property
    def _quickest(self) -> list[Step]:
        return joined(self.steps)

    @cached_property
    def all_steps(self) -> list[Step]:
        """What makes every edge."""
        return every_edge(self.graph, self._kernel)

    def _run(self, codes: Mapping[str, Codes], keep: bool, first: int, lean: bool = False) -> dict[str, Codes]:
        known, edges = self.graph.edges, dict(codes)
        for step in self.all_steps if keep else self._quickest:
            if step.simple:
                source, result = step.simple
                (edges[result],) = step.kernel(edges[source])
            else:
                step.run(edges, first)
            for name in step.done:
                del edges[name]
        if lean:
            return {name: edges[name] for name in self.results}
        wanted = edges if keep else self.results
        return {name: _integers(known[name], edges[name]) for name in wanted if name in known}

    @cached_property
    def results(self) -> tuple[str, ...]:
        """The output edges."""
        return tuple(p.edge for p in self.graph.outputs)


def _keep_freed_memory() -> None:
    """Freeing one large block makes glibc keep what is freed later, up to twice its size: pages need no clearing again.

    Without it every layer's array is handed back to the kernel and mapped anew, which costs more than the arithmetic.
    """
    np.empty(KEPT_BYTES, dtype=np.uint8)


def _batch(whole: Mapping[str, npt.NDArray[Any]]) -> int:
    return int(next(iter(whole.values())).shape[0])


def _in_pieces(
    whole: Mapping[str, Codes], step: int, run: Callable[[dict[str, Codes], int], dict[str, Codes]]
) -> dict[str, Codes]:
    """Run a batch piece by piece, each with the number of its first sample, and join what comes out."""
    batch = _batch(whole)
    if batch <= step:
        return run(dict(whole), 0)
    pieces = [run({k: v[i : i + step] for k, v in whole.items()}, i) for i in range(0, batch, step)]
    return {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}


def _batched(x: Any, shape: tuple[int, ...], name: str, held: int) -> Floats:
    """Real inputs as (batch, *shape): the first axis is the batch; a single sample is a batch of one.

    `held`: the samples that the file's own shape holds; an axis of runs may stand before it.
    """
    try:
        given = np.asarray(x)
        if given.dtype.kind not in "biufO":
            raise TypeError("no real numbers")
        values: Floats = given if given.dtype == np.float32 else given.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise SpecError(f"data for '{name}' is not numeric", remedy="give a numeric array") from None
    one = check_shape(values.shape, shape, name, held)
    return values.reshape(1 if one else -1, *shape)


def check_shape(given: tuple[int, ...], shape: tuple[int, ...], name: str, held: int = 1) -> bool:
    """Whether data of a shape are one sample of an input's shape; else they are a batch, or a `SpecError`."""
    inner = shape[1:] if shape and shape[0] == 1 else shape
    if any(len(given) == len(sample) + 1 and given[1:] == sample for sample in (shape, inner)):
        return False
    if held > 1 and len(given) == len(shape) + 1 and given[1:] == (held * shape[0], *shape[1:]):
        return False
    if given in (shape, inner):
        return True
    raise SpecError(
        f"data of shape {list(given)} for input '{printable(name)}'",
        remedy="give (batch, " + ", ".join(map(str, inner)) + ")",
    )


def _integers(edge: Edge, codes: npt.NDArray[Any]) -> Codes:
    """Codes in the dtype of integer arithmetic: lean kernels hold them in whatever is quickest."""
    return codes.astype(code_dtype(edge.lo, edge.hi), copy=False)


def decode(port: OutputPort, edge: Edge, codes: Codes) -> npt.NDArray[np.float64]:
    """Output values in float64: scale * code + offset, shaped (batch, ...) without a leading axis of 1."""
    scale, offset = port.doubles
    values: npt.NDArray[np.float64] = codes.astype(np.float64)
    flat = values.ravel("K")  # the same memory, whatever the order of the axes: numpy is quicker on a single one
    if scale.size == offset.size == 1 and flat.base is not None:
        flat *= scale.item()
        flat += offset.item()
    else:
        values *= scale
        values += offset
    if port.host_softmax is not None:
        powers = np.exp(values - values.max(axis=port.host_softmax + 1, keepdims=True))
        values = powers / powers.sum(axis=port.host_softmax + 1, keepdims=True)
    return values.reshape(outer_shape(edge, codes))


def outer_shape(edge: Edge, codes: Codes) -> tuple[int, ...]:
    """How a batch of an edge is shown to the user."""
    inner = edge.shape[1:] if edge.shape and edge.shape[0] == 1 else edge.shape
    return (codes.shape[0], *inner)
