"""How long exact requantization takes: rows of step points, the search for a multiplier, and the proof, per layer.

    python benchmarks/requantizer.py

The peer is Python's own Fraction evaluating the same step points, measured on a part of them and scaled up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from hwq.ir.hardware import Edge
from hwq.numeric.fixed import FixedType, Rounding
from hwq.numeric.rational import rationals
from hwq.numeric.step_functions import Rounded
from hwq.ops import Channels
from hwq.ops.exact.requant import Requant
from hwq.passes.circuits.multiply_shift import multiply_shift
from hwq.passes.circuits.select import proved
from hwq.report.text_table import text_table

SAMPLE = 20000
LAYERS = ((226, 255, 19), (512, 255, 21), (512, 65535, 28))


def layer(count: int, top: int, acc_bits: int) -> tuple[Requant, Edge]:
    """Channels with products of float32 scales, as an 8-bit layer has them, and an accumulator of `acc_bits`."""
    rng = np.random.default_rng(count)
    a = rationals(np.float32(rng.uniform(0.3, 1.5, count) * top / 2.0**acc_bits))
    b = rationals(np.float32(rng.uniform(-top / 4, top / 4, count)))
    whole = np.asarray([0] * count, dtype=object), np.asarray([top] * count, dtype=object)
    op = Requant(Rounded(a, b, Rounding.HALF_EVEN, *whole), FixedType.covering(0, top), Channels(count, 1))
    return op, Edge.covering((1, count), -(1 << (acc_bits - 1)), 1 << (acc_bits - 1))


def main(layers: Sequence[tuple[int, int, int]] = LAYERS) -> None:
    """Measure and print; a layer is its channels, its greatest code and the bits of its sums."""
    rows = []
    for count, top, acc_bits in layers:
        op, x = layer(count, top, acc_bits)
        marks = [time.perf_counter()]
        table = op.step.integer_rows(x.lo, x.hi)
        marks.append(time.perf_counter())
        product = multiply_shift(op, table, x)
        marks.append(time.perf_counter())
        assert product is None or proved(product, table, x)
        marks.append(time.perf_counter())
        points = table.bounds.size
        assert isinstance(op.step, Rounded)
        a, b = op.step.a[0], op.step.b[0]
        start = time.perf_counter()
        for k in range(SAMPLE):
            point = (Fraction(2 * k - 1, 2) - b) / a
            _ = -(-point.numerator // point.denominator)
        fractions = (time.perf_counter() - start) / SAMPLE * points
        steps = [f"{t - s:.2f} s" for s, t in pairwise(marks)]
        bits = "-" if product is None else product.mult_bits
        rows.append([f"{count} channels, {top + 1} codes", points, *steps, bits, f"{fractions:.1f} s"])
    print(
        text_table(
            ["layer", "step points", "rows", "search", "proof", "m bits", "by Fractions"],
            rows,
            right=(1, 2, 3, 4, 5, 6),
        )
    )


if __name__ == "__main__":
    main()
