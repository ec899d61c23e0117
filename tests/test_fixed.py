"""Fixed-point types and the rounding function, against their definitions and against both vendors' real headers."""

from __future__ import annotations

import importlib.util
import subprocess
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwq.errors import SpecError
from hwq.numeric.fixed import (
    FixedType,
    Overflow,
    Rounding,
    boundary,
    overflow_codes,
    requantize,
    round_doubles,
    round_ratio,
    round_shift,
)
from hwq.targets import AC_TYPES, AP_TYPES, TypeStyle
from oracles import rounded

WIDE = np.arange(-300, 301)


def test_the_three_meanings_of_integer_agree():
    assert FixedType.from_qkeras(8, 0) == FixedType.from_hls(8, 1) == FixedType(True, 8, 7)
    assert FixedType.from_qkeras(8, 0, False) == FixedType.from_hls(8, 0, False) == FixedType(False, 8, 8)
    assert (FixedType(True, 8, 7).hls_integer, FixedType(True, 8, 7).qkeras_integer) == (1, 0)


@given(st.integers(-(1 << 90), 1 << 90), st.integers(0, 1 << 70))
def test_covering_types_hold_the_range_and_no_bit_more(lo: int, span: int):
    hi = lo + span
    kind = FixedType.covering(lo, hi)
    assert kind.contains(lo, hi)
    assert kind.signed == (lo < 0)
    if kind.width > 1:
        assert not FixedType(kind.signed, kind.width - 1).contains(lo, hi)


def test_absurd_types_are_refused():
    for width, frac in ((-1, 0), (5000, 0), (8, 9999)):
        with pytest.raises(SpecError):
            FixedType(True, width, frac)


@pytest.mark.parametrize("mode", Rounding)
def test_rounding_follows_its_definition_at_every_eighth(mode: Rounding):
    want = [rounded(Fraction(int(v), 8), mode) for v in WIDE]
    assert round_ratio(WIDE, 8, mode).tolist() == want
    assert round_ratio(WIDE.astype(object), 8, mode).tolist() == want
    assert round_shift(WIDE, 3, mode).tolist() == want
    assert round_doubles(WIDE / 8, mode).tolist() == want


@pytest.mark.parametrize("mode", Rounding)
@given(x=st.floats(allow_nan=False, allow_infinity=False, min_value=-1e18, max_value=1e18))
def test_doubles_round_as_the_fractions_they_are(mode: Rounding, x: float):
    for value in (x, float(np.nextafter(x, 9e99)), np.trunc(x) + 0.5, float(np.nextafter(np.trunc(x) + 0.5, -9e99))):
        assert int(round_doubles(np.asarray([value]), mode)[0]) == rounded(Fraction(float(value)), mode)


@pytest.mark.parametrize("mode", Rounding)
def test_boundaries_are_where_rounding_steps(mode: Rounding):
    k = np.arange(-9, 10).astype(object)
    twice, closed = boundary(k, mode)
    for level, t, c in zip(k, twice, closed, strict=True):
        edge = Fraction(int(t), 2)
        assert (rounded(edge, mode) >= level) == c
        assert rounded(edge + Fraction(1, 1000), mode) >= level
        assert rounded(edge - Fraction(1, 1000), mode) < level


@given(
    st.lists(st.integers(-(1 << 80), 1 << 80), min_size=1, max_size=5),
    st.integers(-70, 70),
    st.booleans(),
    st.integers(1, 80),
    st.integers(-70, 70),
    st.sampled_from(Rounding),
    st.sampled_from(Overflow),
)
def test_requantize_equals_rationals_for_any_width(codes, frac, signed, width, to_frac, rounding, overflow):
    to = FixedType(signed, width, to_frac)
    got = requantize(np.asarray(codes, dtype=object), frac, to, rounding, overflow)
    for code, result in zip(codes, got, strict=True):
        value = rounded(Fraction(code) * Fraction(2) ** (to_frac - frac), rounding)
        if overflow is Overflow.WRAP:
            want = (value - to.lo) % (1 << width) + to.lo
        elif to.lo <= value <= to.hi and not (overflow is Overflow.SATURATE_SYMMETRIC and signed and value == to.lo):
            want = value
        elif overflow is Overflow.SATURATE_ZERO:
            want = 0
        else:
            low = -to.hi if overflow is Overflow.SATURATE_SYMMETRIC and signed else to.lo
            want = min(max(value, low), to.hi)
        assert int(result) == want


def test_int64_and_python_integers_requantize_alike():
    to = FixedType(True, 5, 1)
    for mode, overflow in product(Rounding, Overflow):
        a = requantize(WIDE, 4, to, mode, overflow)
        b = requantize(WIDE.astype(object), 4, to, mode, overflow)
        assert a.tolist() == b.tolist()


def test_a_type_of_width_zero_holds_only_zero():
    kind = FixedType(False, 0)
    assert (kind.lo, kind.hi) == (0, 0)
    assert overflow_codes(WIDE, kind, Overflow.SATURATE).tolist() == [0] * WIDE.size
    assert overflow_codes(WIDE, kind, Overflow.WRAP).tolist() == [0] * WIDE.size


VENDORS = {"ap": (AP_TYPES, "ap_types"), "ac": (AC_TYPES, "ac_types")}
CODE_OF = {"ap": "long(ap_int<16>(v.range(W - 1, 0)))", "ac": "long(v.template slc<W>(0))"}
SET_CODE = {"ap": "s.range(W - 1, 0) = ap_int<W>(c)", "ac": "s.set_slc(0, ac_int<W, true>(c))"}


def vendor_headers(folder: str) -> Path:
    spec = importlib.util.find_spec("da4ml")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("no vendor headers: pip install da4ml")
    return Path(spec.submodule_search_locations[0]) / "codegen/hls/source" / folder / "include"


def conversions(style: TypeStyle, sources, targets):
    """Every source format x target format x rounding x overflow that the vendor's types can say."""
    for source, to in product(sources, targets):
        for rounding, overflow in product(style.rounding, style.overflow):
            if overflow is Overflow.SATURATE_SYMMETRIC and (to.width == 1 or not to.signed):
                continue  # the vendors' corner cases, which hwq never emits
            if style is AP_TYPES and source.frac - to.frac > source.width:
                continue  # AMD's header aborts when it rounds away more bits than there are; hwq widens such a source
            yield source, to, rounding, overflow


def run_vendor(vendor: str, cases, tmp_path: Path, include: Path | None = None) -> list[list[int]]:
    """The low bits of the result for every code of every case's source format, by the headers in `include`."""
    style, folder = VENDORS[vendor]
    lines = [
        f"#include <{style.header}>",
        "#include <cstdio>",
        "template <class S, class T, int W, int V> void convert(long lo, long hi) {",
        "  for (long c = lo; c <= hi; ++c) {",
        f"    S s; {SET_CODE[vendor]}; T v = s;",
        "    unsigned long bits = " + CODE_OF[vendor].replace("W", "V") + ";",
        '    std::printf("%lu ", bits & ((1ul << V) - 1));',
        "  }",
        '  std::printf("\\n");',
        "}",
        "int main() {",
    ]
    for source, to, rounding, overflow in cases:
        types = f"{style.storage(source)}, {style.conversion(to, rounding, overflow)}, {source.width}, {to.width}"
        lines.append(f"  convert<{types} >({source.lo}, {source.hi});")
    lines.append("}")
    program = tmp_path / f"{vendor}.cpp"
    program.write_text("\n".join(lines))
    binary = tmp_path / vendor
    headers = include or vendor_headers(folder)
    command = ["g++", "-std=c++17", "-O0", "-w", "-isystem", str(headers), str(program), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:2000]
    out = subprocess.run([str(binary)], capture_output=True, text=True, check=True).stdout
    return [[int(w) for w in line.split()] for line in out.splitlines()]


def check_vendor(vendor: str, sources, targets, tmp_path: Path) -> int:
    style, _ = VENDORS[vendor]
    cases = list(conversions(style, sources, targets))
    rows = run_vendor(vendor, cases, tmp_path)
    assert len(rows) == len(cases)
    for (source, to, rounding, overflow), row in zip(cases, rows, strict=True):
        codes = np.arange(source.lo, source.hi + 1)
        want = requantize(codes, source.frac, to, rounding, overflow) & ((1 << to.width) - 1)
        assert row == want.tolist(), (source, to, rounding, overflow)
    return len(cases)


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_mode_equals_the_vendors_header_over_small_formats(vendor: str, tmp_path: Path):
    sources = [FixedType(True, 6, 3), FixedType(False, 5, 3)]
    targets = [FixedType(s, w, f) for s, w, f in product((True, False), (1, 2, 4), (0, 2, 4))]
    assert check_vendor(vendor, sources, targets, tmp_path) > 800


@pytest.mark.slow
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_every_mode_equals_the_vendors_header_over_every_small_format(vendor: str, width: int, tmp_path: Path):
    sources = [FixedType(s, w, 3) for s, w in product((True, False), (1, 3, 6))]
    targets = [FixedType(s, width, f) for s, f in product((True, False), range(-2, 6))]
    assert check_vendor(vendor, sources, targets, tmp_path) > 1000
