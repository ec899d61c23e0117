"""Weights from HDF5, by Keras 3's rule (class name and counter, then position) or by layer and weight name (legacy).

Only numbers of plausible size are read: no links out of the file, no external or virtual data, no absurd shapes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import ModelError, ToolError, UnsupportedError, printable

MAX_ELEMENTS = 1 << 28  # of one weight
MAX_RATIO = 1000  # of a weight's bytes to what the file stores, beyond SMALL
SMALL = 1 << 20
MAX_ATTRIBUTE = 1 << 26
COUNTS = ("step", "count", "seed_generator_state")  # integers by nature
LEGACY_EXTRAS = ("optimizer_weights",)
MAX_DEPTH = 64
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # of Keras 3, and of the .keras files of Keras 2

Floats = npt.NDArray[np.float32]


def _h5py() -> ModuleType:
    try:
        import h5py
    except ImportError:
        raise ToolError("reading Keras files needs the package h5py", remedy="pip install h5py") from None
    module: ModuleType = h5py
    return module


@dataclass(frozen=True)
class Place:
    """Where a layer's weights are: its name, and its class with a counter in layer order.

    `outer` is the layer of the model that holds it, where that is a model or wrapper itself; "" elsewhere.
    """

    name: str
    group: str
    outer: str = ""


@dataclass(frozen=True, eq=False)
class Weights:
    """An opened weights file; `root` is an h5py group."""

    root: Any
    label: str
    taken: set[str] = field(default_factory=set)  # the paths of the weights that were read

    def attribute(self, name: str) -> str | None:
        """A text attribute of the root, or None."""
        try:
            value = self.root.attrs.get(name)
        except (OSError, RuntimeError, ValueError, TypeError):
            raise self._damaged(name) from None
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        return value if isinstance(value, str) and len(value) <= MAX_ATTRIBUTE else None

    def read(self, place: Place, names: Sequence[str], inner: str = "") -> list[Floats]:
        """The weights of a layer, or of its inner layer, in the order of `names`, which is that of their creation."""
        try:
            for container in CONTAINERS:
                if _is_group(self.root, container):
                    group = place.group.replace("/layers/", f"/{container}/")
                    return self._by_position(f"{container}/{group}/{inner}".rstrip("/"), place.name, names)
            return self._by_name(place, names, inner)
        except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._damaged(place.name, error) from None

    def _by_position(self, path: str, layer: str, names: Sequence[str]) -> list[Floats]:
        group = _walk(self.root, f"{path}/vars")
        if group is None:
            raise self._missing(layer, names[0] if names else "vars")
        return [self._dataset(group, str(i), layer, name) for i, name in enumerate(names)]

    def _by_name(self, place: Place, names: Sequence[str], inner: str = "") -> list[Floats]:
        layer = place.name
        group = _walk(self.root, place.outer or layer)
        if group is None:
            raise self._missing(layer, names[0] if names else "vars")
        paths = _weight_names(group)
        found = []
        for name in names:
            matching = [p for p in paths if p.rsplit("/", 1)[-1].partition(":")[0] == name]
            if inner and len(matching) > 1:  # of attention: query_dense's are called query/kernel
                role = "attention_output" if inner == "output_dense" else inner.removesuffix("_dense")
                matching = [p for p in matching if p.split("/")[-2:-1] == [role]]
            if place.outer and len(matching) > 1:
                matching = [p for p in matching if p.split("/")[-2:-1] == [layer]]
            if len(matching) != 1:
                raise self._missing(layer, name)
            folder, _, last = matching[0].rpartition("/")
            holder = _walk(group, folder) if folder else group
            if holder is None:
                raise self._missing(layer, name)
            found.append(self._dataset(holder, last, layer, name))
        return found

    def _dataset(self, group: Any, key: str, layer: str, name: str) -> Floats:
        """One weight as float32; its size is checked against what the file stores before it is read."""
        h5py = _h5py()
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise self._missing(layer, name)
        data = group[key]
        if not isinstance(data, h5py.Dataset):
            raise self._missing(layer, name)
        if data.external or data.is_virtual:
            raise ModelError(f"{name} lies in another file", node=layer, remedy="do not trust this file: refuse it")
        stored = int(data.id.get_storage_size())
        self.taken.add(data.name)
        if data.dtype.kind != "f" and not (data.dtype.kind in "iu" and name in COUNTS):
            remedy = "save the model in float32, as it was before model.quantize"
            raise UnsupportedError(f"{name} is of type {data.dtype}", node=layer, remedy=remedy)
        if data.dtype.itemsize > 8:
            raise UnsupportedError(f"{name} is of type {data.dtype}", node=layer, remedy="save the model in float32")
        if data.size is None or data.size > MAX_ELEMENTS or data.nbytes > SMALL + MAX_RATIO * stored:
            found = f"{name} has the absurd shape {list(data.shape or ())} for {stored} stored bytes"
            raise ModelError(found, node=layer, remedy="save the model again")
        values = np.asarray(data[()], dtype=np.float32)
        if not np.isfinite(values).all():
            raise ModelError(f"{name} holds NaN or infinity", node=layer, remedy="retrain or save the model again")
        return values

    def left(self, without: Sequence[Place] = ()) -> str | None:
        """The path of a weight that no layer has read, or None; `without`: layers that were left out on purpose."""
        try:
            for container in CONTAINERS:
                if _is_group(self.root, container):
                    skipped = [f"{container}/{p.group}/" for p in without if p.group]
                    return self._unread(_stored(self.root, ("vars", *CONTAINERS)), skipped)
            skipped = [f"{p.outer or p.name}/" for p in without]
            return self._unread(_stored_by_name(self.root), skipped)
        except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._damaged("weights", error) from None

    def _unread(self, paths: Iterator[tuple[str, str]], skipped: Sequence[str]) -> str | None:
        for path, full in paths:
            seeds = any(part.startswith(SEEDS) for part in path.split("/"))
            if full not in self.taken and not seeds and not path.startswith(tuple(skipped)):
                return path
        return None

    def _missing(self, layer: str, name: str) -> ModelError:
        where = f"'{printable(self.label)}' has no {name} for this layer"
        return ModelError(where, node=layer, remedy="give the weights of this model")

    def _damaged(self, what: str, error: Exception | None = None) -> ModelError:
        why = f" ({printable(error, 80)})" if error is not None else ""
        return ModelError(f"'{self.label}' is damaged at '{printable(what)}'{why}", remedy="save or download it again")


def open_weights(data: bytes, label: str) -> Weights:
    """An HDF5 file in memory. Raises `ToolError` where h5py is missing, `ModelError` where the file is none."""
    h5py = _h5py()
    try:
        return Weights(h5py.File(io.BytesIO(data), "r"), label)
    except (OSError, RuntimeError, ValueError, KeyError):
        raise ModelError(
            f"'{label}' is not an HDF5 file, or is cut short", remedy="save or download it again"
        ) from None


def weights_of(opened: Weights, group: str, label: str) -> Weights:
    """The weights in a group of an opened file."""
    inner = _walk(opened.root, group)
    if inner is None:
        raise ModelError(f"'{label}' holds no {group}", remedy="save the whole model again")
    return Weights(inner, label)


SEEDS = ("seed_generator", "random_generator")  # of layers that draw in training


def _stored(root: Any, tops: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(path, full path) of every dataset below the named groups, over hard links only."""
    h5py = _h5py()
    stack = [(top, root[top]) for top in tops if _is_group(root, top)]
    while stack:
        path, group = stack.pop()
        for key in group:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                yield f"{path}/{key}", ""
                continue
            item, where = group[key], f"{path}/{key}"
            if isinstance(item, h5py.Dataset):
                if not _is_counter(item):
                    yield where, item.name
            elif where.count("/") < MAX_DEPTH:
                stack.append((where, item))
            else:
                yield where, ""


def _stored_by_name(root: Any) -> Iterator[tuple[str, str]]:
    """(path, full path) of every weight of a legacy file, as its groups list them."""
    for layer in root:
        group = _walk(root, layer)
        for path in _weight_names(group) if group is not None and layer not in LEGACY_EXTRAS else ():
            if not _is_counter(group.get(path)):
                yield f"{layer}/{path}", f"{group.name}/{path}"


def _is_counter(item: Any) -> bool:
    """Whether a weight is one integer: training counts its steps in such."""
    return getattr(item, "shape", None) == () and getattr(item, "dtype", np.dtype("f4")).kind in "iu"


def _is_group(parent: Any, name: str) -> bool:
    h5py = _h5py()
    return isinstance(parent.get(name, getlink=True), h5py.HardLink) and isinstance(parent[name], h5py.Group)


def _walk(group: Any, path: str) -> Any:
    """The group at a path, over hard links only: soft and external ones may lead out of the file."""
    for part in path.split("/"):
        if part in ("", ".", "..") or not _is_group(group, part):
            return None
        group = group[part]
    return group


def _weight_names(group: Any) -> list[str]:
    """The `weight_names` of a legacy group, which may be split into numbered attributes."""
    chunks = ["weight_names"] if "weight_names" in group.attrs else []
    while f"weight_names{len(chunks)}" in group.attrs and "weight_names" not in group.attrs:
        chunks.append(f"weight_names{len(chunks)}")
    names = [n for chunk in chunks for n in np.asarray(group.attrs[chunk]).reshape(-1).tolist()]
    return [n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in names]
