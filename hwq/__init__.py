"""hwq: quantized ONNX models to FPGA/ASIC source whose every output bit is known beforehand.

    design = hwq.compile("model.onnx")
    y = design.simulate(x)
    project = design.export("build", target="vivado")
    assert project.verify(x)

Names are loaded at first use, so that `import hwq` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hwq._version import __version__
from hwq.errors import HwqError

if TYPE_CHECKING:
    from hwq.design import Design, Project, Result, compile
    from hwq.numeric.fixed import FixedType, Overflow, Rounding
    from hwq.quantizers import quantizer

__all__ = [
    "Design",
    "FixedType",
    "HwqError",
    "Overflow",
    "Project",
    "Result",
    "Rounding",
    "__version__",
    "compile",
    "quantizer",
]

_HOMES = MappingProxyType(
    {
        "Design": "hwq.design",
        "Project": "hwq.design",
        "Result": "hwq.design",
        "compile": "hwq.design",
        "FixedType": "hwq.numeric.fixed",
        "Overflow": "hwq.numeric.fixed",
        "Rounding": "hwq.numeric.fixed",
        "quantizer": "hwq.quantizers",
    }
)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hwq' has no attribute '{name}'")
