"""Outputs as differences of others: a minimum spanning tree over the columns of a matrix and 0.

The first of two stages in "da4ml: Distributed Arithmetic for Real-time Neural Networks on FPGAs": M = M1 M2, where M2
only adds and subtracts outputs of M1. An edge costs the signed digits of the difference, or of the sum, of two columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwq.numeric.fixed import Codes


@dataclass(frozen=True, eq=False)
class Tree:
    """Column c is differences[:, c] + signs[c] column parents[c]; parents -1 are 0. `order`: parents come first."""

    differences: Codes
    parents: tuple[int, ...]
    signs: tuple[int, ...]
    order: tuple[int, ...]
    heights: tuple[int, ...]  # columns on the longest way down from each
    digits: int


def digit_count(values: Codes) -> Codes:
    """Canonical signed digits of every value other than 0."""
    size = np.abs(values)
    if values.dtype == object:
        flat = [(int(v) ^ (3 * int(v))).bit_count() for v in size.reshape(-1)]
        return np.asarray(flat, dtype=np.int64).reshape(values.shape)
    return np.asarray(np.bitwise_count(size ^ (3 * size)), dtype=np.int64)


def spanning_tree(matrix: Codes, levels: int) -> Tree:
    """The tree of least digits found by adding the nearest column each time, no column more than `levels` below 0's."""
    columns = matrix.shape[1]
    cost = digit_count(matrix).sum(axis=0)
    parents, signs = np.full(columns, -1), np.ones(columns, dtype=np.int64)
    level, done, order = np.zeros(columns, dtype=np.int64), np.zeros(columns, dtype=bool), []
    for _ in range(columns):
        column = int(np.argmin(np.where(done, np.iinfo(np.int64).max, cost)))
        done[column] = True
        order.append(column)
        if level[column] >= levels:
            continue
        for sign in (1, -1):
            apart = digit_count(matrix - sign * matrix[:, column : column + 1]).sum(axis=0) + 1
            nearer = ~done & (apart < cost)
            cost[nearer], parents[nearer], signs[nearer] = apart[nearer], column, sign
            level[nearer] = level[column] + 1
    heights = np.zeros(columns, dtype=np.int64)
    for column in reversed(order):
        if parents[column] >= 0:
            heights[parents[column]] = max(heights[parents[column]], heights[column] + 1)
    joined = np.where(parents >= 0, matrix[:, parents] * signs, 0) if columns else matrix
    return Tree(
        matrix - joined,
        parents=tuple(parents.tolist()),
        signs=tuple(signs.tolist()),
        order=tuple(order),
        heights=tuple(heights.tolist()),
        digits=int(cost.sum()),
    )
