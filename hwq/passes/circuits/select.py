"""realise: every exact step function becomes the cheapest circuit that is proved equal to it.

In order: nothing (identity), a shift, thresholds for few levels; else by cost thresholds, a product and a shift, or a
ROM. The proof compares both sides of every step point over the whole reachable range of the accumulator; both functions
are monotone, so equality there is equality everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hwq.errors import InternalError, UnsupportedError
from hwq.ir.hardware import Edge, Graph, Node, Proof
from hwq.numeric.fixed import Codes, Rounding, code_dtype, log2_exact
from hwq.numeric.rational import elementwise, uniform
from hwq.numeric.step_functions import MAX_LEVELS, Rounded, Rows
from hwq.ops import Channels, Lut, MultiplyShift, Op, Shift, Threshold
from hwq.ops.exact.requant import Requant
from hwq.ops.exact.tabulated import Tabulated
from hwq.passes.circuits.costs import DEFAULT_COSTS, Costs
from hwq.passes.circuits.multiply_shift import multiply_shift
from hwq.passes.circuits.table import cheapest_table

MAX_SHIFT = 512
MAX_TABLE = 1 << 12  # words of a ROM that replaces a requantizer
MAX_TABLED = 1 << 16  # codes of an input that a ROM may be read by: the simulator tabulates them all
MAX_TABLE_CODES = 1 << 20  # of all channels
POINTS_AT_ONCE = 1 << 21  # step points proved together
MAX_WIDE_STEPS = 1 << 20  # of all channels, where sums past 62 bits leave nothing but thresholds
WIDE_PROBES = 1 << 12  # steps at which a search among thresholds past 62 bits is run; they are the steps themselves
TRANSLATES = frozenset({Rounding.FLOOR, Rounding.CEIL, Rounding.HALF_UP, Rounding.HALF_DOWN})


def realise(graph: Graph, costs: Costs = DEFAULT_COSTS) -> Graph:
    """The graph with a circuit for every `Requant`; identities vanish."""
    nodes: list[Node] = []
    alias: dict[str, str] = {}
    for node in graph.nodes:
        if not isinstance(node.op, Requant | Tabulated):
            nodes.append(node)
            continue
        (x,) = graph.ins(node)
        if isinstance(node.op, Requant) and _levels(node.op, x) > MAX_LEVELS:
            node = as_table(node, x)  # few codes of x on a fine grid, where no shift makes it
        op = node.op
        if isinstance(op, Tabulated):
            table = cheapest_table(op, x, node.name, costs)
            if table is None:
                alias[node.outputs[0]] = node.inputs[0]
            else:
                proof = Proof("table", op.reached(x).size)
                nodes.append(replace(node, op=table, proof=proof))
            continue
        assert isinstance(op, Requant)
        if _levels(op, x) > MAX_LEVELS:
            wide = formula_shift(node, x)
            if wide is None:
                alias[node.outputs[0]] = node.inputs[0]
            else:
                nodes.append(replace(node, op=wide, proof=Proof("formula", 0)))
            continue
        _listable(op, x, node.name)
        rows = op.step.integer_rows(x.lo, x.hi)
        rows = replace(rows, base=rows.base + op.offsets[:, 0])
        circuit = cheapest(op, rows, x, node.name, costs)
        if circuit is None:
            alias[node.outputs[0]] = node.inputs[0]
        else:
            proof = Proof("steps", sum(p.size for p in step_points(rows, x.lo, x.hi)))
            nodes.append(replace(node, op=circuit, proof=proof))
    renamed = graph.renamed(alias)
    swapped = {n.outputs: n for n in nodes}
    return renamed.with_nodes(
        [replace(swapped[n.outputs], inputs=n.inputs) for n in renamed.nodes if n.outputs in swapped]
    )


def _listable(requant: Requant, x: Edge, name: str) -> None:
    """Refuse the thresholds of sums past 62 bits where they would take a ROM of tens of megabits."""
    shift = _as_shift(requant, requant.step) if isinstance(requant.step, Rounded) else None
    steps = _levels(requant, x) * requant.channels.count
    if code_dtype(x.lo, x.hi) is object and shift is None and steps > MAX_WIDE_STEPS:
        raise UnsupportedError(
            f"sums of {x.type.width} bits quantized at {steps} steps, over all channels",
            node=name,
            remedy="put a quantizer between the linear layers before it, or quantize to fewer bits",
        )


def _levels(requant: Requant, x: Edge) -> int:
    """Steps of the channel that takes most of them over x's range."""
    ends = requant.step.codes(np.tile(np.asarray([x.lo, x.hi], dtype=object), (requant.channels.count, 1)))
    return max(abs(int(b) - int(a)) for a, b in ends)


def as_table(node: Node, x: Edge) -> Node:
    """The quantizer as a table over x's codes, if they are few and it is no shift; else the node as it is."""
    requant = node.op
    assert isinstance(requant, Requant)
    count, span = requant.channels.count, x.hi - x.lo + 1
    shift = _as_shift(requant, requant.step) if isinstance(requant.step, Rounded) else None
    if shift is not None or span > MAX_TABLED or span * count > MAX_TABLE_CODES:
        return node
    every = np.broadcast_to(np.arange(x.lo, x.hi + 1, dtype=object), (count, span))
    table = (requant.step.codes(every) + requant.offsets).astype(np.int64)
    return replace(node, op=Tabulated(table, x.lo, requant.type, requant.channels))


def formula_shift(node: Node, x: Edge) -> Shift | None:
    """The shift for a quantizer of too many steps to list: it is the quantizer's own formula. None is the identity."""
    requant = node.op
    assert isinstance(requant, Requant)
    shift = _as_shift(requant, requant.step) if isinstance(requant.step, Rounded) else None
    if shift is None:
        raise UnsupportedError(
            f"a requantization to more than {MAX_LEVELS} codes by a scale that is no power of two",
            node=node.name,
            remedy="quantize to at most 20 bits, or with power-of-two scales",
        )
    return None if shift.drop == 0 and shift.add is None and not any(shift.clamps(x)) else shift


def step_points(rows: Rows, lo: int, hi: int) -> Iterator[Codes]:
    """Per channel, the codes at both sides of every step in `lo..hi`, and both ends: each once, ascending."""
    ends = np.asarray([lo, hi], dtype=rows.bounds.dtype)
    for row in rows.bounds:
        steps = row[(row > lo) & (row <= hi)]
        yield np.unique(np.concatenate([ends, steps, steps - 1]))


def cheapest(requant: Requant, rows: Rows, x: Edge, name: str, costs: Costs) -> Op | None:
    """The first circuit that passes the proof; None is the identity."""
    if _is_identity(rows, x):
        return None
    for circuit in _candidates(requant, rows, x, costs):
        if proved(circuit, rows, x):
            return circuit
    raise InternalError("no circuit equals the quantizer", node=name, op="requant")


def _is_identity(rows: Rows, x: Edge) -> bool:
    if x.hi - x.lo > 1 << 20 or rows.bounds.shape[1] != x.hi - x.lo:
        return False
    every = np.arange(x.lo + 1, x.hi + 1, dtype=object)
    same = rows.bounds.shape[1] == 0 or bool((rows.bounds == every).all())
    return same and bool((rows.base == x.lo).all()) and bool((rows.sign == 1).all())


def _candidates(requant: Requant, rows: Rows, x: Edge, costs: Costs) -> Iterator[Op]:
    """A shift wherever one serves; thresholds for few levels; for many by cost, a table or a product among them."""
    if isinstance(requant.step, Rounded):
        shift = _as_shift(requant, requant.step)
        if shift is not None:
            yield shift
    thresholds = Threshold(rows.bounds, rows.base, rows.sign, requant.type, requant.channels)
    if thresholds.levels <= costs.compare_levels:
        yield thresholds
        return
    turns = thresholds.steps if thresholds.search else 1  # a binary search compares in turn
    rivals: list[tuple[float, Op]] = [(costs.of(thresholds, x) * turns, thresholds)]
    rivals += [(costs.of(op, x), op) for op in (multiply_shift(requant, rows, x), _as_lut(requant, rows, x)) if op]
    yield from (op for _, op in sorted(rivals, key=lambda rival: rival[0]))


def _as_lut(requant: Requant, rows: Rows, x: Edge) -> Lut | None:
    """A ROM over the codes between the first and the last step, where they are few."""
    steps = rows.bounds[rows.bounds <= x.hi]
    if not steps.size or x.hi - x.lo > MAX_TABLED:
        return None
    first, last = int(steps.min()) - 1, int(steps.max())
    if (last - first + 1) * rows.bounds.shape[0] > MAX_TABLE:
        return None
    codes = np.arange(first, last + 1)
    reached = np.stack([np.searchsorted(row, codes, side="right") for row in rows.bounds])
    words = rows.base[:, None] + rows.sign[:, None] * reached
    return Lut(words, first, int(words.min()), int(words.max()), requant.type, requant.channels)


def _as_shift(requant: Requant, step: Rounded) -> Shift | None:
    """round((x + add) >> drop), where the scale is one power of two and the offsets lie on the accumulator's grid."""
    scale, lo, hi = uniform(step.a), set(step.lo.tolist()), set(step.hi.tolist())
    exponent = None if scale is None else log2_exact(scale) if scale > 0 else None
    if scale is None or exponent is None or abs(exponent) > MAX_SHIFT or len(lo) > 1 or len(hi) > 1:
        return None
    rounding, add = step.rounding, np.asarray(step.b / scale, dtype=object)
    if exponent < 0 and rounding.nearest and all(v.denominator != 1 for v in add):
        # No accumulator meets a tie: the offset's fraction only says on which side of it the sum lies.
        rounding, add = Rounding.HALF_UP, elementwise(lambda v: v.numerator // v.denominator, add)
    elif any(v.denominator != 1 for v in add):
        return None
    biases = set(requant.offsets.reshape(-1).tolist())
    bias = int(biases.pop())
    if biases:
        return None
    if bias:
        if not (rounding in TRANSLATES or (rounding is Rounding.HALF_EVEN and bias % 2 == 0)) or exponent > 0:
            return None
        add = add + (bias << -exponent)
    whole = [int(v) for v in add]
    offsets: Codes | None = None
    channels = requant.channels
    if any(whole):
        offsets = np.asarray(whole, dtype=code_dtype(min(whole), max(whole)))
        if len(set(whole)) == 1:
            offsets, channels = offsets[:1], Channels()
    low, high = lo.pop() + bias, hi.pop() + bias
    return Shift(-exponent, rounding, low, high, offsets, channels, requant.type)


def proved(circuit: Op, rows: Rows, x: Edge) -> bool:
    """Whether the circuit has the rows' code at both sides of every step point and at both ends of the range."""
    count, width = rows.bounds.shape
    flat = circuit
    if isinstance(circuit, Shift | Threshold | MultiplyShift | Lut):
        flat = replace(circuit, channels=Channels(circuit.channels.count, 1))
    kernel = flat.prepare((Edge((count,), x.type, x.lo, x.hi),))
    dtype = code_dtype(x.lo, x.hi)
    ends: Codes = np.tile(np.asarray([x.lo, x.hi]).astype(dtype), (count, 1))
    some = max(1, POINTS_AT_ONCE // count)
    if isinstance(circuit, Threshold) and dtype is object and circuit.thresholds is rows.bounds:
        width = min(width, WIDE_PROBES)  # equal by construction: only that the search works is left to see
    for start in range(-1, width, some):
        steps: Codes = rows.bounds[:, max(0, start) : start + some].astype(dtype)
        points = np.concatenate([ends, steps, steps - 1], axis=1)
        points = np.minimum(np.maximum(points, x.lo), x.hi)
        wanted = np.empty(points.shape, dtype=np.int64)
        for c in range(count):
            reached = np.searchsorted(rows.bounds[c].astype(dtype), points[c], side="right")
            wanted[c] = rows.base[c] + rows.sign[c] * reached
        if not bool((wanted == kernel(points.T)[0].T).all()):
            return False
    return True
