"""LayerNorm and RMSNorm as exporters spell them out: x over the root of a mean of squares, found at the division."""

from __future__ import annotations

from fractions import Fraction
from math import prod

from hwq.frontends.call import Call, Signal
from hwq.ir import real
from hwq.ir.window import Reduction, Window
from hwq.numeric.rational import uniform

SPELT_OUT = ("Div", "Mul")  # the ONNX ops whose rules look for the pattern


class _Past:
    """The real graph so far, read from an edge backwards."""

    def __init__(self, call: Call) -> None:
        self.shapes = call.shapes
        self.makers = {edge: node for node in call.nodes for edge in node.outputs}

    def affine(self, edge: str) -> tuple[str, Fraction, Fraction] | None:
        """(x, a, b) where the edge is a x + b, through any number of steps."""
        a, b = Fraction(1), Fraction(0)
        while (node := self.makers.get(edge)) is not None and isinstance(node.op, real.Affine):
            factor, offset = uniform(node.op.a), uniform(node.op.b)
            if factor is None or offset is None:
                return None
            a, b, edge = a * factor, b + a * offset, node.inputs[0]
        return edge, a, b

    def function(self, edge: str, name: str, argument: Fraction | None = None) -> str | None:
        """x where the edge is that function of x."""
        node = self.makers.get(edge)
        if node is None or not isinstance(node.op, real.Unary) or node.op.function != name:
            return None
        if argument is not None and uniform(node.op.arguments[0]) != argument:
            return None
        return node.inputs[0]

    def total(self, edge: str) -> tuple[str, tuple[int, ...]] | None:
        """(x, axes) where the edge is the sum of x over whole axes."""
        node = self.makers.get(edge)
        if node is None or not isinstance(node.op, real.Pool) or node.op.how is not Reduction.SUM:
            return None
        shape = self.shapes[node.inputs[0]]
        axes = tuple(i for i, k in enumerate(node.op.window.kernel) if k > 1)
        return (node.inputs[0], axes) if node.op.window == Window.over(shape, axes) else None

    def mean(self, edge: str) -> tuple[str, tuple[int, ...], Fraction] | None:
        """(x, axes, b) where the edge is b more than the mean of x over axes."""
        scaled = self.affine(edge)
        found = None if scaled is None else self.total(scaled[0])
        if scaled is None or found is None:
            return None
        x, axes = found
        return (x, axes, scaled[2]) if scaled[1] * prod(self.shapes[x][i] for i in axes) == 1 else None

    def square(self, edge: str) -> str | None:
        """x where the edge is x x."""
        node = self.makers.get(edge)
        if node is not None and isinstance(node.op, real.Mul) and node.inputs[0] == node.inputs[1]:
            return node.inputs[0]
        return self.function(edge, "Pow", Fraction(2))

    def centred(self, edge: str, axes: tuple[int, ...]) -> str | None:
        """x where the edge is x less its mean over these axes."""
        node = self.makers.get(edge)
        if node is None or not isinstance(node.op, real.Add):
            return None
        x, negated = node.inputs
        scaled = self.affine(negated)
        total = None if scaled is None else self.total(scaled[0])
        if scaled is None or total != (x, axes) or scaled[2] != 0:
            return None
        return x if scaled[1] * prod(self.shapes[x][i] for i in axes) == -1 else None


def normalized_ratio(call: Call, top: Signal, bottom: Signal, inverse: bool = False) -> Signal | None:
    """top / bottom (top * bottom where `inverse`), if that is a normalization of top; else None."""
    past = _Past(call)
    edge: str | None = bottom.edge
    power = past.function(bottom.edge, "Pow", Fraction(-1, 2) if inverse else Fraction(1, 2))
    if power is None:
        if inverse:
            scaled = past.affine(bottom.edge)
            edge = (
                past.function(scaled[0], "Reciprocal")
                if scaled is not None and scaled[1:] == (Fraction(1), Fraction(0))
                else None
            )
        power = None if edge is None else past.function(edge, "Sqrt")
    spread = None if power is None else past.mean(power)
    if spread is None:
        return None
    squares, axes, eps = spread
    if past.square(squares) != top.edge or eps < 0 or list(axes) != list(range(axes[0], axes[-1] + 1) if axes else []):
        return None
    if not axes:
        return None
    source = past.centred(top.edge, axes)
    x = top if source is None else Signal(source, call.shapes[source])
    groups = (prod(x.shape[: axes[0]]), prod(x.shape[i] for i in axes), prod(x.shape[axes[-1] + 1 :]))
    op = real.Normalize(1, centred=source is not None, mean=True, eps=eps)
    (rows,) = call.emit(real.Reshape(groups), [x], groups)
    (made,) = call.emit(op, [rows], groups)
    return call.emit(real.Reshape(x.shape), [made], x.shape)[0]


def without_the_parts(nodes: list[real.RealNode], outputs: set[str]) -> list[real.RealNode]:
    """The nodes, less those that nothing reads since a normalization took their place, and less unread linear maps."""
    every = any(isinstance(n.op, real.Normalize) and n.kind in SPELT_OUT for n in nodes)
    read, kept = set(outputs), []
    for node in reversed(nodes):
        if read.intersection(node.outputs) or not (every or isinstance(node.op, real.Add | real.Affine)):
            kept.append(node)
            read.update(node.inputs)
    return kept[::-1]
