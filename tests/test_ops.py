"""Every hardware op's samples through every oracle: naive reference = simulator = C++ with each vendor's real types.

An op is covered by being in `hwq.ops.OPS` with samples of its own; nothing here knows an op by name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.build.toolchain import find_headers
from hwq.check.verify import verify_codes
from hwq.codegen.arrays import Settings, render
from hwq.ir.hardware import Edge, Graph, InputPort, Node, OutputPort
from hwq.ir.host_quantizers import TypedQuantizer
from hwq.kernels.lookup import DIRECT_LIMIT
from hwq.numeric.fixed import FixedType, code_dtype
from hwq.numeric.rational import scalar
from hwq.ops import OPS, Channels, MultiplyShift, Op, Sample
from hwq.simulate.simulator import Simulator
from hwq.targets import HLS_TARGETS, get_target
from models import model, node
from oracles import REFERENCES

BATCH = 24
SAMPLES = [(op, sample) for op in OPS for sample in op.samples()]


def drawn_codes(edge: Edge, batch: int, seed: int) -> np.ndarray:
    """All lowest, all highest, then even draws over the range; wide ranges by Python integers."""
    rng = np.random.default_rng(seed)
    span = edge.hi - edge.lo
    shape = (batch, *edge.shape)
    if code_dtype(edge.lo, edge.hi) is object:
        parts = rng.integers(0, 1 << 62, (4, *shape)).astype(object)
        codes = (parts[0] + (parts[1] << 62) + (parts[2] << 124) + (parts[3] << 186)) % (span + 1) + edge.lo
    else:
        codes = rng.integers(edge.lo, edge.hi, shape, endpoint=True)
    codes[0], codes[1] = edge.lo, edge.hi
    return codes


def graph_of(samples: list[Sample]) -> Graph:
    """One graph in which every sample is a node of its own, with its own ports."""
    inputs, nodes, outputs, edges = [], [], [], {}
    for i, sample in enumerate(samples):
        names = []
        for j, edge in enumerate(sample.inputs):
            name = f"s{i}_x{j}"
            edges[name] = edge
            inputs.append(InputPort(name, name, name, TypedQuantizer(edge.type)))
            names.append(name)
        made = sample.op.infer(sample.inputs)
        outs = tuple(f"s{i}_y{j}" for j in range(len(made)))
        nodes.append(Node(f"{sample.op.kind} {sample.label}", sample.op, tuple(names), outs))
        outputs += [OutputPort(name, name, scalar(1), scalar(0)) for name in outs]
    return Graph("samples", tuple(inputs), tuple(outputs), (), edges).with_nodes(nodes)


def test_every_op_has_samples_a_reference_and_a_kernel():
    for op in OPS:
        assert list(op.samples()), f"{op.kind} has no samples"
        assert op.kind in REFERENCES, f"{op.kind} has no naive reference"


@pytest.mark.parametrize(("op", "sample"), SAMPLES, ids=[f"{op.kind}-{s.label}" for op, s in SAMPLES])
def test_simulator_equals_the_naive_reference(op: type[Op], sample: Sample):
    outs = sample.op.infer(sample.inputs)
    arrays = [drawn_codes(edge, BATCH, seed) for seed, edge in enumerate(sample.inputs)]
    simulated = sample.op.prepare(sample.inputs)(*arrays)
    for b in range(BATCH):
        place = {"sample": b} if op.draws else {}
        wanted = REFERENCES[op.kind](sample.op, sample.inputs, *(a[b].astype(object) for a in arrays), **place)
        for got, want, edge in zip(simulated, wanted, outs, strict=True):
            assert got[b].shape == edge.shape
            assert np.array_equal(got[b].astype(object), want)


@pytest.mark.parametrize(("op", "sample"), SAMPLES, ids=[f"{op.kind}-{s.label}" for op, s in SAMPLES])
def test_inferred_ranges_hold_every_code_and_fit_the_type(op: type[Op], sample: Sample):
    outs = sample.op.infer(sample.inputs)
    arrays = [drawn_codes(edge, 200, seed + 9) for seed, edge in enumerate(sample.inputs)]
    for got, edge in zip(sample.op.prepare(sample.inputs)(*arrays), outs, strict=True):
        assert edge.type.contains(edge.lo, edge.hi)
        assert edge.lo <= got.min()
        assert got.max() <= edge.hi


LEAN = [(op, sample) for op, sample in SAMPLES if op.lean]


@pytest.mark.parametrize(("op", "sample"), LEAN, ids=[f"{op.kind}-{s.label}" for op, s in LEAN])
def test_codes_held_in_any_dtype_that_fits_give_the_same_codes(op: type[Op], sample: Sample):
    """Floats of 24 and 53 bits, narrow integers; one sample and many, for which kernels take other ways."""
    arrays = [drawn_codes(edge, 9, seed) for seed, edge in enumerate(sample.inputs)]
    kernel = sample.op.prepare(sample.inputs)
    wanted = [w.astype(object) for w in kernel(*arrays)]
    most = max(max(abs(e.lo), abs(e.hi)) for e in sample.inputs)
    held = {np.int8: 1 << 7, np.int32: 1 << 31, np.float32: 1 << 24, np.float64: 1 << 53}
    for dtype in [d for d, limit in held.items() if most < limit]:
        for size in (9, 4, 1):
            got = kernel(*(a[:size].astype(dtype) for a in arrays))
            assert all(np.array_equal(g.astype(object), w[:size]) for g, w in zip(got, wanted, strict=True)), dtype


@pytest.mark.parametrize("span", [DIRECT_LIMIT // 3 - 1, DIRECT_LIMIT // 3 + 1, 1 << 24, 1 << 33])
def test_a_product_and_shift_is_the_same_by_table_in_doubles_and_in_integers(span: int):
    """Three channels: just below and above what is tabulated, beyond float32, and beyond what doubles multiply."""
    x = Edge.covering((1, 3, 2), -(span // 2), span - span // 2 - 1)
    mult, add = np.asarray([77_777, -65_521, 1_048_573]), np.asarray([5, -99, 1 << 20])
    op = MultiplyShift(mult, add, 21, -3000, 3001, FixedType(True, 13), Channels(3, 2))
    codes = drawn_codes(x, 400, 3)
    codes[2:40] = x.lo + np.arange(38).reshape(-1, 1, 1, 1)
    (got,) = op.prepare((x,))(codes)
    for b in range(0, 400, 7):
        (want,) = REFERENCES["multiply_shift"](op, (x,), codes[b].astype(object))
        assert np.array_equal(got[b].astype(object), want)


@pytest.mark.parametrize("target", sorted(HLS_TARGETS))
def test_cpp_equals_the_simulator_for_every_sample(target: str, tmp_path: Path):
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    graph = graph_of([sample for _, sample in SAMPLES])
    for path, text in render(graph, get_target(target), Settings("samples", "", 5.0, "test")).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    codes = {p.edge: drawn_codes(graph.edges[p.edge], BATCH, i) for i, p in enumerate(graph.inputs)}
    result = verify_codes(tmp_path, graph, get_target(target), "samples", codes)
    assert result, str(result.first)
    assert result.codes == BATCH * sum(graph.edges[p.edge].size for p in graph.outputs)


def test_a_wrong_kernel_is_found_and_named(tmp_path: Path):
    """The harness itself: one wrong comparison in generated code is blamed on its node."""
    if find_headers(get_target("vivado")) is None:
        pytest.skip("no headers: pip install da4ml")
    graph = graph_of([sample for op, sample in SAMPLES if op.kind == "threshold" and sample.label == "sign"])
    for path, text in render(graph, get_target("vivado"), Settings("samples", "", 5.0, "test")).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.replace(b"x[i] >= ", b"x[i] > ") if path.endswith("layers.h") else text)
    edge = graph.edges["s0_x0"]
    codes = {"s0_x0": np.zeros((3, *edge.shape), dtype=np.int64)}
    result = verify_codes(tmp_path, graph, get_target("vivado"), "samples", codes)
    assert not result
    assert result.mismatches == 3 * edge.size
    assert result.first is not None
    assert (result.first.node, result.first.sample, result.first.index) == ("threshold sign", 0, 0)
    assert (result.first.expected, result.first.got) == (1, 0)


def test_batches_of_any_size_give_the_same_codes():
    graph = graph_of([sample for op, sample in SAMPLES if op.kind == "dense"])
    simulator = Simulator(graph)
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 7, i) for i, p in enumerate(graph.inputs)}
    whole = simulator.run(codes)
    for i in range(7):
        one = simulator.run({k: v[i : i + 1] for k, v in codes.items()})
        for name, values in one.items():
            assert np.array_equal(values[0], whole[name][i])
    none = simulator.run({k: v[:0] for k, v in codes.items()})
    assert {k: (v.shape, v.dtype) for k, v in none.items()} == {
        k: ((0, *v.shape[1:]), v.dtype) for k, v in whole.items()
    }


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("spec", ["ap_fixed<8,4>", "ap_fixed<30,4>", "ap_fixed<8,4,AP_TRN,AP_SAT>"])
def test_nan_among_the_inputs_is_refused_by_name_however_they_are_quantized(spec: str, kind: type):
    design = hwq.compile(model([node("Abs", "x", "y")]), {"input_types": {"x": spec}})
    x = np.zeros((3, 4), dtype=kind)
    assert design.simulate(x).tolist() == x.tolist()
    x[1, 2] = np.nan
    with pytest.raises(hwq.HwqError, match="input 'x' holds NaN"):
        design.simulate(x)
