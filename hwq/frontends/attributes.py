"""A node's attributes, which remember what was read: what no rule reads is refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from onnx import helper

from hwq.frontends.element_types import LATEST, schema_of

HARMLESS: Mapping[str, str] = MappingProxyType(
    {
        "consumed_inputs": "which inputs opset 1 may overwrite",
        "cubic_coeff_a": "of cubic interpolation, which is refused",
        "extrapolation_value": "of tf_crop_and_resize, which is refused",
        "is_test": "inference, which is all that hwq compiles",
        "momentum": "of training",
        "ratio": "of training",
        "round_mode": "of minifloat types, which are refused",
        "saturate": "of minifloat types, which are refused",
        "seed": "of training",
        "sorted": "a TopK is sorted whatever is asked",
        "stash_type": "the float type that an executor computes in",
        "storage_order": "of the indices that a pool may return, which are refused",
    }
)
"""Attributes of standard ops that change no value, and why: of those ops whose schema, of any opset, has them."""

HARMLESS_ELSEWHERE: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("BatchNormalization", "momentum"): "of training",
        ("Im2Col", "depthwise"): "how FINN builds what follows; the patches are the same",
        ("Im2Col", "input_shape"): "a shape, which is computed here",
        ("MaxPool", "storage_order"): "of the indices that a pool may return, which are refused",
        ("MultiThreshold", "out_dtype"): "FINN's name for the type of the codes, which follow from the others",
        ("QuantAvgPool2d", "signed"): "the type of its codes, not their values",
        ("SimplifiedLayerNormalization", "stash_type"): "the float type that an executor computes in",
    }
)
"""The same of ops that the installed onnx package has no schema of: by op and attribute."""


class Attributes(Mapping[str, Any]):
    """Attributes by name; `unread` are those that nobody has asked for."""

    def __init__(
        self, values: Mapping[str, Any], read: set[str] | None = None, replaced: frozenset[str] = frozenset()
    ) -> None:
        self._values = dict(values)
        self._read: set[str] = set() if read is None else read
        self._replaced = replaced  # no longer what the node says

    def _note(self, name: str) -> None:
        if name not in self._replaced:
            self._read.add(name)

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        self._note(str(name))
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def plain(self) -> dict[str, Any]:
        """All of them, none of them thereby read."""
        return dict(self._values)

    def updated(self, others: Mapping[str, Any]) -> Attributes:
        """These and others; to read what is not replaced is to read it of these."""
        return Attributes({**self._values, **others}, self._read, self._replaced | set(others))

    def unread(self) -> list[str]:
        """The names that nobody has asked for, in the order of the node."""
        return [name for name in self._values if name not in self._read]


def ignored(
    attributes: Mapping[str, Any], domain: str, kind: str, version: int, ranks: Sequence[int] = ()
) -> str | None:
    """The first attribute that nobody has read and that could change a value; None where there is none.

    `ranks`: of the inputs, which say whether the `broadcast` and `axis` of opsets before 7 are today's broadcasting.
    """
    if not isinstance(attributes, Attributes):
        return None
    values = attributes.plain()
    for name in attributes.unread():
        if not (
            _is_harmless(domain, kind, name)
            or _is_default(values[name], domain, kind, version, name)
            or (domain == "" and _aligns_last(values, kind, version, name, ranks))
        ):
            return name
    return None


def _is_harmless(domain: str, kind: str, name: str) -> bool:
    if (kind, name) in HARMLESS_ELSEWHERE and (domain or schema_of(kind, LATEST) is None):
        return True
    if domain or name not in HARMLESS:
        return False
    schemas = (schema_of(kind, version) for version in range(1, LATEST + 1))
    return any(schema is not None and name in schema.attributes for schema in schemas)


def _aligns_last(values: Mapping[str, Any], kind: str, version: int, name: str, ranks: Sequence[int]) -> bool:
    """Whether opset 1 to 6 aligns the second input with the last axes of the first, as broadcasting does since."""
    schema = schema_of(kind, version) if name in ("broadcast", "axis") else None
    if schema is None or "broadcast" not in schema.attributes:
        return False
    if name == "broadcast" or "axis" not in schema.attributes:
        return name == "broadcast"
    first, second = (*ranks, 0, 0)[:2]
    return isinstance(values["axis"], int) and values["axis"] in (first - second, -second)


def _is_default(value: Any, domain: str, kind: str, version: int, name: str) -> bool:
    """Whether the op's schema says that leaving the attribute out means this value."""
    schema = (schema_of(kind, version) or schema_of(kind, LATEST)) if domain == "" else None
    stated = schema.attributes.get(name) if schema is not None else None
    if stated is None or not stated.default_value.name:
        return False
    default = helper.get_attribute_value(stated.default_value)
    return bool(np.array_equal(np.asarray(value), np.asarray(default)))
