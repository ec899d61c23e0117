"""Lowering of scalar functions: a chain of them stays pending on its codes until a quantizer makes one exact table.

A `Curved` edge is a function of another edge's codes. Affine maps, clamps, further functions, moves, and joins of two
curves of the same codes extend it; a quantizer tabulates it; any other op needs its values on a grid, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.errors import UnsupportedError
from hwq.functions import (
    Applied,
    Code,
    CountStep,
    Curve,
    CurveSteps,
    Joined,
    RoundStep,
    Scaled,
    Step,
    codes_of,
    function_names,
    rational_values,
)
from hwq.functions.steps import FAR, MAX_LEVELS
from hwq.functions.turns import sides_of, turn_of
from hwq.ir import real
from hwq.ir.hardware import Edge
from hwq.ir.window import Reduction
from hwq.numeric.fixed import Codes, FixedType, Rounding, log2_exact, pow2
from hwq.numeric.rational import Rationals, elementwise, rationals, scalar, squeeze_uniform
from hwq.ops import Channels
from hwq.ops.exact.requant import Requant
from hwq.ops.exact.tabulated import Tabulated
from hwq.passes.lowering import ramps
from hwq.passes.lowering.grids import finished
from hwq.passes.lowering.quantizers import channel_rows, check_codes, integer_bias, one_or_rows, scale_frac
from hwq.passes.lowering.state import Affine, Coded, Curved, Lowering, LoweringRule, Pending, State, coded
from hwq.passes.lowering.wide import by_sides, narrowed

MAX_ENTRIES = 1 << 22  # of the tables of all channels
MAX_CODE = 1 << 29  # addresses are machine integers in C++
OUTPUT_BITS = 16  # a function that no quantizer rounds leaves the design on a grid of at most 2**16 steps
ROM_WIDTH = frozenset(["ULaw"])  # functions that are a table by definition, the width of its words being free
MAX_VALUE_BITS = 30  # widest code that stands for an unquantized value
SMALL_TABLE = 1 << 8  # up to here a table costs no more than two shifts and a comparison
MANY_ENTRIES = 1 << 18  # above, a monotone function's step points are sought instead of tabulated

JOINS: Mapping[type[real.RealOp], Callable[[Any], str]] = MappingProxyType(
    {
        real.Add: lambda op: "add",
        real.Mul: lambda op: "mul",
        real.Extremum: lambda op: "max" if op.largest else "min",
    }
)
TURNED: Mapping[Reduction, Reduction] = MappingProxyType(
    {Reduction.LARGEST: Reduction.LEAST, Reduction.LEAST: Reduction.LARGEST}
)
EXTENDING = (real.Affine, real.Clip, real.Reshape, real.Transpose, real.Unary)


def lower_unary(low: Lowering, node: real.RealNode, op: real.Unary, x: Pending) -> list[Pending]:
    """One more function on a curve; a model input without a type is refused."""
    inner = x if isinstance(x, Curved) else curved(coded(x, node))
    curve = Applied(whole(inner), op.function, op.arguments)
    return [Curved(inner.edge, Affine(scalar(1), scalar(0)), curve)]


def curved(x: Coded) -> Curved:
    """Codes as the simplest curve."""
    return Curved(x.edge, x.of, Code())


def whole(x: Curved) -> Curve:
    """The curve with what is pending after it."""
    return Scaled(x.curve, x.of.a, x.of.b, x.of.lo, x.of.hi)


def with_curves(rules: Mapping[type[real.RealOp], LoweringRule]) -> dict[type[real.RealOp], LoweringRule]:
    """The rules, each taught what to do with a curve that reaches it.

    A join of codes with themselves (x * Clip(x)) is made as any join, and remembered as a curve of those codes, which
    a function after it starts from.
    """
    origins: dict[str, tuple[str, Curve]] = {}  # edge a join made -> the edge it came from, and its code as a curve

    def origin(state: Pending) -> Pending:
        if isinstance(state, Coded) and state.edge in origins:
            edge, curve = origins[state.edge]
            return Curved(edge, state.of, curve)
        return state

    def taught(kind: type[real.RealOp], rule: LoweringRule) -> LoweringRule:
        def run(low: Lowering, node: real.RealNode, op: Any, *states: Pending) -> Sequence[Pending]:
            pending = any(isinstance(s, Curved) for s in states)
            if kind in JOINS and len({_edge(origin(s)) for s in states}) == 1 and _edge(origin(states[0])):
                join = _joined(JOINS[kind](op), [origin(s) for s in states], node)
                if pending:
                    return [join]
                (made,) = rule(low, node, op, *states)
                if isinstance(made, Coded) and _listable(low, low.edges[join.edge], 1) and _plain(made.of):
                    a, b = made.of.a, made.of.b
                    origins[made.edge] = join.edge, Scaled(join.curve, elementwise(lambda v: 1 / v, a), -b / a)
                return [made]
            if kind is real.Unary:
                return rule(low, node, op, *(origin(s) for s in states))
            if not pending:
                return rule(low, node, op, *states)
            if kind is real.Quantize:
                return [_quantized(low, node, op, states[0])]
            if kind is real.Stairs:
                return [_counted(low, node, op, states[0])]
            if kind is real.Select and not op.selection.fills:
                (state,) = states
                assert isinstance(state, Curved)
                return [_carried(low, node, op, state, rule, op.selection.follow)]
            if kind is real.Pool and _keeps_order(states[0], op):
                (state,) = states
                assert isinstance(state, Curved)
                rising = whole(state).trends(1)[0] > 0
                return [_carried(low, node, op if rising else replace(op, how=TURNED[op.how]), state, rule, None)]
            if kind not in EXTENDING:
                states = tuple(on_codes(low, node, s) if isinstance(s, Curved) else s for s in states)
            return rule(low, node, op, *states)

        return run

    return {kind: taught(kind, rule) for kind, rule in rules.items()}


def _joined(how: str, states: list[Pending], node: real.RealNode) -> Curved:
    """A join of two curves of the same codes."""
    first, second = (s if isinstance(s, Curved) else curved(coded(s, node)) for s in states)
    return Curved(first.edge, Affine(scalar(1), scalar(0)), Joined(how, whole(first), whole(second)))


def _plain(of: Affine) -> bool:
    """Whether codes follow from values: no clamp is pending and no factor is 0."""
    return of.lo is None and of.hi is None and all(v != 0 for v in of.a.reshape(-1))


def _keeps_order(state: Pending, op: real.Pool) -> bool:
    """Whether the greatest or least value of a window is that of its greatest or least code."""
    if not isinstance(state, Curved) or op.how not in TURNED:
        return False
    curve = whole(state)
    return all(v.size == 1 for v in curve.parameters()) and curve.trends(1)[0] != 0


def _carried(
    low: Lowering,
    node: real.RealNode,
    op: real.RealOp,
    x: Curved,
    rule: LoweringRule,
    follow: Callable[[Rationals], Any] | None,
) -> Curved:
    """The op done to the codes; the curve, whose parameters follow, stays pending."""
    (codes,) = rule(low, node, op, Coded(x.edge, Affine(scalar(1), scalar(0))))
    assert isinstance(codes, Coded)

    def moved(values: Rationals) -> Rationals:
        return values if values.size == 1 or follow is None else np.asarray(follow(values), dtype=object)

    return Curved(codes.edge, Affine(scalar(1), scalar(0)), whole(x).mapped(moved))


def _edge(state: Pending) -> str | None:
    return state.edge if isinstance(state, Coded | Curved) else None


def _quantized(low: Lowering, node: real.RealNode, op: real.Quantize, x: Pending) -> State:
    assert isinstance(x, Curved)
    ramp = _ramp(low, node, op, x)
    if ramp is not None:
        return ramp
    after = np.asarray(op.after, dtype=object)
    lo, hi = (None if v is None else np.asarray(v - op.after, dtype=object) for v in (op.lo, op.hi))
    for codes in (v for v in (after, lo, hi) if v is not None):
        check_codes(int(codes.min()), int(codes.max()))
    curve, (after, *bounds), channels = _per_channel(
        low, x, Scaled(whole(x), op.a, op.b), [after, *(v for v in (lo, hi) if v is not None)]
    )
    row = iter(bounds)
    step = RoundStep(op.rounding, None if lo is None else next(row), None if hi is None else next(row))
    limits = (op.lo, op.hi) if op.lo is not None and op.hi is not None else None
    bias = one_or_rows(after)
    return _tabulated(low, node, x.edge, curve, step, channels, bias, limits, Affine(op.scale, op.offset))


def _ramp(low: Lowering, node: real.RealNode, op: real.Quantize, x: Curved) -> Coded | None:
    """A two-slope function by two requantizations: where they are shifts and the table large, or there is no table."""
    pair, edge = ramps.sides(x), low.edges[x.edge]
    if pair is None:
        return None
    shifts = ramps.shifts(op, pair) and edge.hi - edge.lo > SMALL_TABLE
    if not shifts and (_listable(low, edge, 1) or all(whole(x).trends(1))):
        return None
    return ramps.quantized(low, node, op, pair)


def _counted(low: Lowering, node: real.RealNode, op: real.Stairs, x: Pending) -> State:
    assert isinstance(x, Curved)
    shape, steps = low.shape(x), op.levels.shape[-1]
    full = op.levels.reshape((1,) * (len(shape) + 1 - op.levels.ndim) + op.levels.shape)
    curve, rows, channels = _per_channel(low, x, whole(x), [full[..., k] for k in range(steps)])
    levels = np.stack(rows, axis=1) if steps else np.empty((channels.count, 0), dtype=object)
    bias = integer_bias(op)
    value = Affine(op.scale, op.offset - bias * op.scale)
    return _tabulated(
        low, node, x.edge, curve, CountStep(levels, op.opened), channels, bias, (bias, bias + steps), value
    )


def _per_channel(low: Lowering, x: Curved, curve: Curve, more: list[Any]) -> tuple[Curve, list[Any], Channels]:
    """The curve with its parameters as one row per channel, further parameters likewise, and the channel map."""
    own = curve.parameters()
    rows, channels = channel_rows([*own, *more], low.shape(x))
    row = iter(rows)
    return curve.mapped(lambda _: next(row)), rows[len(own) :], channels


def _tabulated(
    low: Lowering,
    node: real.RealNode,
    edge: str,
    curve: Curve,
    step: Step,
    channels: Channels,
    bias: int | Codes,
    limits: tuple[int, int] | None,
    value: Affine,
) -> State:
    """A table where the codes are few; step points where they are many and the curve is monotone."""
    x, frac = low.edges[edge], scale_frac(value.a)
    offsets = np.asarray(bias, dtype=np.int64).reshape(-1, 1)
    monotone = all(curve.trends(channels.count))
    names = ".".join(dict.fromkeys(function_names(curve)))
    if _listable(low, x, channels.count) and not (monotone and (x.hi - x.lo) * channels.count > MANY_ENTRIES):
        table = codes_of(curve, step, _every(x, channels.count)) + offsets
        lo, hi = limits or (int(table.min()), int(table.max()))
        drawn = Scaled(curve, scalar(1), rationals(offsets)) if isinstance(step, RoundStep) else None
        op = Tabulated(table, x.lo, FixedType.covering(lo, hi, frac), channels, names, drawn)
        return Coded(low.emit(node, op, edge)[0], value)
    if not monotone:
        out = by_sides(low, node, edge, curve, step, channels, bias, limits, frac)
        if out is not None:
            return Coded(out, value)
        few = narrowed(low, node, edge, curve, step, channels.count, 1 << low.table_bits)
        if few is None:
            raise _too_wide(low, x, names, channels.count)
        (out, table, first), (lo, hi) = few, limits or (int(few[1].min()), int(few[1].max()))
        op = Tabulated(table + offsets, first, FixedType.covering(lo, hi, frac), channels, names)
        return Coded(low.emit(node, op, out)[0], value)
    steps = CurveSteps(curve, step, channels.count)
    if limits is None:
        ends = steps.codes(np.tile(np.asarray([x.lo, x.hi], dtype=object), (channels.count, 1))) + offsets
        limits = int(ends.min()), int(ends.max())
    requant = Requant(steps, FixedType.covering(*limits, frac), channels, bias)
    return Coded(low.emit(node, requant, edge)[0], value)


def _listable(low: Lowering, x: Edge, count: int) -> bool:
    span = x.hi - x.lo + 1
    return span <= 1 << low.table_bits and span * count <= MAX_ENTRIES and max(abs(x.lo), abs(x.hi)) < MAX_CODE


def _every(x: Edge, count: int) -> Codes:
    return np.broadcast_to(np.arange(x.lo, x.hi + 1, dtype=np.int64), (count, x.hi - x.lo + 1))


def _too_wide(low: Lowering, x: Edge, names: str, count: int, behind: bool = False) -> UnsupportedError:
    """`behind`: a quantizer after the function would make step points of it."""
    each = f" in each of {count} channels" if count > 1 else ""
    before = f"of at most {low.table_bits} bits before it, such as Quant with bit width 8"
    return UnsupportedError(
        f"{names} of codes {x.lo}..{x.hi}{each}, too many for a table",
        remedy=f"put a quantizer right behind it, or one {before}" if behind else f"put a quantizer {before}",
    )


def _turns_once(curve: Curve, x: Edge, count: int) -> bool:
    """Whether each channel of a curve is monotone, or falls and rises about one known turn."""
    trends = curve.trends(count)
    if all(trends):
        return True
    turns = [turn_of(curve, c) for c in range(count)]
    return x.hi > x.lo and all(turns) and len({t.valley for t in turns if t is not None}) == 1


def on_codes(low: Lowering, node: real.RealNode, x: Curved) -> Coded:
    """The curve's values as codes of a grid that holds them all, where there is one."""
    edge, names = low.edges[x.edge], ".".join(dict.fromkeys(function_names(x.curve)))
    curve, _, channels = _per_channel(low, x, whole(x), [])
    pair = None if _listable(low, edge, channels.count) else ramps.sides(x)
    if pair is not None:
        return ramps.joined(low, node, pair)
    if not _listable(low, edge, channels.count):
        raise _too_wide(low, edge, names, channels.count, _turns_once(curve, edge, channels.count))
    values = rational_values(curve, range(edge.lo, edge.hi + 1), channels.count)
    step = None if values is None else _grid(values)
    if step is None and ROM_WIDTH.intersection(function_names(x.curve)):
        rounded = _rounded(low, node, x)
        if rounded is not None:
            return rounded
    if values is None or step is None:
        raise UnsupportedError(
            f"{names} reaches it without a quantizer, and its values lie on no grid of {MAX_VALUE_BITS} bits",
            remedy=f"put a Quant node after {names.rpartition('.')[2]}",
        )
    table = np.asarray([[int(v / step) for v in row] for row in values], dtype=np.int64)
    exponent = log2_exact(step)
    frac = 0 if exponent is None or abs(exponent) > 512 else -exponent
    kind = FixedType.covering(int(table.min()), int(table.max()), frac)
    exact = Scaled(curve, scalar(1 / step), scalar(0))
    (out,) = low.emit(node, Tabulated(table, edge.lo, kind, channels, names, exact), x.edge)
    return Coded(out, Affine(squeeze_uniform(scalar(step)), scalar(0)))


def finished_curve(low: Lowering, node: real.RealNode, x: Pending) -> Coded:
    """An output's codes; the values of a function that lie on no grid are rounded once, on one that spans them."""
    if not isinstance(x, Curved):
        return finished(low, node, x)
    try:
        codes = on_codes(low, node, x)
    except UnsupportedError:
        rounded = _rounded(low, node, x)
        if rounded is None:
            raise
        codes = rounded
    return finished(low, node, codes)


def _rounded(low: Lowering, node: real.RealNode, x: Curved) -> Coded | None:
    """The function's values rounded once, half to even, to at most `OUTPUT_BITS` bits; None: they are not to be had."""
    frac = _output_frac(low, x)
    if frac is None:
        return None
    there, back = scalar(pow2(frac)), scalar(pow2(-frac))
    step = real.Quantize(there, scalar(0), Rounding.HALF_EVEN, None, None, back, scalar(0))
    return coded(_quantized(low, node, step, x), node)


def _output_frac(low: Lowering, x: Curved) -> int | None:
    """The binary point at which a function's values span at most 2**OUTPUT_BITS steps; None: it is not to be had."""
    edge = low.edges[x.edge]
    curve, _, channels = _per_channel(low, x, whole(x), [])
    scaled, step = Scaled(curve, scalar(pow2(OUTPUT_BITS)), scalar(0)), RoundStep(Rounding.HALF_EVEN, None, None)
    if _listable(low, edge, channels.count):
        codes = codes_of(scaled, step, _every(edge, channels.count))
    elif _turns_once(curve, edge, channels.count) and channels.count * MAX_LEVELS <= MAX_ENTRIES:
        sides = None if all(curve.trends(channels.count)) else sides_of(scaled, step, edge.lo, edge.hi, channels.count)
        turns = np.full(channels.count, edge.lo) if sides is None else sides[0].at
        points = np.asarray([[edge.lo, int(at), edge.hi] for at in turns], dtype=object)
        codes = codes_of(scaled, step, points)
    else:
        return None
    lo, hi = int(codes.min()), int(codes.max())
    most = max(abs(lo), abs(hi), hi - lo)
    return 2 * OUTPUT_BITS - max(most - 1, 0).bit_length() if most < FAR else None


def _grid(values: Rationals) -> Fraction | None:
    """The largest step of which all values are multiples, if the multiples have few bits."""
    flat = set(values.reshape(-1).tolist())
    den = 1
    for v in flat:
        den = lcm(den, v.denominator)
        if den.bit_length() > 4 * MAX_VALUE_BITS:
            return None
    step = Fraction(gcd(*(int(v * den) for v in flat)) or 1, den)
    return step if max(abs(int(v / step)) for v in flat).bit_length() <= MAX_VALUE_BITS else None
