"""The requantizer: every realisation of a step function against Fractions at both sides of every step point."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwq.errors import UnsupportedError
from hwq.ir.hardware import Edge, Node
from hwq.numeric.fixed import FixedType, Rounding
from hwq.numeric.step_functions import Rounded, Rows, Stairs
from hwq.numeric.step_points import least_integers
from hwq.ops import Channels, Lut, MultiplyShift, Op, Shift, Threshold
from hwq.ops.exact.requant import Requant
from hwq.passes.circuits.costs import Costs
from hwq.passes.circuits.multiply_shift import multiply_shift
from hwq.passes.circuits.select import cheapest, formula_shift, proved


def column(values: list[Any]) -> Any:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def requant(
    scales: list[Fraction],
    offsets: list[Fraction],
    rounding: Rounding = Rounding.HALF_EVEN,
    lo: int = -128,
    hi: int = 127,
    bias: Any = 0,
) -> Requant:
    count = len(scales)
    step = Rounded(column(scales), column(offsets), rounding, column([lo] * count), column([hi] * count))
    ends = [lo + int(np.min(bias)), hi + int(np.max(bias))]
    return Requant(step, FixedType.covering(min(ends), max(ends)), Channels(count, 1), bias)


def table(op: Requant, x: Edge) -> Rows:
    rows = op.step.integer_rows(x.lo, x.hi)
    return replace(rows, base=rows.base + op.offsets[:, 0])


def in_fractions(op: Requant, channel: int, x: int) -> int:
    """The quantizer's text, read literally."""
    step = op.step
    assert isinstance(step, Rounded)
    value = step.a[channel] * x + step.b[channel]
    down = value.numerator // value.denominator
    rest = value - down
    up = {
        Rounding.FLOOR: False,
        Rounding.CEIL: rest > 0,
        Rounding.TO_ZERO: rest > 0 and value < 0,
        Rounding.AWAY: rest > 0 and value > 0,
        Rounding.HALF_EVEN: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and down % 2 == 1),
        Rounding.HALF_AWAY: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and value > 0),
        Rounding.HALF_TO_ZERO: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and value < 0),
        Rounding.HALF_UP: rest >= Fraction(1, 2),
        Rounding.HALF_DOWN: rest > Fraction(1, 2),
    }[rounding_of(step)]
    clipped = min(max(down + int(up), int(step.lo[channel])), int(step.hi[channel]))
    return clipped + int(op.offsets[channel % op.offsets.shape[0], 0])


def rounding_of(step: Rounded) -> Rounding:
    return step.rounding


def disagreements(circuit: Op | None, op: Requant, x: Edge, points: int = 200) -> int:
    """At both sides of the step points (a sample of them where they are many) and at random places."""
    rows = table(op, x)
    rng = np.random.default_rng(0)
    wrong = 0
    for c in range(op.channels.count):
        steps = [int(v) for v in rows.bounds[c] if v <= x.hi]
        if len(steps) > points:
            steps = steps[:8] + [steps[i] for i in rng.integers(0, len(steps), points)] + steps[-8:]
        xs = {x.lo, x.hi, *steps, *(s - 1 for s in steps), *(int(v) for v in rng.integers(x.lo, x.hi + 1, 40))}
        flat = np.asarray(sorted(xs), dtype=np.int64)
        if circuit is None:
            have = flat
        else:
            wide = np.zeros((flat.size, op.channels.count), dtype=np.int64) + min(max(0, x.lo), x.hi)
            wide[:, c] = flat
            have = circuit.prepare((x,))(wide)[0][:, c]
        wrong += sum(int(h) != in_fractions(op, c, int(v)) for h, v in zip(have, flat, strict=True))
    return wrong


SCALES = st.one_of(
    st.builds(lambda m, e: Fraction(m) / 2**e, st.integers(1, (1 << 24) - 1), st.integers(0, 60)),
    st.just(Fraction(7.9e-13)),
    st.builds(lambda e: Fraction(1, 2**e), st.integers(0, 40)),
    st.builds(Fraction, st.integers(1, 9), st.integers(1, 9)),
    st.just(Fraction(0)),
)
SIGNED = st.builds(lambda s, n: -s if n else s, SCALES, st.booleans())
OFFSETS = st.one_of(
    st.builds(lambda m, e: Fraction(m, 2**e), st.integers(-(1 << 24), 1 << 24), st.integers(0, 40)),
    st.just(Fraction(0)),
)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(SIGNED, OFFSETS), min_size=1, max_size=4),
    st.sampled_from(list(Rounding)),
    st.integers(1, 16),
    st.booleans(),
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
    st.one_of(st.integers(-9, 9), st.just("each")),
    st.booleans(),
)
@example([(Fraction((1 << 24) - 1, 1 << 39), Fraction(1, 3))], Rounding.HALF_EVEN, 16, True, (40, 40), 0, False)
@example([(Fraction(7.9e-13), Fraction(0)), (Fraction(1, 7), Fraction(2))], Rounding.FLOOR, 8, True, (40, 40), 3, True)
def test_every_realisation_agrees_with_fractions_at_every_step(
    lines: list[tuple[Fraction, Fraction]],
    rounding: Rounding,
    width: int,
    signed: bool,
    bits: tuple[int, int],
    zero: int | str,
    dear: bool,
) -> None:
    x = Edge.covering((1, len(lines)), -(1 << bits[0]), (1 << bits[1]) - 1)
    lo, hi = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    bias = np.asarray([3 * c - 4 for c in range(len(lines))]) if zero == "each" else zero
    op = requant([a for a, _ in lines], [b for _, b in lines], rounding, lo, hi, bias)
    rows = table(op, x)
    # `dear` makes tables so expensive that a product is taken even for few levels.
    costs = Costs(lut=1000.0, dsp=0.001, bram=1e6, compare_levels=0) if dear else Costs()
    assert disagreements(cheapest(op, rows, x, "n", costs), op, x) == 0
    product = multiply_shift(op, rows, x)
    if product is not None:
        assert proved(product, rows, x)
        assert disagreements(product, op, x) == 0


def random_layer(count: int, top: int, acc_bits: int, seed: int = 1) -> tuple[Requant, Edge]:
    """Scales as float32 products give them: the accumulator's range maps to about the output's."""
    rng = np.random.default_rng(seed)
    scales = [
        Fraction(float(np.float32(w))) * Fraction(float(np.float32(0.0123))) / Fraction(float(np.float32(0.0457)))
        for w in rng.uniform(0.3, 1.5, count) * top / 2.0**acc_bits
    ]
    offsets = [Fraction(float(np.float32(b))) for b in rng.uniform(-top / 4, top / 4, count)]
    x = Edge.covering((1, count), -(1 << (acc_bits - 1)) * 4, (1 << (acc_bits - 1)) * 4)
    return requant(scales, offsets, lo=0, hi=top), x


def test_eight_bit_layers_find_the_factors_that_are_known_to_suffice() -> None:
    op, x = random_layer(226, 255, 19)
    rows = table(op, x)
    product = multiply_shift(op, rows, x)
    assert product is not None
    assert product.mult_bits <= 27
    assert proved(product, rows, x)


def test_the_factor_is_the_narrowest_for_its_shift() -> None:
    """No factor at one bit less: by trying every factor and every offset."""
    op, x = requant([Fraction(37, 1000)], [Fraction(1, 3)], lo=0, hi=15), Edge.covering((1, 1), 0, 450)
    rows = table(op, x)
    product = multiply_shift(op, rows, x)
    assert product is not None
    xs = np.arange(x.lo, x.hi + 1)
    want = np.asarray([in_fractions(op, 0, int(v)) for v in xs])

    def serves(drop: int) -> bool:
        return any(
            bool((np.clip((xs * m + r) >> drop, 0, 15) == want).all())
            for m in range(1, 1 << drop)
            for r in range(1 << drop)
        )

    assert product.drop > 2
    assert not serves(product.drop - 1)


@pytest.mark.slow
def test_the_largest_layer_compiles_to_one_product() -> None:
    op, x = random_layer(512, 65535, 28)
    circuit = cheapest(op, table(op, x), x, "n", Costs())
    assert isinstance(circuit, MultiplyShift)


def test_few_levels_stay_thresholds_and_powers_of_two_stay_shifts() -> None:
    x = Edge.covering((1, 2), -4000, 4000)
    real = requant([Fraction(1, 300), Fraction(1, 271)], [Fraction(0)] * 2, lo=0, hi=15)
    assert isinstance(cheapest(real, table(real, x), x, "n", Costs()), Threshold)
    dyadic = requant([Fraction(1, 32)] * 2, [Fraction(5)] * 2)
    assert isinstance(cheapest(dyadic, table(dyadic, x), x, "n", Costs()), Shift)


def test_the_weights_decide_between_a_product_and_thresholds() -> None:
    op, x = random_layer(16, 255, 19)
    rows = table(op, x)
    assert isinstance(cheapest(op, rows, x, "n", Costs()), MultiplyShift)
    assert isinstance(cheapest(op, rows, x, "n", Costs(compare_levels=300)), Threshold)


def test_few_codes_of_the_input_are_looked_up() -> None:
    op = requant([Fraction(37, 100)], [Fraction(1, 3)], lo=-64, hi=63)
    x = Edge.covering((1, 4), -128, 127)
    circuit = cheapest(op, table(op, x), x, "n", Costs(lut=1.0, dsp=1000.0))
    assert isinstance(circuit, Lut)
    assert disagreements(circuit, op, x) == 0


def test_channels_with_a_clamp_of_their_own_fall_back_to_thresholds() -> None:
    step = Rounded(
        column([Fraction(1, 30)] * 2), column([Fraction(0)] * 2), Rounding.HALF_EVEN, column([0, 0]), column([200, 90])
    )
    op, x = Requant(step, FixedType(False, 8), Channels(2, 1)), Edge.covering((1, 2), -9000, 9000)
    rows = table(op, x)
    assert multiply_shift(op, rows, x) is None
    assert disagreements(cheapest(op, rows, x, "n", Costs()), op, x) == 0


def test_free_steps_that_happen_to_lie_on_a_line_become_a_product() -> None:
    levels = np.empty((1, 40), dtype=object)
    levels[0] = [Fraction(7 * k) + Fraction(1, 2) for k in range(40)]
    op = Requant(Stairs(column([Fraction(1)]), column([Fraction(0)]), levels), FixedType(False, 6))
    x = Edge.covering((1, 1), -10, 500)
    product = multiply_shift(op, table(op, x), x)
    assert product is not None
    assert proved(product, table(op, x), x)


def test_a_proof_fails_for_a_circuit_that_is_off_at_one_step() -> None:
    op, x = random_layer(3, 255, 19)
    rows = table(op, x)
    bounds = rows.bounds.copy()
    bounds[1, 100] += 1
    assert not proved(Threshold(bounds, rows.base, rows.sign, op.type, op.channels), rows, x)
    product = multiply_shift(op, rows, x)
    assert product is not None
    assert not proved(replace(product, add=product.add - (1 << product.drop)), rows, x)


def test_points_a_hair_above_an_integer_are_not_taken_for_it() -> None:
    hair = Fraction(1, 1 << 100)
    origin, spacing = column([5 + hair, Fraction(5), 5 - hair]), column([Fraction(1, 3)] * 3)
    multiples, yes = np.asarray([[0, 3]] * 3), np.ones((3, 2), dtype=bool)
    assert least_integers(origin, spacing, multiples, yes, yes).tolist() == [[6, 7], [5, 6], [5, 6]]
    assert least_integers(origin, spacing, multiples, ~yes, yes).tolist() == [[6, 7], [6, 7], [5, 6]]


def test_more_codes_than_can_be_listed_are_shifted_by_the_quantizers_own_formula() -> None:
    op, x = (
        requant([Fraction(1, 16)], [Fraction(3)], lo=-(1 << 23), hi=(1 << 23) - 1),
        Edge.covering((1, 1), -(1 << 30), 1 << 30),
    )
    node = Node("wide", op, ("x",), ("y",))
    shift = formula_shift(node, x)
    assert isinstance(shift, Shift)
    codes = np.asarray([x.lo, -25, -24, -9, -8, -7, 0, 7, 8, 9, 24, 25, 1 << 27, x.hi])
    got = shift.prepare((x,))(codes.reshape(-1, 1, 1))[0].reshape(-1)
    assert got.tolist() == [in_fractions(op, 0, int(v)) for v in codes]


def test_more_codes_than_can_be_listed_by_a_real_scale_are_refused_by_node() -> None:
    op, x = (
        requant([Fraction(1, 3)], [Fraction(0)], lo=-(1 << 23), hi=1 << 23),
        Edge.covering((1, 1), -(1 << 30), 1 << 30),
    )
    with pytest.raises(UnsupportedError, match=r"wide.*20 bits"):
        formula_shift(Node("wide", op, ("x",), ("y",)), x)
