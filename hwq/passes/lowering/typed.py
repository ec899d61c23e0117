"""Lowering of element types: nothing is emitted; what can occur is proved to fit, or the node is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.numeric.rational import common_step
from hwq.passes.lowering.grids import reached
from hwq.passes.lowering.state import Coded, Lowering, State, coded


def lower_typed(low: Lowering, node: real.RealNode, op: real.Typed, x: State) -> list[State]:
    """The state itself, if every value that its codes can mean is one of the type; integers would wrap else."""
    state = coded(x, node)
    lo, hi = _ends(low, state)
    if lo < op.lo or hi > op.hi:
        what = "would wrap" if op.digits is None else "are infinite there"
        raise UnsupportedError(
            f"values from {_short(lo)} to {_short(hi)}, which {what}: the tensor is {op.kind}",
            remedy="keep the values in its range, or Cast to a wider type before",
        )
    if op.digits is not None and not _representable(state, lo, hi, op.digits, op.least):
        raise UnsupportedError(
            f"a Cast to {op.kind} that rounds", remedy="leave the Cast out, or put a quantizer of few bits before it"
        )
    return [state]


def _ends(low: Lowering, x: Coded) -> tuple[Fraction, Fraction]:
    """The least and the greatest value, a pending clamp considered."""
    least, most = reached(low, x)
    for bound, pick in ((x.of.lo, np.maximum), (x.of.hi, np.minimum)):
        if bound is not None:
            least, most = pick(least, bound), pick(most, bound)
    return Fraction(min(least.reshape(-1))), Fraction(max(most.reshape(-1)))


def _representable(x: Coded, lo: Fraction, hi: Fraction, digits: int, least: int) -> bool:
    """Whether all values are multiples of one power of two, and few enough of them from zero on."""
    bounds = [v.reshape(-1) for v in (x.of.lo, x.of.hi) if v is not None]
    step = common_step(np.concatenate([x.of.a.reshape(-1), x.of.b.reshape(-1), *bounds, np.asarray([Fraction(0)])]))
    if step == 0:
        return True
    if step.denominator & (step.denominator - 1):
        return False
    power = Fraction(step.numerator & -step.numerator, step.denominator)  # the greatest power of two that divides it
    return power >= Fraction(2) ** least and max(abs(lo), abs(hi)) <= power * (1 << digits)


def _short(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6g}"
