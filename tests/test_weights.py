"""Weight codings: found from the integers, stored as they say, multiplied without a multiplier, equal in every type."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import hwq
from hwq.build.toolchain import find_headers
from hwq.check.verify import verify_codes
from hwq.codegen.arrays import Settings, render
from hwq.codegen.rom_files import MANIFEST, check_folder, read_words, rom_files, unpack
from hwq.design import Design
from hwq.errors import InternalError
from hwq.ir.hardware import Edge
from hwq.ir.window import Window
from hwq.numeric.fixed import FixedType
from hwq.numeric.rational import rationals, scalar
from hwq.ops import Conv, Dense, Products, Sample
from hwq.ops.parts.weight_coding import Binary, Po2, Ternary, TwosComplement, coding_of, term_type
from hwq.passes.lowering.weights import agreement_bias, without_factors
from hwq.targets import get_target
from models import QONNX, const, model, node
from oracles import REFERENCES
from test_ops import SAMPLES, drawn_codes, graph_of

GOLDEN = Path(__file__).resolve().parent / "golden" / "codings_roms"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"

# -- which coding ----------------------------------------------------------------------------------------------------

CODINGS = [
    ([-1, 1], Binary()),
    ([1, 1], Binary()),
    ([-1, -1], Binary()),
    ([-1, 0, 1], Ternary()),
    ([0, 1], Ternary(negative=False)),
    ([-1, 0], Ternary(positive=False)),
    ([0, 0], Ternary(negative=False)),
    ([1, 2, 4, -128], Po2(0, 7, sign=True, zero=False)),
    ([1, 0, -4], Po2(0, 2, sign=True, zero=True)),
    ([4, 32], Po2(2, 3, sign=False, zero=False)),
    ([1, 1 << 61], Po2(0, 61, sign=False, zero=False)),
    ([-2, -1, 0, 1], TwosComplement(FixedType(True, 2))),  # po2 would take a third bit
    ([-3, 1], TwosComplement(FixedType(True, 3))),
    ([1 << 70, 1], TwosComplement(FixedType(False, 71))),
]


@pytest.mark.parametrize(("weights", "coding"), CODINGS, ids=[str(w) for w, _ in CODINGS])
def test_the_coding_follows_from_the_integers(weights: list[int], coding: Any):
    assert coding_of(np.asarray(weights)) == coding


def test_every_set_of_small_integers_is_stored_in_no_more_bits_than_twos_complement_and_comes_back():
    for size in (1, 2, 3):
        for weights in itertools.combinations(range(-9, 10), size):
            array = np.asarray(weights)
            coding = coding_of(array)
            words = coding.encode(array)
            assert coding.word.lo <= words.min()
            assert words.max() <= coding.word.hi
            assert np.array_equal(coding.decode(words), array)
            assert coding.word.width <= FixedType.covering(min(weights), max(weights)).width
            if coding.multiplies:
                odd = any(abs(w) & (abs(w) - 1) for w in weights)
                assert odd or max(map(abs, weights)).bit_length() <= 2, weights
            else:
                term = term_type(array, (-5, 6), 0)
                assert all(term.contains(min(v, -v * coding.word.signed), max(v, 0)) for v in array * 6)


def test_common_factors_go_to_the_scale_where_that_spares_a_multiplier():
    rows = np.asarray([[6, -6, 6], [-6, 6, 6]])
    reduced, scale = without_factors(rows)
    assert (reduced.tolist(), scale.tolist()) == ([[1, -1, 1], [-1, 1, 1]], [6])
    rows = np.asarray([[3, -3, 0], [5, 5, -5], [0, 0, 0]])
    reduced, scale = without_factors(rows)
    assert (reduced.tolist(), scale.tolist()) == ([[1, -1, 0], [1, 1, -1], [0, 0, 0]], [3, 5, 1])
    reduced, scale = without_factors(rows, apart=False)
    assert (reduced.tolist(), scale.tolist()) == (rows.tolist(), [1])
    kept = np.asarray([[6, 12, 4], [10, -10, 10]])  # one factor per output would still leave a multiplier
    reduced, scale = without_factors(kept)
    assert (reduced.tolist(), scale.tolist()) == ([[3, 6, 2], [5, -5, 5]], [2])
    many = np.full((2, 200), 12)
    many[1, 150] = 6
    reduced, scale = without_factors(many)
    assert scale.tolist() == [6]
    assert np.array_equal(reduced * 6, many)


def test_counts_of_bits_leave_one_offset_for_all_outputs():
    """Bipolar values 2 c - 1: the sum is 2 * agreements - taps, for every output."""
    rows = np.asarray([[1, -1, 1, 1, -1], [-1, -1, -1, -1, 1], [1, 1, 1, 1, 1]])
    bit, scale = Edge.covering((1, 5), 0, 1), scalar(2)
    bias, offset = agreement_bias(bit, rows, scale, rationals(-rows.sum(axis=1)))
    assert bias is not None
    assert (bias.tolist(), offset.tolist()) == ([2, 4, 0], [-5, -5, -5])
    op = Dense(rows.T, bias, xnor=True)
    assert op.start is None
    (y,) = op.infer((bit,))
    assert (y.lo, y.hi) == (0, 5)
    assert op.accumulator(bit) == FixedType(False, 3)
    assert agreement_bias(bit, rows, scale, scalar(3)) == (None, scalar(3))
    assert agreement_bias(Edge.covering((1, 5), 0, 2), rows, scale, offset)[0] is None


def test_agreements_of_anything_but_bits_are_an_internal_error():
    signs = np.asarray([[1, -1], [-1, 1]])
    for op, edge in (
        (Dense(signs, xnor=True), Edge.covering((1, 2), -1, 1)),
        (Dense(signs * 2, xnor=True), Edge.covering((1, 2), 0, 1)),
    ):
        with pytest.raises(InternalError, match="agreements"):
            op.infer((edge,))


# -- whole models ----------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(41)
SIGNS = RNG.choice([-1.0, 1.0], (70, 6))
PER_OUTPUT = SIGNS * np.asarray([3.0, 5.0, 0.75, 1.0, 7.0, 3.0])
POWERS = RNG.choice([-1.0, 1.0], (70, 6)) * 2.0 ** RNG.integers(-3, 3, (70, 6))
MULTIPLIED = RNG.integers(-7, 8, (70, 6)) * 0.5
TERNARY = RNG.integers(-1, 2, (70, 6)) * 0.25
DENSE: dict[str, tuple[str, Any, str]] = {  # branch: activation, weights, what the listing says of them
    "xnor": ("bits", SIGNS * 0.5, "binary u1 xnor"),
    "xnor_per_output": ("bits", PER_OUTPUT, "binary u1 xnor"),
    "xnor_unipolar": ("unipolar", SIGNS, "binary u1 xnor"),
    "binary": ("nibbles", SIGNS * 127, "binary u1"),
    "binary_per_output": ("nibbles", PER_OUTPUT, "binary u1"),
    "ternary": ("nibbles", TERNARY, "ternary s2"),
    "ternary_bits": ("bits", TERNARY, "ternary s2"),
    "po2": ("nibbles", POWERS, "po2 sign + 3"),
    "po2_zero": ("nibbles", POWERS * (TERNARY != 0), "po2 sign + 3 with zero"),
    "multiplied": ("nibbles", MULTIPLIED, "s4.1"),
}
KERNEL = RNG.choice([-1.0, 1.0], (4, 2, 3, 3))
CONV: dict[str, tuple[str, Any, dict[str, Any], str]] = {
    "xnor": ("bits", KERNEL, {}, "binary u1 xnor"),
    "xnor_padded": ("unipolar", KERNEL * 3, {"pads": [1, 1, 1, 1]}, "binary u1 xnor"),
    "xnor_groups": ("bits", KERNEL[:, :1], {"group": 2, "strides": [2, 1]}, "binary u1 xnor"),
    "binary_padded": ("bits", KERNEL, {"pads": [1, 0, 1, 0]}, "binary u1"),  # no bit stands for the 0 outside
    "ternary": ("nibbles", np.round(KERNEL * RNG.random(KERNEL.shape)), {"pads": [0, 1, 1, 0]}, "ternary s2"),
    "po2_depthwise": ("nibbles", 2.0 ** np.round(RNG.random((2, 1, 3, 3)) * 4), {"group": 2}, "po2 3"),
}


def quantizers(kinds: set[str]) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Nodes that quantize `x_KIND`, their constants, and the same in numpy."""
    nodes = [
        node("BipolarQuant", "x_bits half", "q_bits"),
        node("Quant", "x_unipolar half zero one", "q_unipolar", signed=0, narrow=0, rounding_mode="ROUND"),
        node("Quant", "x_nibbles half zero four", "q_nibbles", signed=1, narrow=0, rounding_mode="ROUND"),
    ]
    laws = {
        "bits": lambda x: np.where(x >= 0, 0.5, -0.5),
        "unipolar": lambda x: np.clip(np.rint(x / 0.5), 0, 1) * 0.5,
        "nibbles": lambda x: np.clip(np.rint(x / 0.5), -8, 7) * 0.5,
    }
    constants = [const("half", 0.5), const("zero", 0.0), const("one", 1.0), const("four", 4.0)]
    return [n for n in nodes if n.output[0][2:] in kinds], constants, laws


def networks(which: str) -> tuple[onnx.ModelProto, dict[str, Any], dict[str, Any]]:
    """Branches of one product each; inputs drawn, and what the outputs are in float64, where all of it is exact."""
    cases: dict[str, Any] = DENSE if which == "dense" else CONV
    nodes, constants, laws = quantizers({case[0] for case in cases.values()})
    shape = (1, 70) if which == "dense" else (1, 2, 6, 5)
    kinds = sorted({case[0] for case in cases.values()})
    x = {f"x_{k}": RNG.integers(-9, 9, (16, *shape[1:])) * 0.5 for k in kinds}
    outputs = {}
    for name, case in cases.items():
        source = laws[case[0]](x[f"x_{case[0]}"])
        constants.append(const(f"w_{name}", case[1]))
        if which == "dense" and name.endswith("per_output"):  # a quantizer follows, so that scales may differ
            nodes.append(node("MatMul", f"q_{case[0]} w_{name}", f"{name}_sum", name=name))
            nodes.append(node("BipolarQuant", f"{name}_sum half", name, name=f"{name}_sign"))
            outputs[name] = np.where(source @ case[1] >= 0, 0.5, -0.5)
        elif which == "dense":
            nodes.append(node("MatMul", f"q_{case[0]} w_{name}", name))
            outputs[name] = source @ case[1]
        else:
            nodes.append(node("Conv", f"q_{case[0]} w_{name}", name, **case[2]))
            outputs[name] = convolved(source, case[1], case[2])
    return model(nodes, {n: list(shape) for n in x}, tuple(cases), constants), x, outputs


def convolved(x: Any, w: Any, attributes: dict[str, Any]) -> Any:
    """ONNX Conv of two spatial axes, position by position."""
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    sy, sx = attributes.get("strides", [1, 1])
    groups, kernel = attributes.get("group", 1), w.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    rows = []
    for y0 in range(0, x.shape[2] - kernel[0] + 1, sy):
        for x0 in range(0, x.shape[3] - kernel[1] + 1, sx):
            part = x[:, :, y0 : y0 + kernel[0], x0 : x0 + kernel[1]].reshape(len(x), groups, -1)
            rows.append(np.einsum("bgk,gmk->bgm", part, w.reshape(groups, w.shape[0] // groups, -1)))
    spatial = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, (sy, sx), strict=True)]
    return np.stack(rows, axis=-1).reshape(len(x), w.shape[0], *spatial)


def text_of(design: Design, target: str, name: str) -> str:
    """The generated function of the node of that name, the first where several come from it."""
    layers = render(design.graph, get_target(target), Settings("net", "", 5.0, "test"))["src/layers.h"].decode()
    return next(s for s in re.split(r"// -{9,}\n", layers) if s.startswith(f"// {name}\n"))


@pytest.mark.parametrize("which", ["dense", "conv"])
def test_products_of_every_coding_equal_float64_and_have_a_multiplier_only_where_the_listing_says_so(which: str):
    proto, x, outputs = networks(which)
    design = hwq.compile(proto)
    simulated = design.simulate(x)
    cases: dict[str, Any] = DENSE if which == "dense" else CONV
    ops = {n.name: n.op for n in design.graph.nodes if isinstance(n.op, Products)}
    for name, case in cases.items():
        assert np.array_equal(simulated[name], outputs[name].reshape(simulated[name].shape)), name
        assert re.search(rf" w {re.escape(case[-1])}( bias)? pe ", str(ops[name])), str(ops[name])
        for target in ("vivado", "catapult", "native"):
            body = text_of(design, target, name).split("products:", 1)[-1]
            multiplied = re.search(r"\* (x\[|window)", body) is not None
            assert multiplied == (case[-1] == "s4.1"), body
            assert ("popcount" in body) == ("xnor" in case[-1]), body


@pytest.mark.parametrize("which", ["dense", "conv"])
@pytest.mark.parametrize(
    ("target", "io"),
    [
        ("vivado", "parallel"),
        ("catapult", "parallel"),
        ("native", "stream"),
        pytest.param("native", "parallel", marks=pytest.mark.slow),
        pytest.param("vivado", "stream", marks=pytest.mark.slow),
        pytest.param("catapult", "stream", marks=pytest.mark.slow),
    ],
)
def test_products_of_every_coding_are_equal_in_every_type(target: str, io: str, which: str, tmp_path: Path):
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    proto, x, _ = networks(which)
    project = hwq.compile(proto, {"target": target, "io": io, "reuse": 6}).export(tmp_path / "p")
    result = project.verify(x)
    assert result, str(result.first)
    assert result.samples == 16


@pytest.mark.parametrize("target", ["vivado", "catapult"])
def test_rom_words_of_exactly_their_width_compile_and_give_the_same_codes(target: str, tmp_path: Path):
    """What only synthesis sees: ROMs of `ap_int` and `ac_int` words instead of machine integers."""
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    coded = [s for _, s in SAMPLES if any(r.coding for r in s.op.roms())]
    graph, changed = graph_of(coded), 0
    for path, text in render(graph, get_target(target), Settings("samples", "", 5.0, "test")).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        changed += b"#ifdef __SYNTHESIS__\ntypedef" in text
        file.write_bytes(text.replace(b"#ifdef __SYNTHESIS__\ntypedef", b"#if 1\ntypedef"))
    assert changed >= len(coded)
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 4, i) for i, p in enumerate(graph.inputs)}
    result = verify_codes(tmp_path, graph, get_target(target), "samples", codes)
    assert result, str(result.first)


BINARY = ("TFC_1W1A", "TFC_1W2A", "bv_digits_mlp_ternary_a3", "ex_bnn_fc_1layer", "finn_TFC_1W2A_streamlined")


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("target", ["catapult", "native"])
def test_binary_and_ternary_models_have_no_multiplier_and_equal_the_reference(name: str, target: str, tmp_path: Path):
    path = SHARED / f"{name}.onnx"
    if not path.is_file() or find_headers(get_target(target)) is None:
        pytest.skip(f"no {path}, or no headers for {target}")
    design = hwq.compile(path, {"target": target})
    with np.load(path.with_suffix(".npz")) as data:
        x, want = data["x"], data["y64"]
    got = design.simulate(x)
    assert np.allclose(got, want.reshape(got.shape), rtol=0, atol=1e-9)
    products = [n for n in design.graph.nodes if isinstance(n.op, Products)]
    assert products
    for n in products:
        assert not n.op.coding.multiplies
        assert n.op.xnor == (name in ("TFC_1W1A", "ex_bnn_fc_1layer"))
        if n.op.xnor and design.graph.outs(n)[0].lo == 0:
            assert n.op.start is None  # plain counts: the thresholds after it know
        assert not re.search(r"\* (x\[|window)", text_of(design, target, n.name))
    result = design.export(tmp_path / "p").verify(x[:200])
    assert result, str(result.first)


def random_product(rng: np.random.Generator, label: str) -> Sample:
    """A dense layer or a convolution of any coding, shape, fold, binary point and range of activations."""

    def divisor(n: int) -> int:
        return int(rng.choice([d for d in range(1, n + 1) if n % d == 0]))

    def drawn(shape: tuple[int, ...]) -> Any:
        kind = rng.integers(5)
        signs = rng.choice([-1, 1], shape)
        if kind == 0:
            return signs
        if kind == 1:
            return rng.choice([(-1, 0, 1), (0, 1, 1), (-1, 0, 0)][rng.integers(3)], shape)
        powers = np.int64(1) << rng.integers(0, int(rng.integers(1, 12)), shape)
        powers = powers << int(rng.integers(3))
        return powers * [1, signs, signs * rng.integers(0, 2, shape)][kind - 2]

    bits = rng.integers(2) == 0
    lo, hi = (0, 1) if bits else sorted(int(v) for v in rng.integers(-(1 << rng.integers(1, 20)), 1 << 12, 2))
    point, frac = (int(v) for v in rng.integers(-4, 5, 2))
    if rng.integers(2):
        taps, outputs, rows = (int(v) for v in rng.integers(1, [140, 9, 3]))
        pe, simd = divisor(outputs), divisor(taps)
        bias = rng.integers(-99, 99, outputs) if rng.integers(2) else None
        op: Products = Dense(drawn((taps, outputs)), bias, frac, pe, simd)
        x = Edge.covering((rows, taps), lo, hi, point)
    else:
        groups, n_in, n_out, k = (int(v) for v in rng.integers(1, [4, 4, 4, 4]))
        before, after = (tuple(int(v) for v in rng.integers(0, 2, 2)) for _ in range(2))
        window = Window((k, 2), (1, int(rng.integers(1, 3))), (1, 1), before, after)
        bias = rng.integers(-99, 99, groups * n_out) if rng.integers(2) else None
        pe, simd = divisor(n_out), divisor(n_in * k * 2)
        pad = int(rng.integers(0, 2)) if bits else int(rng.integers(lo, hi + 1))
        op = Conv(drawn((groups * n_out, n_in, k, 2)), window, groups, pad, bias, frac, pe, simd)
        x = Edge.covering((1, groups * n_in, k + 2, 5), lo, hi, point)
    return Sample(label, op.counting() if op.countable(x) and rng.integers(4) else op, (x,))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["vivado", "catapult", "native"])
@pytest.mark.parametrize("seed", range(4))
def test_random_products_equal_the_naive_reference_in_every_type(seed: int, target: str, tmp_path: Path):
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    rng = np.random.default_rng(seed)
    samples = [random_product(rng, str(i)) for i in range(60)]
    assert {type(s.op) for s in samples} == {Dense, Conv}
    assert {type(s.op.coding) for s in samples if isinstance(s.op, Products)} >= {Binary, Ternary, Po2}
    assert sum(s.op.xnor for s in samples if isinstance(s.op, Products)) > 2
    graph = graph_of(samples)
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 6, i) for i, p in enumerate(graph.inputs)}
    for i, sample in enumerate(samples):
        (got,) = sample.op.prepare(sample.inputs)(codes[f"s{i}_x0"])
        for b in range(6):
            (want,) = REFERENCES[sample.op.kind](sample.op, sample.inputs, codes[f"s{i}_x0"][b].astype(object))
            assert np.array_equal(got[b].astype(object), want), str(sample.op)
    for path, text in render(graph, get_target(target), Settings("samples", "", 5.0, "test")).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    result = verify_codes(tmp_path, graph, get_target(target), "samples", codes)
    assert result, str(result.first)


def test_finns_xnor_popcount_matmul_is_the_count_itself():
    bits = (RNG.random((9, 4)) < 0.5) * 1.0
    proto = model(
        [
            node("Quant", "x one zero one", "q", signed=0, narrow=0, rounding_mode="ROUND"),
            node("XnorPopcountMatMul", "q w", "count", domain=QONNX),
            node("MultiThreshold", "count levels", "y", out_dtype="UINT2"),
        ],
        {"x": [1, 9]},
        ("y",),
        [const("zero", 0.0), const("one", 1.0), const("w", bits), const("levels", [[3.0, 5.0, 6.0]])],
    )
    design = hwq.compile(proto)
    dense, threshold = design.graph.nodes
    assert isinstance(dense.op, Dense)
    assert dense.op.xnor
    assert dense.op.start is None
    assert threshold.op.kind == "threshold"
    x = RNG.integers(0, 2, (200, 9))
    agree = (x[:, :, None] == bits).sum(axis=1)
    assert np.array_equal(design.simulate(x), (agree[:, :, None] >= [3, 5, 6]).sum(axis=-1))
    broken = model(
        [node("XnorPopcountMatMul", "x w", "y", domain=QONNX)], {"x": [1, 9]}, ("y",), [const("w", bits - 1)]
    )
    with pytest.raises(hwq.HwqError, match="not 0 and 1"):
        hwq.compile(broken)


# -- ROM files -------------------------------------------------------------------------------------------------------


def small_roms() -> Any:
    """A dense layer of each coding, small enough to be read."""
    rows = {
        "binary": [[1, -1, -1, 1], [1, 1, -1, -1]],
        "ternary": [[1, 0, -1, 0], [0, 0, 1, -1]],
        "po2": [[1, -2, 4, -8], [8, 1, -1, 2]],
        "po2_zero": [[1, -2, 0, -8], [8, 0, -1, 2]],
    }
    proto = model(
        [
            node("Quant", "x half zero four", "q", signed=1, narrow=0, rounding_mode="ROUND"),
            *(node("MatMul", f"q w_{name}", name) for name in rows),
        ],
        {"x": [1, 4]},
        tuple(rows),
        [const("half", 0.5), const("zero", 0.0), const("four", 4.0)]
        + [const(f"w_{name}", np.transpose(values)) for name, values in rows.items()],
    )
    return hwq.compile(proto, {"reuse": 2}).graph


def test_rom_files_of_the_codings_read_as_they_did(update_golden: bool):
    files = rom_files(small_roms(), ("coe", "mif", "mem", "memb", "h"))
    if update_golden:
        GOLDEN.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (GOLDEN / name).write_bytes(content)
    assert {p.name: p.read_bytes() for p in GOLDEN.iterdir()} == files


def test_the_manifest_alone_decodes_a_rom(tmp_path: Path):
    """`values[pattern]` is the weight that a word's bits stand for."""
    import json

    graph = small_roms()
    files = rom_files(graph, ("hex", "bin", "npy"))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert check_folder(tmp_path) == []
    roms = {r["node"]: r for r in json.loads(files[MANIFEST])["roms"]}
    assert {n: r["width"] for n, r in roms.items()} == {"binary": 1, "ternary": 2, "po2": 3, "po2_zero": 4}
    for n in graph.nodes:
        (rom,), record = n.op.roms(), roms[n.name]
        for fmt, file in record["files"].items():
            words = unpack(read_words(tmp_path / file, record), record)
            weights = [[record["values"][int(w) % (1 << record["width"])] for w in row] for row in words]
            assert np.array_equal(weights, rom.words), (n.name, fmt)


def test_a_flipped_bit_of_a_coded_rom_is_found(tmp_path: Path):
    for name, content in rom_files(small_roms(), ("bin",)).items():
        (tmp_path / name).write_bytes(content)
    path = tmp_path / "po2_weights.bin"
    damaged = bytearray(path.read_bytes())
    damaged[0] ^= 1
    path.write_bytes(bytes(damaged))
    assert [p.split(":")[0] for p in check_folder(tmp_path)] == ["po2_weights.bin"]


# -- scales ----------------------------------------------------------------------------------------------------------


def test_power_of_two_scales_per_channel_requantize_by_shifts():
    """QKeras' alpha='auto_po2': integers, and per output a shift at the next quantizer."""
    scales = 2.0 ** np.asarray([0, -1, 2, 1, -2, 0])
    proto = model(
        [
            node("Quant", "x half zero four", "q", signed=1, narrow=0, rounding_mode="ROUND"),
            node("Quant", "w scales zero four", "wq", signed=1, narrow=1, rounding_mode="ROUND"),
            node("MatMul", "q wq", "m"),
            node("Quant", "m eighth zero eight", "y", signed=1, narrow=0, rounding_mode="FLOOR"),
        ],
        {"x": [1, 70]},
        ("y",),
        [
            *(const(n, v) for n, v in (("half", 0.5), ("zero", 0.0), ("four", 4.0), ("eight", 8.0), ("eighth", 4.0))),
            const("scales", scales.reshape(1, 6)),
            const("w", RNG.integers(-7, 8, (70, 6)) * scales),
        ],
    )
    design = hwq.compile(proto)
    dense, requant = design.graph.nodes
    assert isinstance(dense.op, Dense)
    assert dense.op.coding.multiplies
    assert requant.op.kind == "multiply_shift"
    assert requant.op.macs(design.graph.ins(requant)) == 0
    assert "term << " in text_of(design, "vivado", requant.name)
    assert " * " not in text_of(design, "vivado", requant.name).split("elements:", 1)[1].split("\n", 1)[1]
    x = RNG.integers(-8, 8, (50, 70)) * 0.5
    weights = np.asarray(proto_weights(proto)) * 1.0
    assert np.array_equal(design.simulate(x), np.clip(np.floor(x @ weights / 4), -128, 127) * 4)


def proto_weights(proto: onnx.ModelProto) -> Any:
    (w,) = [onnx.numpy_helper.to_array(t) for t in proto.graph.initializer if t.name == "w"]
    return w.astype(np.float64)


def test_a_term_holds_both_signs_of_every_product():
    x = Edge.covering((1, 2), -8, 7, 2)
    assert Dense(np.asarray([[1], [-1]])).term(x) == FixedType(True, 5, 2)
    assert Dense(np.asarray([[1], [0]])).term(x) == FixedType(True, 4, 2)
    assert Dense(np.asarray([[4], [-32]]), frac=3).term(x) == FixedType(True, 10, 5)
