"""Specs to quantizers: a text, a Keras dictionary, or a name with keyword arguments.

Every concrete `Quantizer` subclass in a module of this package is known by its `NAME`: a new one is one class in one
file. The table is built once at import and read-only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from hwq.errors import SpecError, printable
from hwq.numeric.fixed import Overflow, Rounding
from hwq.quantizers.base import Quantizer
from hwq.quantizers.functions import stochastic_round, stochastic_round_po2
from hwq.quantizers.grammar import parse_call
from hwq.quantizers.spellings import parse_type

_PREFIX = "qkeras>"


def _discover() -> Mapping[str, type[Quantizer]]:
    package = __name__.rpartition(".")[0]
    found: dict[str, type[Quantizer]] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.name == "registry":
            continue
        for item in vars(importlib.import_module(f"{package}.{module.name}")).values():
            if isinstance(item, type) and issubclass(item, Quantizer) and item.NAME:
                found[item.NAME] = item
    return MappingProxyType(dict(sorted(found.items())))


QUANTIZERS = _discover()
"""Every quantizer class by its name in the package."""

_RANDOM_FUNCTIONS = MappingProxyType({f.__name__: f for f in (stochastic_round, stochastic_round_po2)})


def is_quantizer_name(name: str) -> bool:
    """Whether a spec that begins with this name is a quantizer's."""
    return name in QUANTIZERS


def quantizer(spec: Any, *, internal_sigmoid: str | None = None, **kwargs: Any) -> Quantizer:
    """The quantizer that a spec names.

    `spec` is a text (`"quantized_bits(8,0,1)"`), a Keras dictionary (`{"class_name", "config"}`, with or without
    `registered_name`), a class name with keyword arguments, or a precision as HLS and hls4ml write it
    (`"ap_fixed<16,6>"`, the `quantized_bits` of that type). `internal_sigmoid` ("hard", "smooth" or "real") takes
    the place of the package's process-global `set_internal_sigmoid`. Raises `SpecError`.
    """
    if isinstance(spec, Quantizer) and not kwargs and internal_sigmoid is None:
        return spec
    if isinstance(spec, str) and "<" in spec:
        name, positional, named = "quantized_bits", (), {**_from_precision(spec), **kwargs}
    elif isinstance(spec, str):
        name, positional, named = _from_text(spec, kwargs)
    elif isinstance(spec, Mapping):
        name, positional, named = _from_mapping(spec, kwargs)
    else:
        found = f"a quantizer spec of type {type(spec).__name__}"
        raise SpecError(
            found, remedy="pass a text such as 'quantized_bits(8,0,1)' or a {'class_name', 'config'} dictionary"
        )
    return _build(name, positional, named, internal_sigmoid)


def get_quantizer(identifier: Any) -> Any:
    """None and callables (a `Quantizer` is one) unchanged, anything else `quantizer(identifier)`."""
    return identifier if identifier is None or callable(identifier) else quantizer(identifier)


def _from_precision(text: str) -> dict[str, Any]:
    """The arguments of the `quantized_bits` whose codes a type such as `ap_fixed<16,6>` stores."""
    kind, rounding, overflow = parse_type(text)
    saturates = overflow in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC)
    if rounding is not Rounding.HALF_EVEN or not saturates or kind.width - int(kind.signed) < 1:
        raise SpecError(
            f"'{printable(text)}' is no quantizer of QKeras",
            remedy="leave out its modes: quantizers round and saturate",
        )
    return {
        "bits": kind.width,
        "integer": kind.qkeras_integer,
        "keep_negative": kind.signed,
        "symmetric": int(overflow is Overflow.SATURATE_SYMMETRIC),
    }


def _from_text(text: str, kwargs: dict[str, Any]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    call = parse_call(text)
    if call.called and kwargs:
        raise SpecError(
            f"'{printable(text)}' with keyword arguments", remedy="give the arguments in one of the two places"
        )
    known = QUANTIZERS.get(call.name)
    if call.called and known is not None and not fields(known):
        raise SpecError(f"'{printable(text)}': {call.name} is a function of x", remedy=f"write '{call.name}'")
    return call.name, call.positional, {**dict(call.keywords), **kwargs}


def _from_mapping(spec: Mapping[Any, Any], kwargs: dict[str, Any]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    name, config = spec.get("class_name"), spec.get("config", {})
    if name == "function" and isinstance(config, str):  # how Keras writes a plain function
        name, config = config, {}
    if not isinstance(name, str):
        registered = spec.get("registered_name")
        name = registered if isinstance(registered, str) else None
    if name is None or not isinstance(config, Mapping) or kwargs:
        found = "a quantizer dictionary without a 'class_name' text and a 'config' dictionary"
        raise SpecError(found, remedy='pass {"class_name": "quantized_bits", "config": {"bits": 8}}')
    named = {str(key): _unwrap(value) for key, value in config.items()}
    return name.removeprefix(_PREFIX), (), named


def _unwrap(value: Any) -> Any:
    """A Keras-serialised tensor's or array's nested list."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__"):
        inner = value.get("config")
        return inner.get("value") if isinstance(inner, Mapping) else value
    return value


def _build(name: str, positional: tuple[Any, ...], named: dict[str, Any], internal_sigmoid: str | None) -> Quantizer:
    if name in _RANDOM_FUNCTIONS:
        raise SpecError(f"{name} draws at random", remedy=f"call hwq.quantizers.{name}(x, seed=...)")
    if name not in QUANTIZERS:
        raise SpecError(f"unknown quantizer '{printable(name)}'", remedy="use one of: " + ", ".join(QUANTIZERS))
    kind = QUANTIZERS[name]
    known = list(fields(kind))
    order = [f.name for f in known if not f.kw_only]
    if len(positional) > len(order):
        raise SpecError(
            f"{name}: {len(positional)} positional values", remedy=f"it takes {len(order)}: {', '.join(order)}"
        )
    arguments = dict(zip(order, positional, strict=False))
    for key, value in named.items():
        if key in arguments:
            raise SpecError(f"{name}: '{printable(key)}' is given twice", remedy="give it once")
        if key in kind.INHERITED and kind.INHERITED[key] is value:
            continue
        if key not in {f.name for f in known}:
            names = ", ".join(f.name for f in known) or "no parameters"
            raise SpecError(f"{name} has no parameter '{printable(key)}'", remedy=f"it takes {names}")
        arguments[key] = value
    if internal_sigmoid is not None:
        _set_sigmoid(name, arguments, internal_sigmoid, any(f.name == "internal_sigmoid" for f in known))
    return kind(**arguments)


def _set_sigmoid(name: str, arguments: dict[str, Any], which: str, used: bool) -> None:
    from hwq.quantizers.smooth import mode

    mode("internal_sigmoid", which)
    stated = arguments.get("internal_sigmoid", which)
    if stated != which:
        raise SpecError(f"{name}: internal_sigmoid is both '{printable(stated)}' and '{which}'", remedy="give it once")
    if used:  # like the package's global switch, it means nothing to the other quantizers
        arguments["internal_sigmoid"] = which
