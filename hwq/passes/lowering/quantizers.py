"""Lowering of quantizers: what came before them becomes one exact step function per channel."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.ir.hardware import Edge, Shape
from hwq.ir.host_quantizers import HostQuantizer, SteppedQuantizer, TypedQuantizer
from hwq.numeric.fixed import Codes, FixedType, Overflow, Rounding, log2_exact, pow2, round_ratio
from hwq.numeric.rational import Rationals, elementwise, narrowed, scalar, uniform
from hwq.numeric.step_functions import Rounded, Stairs, StepFunction
from hwq.ops import Channels, spread
from hwq.ops.exact.requant import Requant
from hwq.passes.lowering.grids import settled
from hwq.passes.lowering.moving import unmoved
from hwq.passes.lowering.ort import ORT, ort_step
from hwq.passes.lowering.ort_add import lower_ort_add
from hwq.passes.lowering.state import Affine, Coded, Lowering, Raw, State

MOST_CODE = 1 << 62  # of a quantizer, either way


def lower_quantize(low: Lowering, node: real.RealNode, op: real.Quantize, x: State) -> list[State]:
    """clip(round(a (A c + B) + b) + after, lo, hi): a clamp before it becomes bounds on the code."""
    of = x.of.then(op.a, op.b)
    lo, hi = _code_bounds(low, x, op, of)
    value = Affine(op.scale, op.offset)
    frac = scale_frac(op.scale)
    shape = low.shape(x)
    after = np.asarray(op.after, dtype=object)
    parts = list(np.broadcast_arrays(of.a, of.b, lo, hi, after))
    if low.semantics == ORT:
        parts += [x.of.a, x.of.b, op.a]
    if isinstance(x, Raw):
        parts, shape = [unmoved(p, x.moves, shape) for p in parts], x.shape
    rows, channels = channel_rows(parts, shape)
    exact = Rounded(rows[0], rows[1], op.rounding, rows[2], rows[3])
    step: StepFunction = exact
    if low.semantics == ORT and isinstance(x, Coded) and x.edge in low.sums:
        other = lower_ort_add(low, node, op.a, exact, int(rows[4][0]), x)
        if other is not None:
            return [Coded(other, value)]
    elif low.semantics == ORT:
        step = ort_step(low, x, tuple(rows[5:]), (rows[2], rows[3]))
    if op.lo is not None and op.hi is not None:
        kind = FixedType.covering(op.lo, op.hi, frac)
    else:
        kind = FixedType.covering(min(int(v) for v in rows[2]), max(int(v) for v in rows[3]), frac)
    return [_stepped(low, node, x, step, channels, kind, value, one_or_rows(rows[4]))]


def one_or_rows(row: Rationals) -> int | Codes:
    """One parameter for all channels, or a row of them."""
    one = set(row.tolist())
    return int(one.pop()) if len(one) == 1 else row.astype(np.int64)


def channel_rows(parts: list[Any], shape: Shape) -> tuple[list[Any], Channels]:
    """Parameters of one step function per channel, flat, and the channel map they share."""
    kept = [narrowed(np.asarray(p, dtype=object)) for p in parts]
    common = np.broadcast_shapes(*(k.shape for k in kept))
    rows, channels = [], Channels()
    for k in kept:
        row, channels = spread(np.broadcast_to(k, common), shape)
        rows.append(np.ascontiguousarray(row))
    return rows, channels


def _code_bounds(low: Lowering, x: State, op: real.Quantize, of: Affine) -> tuple[Any, Any]:
    """Per channel, the least and greatest code: what the quantizer makes of a pending clamp's bounds, else its own
    bounds, else what it makes of the ends of the range."""
    ends: list[Any] = [of.lo, of.hi]
    if (op.lo is None and of.lo is None) or (op.hi is None and of.hi is None):
        if isinstance(x, Coded):
            edge = low.edges[x.edge]
            reached = [of.a * edge.lo + of.b, of.a * edge.hi + of.b]
            of_range = np.minimum(*reached), np.maximum(*reached)
        elif op.expected is not None:
            of_range = tuple(scalar(code) - op.after for code in op.expected)
        else:
            raise UnsupportedError("an unbounded rounding of a model input", remedy="state its type with --input-type")
        own = (op.lo, op.hi)
        ends = [
            _between(end, of.lo, of.hi) if bound is None and pending is None else pending
            for end, bound, pending in zip(of_range, own, (of.lo, of.hi), strict=True)
        ]
    least, most = (None if v is None else v - op.after for v in (op.lo, op.hi))
    codes = []
    for end, limit in zip(ends, (least, most), strict=True):
        code = limit if end is None else elementwise(lambda v: int(_round_one(v, op.rounding)), end)
        codes.append(_between(np.atleast_1d(np.asarray(code, dtype=object)), least, most))
    return codes[0], codes[1]


def _between(values: Codes, lo: Any, hi: Any) -> Codes:
    """min(max(values, lo), hi), in Python numbers."""
    above = values if lo is None else np.maximum(values, np.asarray(lo, dtype=object))
    return np.asarray(above if hi is None else np.minimum(above, np.asarray(hi, dtype=object)), dtype=object)


def _round_one(value: Fraction, rounding: Rounding) -> int:
    pair = np.asarray([value.numerator], dtype=object), np.asarray([value.denominator], dtype=object)
    return int(round_ratio(*pair, rounding)[0])


def scale_frac(scale: Rationals) -> int:
    """The binary point of a power-of-two scale, 0 for any other."""
    one = uniform(scale)
    exponent = None if one is None or one <= 0 else log2_exact(one)
    return 0 if exponent is None or abs(exponent) > 512 else -exponent


def lower_stairs(low: Lowering, node: real.RealNode, op: real.Stairs, x: State) -> list[State]:
    """Thresholds of the real value become thresholds of the code."""
    of, shape = x.of, low.shape(x)
    if of.lo is not None or of.hi is not None:
        if isinstance(x, Raw):
            raise UnsupportedError(
                "a clamp of a raw model input before thresholds", remedy="state its type with --input-type"
            )
        x = settled(low, node, x)
        of = x.of
    steps = op.levels.shape[-1]
    full = op.levels.reshape((1,) * (len(shape) + 1 - op.levels.ndim) + op.levels.shape)
    parts = list(np.broadcast_arrays(of.a, of.b, *(full[..., k] for k in range(steps))))
    if isinstance(x, Raw):
        parts, shape = [unmoved(p, x.moves, shape) for p in parts], x.shape
    rows, channels = channel_rows(parts, shape)
    levels = np.stack(rows[2:], axis=1) if steps else np.empty((rows[0].size, 0), dtype=object)
    bias = integer_bias(op)
    kind = FixedType.covering(bias, bias + steps, scale_frac(op.scale))
    value = Affine(op.scale, op.offset - bias * op.scale)
    return [_stepped(low, node, x, Stairs(rows[0], rows[1], levels, op.opened), channels, kind, value, bias)]


def integer_bias(op: real.Stairs) -> int:
    """The part of the offset that codes carry, so that codes are values where they can be."""
    scale, offset = uniform(op.scale), uniform(op.offset)
    if scale is None or offset is None or (offset / scale).denominator != 1:
        return 0
    return int(offset / scale)


def _stepped(
    low: Lowering,
    node: real.RealNode,
    x: State,
    step: StepFunction,
    channels: Channels,
    kind: FixedType,
    value: Affine,
    bias: int | Codes = 0,
) -> State:
    """A quantizer at work: in hardware on codes, by the host on a raw model input."""
    check_codes(int(np.min(bias)), int(np.max(bias)))
    if isinstance(x, Coded):
        (edge,) = low.emit(node, Requant(step, kind, channels, bias), x.edge)
        check_codes(low.edges[edge].lo, low.edges[edge].hi)
        return Coded(edge, value)
    host = _host_quantizer(step, kind, channels, bias)
    edge = _same_port(low, x, host) or low.add_input(x.source, Edge(x.shape, kind, *_reach(step, bias)), host)
    for move in x.moves:
        (edge,) = low.emit(node, move.op(), edge)
    return Coded(edge, value)


def check_codes(lo: int, hi: int) -> None:
    """Circuits of quantizers are made with 64-bit integers."""
    if lo < -MOST_CODE or hi > MOST_CODE:
        raise UnsupportedError(
            f"a quantizer of codes from {lo} to {hi}", remedy="use at most 62 bits, and a zero point of no more"
        )


def _same_port(low: Lowering, x: Raw, host: HostQuantizer) -> str | None:
    """The port that already quantizes this input in this way."""
    for port in low.inputs:
        if port.source == x.source.name and isinstance(host, TypedQuantizer) and port.quantizer == host:
            return port.edge
    return None


def _reach(step: StepFunction, bias: int | Codes) -> tuple[int, int]:
    ends = np.asarray(step.limits(), dtype=object) + bias
    return int(ends.min()), int(ends.max())


def _host_quantizer(step: StepFunction, kind: FixedType, channels: Channels, bias: int | Codes) -> HostQuantizer:
    """Assignment to the type where that is all the quantizer does, else the table of least doubles."""
    if isinstance(step, Rounded) and step.channels == 1 and isinstance(bias, int) and bias == 0:
        lo, hi = int(step.lo[0]), int(step.hi[0])
        overflow = {
            (kind.lo, kind.hi): Overflow.SATURATE,
            (-kind.hi, kind.hi): Overflow.SATURATE_SYMMETRIC if kind.signed else None,
        }.get((lo, hi))
        if step.a[0] == pow2(kind.frac) and step.b[0] == 0 and overflow is not None:
            return TypedQuantizer(kind, step.rounding, overflow)
    rows = step.float_rows()
    return SteppedQuantizer(replace(rows, base=rows.base + bias), channels.count, channels.inner)
