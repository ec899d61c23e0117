"""Quantizers: the text grammar and its traps, types, code words, and laws that hold for every parameter."""

from __future__ import annotations

import decimal
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hwq.cli.quantizer import quantizer_command
from hwq.errors import HwqError, SpecError, UnsupportedError
from hwq.numeric import xorshift as prng
from hwq.numeric.fixed import FixedType, Overflow, Rounding, requantize
from hwq.quantizers import (
    QUANTIZERS,
    Quantizer,
    get_quantized_initializer,
    get_quantizer,
    get_weight_scale,
    parse_type,
    quantizer,
    smooth,
    stochastic_round,
    stochastic_round_po2,
    type_spec,
)
from hwq.quantizers.describe import describe, markdown, unquantized

EXAMPLES = (
    "quantized_bits(8,0,1)",
    "quantized_bits(4,2,keep_negative=0)",
    "quantized_bits(1)",
    "quantized_bits(6,-1,alpha=0.25)",
    "quantized_bits(4,0,1,alpha=[0.5 1.0 0.25 3.0])",
    "quantized_bits(4,alpha='auto')",
    "quantized_bits(5,1,alpha='auto_po2',scale_axis=1,elements_per_scale=2,min_po2_exponent=-4,max_po2_exponent=1)",
    "quantized_linear(4,1,alpha=0.5)",
    "quantized_linear(1)",
    "quantized_linear(5,alpha='auto_po2')",
    "quantized_relu(6,2)",
    "quantized_relu(5,-2.0,negative_slope=0.125)",
    "quantized_relu(4,0,1)",
    "quantized_relu(6,3,relu_upper_bound=5.3,is_quantized_clip=0)",
    "quantized_sigmoid(6)",
    "quantized_sigmoid(6,1,1)",
    "quantized_tanh(6)",
    "quantized_tanh(8,use_real_tanh=True)",
    "quantized_ulaw(6,1)",
    "quantized_hswish(8,2)",
    "quantized_po2(4)",
    "quantized_po2(5,1,quadratic_approximation=True)",
    "quantized_relu_po2(4,2,negative_slope=0.25)",
    "binary",
    "binary(use_01=True,alpha='auto')",
    "ternary(threshold=0.5)",
    "ternary(alpha='auto_po2')",
    "stochastic_binary(alpha=2.0)",
    "stochastic_ternary(alpha='auto')",
    "binary_sigmoid",
    "binary_tanh",
)


def data(seed: int = 0, shape: tuple[int, ...] = (50, 4)) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(seed).normal(size=shape) * 2).astype(np.float32)


# -- the grammar ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("quantized_bits(8,0,1,alpha=auto)", "unquoted text"),
        ("quantized_bits(8,0,alpha=(1))", "second '\\('"),
        ("quantized_bits(8,0,alpha='auto' )", "a blank after the value"),
        ("quantized_bits(8,0,keep_negative=False ,symmetric=1)", "a blank after the value"),
        ("quantized_bits(8,0,alpha=None )", "a blank after the value"),
        ("quantized_bits(8,0)  ", "blanks around"),
        (" quantized_bits(8,0)", "blanks around"),
        ("quantized_bits (8,0)", "after the name"),
        ("quantized_bits(8,0)x", "text after '\\)'"),
        ("quantized_bits(8,0", "not closed"),
        ("quantized_bits(8,,0)", "empty argument"),
        ("quantized_bits(8,0,)", "empty argument"),
        ("quantized_bits(8,integer=0,1)", "positional value after a keyword"),
        ("quantized_bits(8,bits=4)", "given twice"),
        ("quantized_bits(integer=1,integer=2)", "given twice"),
        ("quantized_bits(8,alpha=[0,1])", "comma within a list"),
        ("quantized_bits(8,alpha=[1])", "one-element list"),
        ("quantized_bits(8,alpha=[1 a])", "in a list"),
        ("quantized_bits(8,alpha=[1 2)", "not closed|not a list"),
        ("quantized_bits(8,alpha=[1 2]])", "text after the list"),
        ("quantized_bits(8,alpha=)", "without a value"),
        ("quantized_bits(8,alpha=1e999)", "too large"),
        ("quantized_bits(8,alpha='a'b')", "quoted text|not closed"),
        ("quantized_bits(8,alpha=__import__)", "unquoted text"),
        ("quantized_bits(8,no_such=1)", "no parameter"),
        ("quantized_bits(1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8)", "positional values"),
        ("quantized_bits(0)", "bits=0"),
        ("quantized_bits(-3)", "bits=-3"),
        ("quantized_bits(8.5)", "bits=8.5"),
        ("quantized_bits(99999999999999999999999)", "bits="),
        ("quantized_bits(8,symmetric=2)", "symmetric=2"),
        ("quantized_bits(8,alpha='automatic')", "alpha="),
        ("nosuch(3)", "unknown quantizer"),
        ("soft_sigmoid", "unknown quantizer"),
        ("hard_tanh()", "function of x"),
        ("stochastic_round", "random"),
        ("", "does not begin"),
        ("(8)", "does not begin"),
        ("quantized_po2(4,0)", "max_value=0"),
        ("quantized_po2(4,1e-60)", "max_value=1e-60"),
        ("quantized_relu_po2(4,2,negative_slope=1e-60)", "negative_slope=1e-60"),
        ("quantized_po2(1)", "no exponent"),
        ("quantized_hswish(8,alpha='auto')", "depend on the batch"),
        ("quantized_bits(1,alpha='auto')", "NaN"),
        ("quantized_relu(4,negative_slope=0.3)", "negative_slope=0.3"),
    ],
)
def test_a_trap_is_an_error_of_one_line_with_a_remedy(text: str, reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        quantizer(text)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("quantized_bits", "quantized_bits(8,0,0)"),
        ("quantized_bits()", "quantized_bits(8,0,0)"),
        ("quantized_bits( 4 , 1 , symmetric = 1)", "quantized_bits(4,1,1)"),
        ("quantized_bits(8.0,1e0)", "quantized_bits(8,1)"),
        ('quantized_bits(4,0,True,alpha="auto")', "quantized_bits(4,0,1,alpha='auto')"),
        ("quantized_bits(4,alpha=[1 2.5 -3e-1])", "quantized_bits(4,alpha=[ 1  2.5 -0.3 ])"),
        ("quantized_bits(4,alpha=1 )", "quantized_bits(4,alpha=1)"),
    ],
)
def test_spellings_of_one_quantizer_are_equal(text: str, same: str) -> None:
    assert quantizer(text) == quantizer(same)
    assert hash(quantizer(text)) == hash(quantizer(same))


def test_every_form_of_a_spec_gives_the_same_quantizer() -> None:
    q = quantizer("quantized_relu(6,2,negative_slope=0.25)")
    config = {"bits": 6, "integer": 2, "negative_slope": 0.25}
    assert quantizer({"class_name": "quantized_relu", "config": config}) == q
    registered = {"module": "qkeras.quantizers", "class_name": "quantized_relu", "config": config}
    assert quantizer({**registered, "registered_name": "qkeras>quantized_relu"}) == q
    assert quantizer({"module": None, "registered_name": "qkeras>quantized_relu", "config": config}) == q
    assert quantizer({"class_name": "quantized_relu", "config": config, "__passive_serialization__": True}) == q
    assert quantizer("quantized_relu", **config) == q
    assert quantizer(q) is q
    assert get_quantizer(q) is q
    assert get_quantizer(None) is None
    assert get_quantizer(str(q)) == q
    assert quantizer({"class_name": "function", "config": "hard_tanh"}) == quantizer("hard_tanh")


@pytest.mark.parametrize("spec", [None, 3, [], {}, {"class_name": 3}, {"class_name": "binary", "config": 1}, b"binary"])
def test_what_is_no_spec_is_refused(spec: Any) -> None:
    with pytest.raises(SpecError):
        quantizer(spec)


def quantizer_or_message(spec: str) -> Quantizer | str:
    try:
        return quantizer(spec)
    except HwqError as error:
        return str(error)


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_after_a_name_parses_or_is_refused_in_one_line(text: str) -> None:
    for spec in (text, f"quantized_bits({text})", f"quantized_bits(4,alpha={text})"):
        outcome = quantizer_or_message(spec)
        if isinstance(outcome, Quantizer):
            assert quantizer(str(outcome)) == outcome
        else:
            assert len(outcome.splitlines()) == 1


@pytest.mark.parametrize("spec", EXAMPLES)
def test_text_and_config_round_trip(spec: str) -> None:
    q = quantizer(spec)
    assert quantizer(str(q)) == q
    assert quantizer({"class_name": q.NAME, "config": json.loads(json.dumps(q.config))}) == q


def test_the_internal_sigmoid_is_an_argument_and_survives_the_round_trip() -> None:
    q = quantizer("quantized_sigmoid(8)", internal_sigmoid="smooth")
    assert q != quantizer("quantized_sigmoid(8)")
    assert quantizer(str(q)) == q
    assert quantizer({"class_name": q.NAME, "config": q.config}) == q
    assert "internal_sigmoid" not in quantizer("quantized_sigmoid(8)").config
    assert quantizer("quantized_bits(8)", internal_sigmoid="real") == quantizer("quantized_bits(8)")
    with pytest.raises(SpecError, match="both"):
        quantizer("quantized_sigmoid(8,internal_sigmoid='hard')", internal_sigmoid="real")
    with pytest.raises(SpecError, match="internal_sigmoid"):
        quantizer("quantized_sigmoid(8)", internal_sigmoid="soft")


def test_nested_lists_have_a_spelling() -> None:
    q = quantizer("quantized_bits", bits=4, alpha=[[0.5], [1.0]])
    assert quantizer(str(q)) == q
    assert q.scale is not None
    assert q.scale.shape == (2, 1)


# -- types ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "width", "frac", "signed"),
    [
        ("ap_fixed<8,1>", 8, 7, True),
        ("ap_ufixed< 6 , -2 >", 6, 8, False),
        ("ap_int<5>", 5, 0, True),
        ("ap_uint<5>", 5, 0, False),
        ("ac_fixed<8,3,false>", 8, 5, False),
        ("ac_fixed<8,10,1>", 8, -2, True),
        ("ac_int<4,false>", 4, 0, False),
        ("int8", 8, 0, True),
        ("uint4", 4, 0, False),
        ("s8.7", 8, 7, True),
        ("s8.-2", 8, -2, True),
        ("u4", 4, 0, False),
    ],
)
def test_a_type_without_modes_rounds_to_even_and_saturates(text: str, width: int, frac: int, signed: bool) -> None:
    assert parse_type(text) == (FixedType(signed, width, frac), Rounding.HALF_EVEN, Overflow.SATURATE)
    assert type_spec(text) == parse_type(text)


@given(
    st.booleans(),
    st.integers(1, 64),
    st.integers(-70, 70),
    st.sampled_from(list(Overflow)),
    st.sampled_from([r for r in Rounding if r not in (Rounding.CEIL, Rounding.AWAY)]),
)
def test_every_vendor_spelling_parses_back(
    signed: bool, width: int, frac: int, over: Overflow, rounding: Rounding
) -> None:
    from hwq.targets import TYPE_STYLES

    ftype = FixedType(signed, width, frac)
    if over is Overflow.SATURATE_SYMMETRIC and signed and width == 1:
        with pytest.raises(UnsupportedError):
            TYPE_STYLES["vivado"].conversion(ftype, rounding, over)
        return
    expected = Overflow.SATURATE if over is Overflow.SATURATE_SYMMETRIC and not signed else over
    for style in TYPE_STYLES.values():
        assert parse_type(style.conversion(ftype, rounding, over)) == (ftype, rounding, expected)
        assert parse_type(style.storage(ftype))[0] == ftype
    assert parse_type(str(ftype))[0] == ftype


@pytest.mark.parametrize(
    "text",
    [
        "ap_fixed<8>",
        "ap_fixed<0,1>",
        "ap_fixed<8,1,RND>",
        "ap_fixed<8,1,AC_RND>",
        "ap_fixed<8,1,AP_RND,AP_NO>",
        "int",
        "s8.",
        "float",
        "ap_fixed<8,1,AP_RND,AP_SAT,3>",
        "ac_fixed<8,1,maybe>",
        "ap_int<x>",
        "ap_int<8,true>",
        "",
        "s99999",
        "ap_fixed<8,1> x",
    ],
)
def test_a_wrong_type_spelling_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        type_spec(text)


def test_a_quantizer_with_a_grid_is_a_type_and_others_are_refused_by_name() -> None:
    even, saturate, symmetric = Rounding.HALF_EVEN, Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC
    assert type_spec("quantized_bits(8,0)") == (FixedType(True, 8, 7), even, saturate)
    assert type_spec("quantized_bits(8,0,1,alpha=1.0)") == (FixedType(True, 8, 7), even, symmetric)
    assert type_spec("quantized_linear(8,0,alpha=0.25)") == (FixedType(True, 8, 9), even, symmetric)
    assert type_spec("quantized_relu(6,2)") == (FixedType(False, 6, 4), even, saturate)
    assert type_spec("quantized_sigmoid(6)") == (FixedType(False, 6, 6), even, saturate)
    assert type_spec("quantized_tanh(6)") == (FixedType(True, 6, 5), even, saturate)
    for spec in (
        "binary",
        "quantized_po2(4)",
        "quantized_bits(8,alpha='auto')",
        "quantized_relu(8,negative_slope=0.25)",
    ):
        with pytest.raises(SpecError, match=spec.split("(")[0]):
            type_spec(spec)


def test_the_integer_of_qkeras_does_not_count_the_sign() -> None:
    assert quantizer("quantized_bits(8,0)").hls("vivado") == "ap_fixed<8,1,AP_RND_CONV,AP_SAT>"
    assert quantizer("quantized_bits(8,0,1)").hls("catapult") == "ac_fixed<8,1,true,AC_RND_CONV,AC_SAT_SYM>"
    assert quantizer("quantized_bits(8,0,keep_negative=0)").hls("vitis") == "ap_ufixed<8,0,AP_RND_CONV,AP_SAT>"
    assert quantizer("binary").hls("vivado") == "ap_ufixed<1,1>"
    with pytest.raises(SpecError, match="unknown target"):
        quantizer("binary").hls("quartus")


# -- laws -----------------------------------------------------------------------------------------------------------


def test_ties_round_to_even() -> None:
    q = quantizer("quantized_bits(4,3)")
    assert q.encode([0.5, 1.5, 2.5, -0.5, -1.5, -2.5]).tolist() == [0, 2, 2, 0, -2, -2]


def test_ties_of_auto_scales_round_away_from_zero() -> None:
    q = quantizer("quantized_bits(3,0,alpha='auto')")
    x = np.array([[3.0], [0.5], [-0.5], [1.5], [-1.5]])
    assert q.encode(x).reshape(-1).tolist() == [3, 1, -1, 2, -2]


@pytest.mark.parametrize(
    "spec",
    [
        "quantized_bits(8,0,1)",
        "quantized_bits(4,2,keep_negative=0)",
        "quantized_bits(1)",
        "quantized_bits(4,alpha='auto')",
        "quantized_bits(5,1,alpha='auto_po2',scale_axis=1,min_po2_exponent=-4,max_po2_exponent=1)",
        "quantized_linear(4,1,alpha=0.3)",
        "quantized_linear(4,1,alpha=[0.3 0.5 1 2])",
        "quantized_linear(1)",
        "quantized_linear(5,alpha='auto_po2')",
        "quantized_relu(6,2)",
        "quantized_tanh(6)",
        "quantized_po2(4)",
        "quantized_po2(8)",
        "quantized_po2(4,2,quadratic_approximation=True)",
        "quantized_relu_po2(4,2)",
        "binary",
        "binary(alpha='auto')",
        "ternary(threshold=0.5)",
        "stochastic_binary(alpha=2.0)",
        "binary_tanh",
    ],
)
def test_encoding_a_decoded_word_gives_it_back(spec: str) -> None:
    """Where no function comes before the rounding, values are fixed points, so encode inverts decode."""
    q = quantizer(spec).fit(data())
    words = np.repeat(q.codes()[:, None], 4, axis=1)
    assert np.array_equal(q.encode(q.decode(words)), words)


@pytest.mark.parametrize("spec", EXAMPLES)
def test_every_code_lies_in_the_type_and_in_the_code_range(spec: str) -> None:
    q = quantizer(spec)
    codes = q.encode(data())
    lo, hi = q.code_range()
    assert lo >= q.type.lo
    assert hi <= q.type.hi
    assert set(np.unique(codes)) <= set(q.codes().tolist())
    assert q.levels == len(q.codes())
    assert np.array_equal(q.decode(codes), q(data()))


@pytest.mark.parametrize("spec", EXAMPLES)
def test_values_lie_within_the_limits_which_are_reached(spec: str) -> None:
    q = quantizer(spec)
    if q.is_auto:
        return
    x = np.repeat(np.linspace(-300, 300, 120001, dtype=np.float32)[:, None], 4, axis=1)
    y = q(np.concatenate([x, x / 1000, [[np.inf] * 4, [-np.inf] * 4]]))
    low, high = q.limits()
    assert (float(y.min()), float(y.max())) == (low, high)


@given(
    bits=st.integers(1, 24),
    integer=st.integers(-8, 12),
    symmetric=st.booleans(),
    signed=st.booleans(),
    codes=st.lists(st.integers(-(2**17), 2**17 - 1), min_size=1, max_size=60),
    frac=st.integers(-4, 24),
)
@settings(max_examples=300, deadline=None)
def test_a_grid_is_the_one_rounding_function_of_hwq(
    bits: int, integer: int, symmetric: bool, signed: bool, codes: list[int], frac: int
) -> None:
    given_codes = np.asarray(codes, dtype=np.int64)
    x = np.ldexp(given_codes.astype(np.float64), -frac).astype(np.float32)
    for q in (
        quantizer("quantized_bits", bits=bits, integer=integer, symmetric=symmetric, keep_negative=signed),
        quantizer("quantized_linear", bits=bits, integer=integer, symmetric=symmetric, keep_negative=signed, alpha=0.5),
        quantizer("quantized_relu", bits=bits, integer=float(integer)),
        quantizer("quantized_relu", bits=bits, integer=float(integer), negative_slope=1.0),
        quantizer("quantized_tanh", bits=bits, symmetric=symmetric),
        quantizer("quantized_sigmoid", bits=bits),
        quantizer("quantized_sigmoid", bits=bits, internal_sigmoid="smooth"),
        quantizer("quantized_tanh", bits=bits, symmetric=symmetric, internal_sigmoid="smooth"),
    ):
        if q.grid is None:
            assert bits == 1
            continue
        mul, add = q.affine
        shift = 5  # 1/2, 3/16 and 3/8 are integers after it
        wide = frac + shift
        moved = given_codes * int(mul * 2**shift) + int(add * Fraction(2) ** wide) if wide >= 1 else None
        if moved is None:
            continue
        assert np.array_equal(q.encode(x), requantize(moved, wide, *q.grid)), str(q)


@given(st.integers(1, 16), st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_hard_and_smooth_sigmoids_are_rounded_from_the_exact_rational(bits: int, xs: list[float]) -> None:
    for mode in ("hard", "smooth"):
        q = quantizer("quantized_sigmoid", bits=bits, internal_sigmoid=mode)
        exact = [min(max(smooth.SLOPES[mode] * Fraction(x) + Fraction(1, 2), Fraction(0)), Fraction(1)) for x in xs]
        assert q.encode(xs).tolist() == [min(round(p * 2**bits), 2**bits - 1) for p in exact]


@given(st.integers(2, 7), st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_po2_threshold_is_the_exact_geometric_mean(bits: int, xs: list[float]) -> None:
    q = quantizer("quantized_po2", bits=bits)
    low, high, _ = q.exponents
    for x, y in zip(xs, q(np.asarray(xs, dtype=np.float32)).tolist(), strict=True):
        exponent = int(math.log2(abs(y)))
        assert math.copysign(1, y) == (-1 if x < 0 else 1)
        square = Fraction(x) ** 2
        if abs(x) >= 2e-7:
            assert exponent == low or square > Fraction(2) ** (2 * exponent - 1)
            assert exponent == high or square < Fraction(2) ** (2 * exponent + 1)
        elif abs(x) < 1e-7:
            assert exponent == low


def test_a_po2_has_no_zero_and_may_exceed_its_maximum() -> None:
    assert quantizer("quantized_po2(4)")([0.0, -0.0]).tolist() == [2.0**-4, 2.0**-4]
    assert quantizer("quantized_po2(5,3)")([100.0]).tolist() == [4.0]
    assert quantizer("quantized_relu_po2(4)")([-5.0]).tolist() == [2.0**-8]
    assert quantizer("quantized_po2(4,quadratic_approximation=True)")([2.0, 8.0]).tolist() == [1.0, 16.0]


def test_a_code_word_of_po2_is_a_sign_bit_and_an_exponent_index() -> None:
    q = quantizer("quantized_po2(4)")
    assert q.type == FixedType(False, 4)
    assert q.encode([1.0, -1.0, 0.0, -100.0]).tolist() == [4, 12, 0, 15]
    extra = quantizer("quantized_po2(4,1)")  # lo..0 is one exponent more than 3 bits hold
    assert extra.type.width == 5
    assert extra.levels == 18


def test_one_bit_words_mean_plus_and_minus() -> None:
    assert quantizer("binary").encode([-1.0, -0.0, 0.0, 2.0]).tolist() == [0, 1, 1, 1]
    assert quantizer("quantized_bits(1,5)")([-1.0, 0.0]).tolist() == [-1.0, 1.0]
    assert quantizer("quantized_linear(1,2)")([-1.0, 0.0]).tolist() == [-2.0, 2.0]
    assert quantizer("binary_tanh")([0.0, 1.0]).tolist() == [-1.0, 1.0]
    assert quantizer("binary_sigmoid")([0.0, 1.0]).tolist() == [0.0, 1.0]


def test_an_upper_bound_is_a_value_of_its_own() -> None:
    q = quantizer("quantized_relu(4,3,relu_upper_bound=5.3,is_quantized_clip=0)")
    assert q([5.0, 5.3, 100.0]).tolist() == [5.0, float(np.float32(5.3)), float(np.float32(5.3))]
    assert q.encode([5.0, 5.3, 100.0]).tolist() == [10, 11, 11]
    assert quantizer("quantized_relu(4,3,relu_upper_bound=5.3)")([100.0]).tolist() == [7.5]


def test_a_slope_below_one_lsb_has_its_off_grid_minimum() -> None:
    q = quantizer("quantized_relu(3,0,negative_slope=0.125)")  # LSB 1/4, least value -1/8
    assert q([-10.0, -0.1, 0.3]).tolist() == [-0.125, 0.0, 0.25]
    assert q.codes().tolist() == [-1, 0, 2, 4, 6]


def test_noise_lets_the_activation_through() -> None:
    x = data()
    assert np.array_equal(quantizer("quantized_bits(4,qnoise_factor=0.0)")(x), x)
    half = quantizer("quantized_bits(4,qnoise_factor=0.5)")(x)
    for name in ("quantized_bits", "quantized_linear", "quantized_relu"):
        assert quantizer(name, qnoise_factor=0.5).grid is None
    np.testing.assert_allclose(half, (x + quantizer("quantized_bits(4)")(x)) / 2, rtol=1e-6)


def test_infinities_saturate_and_nan_stays_nan_but_has_no_code() -> None:
    q = quantizer("quantized_bits(8,0,1)")
    assert q([np.inf, -np.inf]).tolist() == [127 / 128, -127 / 128]
    assert np.isnan(q([np.nan, 1.0])).tolist() == [True, False]
    assert q(1e10) == np.float32(127 / 128)  # the package says 0.0 here
    with pytest.raises(SpecError, match="NaN has no code"):
        q.encode([np.nan])


def test_a_wide_word_keeps_every_bit_and_saturates_to_its_own_top() -> None:
    q = quantizer("quantized_bits(40,20)")
    assert q.encode([1e30, -1e30, 0.5]).tolist() == [2**39 - 1, -(2**39), 2**18]
    wide = quantizer("quantized_bits(62,61)")
    assert wide.encode([np.inf, -np.inf]).tolist() == [2**61 - 1, -(2**61)]


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_shapes_are_kept(shape: tuple[int, ...]) -> None:
    x = np.ones(shape, dtype=np.float32)
    for spec in ("quantized_bits(8,0,1)", "quantized_po2(4)", "binary", "quantized_tanh(8,use_real_tanh=1)"):
        q = quantizer(spec)
        assert q(x).shape == shape
        assert q.encode(x).shape == shape
        assert q(x).dtype == np.float32
        assert q.encode(x).dtype == np.int64


def test_the_input_is_not_changed() -> None:
    x = data()
    before = x.copy()
    for spec in EXAMPLES:
        quantizer(spec)(x)
    assert np.array_equal(x, before)


# -- scales ---------------------------------------------------------------------------------------------------------


def test_fit_keeps_its_scale_and_a_call_without_fit_follows_the_data() -> None:
    small, large = data(1), data(1) * 8
    q = quantizer("quantized_bits(4,alpha='auto_po2')")
    assert q.scale is None
    assert get_weight_scale(q) == 1.0
    q(small)
    first = q.scale
    q(large)
    assert first is not None
    assert np.array_equal(q.scale, first * 8)
    kept = quantizer("quantized_bits(4,alpha='auto_po2')").fit(small)
    kept(large)
    assert np.array_equal(kept.scale, first)
    assert np.array_equal(get_weight_scale(kept), first)


def test_values_are_code_times_lsb_times_scale() -> None:
    x = data()
    for spec in (
        "quantized_bits(5,1,alpha='auto')",
        "quantized_linear(5,1,alpha='auto')",
        "quantized_bits(5,alpha=0.3)",
    ):
        q = quantizer(spec)
        codes = q.encode(x)
        np.testing.assert_allclose(q(x), codes * float(q.type.lsb) * q.scale, rtol=2.0**-22)


def test_a_dead_channel_gives_zero() -> None:
    x = data()
    x[:, 2] = 0
    for spec in ("quantized_bits(4,alpha='auto')", "quantized_bits(4,alpha='auto_po2')", "ternary(alpha='auto')"):
        y = quantizer(spec)(x)
        assert not y[:, 2].any()
        assert np.isfinite(y).all()
        assert y[:, 1].any()


def test_decoding_needs_the_scale_and_codes_of_the_type() -> None:
    with pytest.raises(SpecError, match=r"call q\.fit"):
        quantizer("quantized_bits(4,alpha='auto')").decode([1])
    with pytest.raises(SpecError, match=r"outside -8\.\.7"):
        quantizer("quantized_bits(4)").decode([8])
    with pytest.raises(SpecError, match="integers"):
        quantizer("quantized_bits(4)").decode([0.5])


def test_a_scale_that_does_not_fit_the_input_is_refused() -> None:
    for spec in ("quantized_bits(4,alpha=[1 2 3])", "quantized_bits(4,alpha='auto',post_training_scale=[1 2 3])"):
        with pytest.raises(SpecError, match="for an input of shape"):
            quantizer(spec)(np.ones((5, 4)))
    with pytest.raises(SpecError, match="scale_axis"):
        quantizer("quantized_bits(4,alpha='auto',scale_axis=3)")(np.ones((5, 4)))
    with pytest.raises(SpecError, match="divisor"):
        quantizer("quantized_bits(4,alpha='auto_po2',scale_axis=1,elements_per_scale=3)")(np.ones((5, 4)))
    with pytest.raises(SpecError, match="at least one dimension"):
        quantizer("quantized_bits(4,alpha='auto')")(1.0)


# -- randomness -----------------------------------------------------------------------------------------------------


def test_bernoulli_is_refused_without_a_seed_and_reproducible_with_one() -> None:
    q, x = quantizer("bernoulli"), data()
    for call in (q, q.encode):
        with pytest.raises(UnsupportedError, match=r"bernoulli.*seed"):
            call(x)
    assert np.array_equal(q(x, seed=3), q(x, seed=3))
    assert not np.array_equal(q(x, seed=3), q(x, seed=4))
    with pytest.raises(SpecError, match="seed"):
        q(x, seed=-1)
    with pytest.raises(SpecError, match="not random"):
        quantizer("binary")(x, seed=1)


def test_stochastic_quantizers_are_deterministic_without_a_seed() -> None:
    x = data()
    assert np.array_equal(quantizer("stochastic_binary")(x), quantizer("binary")(x))
    assert np.array_equal(quantizer("stochastic_ternary(alpha='auto')")(x), quantizer("ternary(alpha='auto')")(x))
    sample = quantizer("stochastic_ternary(alpha='auto')")
    assert set(np.unique(sample.sample_codes(x, 5))) == {-1, 0, 1}


def test_the_generator_is_xorshift32_element_by_element() -> None:
    state = prng.first_state(12345)
    expected = []
    for _ in range(100):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        expected.append(state)
    assert prng.outputs(12345, 100).tolist() == expected


def test_stochastic_rounding_has_the_mean_of_its_input() -> None:
    x = np.full(200_000, 0.7, dtype=np.float32)
    rounded = stochastic_round(x, 0.5, seed=9)
    assert set(rounded.tolist()) == {0.5, 1.0}
    assert abs(rounded.mean() - 0.7) < 0.005
    exponents = stochastic_round_po2(x * 4, seed=9)
    assert set(exponents.tolist()) == {1.0, 2.0}
    assert abs(np.exp2(exponents).mean() - 2.8) < 0.02
    assert stochastic_round_po2([8.0, -0.25], seed=1).tolist() == [3.0, -2.0]


def test_initializers_are_those_of_keras() -> None:
    assert get_quantized_initializer("he_normal", 2.0) == {
        "class_name": "VarianceScaling",
        "config": {"scale": 4.0, "mode": "fan_in", "distribution": "truncated_normal"},
    }
    assert get_quantized_initializer("random_uniform", 2.0)["config"] == {"minval": -2.0, "maxval": 2.0}
    assert get_quantized_initializer("zeros", 2.0) == "zeros"


# -- real functions -------------------------------------------------------------------------------------------------


def test_a_value_too_close_to_a_tie_is_settled_with_many_digits() -> None:
    x = np.asarray([1.0, 2.0, 3.0])
    approximate = np.asarray([0.5, 1.5, 2.5])  # float64 cannot tell; the exact function lies on either side
    offset = decimal.Decimal(10) ** -30
    side = {1: offset, 2: -offset, 3: decimal.Decimal(0)}
    settled = smooth.settle(approximate, x, lambda v: v - decimal.Decimal("0.5") + side[int(v)])
    assert settled.tolist() == [1.0, 1.0, 2.0]


def test_real_sigmoids_are_correctly_rounded() -> None:
    x = np.random.default_rng(3).normal(size=300).astype(np.float32) * 4
    with decimal.localcontext(decimal.Context(prec=50)):
        for spec, law, levels in (
            ("quantized_sigmoid(16,use_real_sigmoid=1)", lambda v: 1 / (1 + (-v).exp()), 1 << 16),
            ("quantized_tanh(16,use_real_tanh=1)", lambda v: 2 / (1 + (-2 * v).exp()) - 1, 1 << 15),
        ):
            exact = [int((law(decimal.Decimal(float(v))) * levels).to_integral_value()) for v in x]
            assert quantizer(spec).encode(x).tolist() == [min(k, levels - 1) for k in exact]


# -- the command ----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    return CliRunner().invoke(quantizer_command, list(arguments))


def test_the_command_prints_range_lsb_codes_and_spellings() -> None:
    result = run("quantized_bits(4,0,1)")
    assert result.exit_code == 0
    for text in ("-0.875 .. 0.875", "0.125", "15 (-7 .. 7)", "ap_fixed<4,1,AP_RND_CONV,AP_SAT_SYM>", "1001"):
        assert text in result.output
    assert "ac_fixed<4,1,true,AC_RND_CONV,AC_SAT_SYM>" in result.output


def test_the_command_speaks_json() -> None:
    facts = json.loads(run("quantized_relu(3,1)", "--json").output)
    assert facts["codes"] == 8
    assert facts["range"] == [0.0, 1.75]
    assert facts["hls"]["vivado"] == "ap_ufixed<3,1,AP_RND_CONV,AP_SAT>"
    assert [row["value"] for row in facts["table"]] == [k / 4 for k in range(8)]
    assert quantizer(facts["spec"]) == quantizer({"class_name": facts["class_name"], "config": facts["config"]})


def test_the_command_gives_the_shape_of_a_table() -> None:
    facts = json.loads(run("quantized_tanh(8,use_real_tanh=1)", "--json", "--input", "ap_fixed<16,6>").output)
    assert facts["rom"]["words"] == 2 ** (10 + 3)
    assert facts["rom"]["width"] == 8
    assert json.loads(run("quantized_tanh(8)", "--json").output)["rom"] is None
    real = json.loads(run("quantized_tanh(8)", "--json", "--internal-sigmoid", "real").output)
    assert real["rom"]["words"] is None


def test_a_table_is_constant_outside_its_window() -> None:
    for spec in ("quantized_tanh(8,use_real_tanh=1)", "quantized_sigmoid(8,use_real_sigmoid=1)"):
        q = quantizer(spec)
        rom = describe(q)["rom"]
        x = np.linspace(rom["window"] * 1.0001, 40, 4001, dtype=np.float32)
        assert np.unique(q.encode(x)).tolist() == [q.code_range()[1]]
        assert len(np.unique(q.encode(-x))) == 1
        inside = np.linspace(0.5, 0.7, 100, dtype=np.float32) * np.float32(rom["window"])
        assert len(np.unique(q.encode(inside))) > 1


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_command_draws_the_curve(tmp_path: Any, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"curve.{suffix}"
    assert run("quantized_relu(3,1)", "--plot", str(path)).exit_code == 0
    first = path.read_bytes()
    assert len(first) > 1000
    run("quantized_relu(3,1)", "--plot", str(path))
    assert path.read_bytes() == first


def test_the_command_raises_hwq_errors() -> None:
    for arguments in (("nosuch",), ("quantized_bits(8", "--json"), ("quantized_bits(8)", "--plot", "x.gif")):
        result = run(*arguments)
        assert isinstance(result.exception, HwqError)
        assert result.output == ""


@pytest.mark.parametrize("spec", EXAMPLES)
def test_every_quantizer_can_be_described(spec: str) -> None:
    facts = json.loads(json.dumps(describe(quantizer(spec))))
    assert facts["range"][0] <= facts["range"][1]
    assert run(spec).exit_code == 0


def test_every_class_is_registered_under_its_name_and_documented() -> None:
    wanted = "quantized_bits quantized_linear quantized_relu quantized_relu_po2 quantized_po2 quantized_sigmoid"
    wanted += (
        " quantized_tanh quantized_ulaw quantized_hswish binary ternary stochastic_binary stochastic_ternary bernoulli"
    )
    wanted += " binary_sigmoid binary_tanh hard_sigmoid hard_tanh smooth_sigmoid smooth_tanh"
    assert set(wanted.split()) <= set(QUANTIZERS)
    for name, kind in QUANTIZERS.items():
        assert issubclass(kind, Quantizer)
        assert name == kind.NAME
        assert kind.__doc__
        assert kind.__doc__.strip().startswith(("y = ", "As "))


def test_the_table_in_the_documentation_is_generated() -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "quantizers.md").read_text()
    table = text.split("<!-- generated: begin -->\n")[1].split("<!-- generated: end -->")[0]
    specs = [row.split("`")[1] for row in table.splitlines()[2:]]
    assert len(specs) > 15
    assert table == markdown(quantizer(spec) for spec in specs)
    for name in QUANTIZERS:
        assert f"`{name}`" in text or f"`{name}(" in text, name


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("ap_fixed<16,6>", "quantized_bits(16,5,0)"),
        ("ap_ufixed<8,3>", "quantized_bits(8,3,keep_negative=False)"),
        ("ac_fixed<8,1,true,AC_RND_CONV,AC_SAT_SYM>", "quantized_bits(8,0,1)"),
        ("ap_int<4>", "quantized_bits(4,3,0)"),
    ],
)
def test_a_precision_is_the_quantized_bits_of_its_type(text: str, same: str) -> None:
    x = np.linspace(-70, 70, 1001, dtype=np.float32)
    q, other = quantizer(text), quantizer(same)
    assert q.type == other.type
    assert np.array_equal(q(x), other(x))
    assert np.array_equal(q.encode(x), other.encode(x))


def test_a_precision_that_truncates_is_no_quantizer() -> None:
    with pytest.raises(SpecError, match="round and saturate"):
        quantizer("ap_fixed<16,6,AP_TRN,AP_WRAP>")


@pytest.mark.parametrize(
    ("spec", "lsb"),
    [
        ("quantized_tanh(10)", 2**-9),
        ("quantized_tanh(10,use_real_tanh=True)", 2**-9),
        ("quantized_sigmoid(10,use_real_sigmoid=True)", 2**-10),
        ("quantized_relu(10,2,use_sigmoid=1,negative_slope=0.25)", 2**-6),
        ("quantized_relu(10,3,negative_slope=0.25)", 2**-6),
        ("quantized_hswish(10,3)", 2**-6),
        ("quantized_bits(10,3)", 2**-6),
    ],
)
def test_what_is_quantized_lies_within_a_step_of_the_values(spec: str, lsb: float) -> None:
    q, x = quantizer(spec), np.linspace(-6, 6, 4001, dtype=np.float32)
    assert np.abs(q(x) - np.clip(unquantized(q, x), *q.limits())).max() <= lsb


def test_the_table_of_a_law_says_what_hardware_holds() -> None:
    rom = describe(quantizer("quantized_ulaw(6,2,0)"))["rom"]
    assert (rom["words"], rom["width"]) == (33, 16)
    assert "s16.13" in rom["note"]
