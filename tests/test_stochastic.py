"""Quantizers that draw: the same bits in the quantizer, the simulator and C++, from a seed that has to be given."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import hwq
from conftest import Cli
from hwq.errors import HwqError
from hwq.ir.hardware import Edge
from hwq.models import qkeras_domain as onnx_ops
from hwq.numeric import xorshift as prng
from hwq.numeric.fixed import FixedType
from hwq.ops.draw import Draw
from hwq.quantizers import stochastic_round, stochastic_round_po2
from hwq.simulate.simulator import Simulator
from hwq.targets import HLS_TARGETS

ON_ACTIVATIONS = (
    "bernoulli()",
    "bernoulli(alpha=0.5,temperature=2.0)",
    "bernoulli(use_real_sigmoid=False)",
    "stochastic_binary()",
    "stochastic_binary(alpha=0.3,temperature=1.5)",
    "stochastic_binary(use_real_sigmoid=False,internal_sigmoid='smooth')",
    "stochastic_ternary()",
    "stochastic_ternary(alpha=0.3,threshold=0.0)",
    "stochastic_ternary(alpha=[1.0 0.5 2.0 0.25 0.7],threshold=0.6,temperature=3.0)",
    "stochastic_ternary(use_real_sigmoid=False)",
    "quantized_po2(4,use_stochastic_rounding=True)",
    "quantized_po2(5,0.75,use_stochastic_rounding=True)",
    "quantized_po2(4,3.0,quadratic_approximation=True,use_stochastic_rounding=True)",
    "quantized_relu_po2(3,quadratic_approximation=True,negative_slope=0.5,use_stochastic_rounding=True)",
    "quantized_po2(6,0.0005,use_stochastic_rounding=True)",
    "quantized_relu_po2(4,2.5,use_stochastic_rounding=True)",
    "quantized_relu_po2(4,4,negative_slope=0.25,use_stochastic_rounding=True)",
)
ON_WEIGHTS = (
    "bernoulli(alpha='auto')",
    "bernoulli(alpha=1.0)",
    "stochastic_binary(alpha='auto_po2')",
    "stochastic_ternary(alpha='auto')",
    "stochastic_ternary(alpha=0.75)",
    "quantized_po2(4,2.5,use_stochastic_rounding=True)",
)
TYPE = {"input_types": {"x": "ap_fixed<10,4>"}}


def proto(nodes: list[Any], constants: tuple[Any, ...] = (), shape: tuple[int, ...] = (1, 5)) -> Any:
    names = {i for n in nodes for i in n.input}
    outputs = [o for n in nodes for o in n.output if o not in names]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        list(constants),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), onnx_ops.opset()])


def everything(specs: tuple[str, ...] = ON_ACTIVATIONS) -> Any:
    """Every random quantizer as an activation of its own, each with an output, and one behind a product."""
    nodes = [onnx_ops.quantizer_node(spec, "x", f"y{k}", name=f"q{k}") for k, spec in enumerate(specs)]
    nodes.append(helper.make_node("stochastic_round", ["x"], ["r"], name="round", domain="qkeras", precision=0.25))
    nodes.append(helper.make_node("Clip", ["x", "least"], ["c"], name="clip"))
    nodes.append(helper.make_node("stochastic_round_po2", ["c"], ["p"], name="po2", domain="qkeras"))
    nodes.append(helper.make_node("MatMul", ["x", "w"], ["h"], name="product"))
    nodes.append(onnx_ops.quantizer_node("stochastic_binary(temperature=0.25)", "h", "z", name="hidden"))
    weights = np.asarray([[1, -2], [3, 0], [1, 1], [-4, 2], [0, 5]], dtype=np.float32) / 4
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.float32(1 / 16), "least")]
    return proto(nodes, tuple(constants))


def inputs(samples: int = 40) -> np.ndarray:
    return np.random.default_rng(4).integers(-512, 512, (samples, 5)) / 64


@pytest.mark.parametrize("spec", ON_ACTIVATIONS)
def test_an_activation_draws_what_the_quantizer_draws(spec: str) -> None:
    design = hwq.compile(proto([onnx_ops.quantizer_node(spec, "x", "y", name="q")]), {**TYPE, "stochastic": 7})
    assert np.array_equal(design.simulate(inputs()).astype(np.float32), hwq.quantizer(spec)(inputs(), seed=7))


def test_random_rounding_draws_what_the_functions_draw() -> None:
    y = hwq.compile(everything(), {**TYPE, "stochastic": 11}).simulate(inputs())
    random = len(ON_ACTIVATIONS)
    assert np.array_equal(y["r"], stochastic_round(inputs(), 0.25, seed=11 + random))
    assert np.array_equal(y["p"], stochastic_round_po2(np.maximum(inputs(), 1 / 16), seed=12 + random))


def test_random_powers_are_the_clipped_exponents_of_the_function() -> None:
    x = np.where(inputs() == 0, 1, inputs())
    exponents = np.clip(stochastic_round_po2(np.abs(x), seed=9), -4, 3)
    drawn = hwq.quantizer("quantized_po2(4,use_stochastic_rounding=True)")(x, seed=9)
    assert np.array_equal(drawn, np.sign(x) * np.exp2(exponents))


def test_a_value_is_the_mean_of_the_powers_that_all_words_of_the_generator_draw(monkeypatch: Any) -> None:
    bits = 12
    monkeypatch.setattr(prng, "RANDOM_BITS", bits)
    monkeypatch.setattr(prng, "outputs", lambda seed, count: np.arange(count, dtype=np.uint32) << np.uint32(32 - bits))
    q = hwq.quantizer("quantized_po2(4,use_stochastic_rounding=True)")
    for value in (2.75, -0.1875, 1.0, 4 + 1 / 512, 0.0, 300.0):
        drawn = q(np.full(1 << bits, value), seed=1)
        bounded = np.copysign(np.clip(abs(value), 1 / 16, 8), value)
        assert drawn.astype(np.float64).mean() == bounded
        assert len(set(drawn.tolist())) == (1 if np.log2(abs(bounded)) % 1 == 0 else 2)


def every_pair(bits: int) -> Any:
    """A generator in place of the real one, that gives all pairs of words of this many bits, one after another."""
    words = np.stack(np.meshgrid(np.arange(1 << bits), np.arange(1 << bits), indexing="ij"), -1).reshape(-1)
    return lambda seed, count: words.astype(np.uint32) << np.uint32(32 - bits)


@pytest.mark.parametrize("mode", ["hard", "smooth", "real"])
@pytest.mark.parametrize("alpha", ["None", "'auto'"])
def test_ternary_codes_are_half_sums_of_two_signs_over_all_pairs_of_words(
    mode: str, alpha: str, monkeypatch: Any
) -> None:
    bits, heat = 6, 3.0
    monkeypatch.setattr(prng, "RANDOM_BITS", bits)
    monkeypatch.setattr(prng, "outputs", every_pair(bits))
    options = f"alpha={alpha},temperature={heat},use_real_sigmoid={mode == 'real'}"
    q = hwq.quantizer(f"stochastic_ternary({options},internal_sigmoid={'hard' if mode == 'real' else mode!r})")
    slope, deviation, cut = {"hard": 0.5, "smooth": 0.1875, "real": 0.0}[mode], 1.0, float(np.float32(0.33))
    if alpha != "None":
        q.fit(np.float32([[-1], [0.25], [1]]))
        monkeypatch.setattr("hwq.quantizers.ternary.spread", lambda x: np.float32(0.75))
        deviation, cut = 0.75, float(q.scale.reshape(())) / 2
    for value in (-1.5, -0.3125, 0.0, 0.25, 0.75):
        codes = q.sample_codes(np.full((1 << 2 * bits, 1), value, dtype=np.float32), 1)
        hot = [heat * (value + c) / deviation for c in (-cut, cut)]
        chances = [1 / (1 + np.exp(-h)) if mode == "real" else min(max(slope * h + 0.5, 0), 1) for h in hot]
        first, second = (round(c * (1 << bits)) for c in chances)
        missed = [(1 << bits) - n for n in (first, second)]
        assert [(codes == c).sum() for c in (-1, 1)] == [missed[0] * missed[1], first * second]
        assert codes.mean() * (1 << bits) == first + second - (1 << bits)  # E[k] = p0 + p1 - 1


def test_two_words_in_a_row_are_together_uniform_to_sixteen_bits_each() -> None:
    """The map from a state to the high halves of its and the next word is linear over GF(2): here, of full rank."""
    states = np.uint32(1) << np.arange(32, dtype=np.uint32)
    left = [(int(a) >> 16) << 16 | int(b) >> 16 for a, b in zip(states, prng.step(states), strict=True)]
    for column in range(32):
        pivot = max(left, key=lambda v: v.bit_length())
        assert pivot, f"rank {column}"
        left.remove(pivot)
        top = pivot.bit_length() - 1
        left = [v ^ pivot if v >> top & 1 else v for v in left]


def test_a_chance_has_as_many_words_below_it_as_it_says() -> None:
    """Over all 2**24 words at once, as the kernel compares them."""
    words = np.arange(1 << prng.RANDOM_BITS, dtype=np.uint32)
    for chance in (0, 1, 12345678, (1 << 24) - 1, 1 << 24):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(prng, "outputs", lambda seed, count, after: words << np.uint32(8))
            edge = Edge((1, words.size), FixedType(False, 25, 24), 0, 1 << 24)
            (bits,) = Draw(1).prepare((edge,))(np.full((1, words.size), chance))
        assert bits.sum() == chance


@pytest.mark.parametrize(
    "spec",
    [
        "quantized_bits(4,1,use_stochastic_rounding=True)",
        "quantized_linear(4,1,use_stochastic_rounding=True)",
        "quantized_relu(4,1,use_stochastic_rounding=True)",
        "quantized_sigmoid(4,use_stochastic_rounding=True)",
        "quantized_tanh(4,use_stochastic_rounding=True)",
        "quantized_hswish(4,1,use_stochastic_rounding=True)",
    ],
)
def test_what_the_package_never_draws_is_not_drawn_with_a_seed(spec: str) -> None:
    """`use_stochastic_rounding` changes nothing in the package, in training neither (SEMANTICS 1): nor does a seed."""
    made = proto([onnx_ops.quantizer_node(spec, "x", "y", name="q")])
    design = hwq.compile(made, {**TYPE, "stochastic": 1})
    assert not design.graph.draws
    assert np.array_equal(design.simulate(inputs()).astype(np.float32), hwq.quantizer(spec)(inputs()))


def test_an_automatic_scale_on_an_activation_is_refused_with_a_seed_too() -> None:
    made = proto([onnx_ops.quantizer_node("stochastic_ternary(alpha='auto')", "x", "y", name="q")])
    with pytest.raises(HwqError, match="its scale would depend on the data"):
        hwq.compile(made, {**TYPE, "stochastic": 1})


def test_with_the_quadratic_approximation_the_root_is_the_mean_of_the_roots(monkeypatch: Any) -> None:
    bits = 12
    monkeypatch.setattr(prng, "RANDOM_BITS", bits)
    monkeypatch.setattr(prng, "outputs", lambda seed, count: np.arange(count, dtype=np.uint32) << np.uint32(32 - bits))
    q = hwq.quantizer("quantized_po2(4,quadratic_approximation=True,use_stochastic_rounding=True)")
    for value in (2.75, -0.1875, 4.0, 3.0, 1 / 512, 300.0):
        drawn = q(np.full(1 << bits, value), seed=1).astype(np.float64)
        root = min(max(np.sqrt(abs(value)), 1 / 16), 4)
        low = np.exp2(np.floor(np.log2(root)))
        assert (np.sqrt(np.abs(drawn)) > low).sum() == round((root / low - 1) * (1 << bits))
        assert set(np.sqrt(np.abs(drawn)).tolist()) <= {low, 2 * low}
        assert set(np.sign(drawn).tolist()) == {np.sign(value)}
    assert set(q(np.zeros(9), seed=1).tolist()) == {1 / 16}  # below 1e-7 the exponent is not doubled


def chance_of(z: Fraction, low: int, high: int, step: int) -> int:
    """2**24 times the chance of the upper power (step 2: of the root's), rounded half to even."""
    place = next(
        (e for e in range(low, high) if Fraction(2) ** (step * e) <= z < Fraction(2) ** (step * (e + 1))), None
    )
    if place is None:
        return 0
    rest = z / Fraction(2) ** (step * place)
    if step == 1:
        return round((rest - 1) * 2**24)
    twice = isqrt(int(rest * 2**50))  # rest is a multiple of 2**-50
    assert twice % 2 == 0 or twice**2 != rest * 2**50  # no tie
    return (twice + 1) // 2 - 2**24


def test_chances_of_powers_are_exact_at_every_code_of_an_activation() -> None:
    """What hardware compares the words with, against integer square roots and divisions."""
    spec = "quantized_po2(5,100,quadratic_approximation={},use_stochastic_rounding=True)"
    codes = np.arange(-2048, 2048)
    for quadratic in (False, True):
        node = onnx_ops.quantizer_node(spec.format(quadratic), "x", "y", name="q")
        design = hwq.compile(proto([node], shape=(1, 1)), {"input_types": {"x": "ap_fixed<12,8>"}, "stochastic": 1})
        (draw,) = [n for n in design.graph.nodes if n.op.draws]
        ready = Simulator(design.graph)
        found = ready.run(ready.quantized(codes.reshape(-1, 1, 1) / 16), keep=True)[draw.inputs[0]].reshape(-1)
        for code, chance in zip(codes.tolist(), found.tolist(), strict=True):
            most = 6 if quadratic else 7
            assert chance == chance_of(min(Fraction(abs(code), 16), Fraction(100)), -8, most, 2 if quadratic else 1)


def test_draws_of_powers_too_far_apart_are_refused_by_name() -> None:
    spec = "quantized_po2(7,use_stochastic_rounding=True)"
    made = proto([onnx_ops.quantizer_node(spec, "x", "y", name="q")])
    with pytest.raises(HwqError, match=r"powers of two from 2\^-32 to 2\^31"):
        hwq.compile(made, {**TYPE, "stochastic": 1})


def test_a_seed_has_no_use_where_the_logarithm_is_rounded_down() -> None:
    spec = "quantized_po2(4,log2_rounding='floor',use_stochastic_rounding=True)"
    with pytest.raises(HwqError, match="a seed has no use"):
        hwq.quantizer(spec)(inputs(), seed=1)
    design = hwq.compile(proto([onnx_ops.quantizer_node(spec, "x", "y", name="q")]), {**TYPE, "stochastic": 1})
    assert np.array_equal(design.simulate(inputs()).astype(np.float32), hwq.quantizer(spec)(inputs()))


@pytest.mark.parametrize("spec", ON_WEIGHTS)
def test_weights_are_drawn_once_from_the_seed(spec: str) -> None:
    values = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    nodes = [
        onnx_ops.quantizer_node(spec, "w", "wq", name="q"),
        helper.make_node("MatMul", ["x", "wq"], ["y"], name="product"),
    ]
    made = proto(nodes, (numpy_helper.from_array(values, "w"),))
    design = hwq.compile(made, {**TYPE, "stochastic": 3})
    q = hwq.quantizer(spec)
    drawn = q(values, seed=3).astype(np.float64)
    assert np.allclose(design.simulate(inputs()), inputs() @ drawn, rtol=1e-6, atol=1e-6)
    assert not design.graph.draws  # nothing is left to draw in hardware
    assert len({design.weights_digest(), hwq.compile(made, {**TYPE, "stochastic": 4}).weights_digest()}) == 2


@pytest.mark.parametrize("io", ["parallel", "stream"])
@pytest.mark.parametrize("target", sorted(HLS_TARGETS))
def test_cpp_draws_the_same_bits(target: str, io: str, tmp_path: Path) -> None:
    specs = ON_ACTIVATIONS[1::2] if io == "stream" else ON_ACTIVATIONS
    design = hwq.compile(everything(specs), {**TYPE, "stochastic": 1, "io": io})
    project = design.export(tmp_path / "p", target)
    result = project.verify(inputs())
    assert result, str(result.first)
    assert result.codes == 40 * (5 * (len(specs) + 2) + 2)
    assert project.verify(inputs(), types="native")


def test_the_emulator_and_large_batches_start_over_each_time() -> None:
    design = hwq.compile(everything(), {**TYPE, "stochastic": 1})
    x = np.tile(inputs(), (700, 1))  # several pieces in the simulator
    want, emulator = design.simulate(x, codes=True), design.emulator()
    for _ in range(2):
        got = emulator(x, codes=True)
        assert all(np.array_equal(want[name], got[name]) for name in want)
    first = design.simulate(x[:9], codes=True)
    assert all(np.array_equal(first[name], want[name][:9]) for name in want)


def test_seeds_and_layers_draw_apart() -> None:
    nodes = [onnx_ops.quantizer_node("bernoulli()", "x", f"y{k}", name=f"q{k}") for k in range(2)]
    zeros = np.zeros((200, 5))
    a, b = (hwq.compile(proto(nodes), {**TYPE, "stochastic": s}).simulate(zeros) for s in (5, 500))
    kinds = [a["y0"], a["y1"], b["y0"], b["y1"]]
    for i, left in enumerate(kinds):
        assert abs(left.mean() - 0.5) < 0.05
        for right in kinds[:i]:
            assert 0.4 < (left == right).mean() < 0.6
    assert any(not np.array_equal(left[0], left[1]) for left in kinds)  # samples differ too


def test_outputs_after_many_are_those_of_one_long_run() -> None:
    long = prng.outputs(9, 5000)
    for after in (0, 1, 2, 63, 64, 1000, 4999):
        assert np.array_equal(prng.outputs(9, 5000 - after, after), long[after:])


def test_without_a_seed_bernoulli_is_refused_and_the_others_are_deterministic(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(proto([onnx_ops.quantizer_node("bernoulli()", "x", "y", name="q")]).SerializeToString())
    refused = cli("export", str(path), "-o", str(tmp_path / "p"), "--input-type", "x=ap_fixed<10,4>")
    assert refused.exit_code == 2
    assert "draw with --stochastic SEED" in refused.stderr
    made = cli("export", str(path), "-o", str(tmp_path / "p"), "--input-type", "x=ap_fixed<10,4>", "--stochastic", "3")
    assert made.exit_code == 0
    assert cli("verify", str(tmp_path / "p"), "--types", "native").exit_code == 0
    for spec in ON_ACTIVATIONS[3:]:
        plain = hwq.compile(proto([onnx_ops.quantizer_node(spec, "x", "y", name="q")]), TYPE)
        assert not plain.graph.draws
        assert np.array_equal(plain.simulate(inputs()).astype(np.float32), hwq.quantizer(spec)(inputs()))


def test_a_wrong_draw_is_found_at_its_sample(tmp_path: Path) -> None:
    nodes = [onnx_ops.quantizer_node("bernoulli()", "x", "y", name="q")]
    project = hwq.compile(proto(nodes), {**TYPE, "stochastic": 1}).export(tmp_path / "p")
    source = next((tmp_path / "p" / "src").glob("layers.h"))
    text = source.read_text()
    assert "state << 5;" in text
    source.write_text(text.replace("state << 5;", "state << 6;"))
    result = project.verify(np.zeros((30, 5)))
    assert not result
    assert result.first is not None
    assert result.first.node == "q"
