"""Random graphs of all kinds of ops as streaming designs: branches, joins, reshapes and transposes as they fall."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from hwq.build.toolchain import find_headers
from hwq.check.verify import verify_codes
from hwq.codegen.arrays import Settings
from hwq.codegen.streams import render_stream
from hwq.ir.hardware import Edge, Graph, InputPort, Node, OutputPort
from hwq.ir.host_quantizers import TypedQuantizer
from hwq.ir.selection import Selection
from hwq.ir.window import Reduction, Window
from hwq.numeric.fixed import FixedType, Rounding
from hwq.numeric.rational import scalar
from hwq.ops import (
    Add,
    Channels,
    Concat,
    Conv,
    Dense,
    Gather,
    Mul,
    Op,
    Pool,
    Reshape,
    Shift,
    Threshold,
    TopK,
    Transpose,
)
from hwq.targets import get_target
from test_ops import drawn_codes

Shape = tuple[int, ...]
MOST = 400  # elements of an edge


class Growing:
    """A graph that grows by random nodes; all edges that nobody reads are outputs, and some others."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.edges: dict[str, Edge] = {}
        self.nodes: list[Node] = []
        self.inputs: list[str] = []

    def below(self, n: int) -> int:
        return int(self.rng.integers(n))

    def source(self, prefix: str) -> str:
        shape: Shape = (1, 1 + self.below(4), 1 + self.below(5), 1 + self.below(5))
        shape = [shape, shape, shape[:3], (1, 12), (2, *shape[1:])][self.below(5)]
        name = f"{prefix}_in"
        self.edges[name] = Edge.covering(shape, -8, 7, self.below(3))
        self.inputs.append(name)
        return name

    def add(self, prefix: str, op: Op, *inputs: str) -> list[str]:
        window = getattr(op, "window", None)
        if window and min(window.outputs(self.edges[inputs[0]].shape[-window.rank :])) < 1:
            return []
        outs = op.infer(tuple(self.edges[e] for e in inputs))
        if any(not 0 < e.size <= MOST for e in outs):
            return []
        name = f"{prefix}_{len(self.nodes)}"
        names = [f"{name}_{k}" for k in range(len(outs))]
        self.edges.update(zip(names, outs, strict=True))
        self.nodes.append(Node(f"{op.kind} {name}", op, tuple(inputs), tuple(names)))
        return names

    def narrowed(self, prefix: str, edge: str) -> str:
        width = self.edges[edge].type.width
        if width <= 5:
            return edge
        return self.add(prefix, Shift(width - 4, Rounding.HALF_EVEN, -8, 7), edge)[0]

    def step(self, prefix: str, known: list[str]) -> list[str]:
        edge = known[self.below(len(known))]
        x, rng = self.edges[edge], self.rng
        shape, rank = x.shape, len(x.shape)
        kind = self.below(13)
        if kind < 3 and rank in (3, 4):
            return self.conv(prefix, edge)
        if kind == 3 and rank in (3, 4):
            window = [Window.over(shape, tuple(range(2, rank)))]
            pairs = [(1, 1)] * 2 + [(min(2, n), 1 + self.below(2)) for n in shape[2:]]
            zeros = (0,) * rank
            window.append(Window(tuple(k for k, _ in pairs), tuple(s for _, s in pairs), (1,) * rank, zeros, zeros))
            return self.add(prefix, Pool(window[self.below(2)], list(Reduction)[self.below(3)]), edge)
        if kind == 4:
            same = [e for e in known if self.edges[e].shape == shape]
            other = same[self.below(len(same))]
            one = np.asarray([1])
            frac = max(x.type.frac, self.edges[other].type.frac)
            left, right = (one << (frac - self.edges[e].type.frac) for e in (edge, other))
            op: Op = Mul() if self.below(3) == 0 else Add(left, right, frac)
            return self.add(prefix, op, edge, other)
        if kind == 5:
            axis = self.below(rank)
            rest = [e for e in known if len(self.edges[e].shape) == rank]
            fits = [
                e
                for e in rest
                if all(a == b for i, (a, b) in enumerate(zip(self.edges[e].shape, shape, strict=True)) if i != axis)
            ]
            return self.add(
                prefix, Concat(axis), edge, *(fits[self.below(len(fits))] for _ in range(1 + self.below(2)))
            )
        if kind == 6:
            axis = self.below(rank)
            n = shape[axis]
            every = [
                [-1, *range(n)],
                [i for i in range(n) for _ in (0, 1)],
                list(range(n))[self.below(n) :: 2],
                list(range(n))[::-1],
            ]
            return self.add(prefix, Gather(Selection.along(shape, axis, every[self.below(4)]), 1), edge)
        if kind == 7:
            perms: list[Shape] = [tuple(rng.permutation(rank).tolist())]
            perms += [(0, 2, 3, 1), (0, 3, 1, 2)] if rank == 4 else []
            return self.add(prefix, Transpose(perms[self.below(len(perms))]), edge)
        if kind == 8:
            shapes: list[Shape] = [
                (1, x.size),
                (x.size // shape[-1], shape[-1]),
                (1, shape[-1], x.size // shape[-1], 1),
            ]
            return self.add(prefix, Reshape(shapes[self.below(3)]), edge)
        if kind == 9:
            n = 1 + self.below(6)
            pe = [d for d in range(1, n + 1) if n % d == 0]
            simd = [d for d in range(1, shape[-1] + 1) if shape[-1] % d == 0]
            fold = {"pe": pe[self.below(len(pe))], "simd": simd[self.below(len(simd))]}
            return self.add(prefix, Dense(rng.integers(-3, 4, (shape[-1], n)), **fold), edge)
        if kind == 10:
            count = shape[1] if rank > 1 else 1
            rows = np.sort(rng.integers(x.lo, x.hi + 1, (count, 3)), axis=1)
            op = Threshold(
                rows,
                np.zeros(count, dtype=np.int64),
                np.ones(count, dtype=np.int64),
                FixedType(False, 2),
                Channels(count, int(np.prod(shape[2:]))),
            )
            return self.add(prefix, op, edge)
        if kind == 11 and self.below(2):
            return self.add(prefix, TopK(axis=self.below(rank), k=1), edge)
        return self.add(prefix, Shift(1, Rounding.HALF_EVEN, -8, 7), edge)

    def conv(self, prefix: str, edge: str) -> list[str]:
        shape, rng = self.edges[edge].shape, self.rng
        groups = [g for g in (1, 1, shape[1]) if shape[1] % g == 0][self.below(3)]
        n_out = groups * (1 + self.below(3))
        kernel = tuple(1 + self.below(3) for _ in shape[2:])
        before = tuple(k - 1 for k in kernel)
        strides = tuple(1 + self.below(2) for _ in kernel)
        window = Window(kernel, strides, (1,) * len(kernel), before, tuple(self.below(2) for _ in kernel))
        taps = shape[1] // groups * window.taps
        simd = [d for d in range(1, taps + 1) if taps % d == 0]
        inner = n_out // groups
        pe = [d for d in range(1, n_out + 1) if n_out % d == 0 and (inner % d == 0 or d % inner == 0)]
        weights = rng.integers(-3, 4, (n_out, shape[1] // groups, *kernel))
        op = Conv(weights, window, groups, pe=pe[self.below(len(pe))], simd=simd[self.below(len(simd))])
        return self.add(prefix, op, edge)

    def graph(self, count: int, steps: int) -> Graph:
        for k in range(count):
            known = [self.source(f"g{k}")]
            if self.below(3) == 0:
                known.append(self.source(f"g{k}b"))
            for _ in range(steps):
                known += [self.narrowed(f"g{k}", e) for e in self.step(f"g{k}", known)]
        read = {e for n in self.nodes for e in n.inputs}
        shown = [e for e in self.edges if e not in read or self.below(8) == 0]
        inputs = tuple(InputPort(e, e, e, TypedQuantizer(self.edges[e].type)) for e in self.inputs)
        outputs = tuple(OutputPort(f"{e}_{i}", e, scalar(1), scalar(0)) for i, e in enumerate(shown) for _ in range(1))
        return Graph(
            "samples", inputs, (*outputs, OutputPort("again", shown[0], scalar(1), scalar(0))), (), self.edges
        ).with_nodes(self.nodes)


def agree(seed: int, target: str, types: str, count: int = 10, steps: int = 9) -> None:
    graph = Growing(seed).graph(count, steps)
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 3, i) for i, p in enumerate(graph.inputs)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in render_stream(
            graph, get_target(target), Settings("samples", "", 5.0, "test", io="stream")
        ).items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text)
        result = verify_codes(folder, graph, get_target(target), "samples", codes, types=types)
    assert result, f"seed {seed}: {result.fault or result.first}"
    assert len(result.fifos) > count


def test_random_graphs_stream_as_the_simulator_says() -> None:
    agree(1, "vitis", "native", count=6)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["catapult", "vivado"])
@pytest.mark.parametrize("seed", range(10))
def test_many_random_graphs_stream_as_the_simulator_says(seed: int, target: str) -> None:
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    agree(seed + 10, target, "vendor", count=20)
