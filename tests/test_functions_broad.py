"""Every function x a spread of input and output types, at every input code, against an evaluation of the test's own.

The formulas are those written down in test_functions, evaluated at 50 digits, and at 200 where that lies near a step;
nearer than 10^-150 is a tie. Codes follow from the rounding modes' definitions in integers; hwq evaluates nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import hwq
from hwq.functions import Applied, Code, RoundStep, Scaled, codes_of
from hwq.numeric.fixed import Rounding
from hwq.numeric.rational import scalar
from test_functions import CASES, INVERSES, MP, f32

# (bits, signed, scale, zero) of the input: 2..16 bits, binary points in and beside the word, real scales, zero points
INPUTS = (
    (2, 1, 1.0, 0.0),
    (3, 0, 0.37, 0.0),
    (5, 1, 2.0**-2, 0.0),
    (7, 1, 0.061, 3.0),
    (8, 0, 0.0235, 128.0),
    (8, 1, 2.0**-4, 0.0),
    (10, 1, 2.0**-7, 0.0),
    (12, 0, 0.0019, 1700.0),
    (16, 1, 2.0**-12, 0.0),
)
# (bits, signed, narrow, scale, zero, mode) of the outputs
OUTPUTS = (
    (8, 1, 0, 2.0**-5, 0.0, "ROUND"),
    (16, 1, 0, 2.0**-11, 0.0, "ROUND"),
    (16, 0, 0, 2.0**-16, 0.0, "HALF_UP"),
    (2, 1, 0, 0.5, 0.0, "ROUND"),
    (3, 1, 1, 0.25, 0.0, "UP"),
    (4, 0, 0, 0.11, 5.0, "FLOOR"),
    (6, 1, 1, 2.0**-4, 0.0, "HALF_DOWN"),
    (8, 0, 0, 0.0173, 13.0, "HALF_UP"),
    (8, 1, 0, 2.0**-3, 0.0, "DOWN"),
    (11, 1, 0, 0.0037, -40.0, "CEIL"),
)
WIDE_OUTPUTS = 3  # of inputs past ten bits
Output = tuple[int, int, int, float, float, str]

FUNCTIONS: dict[str, tuple[str, dict[str, Any], Callable[[Any], Any], float | None, float | None, float | None]] = {
    **{name: (op, attributes, of, lower, None, None) for name, (op, attributes, of, lower) in CASES.items()},
    **{name: (name, {}, of, -0.96875, 0.96875, None) for name, of in INVERSES.items()},
    "Square": ("Pow", {}, lambda x: x * x, None, None, 2.0),
    "Cube": ("Pow", {}, lambda x: x**3, None, None, 3.0),
    "Root": ("Pow", {}, MP.sqrt, 0.0, None, 0.5),
    "Inverse_square": ("Pow", {}, lambda x: 1 / (x * x), 0.125, None, -2.0),
    "PRelu": ("PRelu", {}, lambda x: x if x > 0 else f32(-0.3) * x, None, None, -0.3),
}


def integer(num: int, den: int, mode: str) -> int:
    """The mode's integer of num / den (den > 0), from its definition."""
    low, rest = divmod(num, den)
    if rest == 0 or mode == "FLOOR":
        return low
    if mode == "CEIL":
        return low + 1
    if mode in ("UP", "DOWN"):  # away from zero, towards zero
        return low + int((num > 0) == (mode == "UP"))
    if 2 * rest != den:
        return low + int(2 * rest > den)
    if mode == "ROUND":  # ties to even
        return low + low % 2
    return low + int((num > 0) == (mode == "HALF_UP"))  # ties away from zero, towards zero


def ratio(value: Any) -> tuple[int, int]:
    sign, mantissa, exponent, _ = MP.mpf(value)._mpf_
    whole = -int(mantissa) if sign else int(mantissa)
    return (whole << exponent, 1) if exponent >= 0 else (whole, 1 << -exponent)


class Evaluated:
    """A function at one point, with digits as they are needed."""

    def __init__(self, function: Callable[[Any], Any], x: Fraction) -> None:
        self.function, self.x = function, x
        self.quick = self.at(50)

    def at(self, digits: int) -> tuple[int, int]:
        with MP.workdps(digits):
            return ratio(self.function(MP.mpf(self.x.numerator) / self.x.denominator))

    def code(self, out: Output) -> int:
        bits, signed, narrow, scale, zero, mode = out
        lo, hi = (-(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1 - narrow)
        step = Fraction(float(np.float32(scale)))
        for digits, near in ((50, 10**40), (200, 10**150)):
            num, den = self.quick if digits == 50 else self.at(digits)
            num, den = num * step.denominator + int(zero) * den * step.numerator, den * step.numerator
            twice = (2 * num * 2 + den) // (2 * den)  # the nearest half
            if abs(2 * num - twice * den) * near > den:
                return min(max(integer(num, den, mode), lo), hi)
        return min(max(integer(twice, 2, mode), lo), hi)


def quant(x: str, y: str, kind: Output, constants: list[Any]) -> Any:
    bits, signed, narrow, scale, zero, mode = kind
    names = [f"{y}_{k}" for k in ("scale", "zero", "bits")]
    for name, value in zip(names, (scale, zero, float(bits)), strict=True):
        constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    attributes = {"signed": signed, "narrow": narrow, "rounding_mode": mode}
    return helper.make_node("Quant", [x, *names], [y], name=y, domain="qonnx.custom_op.general", **attributes)


def compiled(nodes: list[Any], constants: list[Any], size: int, outputs: list[str]) -> hwq.Design:
    def info(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])

    graph = helper.make_graph(nodes, "g", [info("x")], [info(n) for n in outputs], constants)
    opsets = [helper.make_opsetid("", 24), helper.make_opsetid("qonnx.custom_op.general", 1)]
    return hwq.compile(helper.make_model(graph, opset_imports=opsets))


def input_values(kind: tuple[int, int, float, float]) -> list[Fraction]:
    bits, signed, scale, zero = kind
    lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return [Fraction(float(np.float32(scale))) * (c - int(zero)) for c in range(lo, hi + 1)]


def stated(design: hwq.Design, codes: Any, name: str, out: Output) -> list[int]:
    """The quantizer's integers: a sum of code and zero point may be stored as either."""
    info = next(i for i in design.outputs if i.name == name)
    values = codes.reshape(-1).astype(float) * float(info.scale) + float(info.offset)
    return (np.rint(values / np.float32(out[3])).astype(np.int64) + int(out[4])).tolist()


def check(name: str, kind: tuple[int, int, float, float], outputs: tuple[Output, ...]) -> None:
    op, attributes, function, lower, upper, constant = FUNCTIONS[name]
    values, constants, nodes, source = input_values(kind), [], [], "q"
    nodes.append(quant("x", "q", (kind[0], kind[1], 0, kind[2], kind[3], "ROUND"), constants))
    if lower is not None:
        for label, bound in (("least", lower), ("most", upper)):
            if bound is not None:
                constants.append(numpy_helper.from_array(np.float32(bound), label))
        nodes.append(helper.make_node("Clip", ["q", "least", *(["most"] if upper else [])], ["c"], name="clip"))
        source = "c"
    if constant is not None:
        constants.append(numpy_helper.from_array(np.float32(constant), "parameter"))
    more = [] if constant is None else ["parameter"]
    nodes.append(helper.make_node(op, [source, *more], ["f"], name="f", **attributes))
    names = [f"y{i}" for i in range(len(outputs))]
    nodes += [quant("f", y, out, constants) for y, out in zip(names, outputs, strict=True)]
    design = compiled(nodes, constants, len(values), names)
    got = design.simulate(np.asarray([float(v) for v in values])[None], codes=True)
    got = got if isinstance(got, dict) else {names[0]: got}
    seen = [v if lower is None else max(v, Fraction(lower)) for v in values]
    seen = [v if upper is None else min(v, Fraction(upper)) for v in seen]
    points = {v: Evaluated(function, v) for v in seen}
    for y, out in zip(names, outputs, strict=True):
        assert stated(design, got[y], y, out) == [points[v].code(out) for v in seen], out


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_between_real_scales_and_zero_points(name: str):
    check(name, INPUTS[3], OUTPUTS[3:])


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_every_type_at_every_code(name: str, kind: tuple[int, int, float, float]):
    check(name, kind, OUTPUTS if kind[0] <= 10 else OUTPUTS[:WIDE_OUTPUTS])


@pytest.mark.slow
@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("u", [1, 63, 255])
def test_the_u_law_at_every_code_of_16_bits(u: int, mode: Rounding):
    """sign(x) ln(1 + u |x|) / ln(1 + u) of -2..2, to 8 bits."""
    curve = Scaled(
        Applied(Scaled(Code(), scalar(Fraction(1, 1 << 14)), scalar(0)), "ULaw", (scalar(u),)), scalar(100), scalar(0)
    )
    codes = np.arange(-(1 << 15), 1 << 15)
    got = codes_of(curve, RoundStep(mode, np.asarray([-128]), np.asarray([127])), codes[None])[0]
    names = {Rounding.HALF_EVEN: "ROUND", Rounding.FLOOR: "FLOOR", Rounding.CEIL: "CEIL", Rounding.AWAY: "UP"}
    names |= {Rounding.TO_ZERO: "DOWN", Rounding.HALF_AWAY: "HALF_UP", Rounding.HALF_TO_ZERO: "HALF_DOWN"}
    if mode not in names:
        pytest.skip("no QONNX mode: ties towards an infinity are checked with the step functions")
    out = (8, 1, 0, 0.01, 0.0, names[mode])

    def law(x: Any) -> Any:
        return MP.sign(x) * MP.log(1 + u * abs(x)) / MP.log(1 + MP.mpf(u)) * (100 * f32(0.01))

    assert got.tolist() == [Evaluated(law, Fraction(int(c), 1 << 14)).code(out) for c in codes]


LINKS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda x, k: x + k,
    "Sub": lambda x, k: x - k,
    "Mul": lambda x, k: x * k,
    "Div": lambda x, k: x / k,
    "Max": lambda x, k: max(x, k),
    "Min": lambda x, k: min(x, k),
}
ANYWHERE = ("Sigmoid", "Tanh", "Erf", "Softsign", "Gelu", "Swish", "HardSwish", "Atan", "Sin", "Softplus", "Elu", "Abs")


def check_chain(seed: int) -> None:
    """Two to six ops with constants, between two quantizers: one circuit, exact at every code."""
    rng = np.random.default_rng(seed)
    kind = INPUTS[int(rng.integers(2, 7))]
    constants: list[Any] = []
    nodes = [quant("x", "q", (kind[0], kind[1], 0, kind[2], kind[3], "ROUND"), constants)]
    links: list[Callable[[Any], Any]] = []
    for k in range(int(rng.integers(2, 7))):
        before, after = nodes[-1].output[0], f"t{k}"
        if k and rng.random() < 0.5:
            op = str(rng.choice(list(LINKS)))
            value = float(np.float32(rng.choice([0.3, -0.7, 1.5, 2.0, -0.25])))
            constants.append(numpy_helper.from_array(np.float32(value), f"k{k}"))
            nodes.append(helper.make_node(op, [before, f"k{k}"], [after], name=after))
            links.append(lambda x, op=op, v=value: LINKS[op](x, MP.mpf(v)))
        else:
            name = str(rng.choice(ANYWHERE))
            op, attributes, function, _ = CASES[name]
            nodes.append(helper.make_node(op, [before], [after], name=after, **attributes))
            links.append(function)
    out = OUTPUTS[int(rng.integers(len(OUTPUTS)))]
    nodes.append(quant(nodes[-1].output[0], "y", out, constants))
    values = input_values(kind)
    design = compiled(nodes, constants, len(values), ["y"])
    assert len(design.graph.nodes) <= 1, [str(n.op) for n in design.graph.nodes]

    def chain(x: Any) -> Any:
        for link in links:
            x = link(x)
        return x

    got = design.simulate(np.asarray([float(v) for v in values])[None], codes=True)
    assert stated(design, got, "y", out) == [Evaluated(chain, v).code(out) for v in values]


@pytest.mark.parametrize("seed", range(8))
def test_chains_of_functions_and_constants_are_one_exact_circuit(seed: int):
    check_chain(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8, 300))
def test_many_chains_of_functions_and_constants_are_one_exact_circuit(seed: int):
    check_chain(seed)
