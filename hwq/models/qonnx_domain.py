"""QONNX's Quant and BipolarQuant: what they compute in float32, their nodes, and executors for `onnx.reference`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from onnx.reference.op_run import OpRun

DOMAIN = "qonnx.custom_op.general"
VERSION = 1

Floats = npt.NDArray[np.float32]


def opset() -> onnx.OperatorSetIdProto:
    """The `opset_import` entry that a model with these ops needs."""
    return helper.make_opsetid(DOMAIN, VERSION)


@dataclass(frozen=True)
class Quant:
    """y = scale * clip(round_half_even(x / scale)), `bits` wide; one step per tensor or per channel."""

    scale: Floats
    bits: int
    signed: bool
    narrow: bool
    rounding: str = "ROUND"  # or CEIL, FLOOR

    def limits(self) -> tuple[int, int]:
        """The least and greatest code; `narrow` leaves out the least signed or the greatest unsigned one."""
        if self.signed:
            return -(1 << (self.bits - 1)) + int(self.narrow), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1 - int(self.narrow)

    def __call__(self, x: npt.ArrayLike) -> Floats:
        round_to = {"ROUND": np.rint, "CEIL": np.ceil, "FLOOR": np.floor}[self.rounding]
        values = np.asarray(x, dtype=np.float32)
        low, high = self.limits()
        with np.errstate(over="ignore"):
            codes = round_to(values / self.scale)
        return np.asarray(np.clip(codes, np.float32(low), np.float32(high)) * self.scale, dtype=np.float32)

    def node(self, x: str, scale: str, zero: str, bits: str, y: str, name: str) -> onnx.NodeProto:
        """The Quant node; its parameters are tensors, given by name."""
        return helper.make_node(
            "Quant",
            [x, scale, zero, bits],
            [y],
            name=name,
            domain=DOMAIN,
            signed=int(self.signed),
            narrow=int(self.narrow),
            rounding_mode=self.rounding,
        )


@dataclass(frozen=True)
class BipolarQuant:
    """y = scale where x >= 0, else -scale."""

    scale: Floats

    def __call__(self, x: npt.ArrayLike) -> Floats:
        positive = np.asarray(x, dtype=np.float32) >= 0
        return np.asarray(np.where(positive, self.scale, -self.scale), dtype=np.float32)

    def node(self, x: str, scale: str, y: str, name: str) -> onnx.NodeProto:
        """The BipolarQuant node; its scale is a tensor, given by name."""
        return helper.make_node("BipolarQuant", [x, scale], [y], name=name, domain=DOMAIN)


class _QuantRun(OpRun):
    op_domain = DOMAIN

    def _run(
        self, x: Any, scale: Any, zero: Any, bits: Any, signed: int = 1, narrow: int = 0, rounding_mode: Any = "ROUND"
    ) -> tuple[Any]:
        if np.any(np.asarray(zero)):
            raise NotImplementedError("a zero point other than 0")
        width, mode = int(np.asarray(bits).reshape(-1)[0]), str(rounding_mode)
        return (Quant(np.asarray(scale, dtype=np.float32), width, bool(signed), bool(narrow), mode)(x),)


class _BipolarRun(OpRun):
    op_domain = DOMAIN

    def _run(self, x: Any, scale: Any) -> tuple[Any]:
        return (BipolarQuant(np.asarray(scale, dtype=np.float32))(x),)


def reference_ops() -> list[type[OpRun]]:
    """An executor per op, for `onnx.reference.ReferenceEvaluator(model, new_ops=reference_ops())`."""
    return [type("Quant", (_QuantRun,), {}), type("BipolarQuant", (_BipolarRun,), {})]
