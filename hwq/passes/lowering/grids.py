"""Bringing codes to where a clamp, a comparison or an output can use them: one grid, whole offsets, no clamp left."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.numeric.fixed import Codes, Rounding, code_dtype
from hwq.numeric.rational import Rationals, common_step, scalar, squeeze_uniform, uniform
from hwq.ops import Scale, Shift, spread
from hwq.passes.lowering.state import Affine, Coded, Lowering, State, coded

LOWEST = real.MINUS_INFINITY / (1 << 100)  # what is below came of minus infinity
MAX_ALIGN_BITS = 48  # widest multiplier used to bring channels onto one grid


def finished(low: Lowering, node: real.RealNode, x: State) -> Coded:
    """An output's codes: clamps done; an accumulator takes its offset in where that fits its grid."""
    state = settled(low, node, coded(x, node))
    return whole_offsets(low, node, state) if state.edge in low.accumulators else state


def reached(low: Lowering, x: Coded) -> tuple[Rationals, Rationals]:
    """The least and the greatest real value that codes can mean, per channel, whatever clamp is pending."""
    edge = low.edges[x.edge]
    ends = [np.asarray(x.of.a * Fraction(end) + x.of.b, dtype=object) for end in (edge.lo, edge.hi)]
    return np.asarray(np.minimum(*ends), dtype=object), np.asarray(np.maximum(*ends), dtype=object)


def closed(low: Lowering, x: Coded) -> tuple[Rationals, Rationals]:
    """A pending clamp's bounds; what is open ends where the values do, also where all of them lie beyond the other."""
    least, most = reached(low, x)
    lo, hi = x.of.lo, x.of.hi
    above = most if lo is None else np.asarray(np.maximum(most, lo), dtype=object)
    below = least if hi is None else np.asarray(np.minimum(least, hi), dtype=object)
    return below if lo is None else lo, above if hi is None else hi


def settled(low: Lowering, node: real.RealNode, x: Coded) -> Coded:
    """Without a pending clamp: dropped where the range never meets it, else an integer clamp on a fitting grid."""
    of = x.of
    if of.lo is None and of.hi is None:
        if any(v <= LOWEST for v in of.b.reshape(-1)):
            raise UnsupportedError(
                "minus infinity, which a mask before it adds",
                remedy="put the Softmax or a quantizer right behind the mask",
            )
        return x
    least, most = reached(low, x)
    lo = of.lo if of.lo is not None and bool(np.any(least < of.lo)) else None
    hi = of.hi if of.hi is not None and bool(np.any(most > of.hi)) else None
    if lo is None and hi is None:
        return Coded(x.edge, Affine(of.a, of.b))
    bounds = [v for v in (lo, hi) if v is not None]
    if any(uniform(v) is None for v in bounds):
        return _clamped_apart(low, node, Coded(x.edge, Affine(of.a, of.b)), lo, hi)
    limits = [v.reshape(-1)[0] for v in bounds]
    beyond = [v for v, ends in ((lo, most <= limits[0]), (hi, least >= limits[-1])) if v is not None and ends.all()]
    if beyond:  # the range lies beyond a bound: a constant
        (out,) = low.emit(node, Shift(0, Rounding.FLOOR, 0, 0), x.edge)
        return Coded(out, Affine(scalar(1), scalar(beyond[-1].reshape(-1)[0])))
    aligned = on_one_grid(low, node, Coded(x.edge, Affine(of.a, of.b)), limits)
    step = aligned.of.a[0]
    edge = low.edges[aligned.edge]
    low_code = edge.lo if lo is None else max(edge.lo, int(lo.reshape(-1)[0] / step))
    high_code = max(low_code, edge.hi if hi is None else min(edge.hi, int(hi.reshape(-1)[0] / step)))
    (out,) = low.emit(node, Shift(0, Rounding.FLOOR, low_code, high_code), aligned.edge)
    low.accumulators.add(out)
    return Coded(out, Affine(scalar(step), scalar(0)))


def _clamped_apart(low: Lowering, node: real.RealNode, x: Coded, lo: Rationals | None, hi: Rationals | None) -> Coded:
    """A clamp whose bounds differ: each becomes 0 of the distance from it, and the offset of what comes out."""
    for bound, upper in ((lo, False), (hi, True)):
        if bound is None:
            continue
        apart = on_one_grid(low, node, Coded(x.edge, Affine(x.of.a, np.asarray(x.of.b - bound, dtype=object))), [])
        edge = low.edges[apart.edge]
        limits = (min(edge.lo, 0), min(edge.hi, 0)) if upper else (max(edge.lo, 0), max(edge.hi, 0))
        (out,) = low.emit(node, Shift(0, Rounding.FLOOR, *limits), apart.edge)
        low.accumulators.add(out)
        x = Coded(out, Affine(apart.of.a, squeeze_uniform(np.asarray(bound, dtype=object))))
    return x


def on_one_grid(low: Lowering, node: real.RealNode, x: Coded, also: list[Fraction]) -> Coded:
    """The same values as multiples of one step, offset 0; `also` lists values that have to be multiples too."""
    a, b = x.of.a, x.of.b
    one = uniform(a)
    if one is not None and one > 0 and uniform(b) == 0 and all((v / one).denominator == 1 for v in also):
        return Coded(x.edge, Affine(scalar(one), scalar(0)))
    extra = np.asarray([*also, Fraction(0)], dtype=object)
    step = common_step(np.concatenate([a.reshape(-1), b.reshape(-1), extra]))
    mult, add = np.asarray(a / step, dtype=object), np.asarray(b / step, dtype=object)
    widest = max(abs(int(v)) for v in mult.reshape(-1))
    if widest.bit_length() > MAX_ALIGN_BITS:
        raise UnsupportedError(
            "channels of real scales that share no grid", remedy="put a quantizer with one scale before this op"
        )
    edge = scaled(low, node, x.edge, mult, add)
    return Coded(edge, Affine(scalar(step), scalar(0)))


def on_one_scale(low: Lowering, node: real.RealNode, x: Coded) -> Coded:
    """The same values with one scale for all of them; offsets stay what and where they are."""
    step = common_step(np.asarray(x.of.a, dtype=object))
    mult = np.asarray(x.of.a / step, dtype=object)
    if max(abs(int(v)) for v in mult.reshape(-1)).bit_length() > MAX_ALIGN_BITS:
        raise UnsupportedError(
            "a scale that varies over the rows of a product, by no common step",
            remedy="put a quantizer with one scale before this op",
        )
    edge = scaled(low, node, x.edge, mult, np.asarray(scalar(0), dtype=object))
    return Coded(edge, Affine(scalar(step), x.of.b))


def scaled(low: Lowering, node: real.RealNode, edge: str, mult: Rationals, add: Rationals) -> str:
    """code * mult + add, integers per channel."""
    shape = low.edges[edge].shape
    mult, add = np.broadcast_arrays(mult, add)
    rows = np.stack([mult, add], axis=-1)
    (m, channels), (o, _) = spread(rows[..., 0], shape), spread(rows[..., 1], shape)

    def whole(values: Any) -> Codes:
        integers = [int(v) for v in values]
        return np.asarray(integers, dtype=code_dtype(min(integers), max(integers)))

    (out,) = low.emit(node, Scale(whole(m), whole(o), channels), edge)
    low.accumulators.add(out)
    return out


def whole_offsets(low: Lowering, node: real.RealNode, x: Coded) -> Coded:
    """An accumulator with its offset inside, where the offset lies on its grid or on one up to 12 bits finer."""
    a, b = x.of.a, x.of.b
    if all(v == 0 for v in b.reshape(-1)) or any(v <= 0 for v in a.reshape(-1)):
        return x
    ratio = np.asarray(b / a, dtype=object)
    finer = 1
    for v in ratio.reshape(-1):
        finer = max(finer, v.denominator)
    if finer & (finer - 1) or finer > 1 << 12 or any((v * finer).denominator != 1 for v in ratio.reshape(-1)):
        return x
    edge = scaled(low, node, x.edge, np.asarray(scalar(finer), dtype=object), ratio * finer)
    return Coded(edge, Affine(np.asarray(a / finer, dtype=object), scalar(0)))
