"""What can be said about a quantizer without data: range, codes, types, table shape; for command line and docs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from hwq.errors import HwqError
from hwq.numeric.fixed import FixedType
from hwq.quantizers import smooth
from hwq.quantizers.base import Quantizer
from hwq.quantizers.functions import Function
from hwq.quantizers.hswish import QuantizedHswish
from hwq.quantizers.relu import QuantizedRelu
from hwq.quantizers.sigmoid import QuantizedSigmoid, QuantizedTanh
from hwq.quantizers.ulaw import QuantizedUlaw
from hwq.targets import TYPE_STYLES

SMALL = 32
"""Up to this many codes are listed."""


def describe(q: Quantizer, source: FixedType | None = None) -> dict[str, Any]:
    """A JSON-able description; `source`, the input's type, makes the shape of a table definite."""
    result: dict[str, Any] = {"spec": str(q), "class_name": q.NAME, "config": q.config, "law": _law(q)}
    if isinstance(q, Function):
        return {**result, "range": list(q.limits()), "note": "a function: its result has no codes"}
    scale = "computed from the data" if q.is_auto else None if q.scale is None else q.scale.tolist()
    if isinstance(scale, list):  # one per channel: the rest is said for a scale of 1
        q = replace(q, **{"alpha": 1.0})
    values = q.unit_values(np.asarray(q.extreme_codes(), dtype=np.int64))
    result |= {
        "range": [float(values.min()), float(values.max())],
        "lsb": q.lsb,
        "scale": scale,
        "codes": q.levels,
        "code_range": list(q.code_range()),
        "code_word": q.code_word,
        "type": str(q.type),
        "rounding": q.rounding.value if q.grid else None,
        "overflow": q.overflow.value if q.grid else None,
        "before": _before(q),
        "hls": {target: q.hls(target) for target in TYPE_STYLES},
        "rom": rom_shape(q, source),
    }
    if q.levels <= SMALL:
        words = q.codes()
        width = q.type.width
        pairs = zip(words.tolist(), q.unit_values(words), strict=True)
        result["table"] = [
            {"code": code, "bits": format(code & ((1 << width) - 1), f"0{width}b"), "value": np.asarray(value).tolist()}
            for code, value in pairs
        ]
    return result


def _law(q: Quantizer) -> str:
    return (type(q).__doc__ or "").strip().splitlines()[0]


def _before(q: Quantizer) -> str | None:
    """The exact function in front of the conversion, if there is one."""
    mul, add = q.affine
    if q.grid is None or (mul, add) == (Fraction(1), Fraction(0)):
        return None
    return f"{mul} x + {add}" if add else f"{mul} x"


def rom_shape(q: Quantizer, source: FixedType | None) -> dict[str, Any] | None:
    """Words and width of the table that a table activation needs; None where shifts and clips do."""
    if isinstance(q, QuantizedUlaw):
        grid = FixedType(True, 16, 15 - q.integer)
        note = f"values on {grid}; where a quantizer follows, on that one's grid"
        return {"words": q.levels, "width": grid.width, "address": "the code word", "note": note}
    window = _window(q)
    if window is None:
        return None
    power = max(0, math.ceil(math.log2(window))) + 1
    rom = {"window": window, "width": q.type.width, "address": f"the input within |x| < {window:.4g}", "note": ""}
    if source is None:
        return {**rom, "words": None, "note": f"2**(f + {power}) words for f fraction bits"}
    return {**rom, "words": 1 << max(0, min(source.width, source.frac + power))}


def _window(q: Quantizer) -> float | None:
    """Beyond this magnitude of the input a table is constant (hard swish: constant or linear)."""
    if isinstance(q, QuantizedSigmoid):
        return math.log(2.0 ** (q.bits + 1) - 1) if q.curve == "real" else None
    if isinstance(q, QuantizedTanh):
        span = math.log(2.0 ** (q.bits + 1) - 1)
        return {"tanh": span / 2, "real": span}.get(q.curve)
    if isinstance(q, QuantizedRelu):
        real = q.use_sigmoid and q.internal_sigmoid == "real"
        return math.ldexp(math.log(2.0 ** (q.type.width + 1) - 1), int(q.integer)) if real else None
    if isinstance(q, QuantizedHswish):
        shift, upper, top = float(q.relu_shift), float(q.relu_upper_bound), 2.0**q.integer
        bend = (math.sqrt(shift * shift + 4 * upper * top) - shift) / 2
        return max(shift, bend if bend <= upper - shift else top)
    return None


def curve(q: Quantizer, points: int = 2001) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Inputs and values (a column per scale) of the transfer curve, beyond its ends; auto scales fit the inputs."""
    try:
        low, high = (q.min(), q.max()) if q.is_auto else q.limits()
    except HwqError:
        low, high = -1.0, 1.0
    reach = min(max(abs(float(np.min(low))), abs(float(np.max(high))), 2.0**-20), 2.0**20)
    window = _window(q) or 0.0
    x = np.linspace(-1, 1, points, dtype=np.float32) * np.float32(max(1.5 * reach, 1.1 * window))
    if q.is_auto:
        return x, q(x[:, None])
    return x, q(x.reshape(-1, *[1] * np.ndim(q.scale))) if q.scale is not None else q(x)


def unquantized(q: Quantizer, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The function whose values the quantizer rounds, float64, of float32 x."""
    wide = x.astype(np.float64)
    if isinstance(q, QuantizedSigmoid):
        return smooth.internal(wide, q.curve)
    if isinstance(q, QuantizedTanh):
        return np.tanh(wide) if q.curve == "tanh" else 2 * smooth.internal(wide, q.curve) - 1
    if isinstance(q, QuantizedUlaw):
        ratio = 2 * smooth.internal(np.ldexp(wide, -q.integer), q.internal_sigmoid) - 1
        return np.ldexp(np.sign(ratio) * np.log1p(q.u * np.abs(ratio)) / math.log1p(q.u), q.integer)
    if isinstance(q, QuantizedRelu) and q.use_sigmoid:
        ratio = 2 * smooth.internal(np.ldexp(wide, -q.integer), q.internal_sigmoid) - 1
        return np.ldexp(np.where(ratio < 0, q.negative_slope * ratio, ratio), q.integer)
    return q.passes(x)


def markdown(quantizers: Iterable[Quantizer]) -> str:
    """A table of quantizers, one row each, for the documentation."""
    rows = ["| quantizer | values | codes | code word | type | vivado | catapult |", "|---|---|---|---|---|---|---|"]
    for q in quantizers:
        facts = describe(q)
        low, high = facts["range"]
        cells = [f"{low:.6g} .. {high:.6g}", str(facts["codes"]), facts["code_word"], f"`{facts['type']}`"]
        spelled = [f"`{facts['hls'][target]}`" for target in ("vivado", "catapult")]
        rows.append("| " + " | ".join([f"`{q}`", *cells, *spelled]) + " |")
    return "\n".join(rows) + "\n"
