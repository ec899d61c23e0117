"""What a requantizing circuit costs, per element that is computed at once: rough counts for a choice, not a report."""

from __future__ import annotations

from dataclasses import dataclass

from hwq.ir.hardware import Edge
from hwq.numeric.fixed import FixedType
from hwq.ops import Lut, MultiplyShift, Op, Threshold

LUT_BITS = 64  # bits of distributed ROM in one LUT6
BRAM_BITS = 18 * 1024
BRAM_FROM = 4 * 1024  # ROMs of at least so many bits go into block RAM
DSP_WIDE, DSP_NARROW = 26, 17  # magnitudes one DSP48E1 multiplies (25 x 18, signed)


@dataclass(frozen=True)
class Costs:
    """Weights of the resources. By default one DSP is worth 50 LUTs and one block RAM (18 kbit) 100.

    Up to `compare_levels` steps are always compared side by side: one cycle, no multiplier, and readable.
    """

    lut: float = 1.0
    dsp: float = 50.0
    bram: float = 100.0
    compare_levels: float = 15

    def of(self, op: Op, x: Edge) -> float:
        """The weighted sum of what the circuit needs."""
        lut, dsp, bram = resources(op, x, self.dsp / self.lut if self.lut else float("inf"))
        return self.lut * lut + self.dsp * dsp + self.bram * bram


DEFAULT_COSTS = Costs()


def resources(op: Op, x: Edge, luts_per_dsp: float) -> tuple[float, float, float]:
    """(LUTs, DSPs, block RAMs); a product is built from LUTs where it takes fewer than a DSP is worth."""
    if isinstance(op, Threshold):
        lut, bram = _rom(op.thresholds.size * x.type.width)
        compared = op.steps if op.search else op.levels
        return lut + compared * (x.type.width / 2 + 2), 0, bram
    if isinstance(op, Lut):
        lut, bram = _rom(op.words.size * op.word_type.width)
        kept = sum((*op.clamps(x), *op.overflows)) + (2 if op.mirror is not None else 0)
        return lut + kept * (x.type.width + op.type.width) / 4, 0, bram
    if isinstance(op, MultiplyShift):
        add = FixedType.covering(int(op.add.min()), int(op.add.max())).width
        rom, bram = _rom(0 if op.mult.size == 1 else op.mult.size * (op.mult_bits + add))
        luts, dsps = product_cost(x.type.width, op.mult_bits, luts_per_dsp)
        if not op.coding.multiplies:  # a level of a shifter for each bit that says by how much
            luts, dsps = op.term(x).width * op.coding.word.width / 2, 0
        return rom + luts + op.sum_edge(x).type.width + op.type.width, dsps, bram
    return 0, 0, 0


def product_cost(width: int, other: int, luts_per_dsp: float) -> tuple[float, float]:
    """(LUTs, DSPs) of one product of two factors."""
    wide, narrow = max(width, other), min(width, other)
    dsps = -(-wide // DSP_WIDE) * -(-narrow // DSP_NARROW)
    luts = width * other / 2
    return (luts, 0) if luts < dsps * luts_per_dsp else (0, dsps)


def _rom(bits: int) -> tuple[float, float]:
    """(LUTs, block RAMs) of a ROM."""
    return (bits / LUT_BITS, 0) if bits < BRAM_FROM else (0, -(-bits // BRAM_BITS))
