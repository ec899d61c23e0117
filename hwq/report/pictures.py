"""What a quantizer's circuit gives at its input codes, beside the real function it stands for; numbers only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hwq.functions import CurveSteps, RoundStep, function_names
from hwq.ir.hardware import Edge, Graph, Node
from hwq.numeric.fixed import Codes, code_dtype
from hwq.numeric.rational import to_float
from hwq.numeric.step_functions import Rounded
from hwq.ops import Channels, Lut, Softmax, Threshold
from hwq.ops.exact.requant import Requant
from hwq.ops.exact.tabulated import Tabulated
from hwq.passes import Stages

MOST_CODES = 1 << 16  # of one channel: above, every so-manieth code is looked at
MOST_ENTRIES = 1 << 20  # of all channels: above, the first ones only
ZOOM = 0.6  # of the range: a function that changes in less of it is drawn where it changes

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Picture:
    """One channel of a circuit: output codes `got` at input `codes`, and the real function in output codes.

    `errors` is `got - real` in LSB; a real value half an LSB or more outside the output's range counts as its end.
    """

    node: str
    edge: str
    kernel: str
    functions: str  # the ONNX functions it stands for; "": the quantizer alone
    channels: int
    types: tuple[str, str]  # of input and output
    codes: Codes
    got: Codes
    real: Doubles | None  # None: steps that round no real function
    errors: Doubles
    least: float  # error, over all channels that were looked at
    most: float
    looked: int  # codes, over all channels
    every: bool  # whether these are all
    proof: str

    @property
    def title(self) -> str:
        """What it is, in few words."""
        return self.functions.replace(".", ", ") or "quantizer"


def pictures(stages: Stages, graph: Graph) -> Iterator[Picture]:
    """A picture of every table, threshold function, and shift that took a table's place, in execution order."""
    exact = {n.outputs[0]: n.op for n in stages.narrowed.nodes if isinstance(n.op, Requant | Tabulated)}
    for node in graph.nodes:
        op = exact.get(node.outputs[0])
        if isinstance(node.op, Lut | Threshold) or isinstance(op, Tabulated):
            yield picture(node, op, graph)
        elif isinstance(node.op, Softmax) and node.op.step:
            yield exponential(node, node.op)


def picture(node: Node, exact: object, graph: Graph) -> Picture:
    """The picture of one circuit; `exact` is the step function or table that it was made from."""
    (x,), (y,) = graph.ins(node), graph.outs(node)
    count = node.op.channels.count if isinstance(node.op, Lut | Threshold) else 1
    if isinstance(exact, Tabulated):
        count = exact.channels.count
    lo, hi = (exact.first, exact.first + exact.table.shape[1] - 1) if isinstance(exact, Tabulated) else (x.lo, x.hi)
    codes = _spread(lo, hi)
    shown = max(1, min(count, MOST_ENTRIES // codes.size))
    table = _codes_at(node, exact, x, count, codes)[:shown]
    real = _real(exact, np.broadcast_to(codes, (count, codes.size)))
    errors = np.zeros(table.shape) if real is None else _errors(table, real[:shown], y)
    view = _window(codes, table[0])
    kind = node.proof
    return Picture(
        node=node.name,
        edge=node.outputs[0],
        kernel=str(node.op),
        functions=_functions(exact),
        channels=count,
        types=(str(x.type), str(y.type)),
        codes=codes[view],
        got=table[0, view],
        real=None if real is None else real[0, view],
        errors=errors[0, view],
        least=float(errors.min()),
        most=float(errors.max()),
        looked=table.size,
        every=table.size == count * (hi - lo + 1),
        proof="" if kind is None else " ".join(f"{v}" for v in reversed(kind.plain().values())),
    )


def exponential(node: Node, op: Softmax) -> Picture:
    """The picture of a Softmax's table, or pair of tables: exp of the distance below the greatest code."""
    codes = _spread(0, op.furthest)
    got = op.exponentials(codes)
    real = np.exp(-op.step * codes.astype(np.float64)) * 2.0**op.exp_frac
    errors = got - real
    return Picture(
        node=node.name,
        edge=node.outputs[0],
        kernel=str(op),
        functions="Exp",
        channels=1,
        types=("distance from the greatest", str(op.exp_type)),
        codes=codes,
        got=got,
        real=real,
        errors=errors,
        least=float(errors.min()),
        most=float(errors.max()),
        looked=codes.size,
        every=codes.size == op.furthest + 1,
        proof="",
    )


def _functions(exact: object) -> str:
    if isinstance(exact, Tabulated):
        return exact.functions
    if isinstance(exact, Requant) and isinstance(exact.step, CurveSteps):
        return ".".join(dict.fromkeys(function_names(exact.step.curve)))
    return ""


def _spread(lo: int, hi: int) -> Codes:
    """All codes, or evenly spread ones."""
    if hi - lo < MOST_CODES:
        return np.arange(lo, hi + 1).astype(code_dtype(lo, hi))
    places = [lo + (hi - lo) * k // (MOST_CODES - 1) for k in range(MOST_CODES)]
    return np.asarray(places, dtype=code_dtype(lo, hi))


def _codes_at(node: Node, exact: object, x: Edge, count: int, codes: Codes) -> Codes:
    """(channels, codes) that the circuit answers."""
    if isinstance(node.op, Lut | Threshold):
        flat = replace(node.op, channels=Channels(count, 1))
        inside = np.clip(codes, x.lo, x.hi)
        fed = np.broadcast_to(inside[:, None], (codes.size, count))
        return np.asarray(flat.prepare((Edge((count,), x.type, x.lo, x.hi),))(np.ascontiguousarray(fed))[0]).T
    assert isinstance(exact, Tabulated)
    return exact.table[:, (codes - exact.first).astype(np.int64)]


def _real(exact: object, codes: Codes) -> Doubles | None:
    """The real function in output codes, (channels, codes); float64 is enough to draw it."""
    points = codes.astype(np.float64)
    offsets: Codes | int = 0
    if isinstance(exact, Tabulated):
        values = None if exact.curve is None else exact.curve.floats(points)[0]
    elif isinstance(exact, Requant) and isinstance(exact.step, Rounded):
        values = to_float(exact.step.a).reshape(-1, 1) * points + to_float(exact.step.b).reshape(-1, 1)
        offsets = exact.offsets
    elif isinstance(exact, Requant) and isinstance(exact.step, CurveSteps) and isinstance(exact.step.step, RoundStep):
        values, offsets = exact.step.curve.floats(points)[0], exact.offsets
    else:
        values = None
    return None if values is None else np.broadcast_to(values, codes.shape) + offsets


def _errors(got: Codes, real: Doubles, y: Edge) -> Doubles:
    near = (real > y.lo - 0.5) & (real < y.hi + 0.5)
    kept = np.where(near, real, np.clip(real, y.lo, y.hi))
    return np.asarray(np.nan_to_num(got - kept), dtype=np.float64)


def _window(codes: Codes, got: Codes) -> slice:
    """The places to draw: all, or about the steps where those fill little of the range."""
    moves = np.nonzero(np.diff(got))[0]
    if not moves.size:
        return slice(None)
    first, last = int(moves[0]), int(moves[-1]) + 1
    if last - first > ZOOM * codes.size:
        return slice(None)
    margin = max(4, (last - first) // 6)
    return slice(max(0, first - margin), min(codes.size, last + margin + 1))
