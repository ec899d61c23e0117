"""Lowering of random draws: the codes of a probability on its grid, against a generator's output."""

from __future__ import annotations

from hwq.errors import InternalError
from hwq.ir import real
from hwq.numeric.fixed import pow2
from hwq.numeric.rational import uniform
from hwq.ops.draw import BITS, Draw
from hwq.passes.lowering.state import Affine, Coded, Lowering, State, coded


def lower_draw(low: Lowering, node: real.RealNode, op: real.Draw, *xs: State) -> list[State]:
    """What a frontend has rounded to multiples of 2**-BITS is compared as it is."""
    chances = [coded(x, node) for x in xs]
    for p in chances:
        if uniform(p.of.a) != pow2(-BITS) or uniform(p.of.b) != 0 or p.of.lo is not None:
            raise InternalError("a probability on another grid", node=node.name)
    (out,) = low.emit(node, Draw(op.seed, op.least), *(p.edge for p in chances))
    return [Coded(out, Affine(op.scale, op.offset))]
