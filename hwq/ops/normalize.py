"""normalize: a group's elements over their deviation, root mean square or norm, by integer roots and long division."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt, prod

import numpy as np

from hwq.errors import InternalError
from hwq.ir.hardware import Edge, Shape
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.netlist.division import quotient, root
from hwq.netlist.sums import Term, linear, total
from hwq.numeric.fixed import INT64_SAFE, Codes, FixedType
from hwq.ops.base import Kernel, Op, Sample
from hwq.ops.parts.resources import Kind, Unit

WORD_BITS = 62  # of a root: kernels hold it in a machine integer on its way from one type to another


@dataclass(frozen=True)
class Normalize(Op):
    """`y = round(t / r * 2**frac)`, ties away from zero, in groups of n along `axis` (docs/normalization.md).

    t = m x - S, r = isqrt(v * 2**(2 guard - eps_frac)) / 2**guard, v = (m Q - S S) * 2**eps_frac + eps, with S the sum
    where `centred` (else 0), Q the sum of squares, m = n where `mean` (else 1). With `power` 1, r is the sum of |x|.
    A group whose r is 0 is 0.
    """

    kind = "normalize"
    axis: int
    centred: bool
    mean: bool
    power: int
    eps: int
    eps_frac: int
    guard: int
    frac: int

    def groups(self, shape: Shape) -> tuple[int, int, int]:
        """(outer, n, inner) of the axis in the flat array."""
        return prod(shape[: self.axis]), shape[self.axis], prod(shape[self.axis + 1 :])

    def factor(self, shape: Shape) -> int:
        """m."""
        return shape[self.axis] if self.mean else 1

    def sum_type(self, x: Edge) -> FixedType:
        """S, and any part of it."""
        n = x.shape[self.axis]
        return FixedType.covering(n * min(x.lo, 0), n * max(x.hi, 0))

    def squares_type(self, x: Edge) -> FixedType:
        """Q; the sum of |x| where `power` is 1."""
        most = max(abs(x.lo), abs(x.hi))
        return FixedType.covering(0, max(1, x.shape[self.axis] * most**self.power))

    def term_type(self, x: Edge) -> FixedType:
        """t."""
        m, kind = self.factor(x.shape), self.sum_type(x)
        low, high = (kind.hi, kind.lo) if self.centred else (0, 0)
        return FixedType.covering(min(0, m * x.lo - low), max(0, m * x.hi - high))

    def _most_squared(self, x: Edge) -> int:
        """The greatest v."""
        return (self.factor(x.shape) * self.squares_type(x).hi << self.eps_frac) + self.eps

    @property
    def eps_type(self) -> FixedType:
        return FixedType.covering(0, max(1, self.eps), self.eps_frac)

    def radicand_type(self, x: Edge) -> FixedType:
        """v as a number, with room for the root's digits; and what the digits are tried with."""
        places = self.root_places(x)
        return FixedType(False, 2 * places + 1 + 2 * self.guard, 2 * self.guard)

    def root_places(self, x: Edge) -> int:
        """Binary digits of the root before the point."""
        return ((self._most_squared(x) >> self.eps_frac).bit_length() + 1) // 2

    def root_type(self, x: Edge) -> FixedType:
        """r * 2**guard, an integer."""
        if self.power == 1:
            return self.squares_type(x)
        return FixedType(False, self.root_places(x) + self.guard)

    def rest_type(self, x: Edge) -> FixedType:
        """The division's remainder, doubled."""
        return FixedType(False, max(self.root_type(x).width, self.term_type(x).width) + 1)

    @staticmethod
    def integer(kind: FixedType) -> FixedType:
        """The type of bare codes."""
        return FixedType(kind.signed, kind.width)

    @staticmethod
    def constant(value: int) -> FixedType:
        """The type of a constant."""
        return FixedType.covering(value, value)

    @staticmethod
    def power_of_two(exponent: int) -> FixedType:
        """The type whose code 1 is 2**exponent."""
        return FixedType(False, 1, -exponent)

    @property
    def digits(self) -> int:
        """Digits of the quotient, one beyond those that stay."""
        return self.frac + self.guard + 2

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        if self.root_type(x).width > WORD_BITS:
            raise InternalError(f"a root of {self.root_type(x).width} bits")
        n = x.shape[self.axis]
        size = (n - 1 if self.centred else n) if self.mean else 1
        most = isqrt(size << (2 * self.frac)) + (2 if size else 0)
        low = -most if self.centred or x.lo < 0 else 0
        high = most if self.centred or x.hi > 0 else 0
        return (Edge.covering(x.shape, low, high, self.frac),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (x,) = inputs
        axis, m = self.axis + 1, self.factor(x.shape)
        widest = max(self.term_type(x).width + self.frac + self.guard + 1, self._most_squared(x).bit_length() + 2)
        dtype = np.int64 if 1 << widest <= INT64_SAFE else object
        root = np.frompyfunc(isqrt, 1, 1)

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            c = codes.astype(dtype)
            total = c.sum(axis=axis, keepdims=True) if self.centred else 0
            if self.power == 1:
                r = np.abs(c).sum(axis=axis, keepdims=True)
            else:
                v = ((m * (c * c).sum(axis=axis, keepdims=True) - total * total) << self.eps_frac) + self.eps
                r = root(v.astype(object) << (2 * self.guard - self.eps_frac)).astype(dtype)
            t = m * c - total
            twice = (np.abs(t) << (self.frac + self.guard + 1)) // np.maximum(r, 1)
            y = np.sign(t) * ((twice + 1) >> 1) if dtype is not object else np.where(t < 0, -1, 1) * ((twice + 1) >> 1)
            return (y.astype(np.int64),)

        return kernel

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        groups = np.moveaxis(xs[0], self.axis, -1)
        made = b.mapped("group", self._group, groups.reshape(-1, groups.shape[-1]))
        return (np.moveaxis(made.reshape(groups.shape), -1, self.axis),)

    def _group(self, b: Builder, xs: Sequence[int]) -> list[int]:
        """The codes of the elements of one group."""
        m, zero = (len(xs) if self.mean else 1), b.constant(0)
        whole = total(b, [Term(x) for x in xs]) if self.centred else zero
        if self.power == 1:
            r = total(b, [Term(b.greater(x, b.negated(x))) for x in xs])
        else:
            squares = total(b, [Term(b.multiply(x, x)) for x in xs])
            spread = linear(b, [squares, b.multiply(whole, whole)], [m << self.eps_frac, -1 << self.eps_frac])
            v = b.add(b.within(spread, 0, max(0, b.hi(spread))), b.constant(self.eps))  # variances are not below 0
            r = root(b, b.shifted(v, 2 * self.guard - self.eps_frac))
        divisor, made = b.within(b.greater(r, b.constant(1)), 1, max(1, b.hi(r))), []
        for x in xs:
            t = linear(b, [x, whole], [m, -1])
            negative, size = b.less(t, zero), b.greater(t, b.negated(t))
            size, places = b.within(size, 0, b.hi(size)), self.frac + self.guard + 1
            twice = quotient(b, size, divisor, places, b.width(size) + places)
            y = b.floored(b.add(twice, b.constant(1)), 1)
            made.append(b.select(negative, b.negated(y), y))
        return made

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        (x,) = inputs
        wide, rest = self.radicand_type(x).width, self.rest_type(x).width
        square = (Unit(Kind.MULTIPLY, 1, x.type.width, x.type.width),) if self.power == 2 else ()
        return (
            *square,
            Unit(Kind.ADD, 2, self.squares_type(x).width),
            Unit(Kind.ADD, 3, wide),
            Unit(Kind.ADD, 2, rest),
        )

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        return 1, 1

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        (x,) = inputs
        outer, n, inner = self.groups(x.shape)
        root = self.root_places(x) + self.guard if self.power == 2 else 0
        return outer * inner * (n + root + n * self.digits)

    def __str__(self) -> str:
        what = "deviation" if self.centred else "mean square" if self.mean else f"norm {self.power}"
        return f"normalize[axis {self.axis} {what} guard {self.guard} out .{self.frac}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        x = Edge.covering((1, 10), -100, 99, 3)
        yield Sample("deviation", cls(1, True, True, 2, 77, 6, 21, 16), (x,))
        yield Sample("no_epsilon", cls(1, True, True, 2, 0, 0, 21, 16), (Edge.covering((3, 4), -1, 1),))
        yield Sample("mean_square", cls(1, False, True, 2, 5, 2, 20, 16), (Edge.covering((1, 7, 3), 0, 255, 8),))
        yield Sample("two_norm", cls(1, False, False, 2, 0, 0, 22, 18), (Edge.covering((1, 6, 2), -9, 7),))
        yield Sample("one_norm", cls(1, False, False, 1, 0, 0, 0, 16), (Edge.covering((1, 6, 2), -9, 7),))
        yield Sample("lone_element", cls(1, True, True, 2, 1, 0, 12, 8), (Edge.covering((1, 1), -9, 7),))
        yield Sample("past_int64", cls(1, True, True, 2, 3, 10, 26, 18), (Edge.covering((1, 9), -(1 << 15), 1 << 15),))
