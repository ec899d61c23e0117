"""Scalar functions between two grids: every code of every function equals an independent evaluation at 200 digits."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import hwq
from hwq.build.toolchain import find_headers
from hwq.functions import FUNCTIONS, Applied, Code, RoundStep, Scaled, codes_of
from hwq.functions.arithmetic import Irrational
from hwq.functions.qkeras import QKERAS
from hwq.numeric.fixed import FixedType, Rounding
from hwq.numeric.rational import scalar
from hwq.targets import get_target

MP = mpmath.MPContext()
MP.dps = 200


def f32(value: float) -> Any:
    return MP.mpf(float(np.float32(value)))


def _relu(x: Any) -> Any:
    return x if x > 0 else MP.mpf(0)


SELU = f32(1.67326319217681884765625), f32(1.05070102214813232421875)

# (ONNX op, attributes, the function written down again, the domain's lower end or None)
CASES: dict[str, tuple[str, dict[str, Any], Callable[[Any], Any], float | None]] = {
    "Sigmoid": ("Sigmoid", {}, lambda x: MP.exp(x) / (1 + MP.exp(x)), None),
    "Tanh": ("Tanh", {}, lambda x: (MP.exp(2 * x) - 1) / (MP.exp(2 * x) + 1), None),
    "HardSigmoid": ("HardSigmoid", {"alpha": 0.2}, lambda x: min(max(f32(0.2) * x + 0.5, 0), 1), None),
    "HardSwish": ("HardSwish", {}, lambda x: x * min(max(x + 3, 0), 6) / 6, None),
    "Swish": ("Swish", {"alpha": 1.5}, lambda x: x / (1 + MP.exp(-f32(1.5) * x)), None),
    "Gelu": ("Gelu", {}, lambda x: x * (1 + MP.erf(x / MP.sqrt(2))) / 2, None),
    "GeluTanh": (
        "Gelu",
        {"approximate": "tanh"},
        lambda x: x * (1 + MP.tanh(MP.sqrt(2 / MP.pi) * (x + MP.mpf("0.044715") * x**3))) / 2,
        None,
    ),
    "Mish": ("Mish", {}, lambda x: x * MP.tanh(MP.log(1 + MP.exp(x))), None),
    "Softplus": ("Softplus", {}, lambda x: MP.log(1 + MP.exp(x)), None),
    "Softsign": ("Softsign", {}, lambda x: x / (1 + abs(x)), None),
    "Elu": ("Elu", {"alpha": 0.7}, lambda x: x if x > 0 else f32(0.7) * (MP.exp(x) - 1), None),
    "Selu": ("Selu", {}, lambda x: SELU[1] * (x if x > 0 else SELU[0] * (MP.exp(x) - 1)), None),
    "Celu": ("Celu", {"alpha": 2.0}, lambda x: _relu(x) + min(MP.mpf(0), 2 * (MP.exp(x / 2) - 1)), None),
    "LeakyRelu": ("LeakyRelu", {"alpha": 0.01}, lambda x: x if x > 0 else f32(0.01) * x, None),
    "LeakyRelu_po2": ("LeakyRelu", {"alpha": 0.25}, lambda x: x if x > 0 else x / 4, None),
    "ThresholdedRelu": ("ThresholdedRelu", {"alpha": 0.5}, lambda x: x if x > 0.5 else MP.mpf(0), None),
    "Shrink": (
        "Shrink",
        {"lambd": 1.0, "bias": 0.5},
        lambda x: x + 0.5 if x < -1 else x - 0.5 if x > 1 else MP.mpf(0),
        None,
    ),
    "Exp": ("Exp", {}, MP.exp, None),
    "Log": ("Log", {}, MP.log, 0.03125),
    "Sqrt": ("Sqrt", {}, MP.sqrt, 0.0),
    "Reciprocal": ("Reciprocal", {}, lambda x: 1 / x, 0.03125),
    "Abs": ("Abs", {}, abs, None),
    "Neg": ("Neg", {}, lambda x: -x, None),
    "Erf": ("Erf", {}, MP.erf, None),
    "Sin": ("Sin", {}, MP.sin, None),
    "Cos": ("Cos", {}, MP.cos, None),
    "Tan": ("Tan", {}, lambda x: MP.sin(x) / MP.cos(x), None),
    "Atan": ("Atan", {}, lambda x: MP.atan2(x, 1), None),
    "Sinh": ("Sinh", {}, lambda x: (MP.exp(x) - MP.exp(-x)) / 2, None),
    "Cosh": ("Cosh", {}, lambda x: (MP.exp(x) + MP.exp(-x)) / 2, None),
    "Asinh": ("Asinh", {}, lambda x: MP.sign(x) * MP.log(abs(x) + MP.sqrt(x * x + 1)), None),
    "Acosh": ("Acosh", {}, lambda x: MP.log(x + MP.sqrt(x * x - 1)), 1.0),
    "Floor": ("Floor", {}, MP.floor, None),
    "Ceil": ("Ceil", {}, MP.ceil, None),
    "Round": ("Round", {}, MP.nint, None),
    "Sign": ("Sign", {}, MP.sign, None),
}
INPUTS = (FixedType(True, 8, 5), FixedType(False, 6, 2), FixedType(True, 9, 4), FixedType(True, 4, -1))
OUTPUTS = (
    (8, 1, 2.0**-5, 0.0, "ROUND"),
    (6, 0, 0.1, 7.0, "ROUND"),
    (4, 1, 0.5, 0.0, "FLOOR"),
    (16, 1, 1e-3, 0.0, "CEIL"),
)


def nearest(value: Any, mode: str) -> int:
    """The mode's integer of a 200-digit value; closer to a tie than 10^-150 is a tie."""
    low = int(MP.floor(value + MP.mpf(10) ** -150))
    rest = value - low
    if abs(rest) < MP.mpf(10) ** -150:
        return low
    if mode == "FLOOR":
        return low
    if mode == "CEIL":
        return low + 1
    if abs(rest - 0.5) < MP.mpf(10) ** -150:
        return low + low % 2
    return low + int(rest > 0.5)


def wanted_codes(function: Callable[[Any], Any], x: np.ndarray, out: tuple[int, int, float, float, str]) -> list[int]:
    bits, signed, scale, zero, mode = out
    lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return [min(max(nearest(function(MP.mpf(float(v))) / f32(scale) + zero, mode), lo), hi) for v in x]


def quant_node(x: str, y: str, out: tuple[int, int, float, float, str], constants: list[Any]) -> onnx.NodeProto:
    bits, signed, scale, zero, mode = out
    names = [f"{y}_scale", f"{y}_zero", f"{y}_bits"]
    for name, value in zip(names, (scale, zero, float(bits)), strict=True):
        constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    attributes = {"signed": signed, "narrow": 0, "rounding_mode": mode}
    return helper.make_node("Quant", [x, *names], [y], name=y, domain="qonnx.custom_op.general", **attributes)


def model(
    nodes: list[Any], constants: list[Any], size: int, outputs: list[str], inputs: tuple[str, ...] = ("x",)
) -> Any:
    def info(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])

    graph = helper.make_graph(nodes, "g", [info(n) for n in inputs], [info(n) for n in outputs], constants)
    opsets = [helper.make_opsetid("", 24), helper.make_opsetid("qonnx.custom_op.general", 1)]
    return helper.make_model(graph, opset_imports=opsets)


def values_of(kind: FixedType) -> np.ndarray:
    return np.ldexp(np.arange(kind.lo, kind.hi + 1, dtype=np.float64), -kind.frac)


def spelled(kind: FixedType) -> str:
    return f"ap_{'' if kind.signed else 'u'}fixed<{kind.width},{kind.hls_integer}>"


def whole_model(kinds: list[str], x: np.ndarray) -> tuple[Any, dict[str, Any]]:
    """Each function of x (kept to its domain by a Clip) into each output type, as one model; and the codes it means."""
    nodes, constants, outputs, wanted = [], [], [], {}
    for kind in kinds:
        op, attributes, function, lower = CASES[kind]
        source, seen = "x", x
        if lower is not None:
            constants.append(numpy_helper.from_array(np.asarray(lower, dtype=np.float32), f"{kind}_lower"))
            nodes.append(helper.make_node("Clip", ["x", f"{kind}_lower"], [f"{kind}_in"], name=f"{kind}_clip"))
            source, seen = f"{kind}_in", np.maximum(x, lower)
        nodes.append(helper.make_node(op, [source], [f"{kind}_f"], name=kind, **attributes))
        for i, out in enumerate(OUTPUTS):
            y = f"{kind}_{i}"
            nodes.append(quant_node(f"{kind}_f", y, out, constants))
            outputs.append(y)
            wanted[y] = wanted_codes(function, seen, out)
    return model(nodes, constants, x.size, outputs), wanted


def unequal(design: Any, x: np.ndarray, wanted: dict[str, Any]) -> dict[str, int]:
    codes = design.simulate(x[None, :], codes=True)
    infos = {info.name: info for info in design.outputs}
    bad = {}
    for name, want in wanted.items():
        # A sum of code and zero point may be stored as either: compare the quantizer's integers.
        scale, zero = OUTPUTS[int(name[-1])][2:4]
        got = np.rint(
            (codes[name].astype(float) * float(infos[name].scale) + float(infos[name].offset)) / np.float32(scale)
        )
        bad[name] = int((got.reshape(-1) + zero != np.asarray(want)).sum())
    return {name: count for name, count in bad.items() if count}


@pytest.mark.parametrize("kind", INPUTS, ids=spelled)
@pytest.mark.parametrize("name", CASES)
def test_every_code_of_every_function_is_correctly_rounded(name: str, kind: FixedType):
    x = values_of(kind)
    proto, wanted = whole_model([name], x)
    design = hwq.compile(proto, {"input_types": {"x": spelled(kind)}})
    assert unequal(design, x, wanted) == {}


def test_every_function_of_the_table_has_a_case():
    elsewhere = {"GeluTanh", "PRelu", "Pow", "Exponential", "Asin", "Acos", "Atanh", *(f.name for f in QKERAS)}
    assert set(FUNCTIONS) <= {op for op, *_ in CASES.values()} | elsewhere


def test_all_functions_in_cpp_equal_the_simulator(tmp_path: Any):
    if find_headers(get_target("vivado")) is None:
        pytest.skip("no headers: pip install da4ml")
    x = values_of(INPUTS[0])
    proto, wanted = whole_model(list(CASES), x)
    design = hwq.compile(proto, {"input_types": {"x": spelled(INPUTS[0])}})
    assert unequal(design, x, wanted) == {}
    result = design.export(tmp_path / "p").verify(np.stack([x, x[::-1]]))
    assert result, str(result.first)


POWERS = {"square": 2.0, "cube": 3.0, "root": 0.5, "inverse": -1.0, "third": 0.3, "none": 0.0}


@pytest.mark.parametrize("exponent", POWERS.values(), ids=POWERS)
def test_constant_powers_are_correctly_rounded(exponent: float):
    whole = exponent == int(exponent)
    x = values_of(FixedType(True, 7, 4)) if whole and exponent >= 0 else values_of(FixedType(False, 7, 4))[1:]
    constants = [
        numpy_helper.from_array(np.float32(exponent), "p"),
        numpy_helper.from_array(np.float32(0.0625), "least"),
    ]
    nodes = [helper.make_node("Pow", ["x", "p"], ["f"], name="pow"), quant_node("f", "y", OUTPUTS[0], constants)]
    if not (whole and exponent >= 0):
        nodes[0].input[0] = "c"
        nodes.insert(0, helper.make_node("Clip", ["x", "least"], ["c"], name="clip"))
    kind = FixedType(True, 7, 4) if whole and exponent >= 0 else FixedType(False, 7, 4)
    design = hwq.compile(model(nodes, constants, x.size, ["y"]), {"input_types": {"x": spelled(kind)}})
    want = wanted_codes(lambda v: v ** f32(exponent), x, OUTPUTS[0])
    assert design.simulate(x[None], codes=True).reshape(-1).tolist() == want


INVERSES = {
    "Asin": lambda x: MP.atan2(x, MP.sqrt(1 - x * x)),
    "Acos": lambda x: MP.atan2(MP.sqrt(1 - x * x), x),
    "Atanh": lambda x: (MP.log(1 + x) - MP.log(1 - x)) / 2,
}


@pytest.mark.parametrize("op", INVERSES)
def test_functions_of_minus_one_to_one_are_correctly_rounded_up_to_their_ends(op: str):
    """Asin and Acos at both ends; Atanh, which has no value there, up to the codes before them."""
    kind = FixedType(True, 8, 7 if op == "Atanh" else 6)
    bound = 127 / 128 if op == "Atanh" else 1.0
    constants = [numpy_helper.from_array(np.float32(v), n) for n, v in (("lo", -bound), ("hi", bound))]
    nodes = [helper.make_node("Clip", ["x", "lo", "hi"], ["c"], name="c"), helper.make_node(op, ["c"], ["f"], name=op)]
    nodes.append(quant_node("f", "y", OUTPUTS[3], constants))
    x = values_of(kind)
    design = hwq.compile(model(nodes, constants, x.size, ["y"]), {"input_types": {"x": spelled(kind)}})
    want = wanted_codes(INVERSES[op], np.clip(x, -bound, bound), OUTPUTS[3])
    assert design.simulate(x[None], codes=True).reshape(-1).tolist() == want


@pytest.mark.parametrize(("op", "where"), [("Asin", "Clip"), ("Atanh", "Clip"), ("Acosh", "Clip")])
def test_functions_outside_their_domain_are_refused_with_a_remedy(op: str, where: str):
    constants: list[Any] = []
    nodes = [helper.make_node(op, ["x"], ["f"], name=op), quant_node("f", "y", OUTPUTS[0], constants)]
    with pytest.raises(hwq.HwqError, match=f"{op} is not defined at .* put a {where} before it"):
        hwq.compile(model(nodes, constants, 4, ["y"]), {"input_types": {"x": "ap_fixed<8,4>"}})


def test_a_constant_to_the_power_of_an_activation_is_correctly_rounded():
    x, constants = values_of(FixedType(True, 7, 4)), [numpy_helper.from_array(np.float32(2.0), "b")]
    nodes = [helper.make_node("Pow", ["b", "x"], ["f"], name="pow"), quant_node("f", "y", OUTPUTS[0], constants)]
    design = hwq.compile(model(nodes, constants, x.size, ["y"]), {"input_types": {"x": "ap_fixed<7,3>"}})
    assert design.simulate(x[None], codes=True).reshape(-1).tolist() == wanted_codes(
        lambda v: MP.mpf(2) ** v, x, OUTPUTS[0]
    )


@pytest.mark.parametrize("mode", Rounding)
def test_ties_of_rational_values_go_where_the_mode_says(mode: Rounding):
    """x/2 of a piecewise linear function meets a tie at every odd code: no float64 estimate can tell."""
    from oracles import rounded

    curve = Scaled(Applied(Code(), "PRelu", (scalar(Fraction(1, 2)),)), scalar(Fraction(1, 2)), scalar(0))
    codes = np.arange(-64, 64)
    step = RoundStep(mode, None, None)
    wanted = [rounded(Fraction(int(c), 4 if c < 0 else 2), mode) for c in codes]
    assert codes_of(curve, step, codes[None])[0].tolist() == wanted


@pytest.mark.parametrize(
    ("name", "floor", "ceil"), [("Sigmoid", 3, 4), ("Tanh", 3, 4), ("Erf", 3, 4), ("Softplus", 127, 127)]
)
def test_a_saturated_function_stays_below_its_limit_however_near_it_comes(name: str, floor: int, ceil: int):
    """1 - tanh(32767) needs 94,000 bits to tell from 0: that it is strictly below 1 has to be known, not computed."""
    curve = Scaled(Applied(Code(), name), scalar(4), scalar(0))
    for mode, wanted in ((Rounding.FLOOR, floor), (Rounding.CEIL, ceil)):
        step = RoundStep(mode, np.asarray([-128]), np.asarray([127]))
        assert codes_of(curve, step, np.asarray([[32767]]))[0, 0] == wanted


def test_a_limit_holds_for_irrational_arguments_too():
    curve = Scaled(Applied(Applied(Code(), "Exp"), "Erf"), scalar(4), scalar(0))
    step = RoundStep(Rounding.FLOOR, np.asarray([-128]), np.asarray([127]))
    assert codes_of(curve, step, np.asarray([[8, 40]])).tolist() == [[3, 3]]


def test_exact_values_are_rational_only_where_they_are_known_to_be():
    assert FUNCTIONS["Sigmoid"].exact(Fraction(0)) == Fraction(1, 2)
    assert FUNCTIONS["Sqrt"].exact(Fraction(9, 4)) == Fraction(3, 2)
    assert FUNCTIONS["Pow"].exact(Fraction(8), Fraction(2, 3)) == 4
    with pytest.raises(Irrational):
        FUNCTIONS["Sigmoid"].exact(Fraction(1))
    with pytest.raises(Irrational):
        FUNCTIONS["Sqrt"].exact(Fraction(2))


@pytest.mark.slow
@pytest.mark.parametrize("mode", [Rounding.HALF_EVEN, Rounding.FLOOR])
def test_a_table_of_16_bits_is_correctly_rounded(mode: Rounding):
    curve = Scaled(Applied(Scaled(Code(), scalar(Fraction(1, 4096)), scalar(0)), "Sigmoid"), scalar(65536), scalar(0))
    codes = np.arange(-32768, 32768)
    got = codes_of(curve, RoundStep(mode, np.asarray([0]), np.asarray([65535])), codes[None])[0]
    name = "FLOOR" if mode is Rounding.FLOOR else "ROUND"
    for code in range(-32768, 32768, 5):
        value = 65536 / (1 + MP.exp(-MP.mpf(code) / 4096))
        assert got[code + 32768] == min(nearest(value, name), 65535)
