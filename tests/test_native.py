"""hwq's native types: to the bit what ap_fixed and ac_fixed are, and fast builds of whole projects on top of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.build.toolchain import native_headers
from hwq.check.verify import verify_codes
from hwq.codegen.arrays import Settings, render
from hwq.codegen.environment import environment
from hwq.errors import HwqError
from hwq.numeric.fixed import FixedType, Overflow, Rounding, overflow_codes, requantize
from hwq.targets import AP_TYPES, Target, TypeStyle, get_target
from models import mlp, small_model
from oracles import rounded
from test_fixed import VENDORS, conversions, run_vendor, vendor_headers
from test_ops import BATCH, SAMPLES, drawn_codes, graph_of

NATIVE = native_headers().folder
TARGET_OF = {"ap": "vivado", "ac": "catapult"}


@pytest.mark.parametrize("header", ["ap_fixed.h", "ap_int.h", "ac_fixed.h", "ac_int.h"])
def test_the_faces_are_hwqs_own_and_not_the_vendors(header: str, tmp_path: Path):
    """So that what is compared below is not a header with itself."""
    command = ["g++", "-std=c++17", "-M", "-isystem", str(NATIVE), "-include", header, "-x", "c++", "/dev/null"]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert str(NATIVE / "hwq_native.h") in read
    assert not [f for f in read if "ap_types" in f or "ac_types" in f]


def check_small(vendor: str, sources, targets, tmp_path: Path) -> int:
    """The same program against the vendor's header and against ours: every code of every case."""
    cases = list(conversions(VENDORS[vendor][0], sources, targets))
    theirs = run_vendor(vendor, cases, tmp_path)
    ours = run_vendor(vendor, cases, tmp_path, NATIVE)
    assert len(ours) == len(cases)
    for case, a, b in zip(cases, theirs, ours, strict=True):
        assert a == b, case
    return len(cases)


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_mode_equals_the_vendors_header_over_small_formats(vendor: str, tmp_path: Path):
    sources = [FixedType(True, 5, 3), FixedType(False, 4, 3)]
    targets = [FixedType(s, w, f) for s, w, f in product((True, False), (1, 3), (0, 2))]
    assert check_small(vendor, sources, targets, tmp_path) > 300


@pytest.mark.slow
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6])
def test_every_mode_equals_the_vendors_header_over_every_small_format(vendor: str, width: int, tmp_path: Path):
    sources = [FixedType(s, w, 3) for s, w in product((True, False), (1, 2, 4, 6, 8))]
    targets = [FixedType(s, width, f) for s, f in product((True, False), range(-2, 6))]
    assert check_small(vendor, sources, targets, tmp_path) > 1000


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_mode_equals_requantize_where_all_bits_are_dropped(vendor: str, tmp_path: Path):
    """AMD's header aborts there; ours follows the definition, for every rounding of the style."""
    style = VENDORS[vendor][0]
    sources, targets = (
        [FixedType(True, 4, 9), FixedType(False, 3, 40)],
        [FixedType(True, 3, 0), FixedType(False, 2, -30)],
    )
    modes = product(style.rounding, (Overflow.WRAP, Overflow.SATURATE))
    cases = [(s, t, *m) for (s, t), m in product(product(sources, targets), list(modes))]
    for (source, to, rounding, overflow), row in zip(cases, run_vendor(vendor, cases, tmp_path, NATIVE), strict=True):
        codes = np.arange(source.lo, source.hi + 1)
        want = requantize(codes, source.frac, to, rounding, overflow) & ((1 << to.width) - 1)
        assert row == want.tolist(), (source, to, rounding, overflow)


@dataclass(frozen=True)
class Case:
    """One expression on values of two types, its result's type, and the Python it stands for."""

    kind: str
    a: FixedType
    b: FixedType
    result: FixedType
    text: str  # C++ of the result, from values a and b
    rounding: Rounding = Rounding.FLOOR
    overflow: Overflow = Overflow.WRAP

    def value(self, u: int, v: int) -> int:
        x, y = u * self.a.lsb, v * self.b.lsb
        exact = {"+": x + y, "-": x - y, "*": x * y, "neg": -x, "<": Fraction(x < y), "==": Fraction(x == y)}
        if self.kind in exact:
            code = exact[self.kind] / self.result.lsb
        else:  # a conversion, or += in a type of its own
            code = (x + y if self.kind == "+=" else x) / self.result.lsb
        whole = np.asarray([rounded(Fraction(code), self.rounding)], dtype=object)
        return int(overflow_codes(whole, self.result, self.overflow)[0])


def drawn_type(rng: np.random.Generator, widest: int) -> FixedType:
    width = int(
        rng.choice([1, 7, 8, 9, 16, 31, 32, 33, 63, 64, 65, 127, 128, *rng.integers(1, widest + 1, 9).tolist()])
    )
    return FixedType(bool(rng.integers(2)), min(width, widest), int(rng.integers(-20, width + 20)))


def wide_cases(style: TypeStyle, count: int, seed: int) -> Iterator[Case]:
    """Random expressions on types to 128 bits, whose exact results may be wider."""
    rng = np.random.default_rng(seed)
    roundings, overflows = list(style.rounding), list(style.overflow)
    kinds = ["+", "-", "*", "neg", "<", "==", "convert", "convert", "convert", "+="]
    while count:
        a, b, to = (drawn_type(rng, 128) for _ in range(3))
        kind = kinds[int(rng.integers(len(kinds)))]
        frac = a.frac + b.frac if kind == "*" else a.frac if kind == "neg" else max(a.frac, b.frac)
        if kind in ("+", "-", "*", "neg"):
            scale_a, scale_b = (1, 1) if kind == "*" else (1 << (frac - a.frac), 1 << max(frac - b.frac, 0))
            ends = [(u * scale_a, v * scale_b) for u, v in product((a.lo, a.hi), (b.lo, b.hi))]
            codes = [{"+": u + v, "-": u - v, "*": u * v, "neg": -u}[kind] for u, v in ends]
            exact = FixedType.covering(min(codes), max(codes), frac)
            yield Case(kind, a, b, exact, "-a" if kind == "neg" else f"a {kind} b")
        elif kind in ("<", "=="):
            yield Case(kind, a, b, FixedType(False, 1), f"(a {kind} b ? 1 : 0)")
        elif kind == "+=":
            to = FixedType(a.signed or b.signed, a.width, a.frac)
            if b.frac > to.frac + b.width or a.signed != to.signed:
                continue
            yield Case(kind, a, b, to, "total")
        else:
            mode = roundings[int(rng.integers(len(roundings)))], overflows[int(rng.integers(len(overflows)))]
            corner = mode[1] is Overflow.SATURATE_SYMMETRIC and (to.width == 1 or not to.signed)
            if corner or a.frac - to.frac > a.width:
                continue  # what hwq never emits, and what AMD's header does not survive
            yield Case(kind, a, b, to, f"{style.conversion(to, *mode)}(a)", *mode)
        count -= 1


def interesting(kind: FixedType, rng: np.random.Generator) -> list[int]:
    """Both ends, the middle, and random codes."""
    span = kind.hi - kind.lo
    inner = [int.from_bytes(rng.bytes(40), "little") % (span + 1) + kind.lo for _ in range(6)]
    near = [kind.lo, kind.hi, max(kind.lo, -1), 0, min(kind.hi, 1)]
    return [*near, *inner]


def words(code: int, kind: FixedType) -> str:
    return ", ".join(f"0x{(code >> (64 * k)) & ((1 << 64) - 1):x}ull" for k in range(-(-kind.width // 64)))


def run_cases(vendor: str, cases: list[tuple[Case, list[tuple[int, int]]]], tmp_path: Path, include: Path) -> list[int]:
    """Result codes of every case, by the codes header that projects carry and the types in `include`."""
    style = VENDORS[vendor][0]
    target = get_target(TARGET_OF[vendor])
    (tmp_path / "hwq_codes.h").write_text(environment().get_template(target.codes).render(target=target))
    lines = ['#include "hwq_codes.h"', "#include <cstdio>"]
    lines += ["template <class T> void show(const T &v) {", "  for (int k = 0; k < hwq::word_count(v); ++k)"]
    lines += ['    std::printf("%llx ", (unsigned long long)hwq::word(v, k));', '  std::printf("\\n");', "}"]
    for i, (case, pairs) in enumerate(cases):
        a, b, result = (style.storage(t) for t in (case.a, case.b, case.result))
        lines.append(f"static void case{i}() {{")
        for which, kind, column in (("a", case.a, 0), ("b", case.b, 1)):
            rows = ", ".join("{" + words(pair[column], kind) + "}" for pair in pairs)
            lines.append(f"  static const unsigned long long codes_{which}[][{-(-kind.width // 64)}] = {{{rows}}};")
        lines.append(f"  for (int i = 0; i < {len(pairs)}; ++i) {{")
        lines.append(f"    {a} a = hwq::from_words<{a} >(codes_a[i]); {b} b = hwq::from_words<{b} >(codes_b[i]);")
        if case.kind == "+=":
            lines.append("    " + result + " total = a; total += b;")
        lines.append(f"    (void)b; {result} r = {case.text}; show(r);\n  }}\n}}")
    lines += ["int main() {", *(f"  case{i}();" for i in range(len(cases))), "}"]
    (tmp_path / "cases.cpp").write_text("\n".join(lines))
    command = ["g++", "-std=c++17", "-O1", "-w", "-isystem", str(include), "cases.cpp", "-o", "cases"]
    built = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert built.returncode == 0, built.stderr[:2000]
    out = subprocess.run(["./cases"], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    return [sum(int(w, 16) << (64 * k) for k, w in enumerate(line.split())) for line in out.splitlines()]


def sign_blind(vendor: str, case: Case) -> bool:
    """AMD's header compares a signed with an unsigned number as if both were unsigned, from about 32 bits on.

    Generated code never does that with a number that can be negative; ours follows the values.
    """
    return vendor == "ap" and case.kind in ("<", "==") and case.a.signed != case.b.signed


def check_wide(vendor: str, count: int, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    style, folder = VENDORS[vendor]
    cases = []
    for case in wide_cases(style, count, seed):
        lefts, rights = interesting(case.a, rng), interesting(case.b, rng)
        cases.append((case, [*zip(lefts, rights, strict=True), *zip(lefts, reversed(rights), strict=True)]))
    ours = run_cases(vendor, cases, tmp_path, NATIVE)
    theirs = run_cases(vendor, cases, tmp_path, vendor_headers(folder))
    flat = [(case, u, v) for case, pairs in cases for u, v in pairs]
    assert len(ours) == len(theirs) == len(flat)
    for (case, u, v), a, b in zip(flat, ours, theirs, strict=True):
        bits = (1 << case.result.width) - 1
        assert a & bits == case.value(u, v) & bits, (case, u, v)
        if not sign_blind(vendor, case):
            assert b & bits == a & bits, (case, u, v)


@pytest.mark.parametrize("vendor", VENDORS)
def test_random_wide_expressions_equal_rationals_and_the_vendors_header(vendor: str, tmp_path: Path):
    check_wide(vendor, 24, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("seed", range(2, 6))
def test_many_random_wide_expressions_equal_rationals_and_the_vendors_header(vendor: str, seed: int, tmp_path: Path):
    check_wide(vendor, 100, seed, tmp_path)


IN_PLACE = """
template <class A, class B, int W, int V> void in_place() {
  for (long u = 0; u < (1l << W); ++u) {
    for (long v = 0; v < (1l << V); ++v) {
      A a, sum, less, part; B b;
      SET(a, u, W); SET(b, v, V); SET(sum, u, W); SET(less, u, W); SET(part, u, W);
      sum += b; sum += b; less -= b; less -= a;
      SET(part, v, (W + 1) / 2);
      const A copy = a * b;
      std::printf("%ld %ld %ld %ld %d ", GET(sum, W), GET(less, W), GET(part, W), GET(copy, W), sum < less ? 1 : 0);
    }
  }
}
int main() {
"""
ACCESS = {
    "ap": (
        "#define SET(x, c, W) x.range((W) - 1, 0) = ap_int<64>(c)\n"
        "#define GET(x, W) (long(ap_int<16>(x.range((W) - 1, 0))) & ((1l << (W)) - 1))\n"
    ),
    "ac": (
        "#define SET(x, c, W) x.set_slc(0, ac_int<(W), false>(c))\n"
        "#define GET(x, W) (long(ac_int<17, true>(x.template slc<(W)>(0)).to_int64()) & ((1l << (W)) - 1))\n"
    ),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_narrow_numbers_changed_in_place_equal_the_vendors(vendor: str, tmp_path: Path):
    """Every pair of codes: sums and differences that wrap, some bits replaced, products cut off, and then compared."""
    style, folder = VENDORS[vendor]
    calls = [
        f"  in_place<{style.storage(a)}, {style.storage(b)}, {a.width}, {b.width}>();"
        for signed in (True, False)
        for a, b in (
            (FixedType(signed, w, f), FixedType(other, v, 1))
            for w, f in ((1, 0), (2, 1), (3, 2), (5, 0), (7, 1), (8, 1), (9, 2))
            for other, v in ((signed, 3), (signed, min(w, 4)))
        )
    ]
    head = f'#include "{style.header}"\n#include "{style.header.replace("fixed", "int")}"\n#include <cstdio>\n'
    (tmp_path / "cases.cpp").write_text("\n".join([head + ACCESS[vendor] + IN_PLACE, *calls, "}"]))
    outs = []
    for include in (NATIVE, vendor_headers(folder)):
        command = ["g++", "-std=c++17", "-O1", "-w", "-isystem", str(include), "cases.cpp", "-o", "cases"]
        built = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert built.returncode == 0, built.stderr[:2000]
        outs.append(
            subprocess.run(["./cases"], capture_output=True, text=True, check=True, cwd=tmp_path).stdout.split()
        )
    assert len(outs[0]) > 50_000
    assert outs[0] == outs[1]


def write_project(graph, target: Target, folder: Path, change=lambda path, text: text) -> None:
    for path, text in render(graph, target, Settings("samples", "", 5.0, "test")).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(change(path, text.decode()))


@pytest.mark.parametrize("target", ["vivado", "catapult"])
def test_every_ops_samples_agree_through_the_vendors_face(target: str, tmp_path: Path):
    """(tests/test_ops.py runs the target `native` itself.)"""
    graph = graph_of([sample for _, sample in SAMPLES])
    write_project(graph, get_target(target), tmp_path)
    codes = {p.edge: drawn_codes(graph.edges[p.edge], BATCH, i) for i, p in enumerate(graph.inputs)}
    result = verify_codes(tmp_path, graph, get_target(target), "samples", codes, types="native")
    assert result, str(result.first)
    assert result.codes == BATCH * sum(graph.edges[p.edge].size for p in graph.outputs)
    assert result.types == "native"


def test_a_wrong_kernel_is_found_and_named_in_native_types(tmp_path: Path):
    graph = graph_of([sample for op, sample in SAMPLES if op.kind == "threshold" and sample.label == "sign"])
    write_project(graph, get_target("vivado"), tmp_path, lambda path, text: text.replace("x[i] >= ", "x[i] > "))
    edge = graph.edges["s0_x0"]
    codes = {"s0_x0": np.zeros((3, *edge.shape), dtype=np.int64)}
    result = verify_codes(tmp_path, graph, get_target("vivado"), "samples", codes, types="native")
    assert result.mismatches == 3 * edge.size
    assert result.first is not None
    assert (result.first.node, result.first.expected, result.first.got) == ("threshold sign", 1, 0)


def test_native_headers_compile_without_a_warning(tmp_path: Path):
    design = hwq.compile(mlp(), {"target": "vivado"})
    (tmp_path / "net").mkdir()
    for name, content in design.render().items():
        file = tmp_path / "net" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    command = ["g++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-Wno-unknown-pragmas", f"-I{NATIVE}", "-c", "-o", "o.o"]
    source = f"net/src/{design.settings().top}.cpp"
    done = subprocess.run([*command, source], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_native_project_needs_nothing_but_a_compiler(tmp_path: Path):
    """Its own folder holds every header; the testbench agrees with the shipped vectors."""
    project = hwq.compile(mlp(), {"target": "native"}).export(tmp_path / "net")
    assert (tmp_path / "net/src/hwq_native.h").read_bytes() == (NATIVE / "hwq_native.h").read_bytes()
    sources = [f"net/src/{project.design.settings().top}.cpp", f"net/tb/{project.design.settings().top}_tb.cpp"]
    built = subprocess.run(["g++", "-std=c++17", *sources, "-o", "tb"], capture_output=True, text=True, cwd=tmp_path)
    assert built.returncode == 0, built.stderr[:2000]
    ran = subprocess.run(["./tb", "net/tb/data"], capture_output=True, text=True, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "EQUAL 16 samples\n")
    assert "#pragma HLS" not in "".join(p.read_text() for p in (tmp_path / "net/src").rglob("*.h"))


def test_unknown_types_are_refused(tmp_path: Path):
    project = hwq.compile(small_model()).export(tmp_path / "net")
    with pytest.raises(HwqError, match="types 'own' are not available; use vendor or native"):
        project.verify(types="own")


def test_the_styles_name_every_rounding_and_overflow_alike():
    native = get_target("native").types
    assert set(native.rounding) == set(AP_TYPES.rounding)
    assert set(native.overflow) == set(Overflow)
