"""Training samples of the package, given numbers in place of its uniform ones: live_draws.py CASES.npz SAMPLES.npz.

Run by an interpreter that has qkeras-v3, from tests/test_stochastic_live.py. hwq is not imported.
"""

from __future__ import annotations

import json
import sys
from itertools import cycle
from typing import Any

import keras
import numpy as np
from qkeras import quantizers


def sample(name: str, kwargs: dict[str, Any], x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """`numbers` are those of each call in turn, of x's shape."""
    turn = cycle(numbers)
    np.random.uniform = lambda size: next(turn)
    keras.random.uniform = lambda shape, minval=0, maxval=1: minval + (maxval - minval) * next(turn).astype(np.float32)
    q = getattr(quantizers, name)(**kwargs)
    try:
        return np.asarray(q(x, training=True))
    except TypeError:  # this one knows no training
        return np.asarray(q(x))


def main(cases: str, samples: str) -> None:
    with np.load(cases) as given:
        wanted = json.loads(str(given["cases"]))
        found = {
            f"y{k}": sample(name, kwargs, given[f"x{k}"], given[f"u{k}"]) for k, (name, kwargs) in enumerate(wanted)
        }
    np.savez(samples, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
