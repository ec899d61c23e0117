"""Tools as data: one module per tool, each with a `TARGET` record."""

from __future__ import annotations

from types import MappingProxyType

from hwq.targets import catapult, native, verilog, vitis, vivado
from hwq.targets.base import Target, TypeStyle, check_name
from hwq.targets.styles import AC_TYPES, AP_TYPES

HLS_TARGETS = MappingProxyType({t.name: t for t in (vivado.TARGET, vitis.TARGET, catapult.TARGET, native.TARGET)})
TARGETS = MappingProxyType({**HLS_TARGETS, verilog.TARGET.name: verilog.TARGET})
ALL_TARGETS = "all"  # those of C++, which have every layer in every form
TYPE_STYLES = MappingProxyType({"vivado": AP_TYPES, "vitis": AP_TYPES, "catapult": AC_TYPES})


def get_target(name: str) -> Target:
    """The target record of that name."""
    return check_name(name, TARGETS)


__all__ = ["ALL_TARGETS", "HLS_TARGETS", "TARGETS", "TYPE_STYLES", "Target", "TypeStyle", "get_target"]
