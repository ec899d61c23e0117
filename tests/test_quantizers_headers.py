"""Every fixed-point quantizer against the vendors' own types: one program each, all 12-bit inputs, fine and coarse."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwq.quantizers import Quantizer, quantizer

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden" / "quantizers.json"
INPUT_BITS = 12

SWEEP = [
    f"quantized_bits({bits},{integer},{symmetric},keep_negative={signed})"
    for bits in (2, 5, 8)
    for integer in (-2, 0, 3)
    for symmetric in (0, 1)
    for signed in (0, 1)
] + [
    "quantized_linear(6,1)",
    "quantized_linear(6,1,0,alpha=0.25)",
    "quantized_linear(4,0,keep_negative=0,alpha=8)",
    "quantized_relu(6,2)",
    "quantized_relu(5,0,negative_slope=1.0)",
    "quantized_sigmoid(6)",
    "quantized_sigmoid(1)",
    "quantized_sigmoid(6,internal_sigmoid='smooth')",
    "quantized_tanh(6,symmetric=1)",
    "quantized_tanh(6,internal_sigmoid='smooth')",
]

AP_MAIN = """
#include <cstdint>
#include <cstdio>
#include <ap_fixed.h>
template <class S, class D, int W, bool SIGNED> void one(int64_t mul, int64_t add) {
  for (int64_t code = -FIRST; code < FIRST; ++code) {
    S s; s.range(63, 0) = ap_uint<64>((uint64_t)(code * mul + add));
    D d = s;
    int64_t k = (int64_t)d.range(W - 1, 0).to_uint64();
    if (SIGNED && (k >> (W - 1))) k -= (int64_t)1 << W;
    fwrite(&k, sizeof k, 1, stdout);
  }
}
"""

AC_MAIN = """
#include <cstdint>
#include <cstdio>
#include <ac_fixed.h>
template <class S, class D, int W, bool SIGNED> void one(int64_t mul, int64_t add) {
  for (int64_t code = -FIRST; code < FIRST; ++code) {
    S s; s.set_slc(0, ac_int<64, true>(code * mul + add));
    D d = s;
    int64_t k = d.template slc<W>(0).to_int64() & (int64_t)(((uint64_t)1 << W) - 1);
    if (SIGNED && (k >> (W - 1))) k -= (int64_t)1 << W;
    fwrite(&k, sizeof k, 1, stdout);
  }
}
"""

VENDORS = {
    "vivado": ("ap_types", AP_MAIN, "ap_fixed<64,{integer}>"),
    "catapult": ("ac_types", AC_MAIN, "ac_fixed<64,{integer},true>"),
}


def include_folder(name: str) -> Path:
    spec = importlib.util.find_spec("da4ml")
    if spec is None or spec.origin is None:
        pytest.skip("the vendor headers are not here: pip install da4ml")
    folder = Path(spec.origin).parent / "codegen" / "hls" / "source" / name / "include"
    if not folder.exists():
        pytest.skip(f"{folder} is not here")
    return folder


def fixed_point_quantizers() -> list[Quantizer]:
    """Distinct fixed-point quantizers of the sweep and of the reference vectors."""
    found = [quantizer(spec) for spec in SWEEP]
    if GOLDEN.exists():
        for case in json.loads(GOLDEN.read_text())["cases"]:
            if case["form"] != "function":
                mode = case.get("internal_sigmoid")
                found.append(quantizer({"class_name": case["name"], "config": case["kwargs"]}, internal_sigmoid=mode))
    distinct = {(q.grid, q.affine): q for q in reversed(found) if q.grid is not None}
    return list(distinct.values())


def input_fracs(q: Quantizer) -> tuple[int, int]:
    """Binary points of the 12-bit inputs: a quarter of an LSB, and wide enough to saturate on both sides."""
    assert q.grid is not None
    ftype = q.grid[0]
    return ftype.frac + 2, INPUT_BITS - 2 - ftype.qkeras_integer


def instance(q: Quantizer, target: str, source: str) -> str:
    assert q.grid is not None
    mul, add = q.affine
    frac = max(input_fracs(q)) + 4  # 1/2, 3/16 and 3/8 are exact four bits further down
    width, signed = q.grid[0].width, "true" if q.grid[0].signed else "false"
    types = f"{source.format(integer=64 - frac)}, {q.hls(target)}, {width}, {signed}"
    lines = []
    for own in input_fracs(q):
        factor, offset = mul * Fraction(2) ** (frac - own), add * Fraction(2) ** frac
        assert factor.denominator == 1
        assert offset.denominator == 1
        lines.append(f"  one<{types}>({factor}LL, {offset}LL);")
    return "\n".join(lines)


@pytest.mark.parametrize("target", sorted(VENDORS))
def test_the_vendors_conversion_equals_encode_for_every_12_bit_input(target: str, tmp_path: Any) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not here")
    folder, prelude, source = VENDORS[target]
    headers = include_folder(folder)
    quantizers = fixed_point_quantizers()
    body = "\n".join(instance(q, target, source) for q in quantizers)
    program = f"#define FIRST {1 << (INPUT_BITS - 1)}\n{prelude}\nint main() {{\n{body}\n}}\n"
    (tmp_path / "check.cpp").write_text(program)
    command = ["g++", "-std=c++14", "-O1", "-w", "-isystem", str(headers), "check.cpp", "-o", "check"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert built.returncode == 0, built.stderr[:2000]
    ran = subprocess.run([str(tmp_path / "check")], capture_output=True, timeout=300, check=True)
    codes = np.frombuffer(ran.stdout, dtype=np.int64).reshape(len(quantizers), 2, 1 << INPUT_BITS)
    inputs = np.arange(-(1 << (INPUT_BITS - 1)), 1 << (INPUT_BITS - 1), dtype=np.float64)
    assert len(quantizers) > 30
    for q, both in zip(quantizers, codes, strict=True):
        for frac, got in zip(input_fracs(q), both, strict=True):
            x = np.ldexp(inputs, -frac).astype(np.float32)
            wrong = np.flatnonzero(got != q.encode(x))
            assert wrong.size == 0, (str(q), q.hls(target), frac, x[wrong[:3]], got[wrong[:3]], q.encode(x)[wrong[:3]])


def test_the_coarse_input_saturates_on_both_sides() -> None:
    """Else the test above would say nothing about overflow."""
    for q in fixed_point_quantizers():
        _, frac = input_fracs(q)
        ends = np.ldexp(np.asarray([-2047.0, 2047.0]), -frac).astype(np.float32)
        if q.affine == (Fraction(1), Fraction(0)):
            assert q.encode(ends).tolist() == list(q.code_range()), str(q)
