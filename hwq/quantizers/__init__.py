"""QKeras quantizers and type spellings: `quantizer(spec)`, `parse_type(text)`, `type_spec(text)`."""

from __future__ import annotations

from hwq.quantizers.base import Quantizer
from hwq.quantizers.functions import (
    binary_sigmoid,
    binary_tanh,
    get_quantized_initializer,
    get_weight_scale,
    hard_sigmoid,
    hard_tanh,
    smooth_sigmoid,
    smooth_tanh,
    stochastic_round,
    stochastic_round_po2,
)
from hwq.quantizers.registry import QUANTIZERS, get_quantizer, quantizer
from hwq.quantizers.spellings import parse_type, type_spec

__all__ = [
    "QUANTIZERS",
    "Quantizer",
    "binary_sigmoid",
    "binary_tanh",
    "get_quantized_initializer",
    "get_quantizer",
    "get_weight_scale",
    "hard_sigmoid",
    "hard_tanh",
    "parse_type",
    "quantizer",
    "smooth_sigmoid",
    "smooth_tanh",
    "stochastic_round",
    "stochastic_round_po2",
    "type_spec",
]
