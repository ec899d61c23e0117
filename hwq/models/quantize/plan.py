"""What a config says about quantization: specs for weights, biases and outputs, per layer, by wildcard, by default."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hwq.errors import HwqError, SpecError, printable
from hwq.models.qonnx_domain import Quant
from hwq.numeric.fixed import Overflow, Rounding
from hwq.quantizers import Quantizer, parse_type, quantizer

KEYS = ("weight", "bias", "output")
Spec = Quantizer | Quant | None


@dataclass(frozen=True)
class LayerSpecs:
    """The specs of one layer, as text; None leaves a tensor as it is."""

    weight: str | None
    bias: str | None
    output: str | None


@dataclass(frozen=True)
class Plan:
    """Defaults, and choices by layer name or wildcard: an exact name first, then the first pattern that matches."""

    defaults: Mapping[str, str | None] = field(default_factory=dict)
    layers: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    def of(self, layer: str) -> LayerSpecs:
        """The specs of a layer."""
        patterns = [p for p in self.layers if p != layer and fnmatch.fnmatchcase(layer, p)]
        rows = [self.layers[p] for p in ([layer] if layer in self.layers else []) + patterns] + [self.defaults]
        found = {key: next((row[key] for row in rows if key in row), None) for key in KEYS}
        return LayerSpecs(**found)

    def unmatched(self, layers: tuple[str, ...]) -> list[str]:
        """Patterns that no layer's name matches."""
        return [p for p in self.layers if p not in layers and not fnmatch.filter(layers, p)]


def read_plan(source: Mapping[str, Any]) -> Plan:
    """The plan that a config's `quantize` mapping holds. Raises `SpecError`."""
    unknown = [k for k in source if k not in (*KEYS, "layers")]
    if unknown:
        raise SpecError(f"unknown key '{printable(unknown[0])}' in quantize", remedy="use weight, bias, output, layers")
    layers = source.get("layers") or {}
    if not isinstance(layers, Mapping):
        raise SpecError("'layers' of quantize is no mapping", remedy="write one 'name: {weight: SPEC}' per layer")
    rows = {"the defaults": {k: v for k, v in source.items() if k != "layers"}, **layers}
    for name, row in rows.items():
        if not isinstance(name, str) or not isinstance(row, Mapping) or set(row) - set(KEYS):
            raise SpecError(f"quantize: layer '{printable(name)}' is not readable", remedy="give weight, bias, output")
        for key, text in row.items():
            parsed(text, f"{key} of '{name}'")
    defaults = rows.pop("the defaults")
    return Plan(defaults, {str(k): dict(v) for k, v in rows.items()})


def parsed(text: Any, where: str) -> Spec:
    """A quantizer's text, or an HLS type such as ap_fixed<16,6>; None stays None."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise SpecError(f"quantize: {where} is {printable(text)}", remedy="write a quantizer or a type as text")
    try:
        return _type(text) if "<" in text else quantizer(text)
    except HwqError as error:
        raise SpecError(f"quantize: {where}: {error.found}", remedy=error.remedy) from None


def _type(text: str) -> Quant:
    """The Quant node that rounds and saturates to a type."""
    kind, rounding, overflow = parse_type(text)
    modes = {Rounding.HALF_EVEN: "ROUND", Rounding.FLOOR: "FLOOR", Rounding.CEIL: "CEIL"}
    if rounding not in modes or overflow not in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC):
        raise SpecError(f"'{text}': a rounding or overflow mode without a node", remedy="use AP_RND_CONV and AP_SAT")
    if kind.signed and kind.width < 2:
        raise SpecError(f"'{text}' has one bit", remedy="use binary()")
    narrow = overflow is Overflow.SATURATE_SYMMETRIC and kind.signed
    scale = np.asarray(2.0**-kind.frac, dtype=np.float32)
    return Quant(scale, kind.width, kind.signed, narrow, modes[rounding])
