"""What a call in a Keras file passes: tensors as references, constants as arrays, slices, and nests of these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hwq.errors import ModelError, UnsupportedError, printable

MAX_DEPTH = 16
MAX_INDEX = 1 << 16
ARRAYS = ("__numpy__", "__tensor__")


@dataclass(frozen=True)
class Ref:
    """Output number `output` of a layer's call number `index`."""

    layer: str
    index: int
    output: int = 0

    @property
    def call(self) -> Ref:
        """The call itself: its first output."""
        return replace(self, output=0)


def tensor_ref(item: Any) -> Ref:
    """The tensor that `[layer, node, tensor, ...]` names."""
    if not isinstance(item, list) or len(item) < 3 or not isinstance(item[0], str) or type(item[1]) is not int:
        raise ModelError("a tensor without layer, node and index", remedy="save the model again")
    if type(item[2]) is not int or not 0 <= item[2] < MAX_INDEX:
        raise ModelError("a tensor without layer, node and index", remedy="save the model again")
    return Ref(item[0], item[1], item[2])


def decoded(value: Any, node: str, depth: int = 0) -> Any:
    """A serialized argument: `Ref`, number, text, array, slice, Ellipsis, or a list or dictionary of such."""
    if depth > MAX_DEPTH:
        raise ModelError("call arguments nested too deeply", node=node, remedy="save the model again")
    if isinstance(value, list):
        return [decoded(v, node, depth + 1) for v in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind is None:
        return {key: decoded(v, node, depth + 1) for key, v in value.items()}
    config = value.get("config")
    if kind == "__keras_tensor__" and isinstance(config, dict):
        return tensor_ref(config.get("keras_history"))
    if kind in ARRAYS and isinstance(config, dict):
        return _array(config, node)
    if kind == "__slice__" and isinstance(config, dict):
        return slice(*(_bound(config.get(key), node) for key in ("start", "stop", "step")))
    if kind == "__ellipsis__":
        return Ellipsis
    if kind == "__tuple__":
        return decoded(value.get("items", config), node, depth + 1)
    found = f"a call argument of the kind '{printable(kind)}'"
    raise UnsupportedError(found, node=node, remedy="pass tensors, numbers and arrays")


def _array(config: dict[str, Any], node: str) -> Any:
    dtype = str(config.get("dtype", "float32"))
    if not dtype.startswith(("float32", "float64", "int", "uint", "bool")):
        raise UnsupportedError(f"a constant of type {printable(dtype)}", node=node, remedy="use float32")
    try:
        values = np.asarray(config.get("value"), dtype=dtype)
    except (ValueError, TypeError, OverflowError):
        raise ModelError("a constant that is no array", node=node, remedy="save the model again") from None
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ModelError("a constant of NaN or infinity", node=node, remedy="use finite numbers")
    return values


def _bound(value: Any, node: str) -> int | None:
    if value is not None and (type(value) is not int or abs(value) > 1 << 31):
        raise UnsupportedError("a slice by what is no integer", node=node, remedy="slice by constant integers")
    return value


def tensors_of(value: Any) -> Iterator[Ref]:
    """The tensors in a nest of lists and dictionaries, left to right."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_of(item)
    elif isinstance(value, dict):
        yield from tensors_of(list(value.values()))


def with_values(value: Any, values: Any) -> Any:
    """The nest with `values[ref]` where a reference stood."""
    if isinstance(value, Ref):
        return values[value]
    if isinstance(value, list | tuple):
        return [with_values(v, values) for v in value]
    if isinstance(value, dict):
        return {key: with_values(v, values) for key, v in value.items()}
    return value


def flat(value: Any) -> Iterator[Any]:
    """The leaves of a nest of lists and dictionaries."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from flat(item)
    elif isinstance(value, dict):
        yield from flat(list(value.values()))
    else:
        yield value
