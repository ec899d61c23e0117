"""A node's attributes, which remember what was read: what no rule reads is refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from onnx import helper

from hwq.frontends.element_types import LATEST, schema_of

HARMLESS: Mapping[str, str] = MappingProxyType(
    {
        "out_dtype": "FINN's name for the type of the codes, which follow from the other attributes",
        "signed": "of QuantAvgPool2d: the type of its codes, not their values",
        "input_shape": "of Im2Col: a shape, which is computed here",
        "consumed_inputs": "which inputs opset 1 may overwrite",
        "is_test": "inference, which is all that hwq compiles",
        "momentum": "of training",
        "saturate": "of minifloat types, which are refused",
        "round_mode": "of minifloat types, which are refused",
        "stash_type": "the float type that an executor computes in",
        "storage_order": "of the indices that a pool may return, which are refused",
        "sorted": "a TopK is sorted whatever is asked",
        "seed": "of training",
        "ratio": "of training",
    }
)
"""Attributes that change no value, and why."""


class Attributes(Mapping[str, Any]):
    """Attributes by name; `unread` are those that nobody has asked for."""

    def __init__(self, values: Mapping[str, Any], read: set[str] | None = None) -> None:
        self._values = dict(values)
        self._read: set[str] = set() if read is None else read

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        self._read.add(str(name))
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def plain(self) -> dict[str, Any]:
        """All of them, none of them thereby read."""
        return dict(self._values)

    def updated(self, others: Mapping[str, Any]) -> Attributes:
        """These and others; what is read of them is read of these."""
        return Attributes({**self._values, **others}, self._read)

    def unread(self) -> list[str]:
        """The names that nobody has asked for, in the order of the node."""
        return [name for name in self._values if name not in self._read]


def ignored(attributes: Mapping[str, Any], domain: str, kind: str, version: int) -> str | None:
    """The first attribute that nobody has read and that could change a value; None where there is none."""
    if not isinstance(attributes, Attributes):
        return None
    values = attributes.plain()
    for name in attributes.unread():
        if name not in HARMLESS and not _is_default(values[name], domain, kind, version, name):
            return name
    return None


def _is_default(value: Any, domain: str, kind: str, version: int, name: str) -> bool:
    """Whether the op's schema says that leaving the attribute out means this value."""
    schema = (schema_of(kind, version) or schema_of(kind, LATEST)) if domain == "" else None
    stated = schema.attributes.get(name) if schema is not None else None
    if stated is None or not stated.default_value.name:
        return False
    default = helper.get_attribute_value(stated.default_value)
    return bool(np.array_equal(np.asarray(value), np.asarray(default)))
