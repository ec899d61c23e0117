"""Arrays that commands read and write: .npy and .npz files of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwq.codegen.array_files import ArrayFile, open_arrays
from hwq.codegen.project import write_file
from hwq.errors import SpecError, printable

if TYPE_CHECKING:
    from hwq.design import Design


def load_data(path: str, design: Design, samples: int | None = None) -> dict[str, Any]:
    """Arrays by input name from .npy or .npz, of shapes that the design takes; never pickled ones."""
    from hwq.simulate.simulator import check_shape

    shapes = {p.source: design.graph.edges[p.edge].shape for p in design.graph.inputs}
    found = {}
    with open_arrays(path) as file:
        for name, key in _places(file, path, list(shapes)).items():
            shape = file.header(key).shape
            if shape and not shape[0]:
                raise SpecError(f"'{path}' holds no samples", remedy="give at least one")
            one = check_shape(shape, shapes[name], name, design.graph.batch)
            found[name] = file.read(key, None if one else samples)
    return found


def load_arrays(path: str, names: Sequence[str], samples: int | None = None) -> dict[str, Any]:
    """The arrays of these names; a single array serves a single name."""
    with open_arrays(path) as file:
        return {name: file.read(key, samples) for name, key in _places(file, path, names).items()}


def _places(file: ArrayFile, path: str, names: Sequence[str]) -> dict[str, str]:
    """What the file calls the array of each name."""
    if file.single:
        if len(names) > 1:
            raise _lacks(path, names[1], names)
        return dict.fromkeys(names, "")
    if len(names) == 1 and names[0] not in file.names:
        key = "x" if "x" in file.names else file.names[0] if len(file.names) == 1 else None
        if key is None:
            raise _lacks(path, names[0], names)
        return {names[0]: key}
    missing = next((n for n in names if n not in file.names), None)
    if missing is not None:
        raise _lacks(path, missing, names)
    return {name: name for name in names}


def _lacks(path: str, name: str, names: Sequence[str]) -> SpecError:
    return SpecError(
        f"'{path}' has no array '{printable(name)}'", remedy="name the arrays after the inputs: " + ", ".join(names)
    )


def save_npz(path: Path, arrays: dict[str, Any]) -> None:
    """Written beside and renamed, so that a failure leaves nothing half done."""
    write_file(path, lambda file: np.savez(file, **{f"arr_{k}" if k == "file" else k: v for k, v in arrays.items()}))
