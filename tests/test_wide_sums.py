"""Linear layers behind one another without a quantizer between: sums past 64 bits, in seconds and exact."""

from __future__ import annotations

import time

import numpy as np
import onnx
import pytest

import hwq
from models import const, model, node


def chain(sum_bits: int, quantizer_bits: int, channels: int) -> onnx.ModelProto:
    """x in 8 bits, MatMuls with weights of up to 20 bits until the sums are wide, then one quantizer."""
    rng = np.random.default_rng(0)
    nodes = [node("Quant", "x s z b8", "q0", signed=1, narrow=0, rounding_mode="ROUND")]
    constants = [const("s", 0.37), const("z", 0.0), const("b8", 8.0), const("qb", float(quantizer_bits))]
    constants.append(const("wb", 20.0))
    edge, have, width, layers = "q0", 8, 4, 0
    while have < sum_bits:
        step = max(2, min(18, sum_bits - have - 1))
        last = have + step + 2 >= sum_bits
        weights = rng.integers(-(2**step), 2**step, (width, channels if last else 4)).astype(float)
        weights[0] = 2**step - 1
        scale = rng.uniform(0.012, 0.014, (1, channels)) if last else 0.013
        constants += [const(f"w{layers}", weights * 0.013), const(f"ws{layers}", scale)]
        nodes.append(node("Quant", f"w{layers} ws{layers} z wb", f"wq{layers}", signed=1, rounding_mode="ROUND"))
        nodes.append(node("MatMul", [edge, f"wq{layers}"], f"h{layers}"))
        edge, have, layers, width = f"h{layers}", have + step + 2, layers + 1, weights.shape[1]
    constants.append(const("qs", 1.01 * 0.37 * 0.013**layers * 2.0 ** (sum_bits - quantizer_bits - 1)))
    nodes.append(node("Quant", f"{edge} qs z qb", "y", signed=1, narrow=0, rounding_mode="ROUND"))
    return model(nodes, {"x": [1, 4]}, ["y"], constants)


@pytest.mark.parametrize(
    ("sum_bits", "quantizer_bits", "channels"), [(64, 8, 16), (70, 12, 16), (200, 12, 16), (70, 16, 1), (60, 16, 2)]
)
def test_wide_sums_compile_in_seconds_and_are_exact(sum_bits: int, quantizer_bits: int, channels: int) -> None:
    start = time.process_time()
    design = hwq.compile(chain(sum_bits, quantizer_bits, channels))
    assert time.process_time() - start < 10
    assert design.exactly()


def test_thresholds_of_tens_of_megabits_are_refused_with_the_way_out() -> None:
    with pytest.raises(hwq.HwqError, match=r"sums of 71 bits quantized at 4194240 steps.*quantizer between"):
        hwq.compile(chain(70, 16, 64))
