"""Lowering of normalizations: codes on one grid, and digits enough that the result is within one step of exact."""

from __future__ import annotations

from fractions import Fraction

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.ir.hardware import Edge
from hwq.numeric.fixed import pow2
from hwq.numeric.rational import scalar, uniform
from hwq.ops import Normalize
from hwq.ops.normalize import WORD_BITS
from hwq.passes.lowering.grids import on_one_grid, settled
from hwq.passes.lowering.places import places
from hwq.passes.lowering.state import Affine, Coded, Lowering, State, coded


def lower_normalize(low: Lowering, node: real.RealNode, op: real.Normalize, x: State) -> list[State]:
    """Sums over groups of codes, a root, a division; an offset matters only where no mean is taken off."""
    x = settled(low, node, coded(x, node))
    step, offset = uniform(x.of.a), uniform(x.of.b)
    if step is None or step <= 0 or offset is None or (offset != 0 and not op.centred):
        x = on_one_grid(low, node, x, [])
        step = x.of.a.reshape(-1)[0]
    frac = places(low, node)
    made = normalize_op(op, step, low.edges[x.edge], frac)
    (out,) = low.emit(node, made, x.edge)
    return [Coded(out, Affine(scalar(pow2(-frac)), scalar(0)))]


def normalize_op(op: real.Normalize, step: Fraction, x: Edge, frac: int) -> Normalize:
    """The op for codes worth `step` each, with `frac` binary places of the result (docs/normalization.md)."""
    n = x.shape[op.axis]
    half_log = (((n if op.mean else 1) - 1).bit_length() + 1) >> 1  # of the greatest result
    guard = 0 if op.power == 1 else frac + 3 + half_log
    exact = op.eps * (n**2 if op.mean else 1) / step**2  # in the units of squared codes
    eps_frac = 0
    if exact:
        eps_frac = max(0, frac + 2 + half_log - max(0, int(exact).bit_length() - 1))
        eps_frac += eps_frac % 2
    made = Normalize(op.axis, op.centred, op.mean, op.power, round(exact * 2**eps_frac), eps_frac, guard, frac)
    if made.root_type(x).width > WORD_BITS:
        raise UnsupportedError(
            f"a normalization over {n} codes of {x.type.width} bits, to {frac} binary places",
            remedy="put a narrower quantizer before it, or a coarser one behind it",
        )
    return made
