"""The real graph: what an ONNX file means, in a dozen ops over the real numbers. Frontends write it, `lower` reads it.

Constants live inside the ops; edges carry activations only. Parameters are exact rationals that broadcast to the
edge's shape. A quantizer says both how reals become codes and what each code is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy.typing as npt

from hwq.ir.constants import Coded
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection
from hwq.ir.window import Reduction, Window
from hwq.numeric.fixed import Codes, FixedType, Overflow, Rounding
from hwq.numeric.rational import Rationals

MINUS_INFINITY = Fraction(-(1 << 300))
"""Stands for minus infinity in an offset: a Softmax or a clamp makes of it what they make of that."""


class RealOp:
    """An op over the reals."""


@dataclass(frozen=True, eq=False)
class Affine(RealOp):
    """a x + b."""

    a: Rationals
    b: Rationals


@dataclass(frozen=True, eq=False)
class Clip(RealOp):
    """min(max(x, lo), hi); None where there is no bound."""

    lo: Rationals | None
    hi: Rationals | None


@dataclass(frozen=True)
class Typed(RealOp):
    """x itself, where a tensor of an ONNX element type holds every value that can occur; else lowering refuses.

    Integers lie in lo..hi; floats also have at most `digits` significant bits and no bit below 2**least.
    """

    kind: str
    lo: Fraction
    hi: Fraction
    digits: int | None = None
    least: int = 0


@dataclass(frozen=True, eq=False)
class Quantize(RealOp):
    """code = clip(round(a x + b) + after, lo, hi); its value is scale * code + offset.

    `lo`/`hi` None: no clamp. `expected` bounds the codes where x is a bare model input that nothing else bounds.
    """

    a: Rationals
    b: Rationals
    rounding: Rounding
    lo: int | None
    hi: int | None
    scale: Rationals
    offset: Rationals
    after: int | Codes = 0  # an array broadcasts as x does
    expected: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Stairs(RealOp):
    """code = #{k: x >= levels[..., k]}; its value is scale * code + offset. `levels` broadcasts as x, plus one axis.

    The last `opened` levels are passed only above themselves: x > levels[..., k].
    """

    levels: Rationals
    scale: Rationals
    offset: Rationals
    opened: int = 0


@dataclass(frozen=True, eq=False)
class Unary(RealOp):
    """A function of `hwq.functions.FUNCTIONS` of x; its arguments broadcast as x does."""

    function: str
    arguments: tuple[Rationals, ...] = ()


@dataclass(frozen=True, eq=False)
class MatMul(RealOp):
    """x W along the last axis; W (K, N)."""

    weights: Coded


@dataclass(frozen=True, eq=False)
class Conv(RealOp):
    """ONNX Conv of x (N, C, ...) with weights (M, C / groups, ...); the padding is real zero. No bias."""

    weights: Coded
    window: Window  # over the spatial axes
    groups: int


@dataclass(frozen=True)
class Pool(RealOp):
    """Largest, least or sum of each window over all axes of x; what lies outside x does not take part."""

    window: Window
    how: Reduction


@dataclass(frozen=True, eq=False)
class Select(RealOp):
    """Positions of each axis of x, or the fill where there is none."""

    selection: Selection
    fill: Fraction


@dataclass(frozen=True)
class Add(RealOp):
    """x + y, broadcast."""


@dataclass(frozen=True)
class Mul(RealOp):
    """x y, broadcast."""


@dataclass(frozen=True)
class Extremum(RealOp):
    """max(x, y) or min(x, y), broadcast."""

    largest: bool


@dataclass(frozen=True)
class Concat(RealOp):
    """All inputs in a row along `axis`."""

    axis: int


@dataclass(frozen=True)
class Reshape(RealOp):
    """The same elements under another shape."""

    shape: Shape


@dataclass(frozen=True)
class Transpose(RealOp):
    """Output axis i is input axis perm[i]."""

    perm: tuple[int, ...]


@dataclass(frozen=True)
class Softmax(RealOp):
    """exp(x) / sum(exp(x)) along an axis."""

    axis: int


@dataclass(frozen=True)
class Normalize(RealOp):
    """x over a size of its group along an axis: (x - mean) / sqrt(variance + eps) where `centred`, else x over its root
    mean square (`mean`, eps under the root) or its 1- or 2-norm (`power`)."""

    axis: int
    centred: bool
    mean: bool
    power: int = 2
    eps: Fraction = Fraction(0)


@dataclass(frozen=True, eq=False)
class Draw(RealOp):
    """code = least + the number of inputs that come true, each with its probability, a multiple of 2**-24; its value is
    scale * code + offset."""

    seed: int
    scale: Rationals
    offset: Rationals
    least: int = 0


@dataclass(frozen=True)
class TopK(RealOp):
    """Two outputs: values and indices; either may be unread. `keep` False drops the axis (ArgMax without keepdims)."""

    axis: int
    k: int
    largest: bool
    last: bool = False


@dataclass(frozen=True)
class RealNode:
    """One real op, under the name and type of the ONNX node it came from."""

    name: str  # the ONNX node's
    kind: str  # the ONNX op type, for messages
    op: RealOp
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class InputType:
    """How a model input is stored: stated by the user, or known from the file."""

    type: FixedType
    rounding: Rounding = Rounding.HALF_EVEN
    overflow: Overflow = Overflow.SATURATE


@dataclass(frozen=True)
class RealInput:
    """A model input; `type` None where neither the file nor the user says how it is stored."""

    name: str  # the ONNX tensor's
    edge: str
    type: InputType | None


@dataclass(frozen=True)
class RealGraph:
    """Nodes in executable order, and the shapes of all edges."""

    name: str
    inputs: tuple[RealInput, ...]
    outputs: Mapping[str, str]  # ONNX output name -> edge
    nodes: tuple[RealNode, ...]
    shapes: Mapping[str, Shape]
    tensors: Mapping[str, str] = field(default_factory=dict)  # ONNX tensor name -> edge, as the file was read
    weights: Mapping[str, Coded] = field(default_factory=dict)  # ONNX tensor name -> what its numbers were taken for
    host_softmax: Mapping[str, int] = field(default_factory=dict)  # by output, the axis of a Softmax left to the host
    constants: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)  # outputs that depend on no input
    batch: int = 1  # samples that the file's inputs hold; the graph is of one
    notes: tuple[str, ...] = ()  # how the file was read where it could be read otherwise
