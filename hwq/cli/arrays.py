"""Arrays that commands read and write: .npy and .npz files of numbers."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwq.errors import SpecError

if TYPE_CHECKING:
    from hwq.design import Design


def load_data(path: str, design: Design, samples: int | None = None) -> dict[str, Any]:
    """Arrays by input name from .npy or .npz; never pickled ones."""
    names = list(dict.fromkeys(p.source for p in design.graph.inputs))
    arrays = load_arrays(path, names[0])
    if len(names) == 1 and names[0] not in arrays:
        only = arrays["x"] if "x" in arrays else next(iter(arrays.values())) if len(arrays) == 1 else None
        arrays = {} if only is None else {names[0]: only}
    missing = [n for n in names if n not in arrays]
    if missing:
        raise SpecError(
            f"'{path}' has no array '{missing[0]}'", remedy="name the arrays after the inputs: " + ", ".join(names)
        )
    for name in names:
        if arrays[name].dtype.kind not in "biuf":
            raise SpecError(f"'{path}' holds no numbers ({arrays[name].dtype})", remedy="give an array of real numbers")
        if arrays[name].ndim and not arrays[name].shape[0]:
            raise SpecError(f"'{path}' holds no samples", remedy="give at least one")
    return {n: arrays[n][:samples] if arrays[n].ndim else arrays[n] for n in names}


def load_arrays(path: str, name: str) -> dict[str, Any]:
    """What a .npy or .npz file holds; the one array of a .npy goes by `name`."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            return {name: np.asarray(loaded)}
        with loaded:
            arrays = {key: np.asarray(loaded[key]) for key in loaded.files}
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, TypeError, zipfile.BadZipFile) as error:
        raise SpecError(
            f"cannot read '{path}' ({type(error).__name__})", remedy="give a .npy or .npz of numbers"
        ) from None
    if not arrays:
        raise SpecError(f"'{path}' holds no array", remedy="give a .npy or .npz of numbers")
    return arrays


def save_npz(path: Path, arrays: dict[str, Any]) -> None:
    """Written beside and renamed, so that a failure leaves nothing half done."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **{f"arr_{k}" if k == "file" else k: v for k, v in arrays.items()})
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SpecError(f"cannot write '{path}' ({error.strerror})", remedy="choose another -o") from None
