"""Sums of which a part cancels, as straight-through estimators leave them: x + (q(x) - x) is q(x).

A sum is read back through affine maps with one factor for all elements and through sums of the same shape. Where an
edge's factors add up to 0 the sum is made anew of what is left.
"""

from __future__ import annotations

from fractions import Fraction

from hwq.frontends.call import Call, Signal
from hwq.ir import real
from hwq.numeric.rational import scalar, uniform

DEPTH = 4  # sums and maps that are read back
NEAR = 64  # ops among which they are looked for


class _Terms:
    """Edges with their factors, and a constant."""

    def __init__(self) -> None:
        self.factors: dict[str, Fraction] = {}
        self.constant = Fraction(0)
        self.cancels = False

    def add(self, edge: str, factor: Fraction) -> None:
        before = self.factors.get(edge)
        self.factors[edge] = factor if before is None else before + factor
        self.cancels |= before is not None and self.factors[edge] == 0


def without_cancelled(call: Call, x: Signal, y: Signal) -> Signal | None:
    """x + y, made of the terms that do not cancel; None where none does, or all do."""
    if x.shape != y.shape:
        return None
    makers: dict[str, real.RealNode] = {}
    wanted = {x.edge, y.edge}
    for node in reversed(call.nodes[-NEAR:]):
        if wanted.intersection(node.outputs):
            makers.update(dict.fromkeys(node.outputs, node))
            if isinstance(node.op, real.Add | real.Affine):
                wanted.update(node.inputs)
            wanted.difference_update(node.outputs)
            if not wanted:
                break
    if not any(isinstance(n.op, real.Add) for n in makers.values()):
        return None
    terms = _Terms()
    for part in (x, y):
        _collect(call, makers, part.edge, Fraction(1), terms, DEPTH)
    left = [(edge, factor) for edge, factor in terms.factors.items() if factor]
    if not terms.cancels or not left:
        return None
    total: Signal | None = None
    for edge, factor in left:
        term = Signal(edge, x.shape)
        if factor != 1:
            (term,) = call.emit(real.Affine(scalar(factor), scalar(0)), [term], x.shape)
        total = term if total is None else call.emit(real.Add(), [total, term], x.shape)[0]
    assert total is not None
    if terms.constant:
        (total,) = call.emit(real.Affine(scalar(1), scalar(terms.constant)), [total], x.shape)
    return total


def _collect(
    call: Call, makers: dict[str, real.RealNode], edge: str, factor: Fraction, terms: _Terms, depth: int
) -> None:
    node = makers.get(edge)
    if node is not None and depth:
        if isinstance(node.op, real.Add) and all(call.shapes[e] == call.shapes[edge] for e in node.inputs):
            for part in node.inputs:
                _collect(call, makers, part, factor, terms, depth - 1)
            return
        if isinstance(node.op, real.Affine):
            a, b = uniform(node.op.a), uniform(node.op.b)
            if a is not None and b is not None:
                terms.constant += factor * b
                _collect(call, makers, node.inputs[0], factor * a, terms, depth - 1)
                return
    terms.add(edge, factor)
