"""What an activation's offsets add to each sum of a convolution, where they vary by position or end at the padding."""

from __future__ import annotations

from itertools import product

import numpy as np

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.ir.hardware import Shape
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import Rationals, common_step, elementwise, narrowed
from hwq.passes.lowering.linear import exact_product

MAX_PRODUCTS = 1 << 30  # of one convolution of constants


def by_position(offset: Rationals, weights: Codes, op: real.Conv, shape: Shape) -> Rationals:
    """(1, M, ...): the convolution of the offsets themselves, exactly, in weight steps; the padding is real zero."""
    m, n_in = weights.shape[:2]
    outputs = op.window.outputs(shape[2:])
    if weights.size * int(np.prod(outputs)) > MAX_PRODUCTS:
        raise UnsupportedError(
            "an offset that varies by position before a large convolution", remedy="put a quantizer before it"
        )
    few = narrowed(offset.reshape((1,) * (len(shape) - offset.ndim) + offset.shape))
    step = common_step(few)
    whole = np.broadcast_to(elementwise(lambda v: int(v / step), few), (1, *shape[1:]))[0]
    margins = zip(op.window.before, op.window.after, strict=True)
    padded = np.pad(whole, [(0, 0), *margins], constant_values=0)
    taps = [op.window.slices(padded, outputs, k) for k in product(*(range(n) for n in op.window.kernel))]
    columns = np.stack(taps, axis=1).reshape(op.groups, n_in * len(taps), -1)  # of each group, taps within a channel
    rows = weights.reshape(op.groups, m // op.groups, -1)
    sums = [exact_product(c.T, r.T).T for c, r in zip(columns, rows, strict=True)]
    total = np.concatenate(sums).astype(object).reshape(1, m, *outputs)
    return np.asarray(total * step, dtype=object)
