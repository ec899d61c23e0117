"""Circuits for exact tables: the cheapest that is proved equal, each form where it is the right one."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwq.ir.hardware import Edge
from hwq.numeric.fixed import FixedType
from hwq.ops import Lut, Shift, Threshold
from hwq.ops.exact.tabulated import Tabulated
from hwq.passes.circuits.table import cheapest_table, proved_table


def table_op(values: Any, first: int) -> tuple[Tabulated, Edge]:
    table = np.asarray(values).reshape(1, -1)
    kind = FixedType.covering(int(table.min()), int(table.max()))
    edge = Edge.covering((1, 4), first, first + table.shape[1] - 1)
    return Tabulated(table, first, kind), edge


def circuit(values: Any, first: int) -> Any:
    op, edge = table_op(values, first)
    found = cheapest_table(op, edge, "t")
    if found is not None:
        assert proved_table(found, op.table, edge)
    return found


def test_a_table_that_says_nothing_vanishes():
    assert circuit(np.arange(-8, 8), -8) is None


def test_a_staircase_of_equal_steps_becomes_a_shift():
    codes = np.arange(-128, 128)
    assert isinstance(circuit(np.clip((codes + 3) >> 2, -9, 20), -128), Shift)
    assert isinstance(circuit(np.clip(codes * 4, -200, 200), -128), Shift)


def test_few_steps_become_thresholds_and_many_a_table():
    codes = np.arange(-2048, 2048)
    assert isinstance(circuit(np.searchsorted([-900, -3, 5, 1200], codes), -2048), Threshold)
    assert isinstance(circuit((codes * codes) % 251, -2048), Lut)


def test_an_odd_function_stores_half_a_table_even_where_one_end_saturates():
    codes = np.arange(-512, 512)
    values = np.clip(np.rint(128 * np.tanh(codes / 128)), -128, 127).astype(int)
    found = circuit(values, -512)
    assert isinstance(found, Lut)
    assert found.mirror is not None
    assert found.words.size < 512


def test_a_wrong_circuit_does_not_pass_the_proof():
    op, edge = table_op((np.arange(64) ** 2) % 17, 0)
    found = cheapest_table(op, edge, "t")
    assert isinstance(found, Lut)
    wrong = op.table.copy()
    wrong[0, 40] += 1
    assert not proved_table(found, wrong, edge)
