"""Lowering of random draws: the codes of a probability on its grid, against a generator's output."""

from __future__ import annotations

from hwq import real
from hwq.errors import InternalError
from hwq.exact import uniform
from hwq.fixed import pow2
from hwq.ops.draw import BITS, Draw
from hwq.passes.lowering.state import Affine, Coded, Lowering, State, coded


def lower_draw(low: Lowering, node: real.RealNode, op: real.Draw, x: State) -> list[State]:
    """What a frontend has rounded to multiples of 2**-BITS is compared as it is."""
    codes = coded(x, node)
    if uniform(codes.of.a) != pow2(-BITS) or uniform(codes.of.b) != 0 or codes.of.lo is not None:
        raise InternalError("a probability on another grid", node=node.name)
    (out,) = low.emit(node, Draw(op.seed), codes.edge)
    return [Coded(out, Affine(op.scale, op.offset))]
