"""What rows of weights add up to: exact, read once, without a copy of them."""

from __future__ import annotations

import numpy as np

from hwq.numeric.fixed import AT_ONCE, INT64_SAFE, Codes


def signed_sums(rows: Codes) -> tuple[Codes, Codes]:
    """The sum of each row's positive elements, and of its negative ones."""
    most = max(-int(rows.min(initial=0)), int(rows.max(initial=0)))
    if rows.dtype == object or most * rows.shape[1] >= INT64_SAFE:
        wide = rows.astype(object)
        return np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)
    total, up = np.zeros((2, len(rows)), dtype=np.int64)
    along = int(rows.strides[1] > rows.strides[0])
    some = max(1, AT_ONCE // rows.shape[1 - along])
    for start in range(0, rows.shape[along], some):
        part = slice(start, start + some)
        if along:
            total += rows[:, part].sum(axis=1)
            up += np.maximum(rows[:, part], 0).sum(axis=1)
        else:
            total[part] = rows[part].sum(axis=1)
            up[part] = np.maximum(rows[part], 0).sum(axis=1)
    return up, total - up


def heaviest(rows: Codes) -> int:
    """The greatest sum of magnitudes of a row."""
    up, down = signed_sums(rows)
    return int((up - down).max())
