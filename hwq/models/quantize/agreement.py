"""How far a quantized model is from the float model it was made of, on data: errors, and agreement where it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from hwq.errors import printable
from hwq.models.quantize.calibrate import tensors


@dataclass(frozen=True)
class Agreement:
    """One output: errors against float32, and for rows of several values how often the greatest is the same one."""

    output: str
    samples: int
    worst: float
    rms: float
    argmax: float | None  # a share; None where a sample holds one value

    def __str__(self) -> str:
        same = "" if self.argmax is None else f", argmax agrees on {self.argmax:.1%}"
        return (
            f"against float: {printable(self.output)}: greatest error {self.worst:.4g}, RMS {self.rms:.4g} "
            f"over {self.samples} samples{same}"
        )

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def agreements(
    model: onnx.ModelProto, inputs: Mapping[str, npt.NDArray[Any]], ours: Mapping[str, npt.NDArray[Any]]
) -> list[Agreement]:
    """Each output of `ours`, as hwq computes it, beside the float model's on the same inputs."""
    theirs = tensors(model, inputs, ours)
    found = []
    for name, values in ours.items():
        rows = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
        floats = np.asarray(theirs[name], dtype=np.float64).reshape(rows.shape)
        error = np.abs(rows - floats)
        same = float((rows.argmax(axis=1) == floats.argmax(axis=1)).mean()) if rows.shape[1] > 1 else None
        rms = float(np.sqrt(np.mean(error**2)))
        found.append(Agreement(name, len(rows), float(error.max()), rms, same))
    return found
