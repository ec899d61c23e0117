"""What ops on two edges share: broadcasting as loops over flat arrays, and factors that carry a binary point."""

from __future__ import annotations

from math import prod

import numpy as np

from hwq.errors import InternalError
from hwq.fixed import Codes, FixedType
from hwq.ir import Edge, Shape
from hwq.ops.base import Rom


def joint_shape(*edges: Edge) -> Shape:
    """The shape that the edges broadcast to."""
    try:
        return tuple(np.broadcast_shapes(*(e.shape for e in edges)))
    except ValueError:
        raise InternalError(f"shapes {[e.shape for e in edges]} do not broadcast") from None


def joint_loops(*shapes: Shape) -> list[tuple[int, tuple[int, ...]]]:
    """(trip count, stride in each input's flat array) of every output axis, neighbours merged where strides allow."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + tuple(s) for s in shapes]
    loops: list[tuple[int, tuple[int, ...]]] = []
    for axis in range(rank):
        count = max(s[axis] for s in padded)
        if count == 1:
            continue
        strides = tuple(0 if s[axis] == 1 else prod(s[axis + 1 :]) for s in padded)
        if loops and all(outer == count * inner for outer, inner in zip(loops[-1][1], strides, strict=True)):
            loops[-1] = (loops[-1][0] * count, strides)
        else:
            loops.append((count, strides))
    return loops or [(1, (0,) * len(shapes))]


def expanded(codes: Codes, own: Shape, full: Shape) -> Codes:
    """A batch of codes broadcast to the joint shape."""
    lead = (1,) * (len(full) - len(own))
    return np.broadcast_to(codes.reshape(codes.shape[0], *lead, *own), (codes.shape[0], *full))


def factor_type(mult: Codes, x: Edge, frac: int) -> FixedType:
    """The type of integer factors that take x's binary point to `frac`: code times code is the product's code."""
    return FixedType.covering(int(mult.min()), int(mult.max()), frac - x.type.frac)


def scaled_range(mult: Codes, add: Codes | int, x: Edge) -> tuple[Codes, Codes]:
    """Per channel, the ends of mult * x + add."""
    wide = mult.astype(object)
    ends = wide * x.lo + add, wide * x.hi + add
    return np.minimum(*ends), np.maximum(*ends)


def column(role: str, codes: Codes, frac: int = 0) -> Rom:
    """A ROM of one code per channel."""
    return Rom(role, codes.reshape(-1, 1), FixedType.covering(int(codes.min()), int(codes.max()), frac))
