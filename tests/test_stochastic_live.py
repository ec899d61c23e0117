"""Samples of hwq's quantizers against the package's own training, both fed the same random words (`make live`)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwq.numeric import xorshift as prng
from hwq.quantizers import quantizer
from test_quantizers_live import PYTHON

SEED = 5
RANDOM = {"use_stochastic_rounding": True}
DRAWN = [
    ("stochastic_binary", {"alpha": 1.0}),
    ("stochastic_binary", {"alpha": "auto", "temperature": 2.0}),
    ("stochastic_binary", {"alpha": "auto_po2", "use_real_sigmoid": False}),
    ("bernoulli", {"alpha": 0.5}),
    ("bernoulli", {"alpha": "auto"}),
    ("stochastic_ternary", {"alpha": "auto"}),
    ("stochastic_ternary", {"alpha": "auto_po2", "temperature": 3.0}),
    ("stochastic_ternary", {"alpha": "auto", "use_real_sigmoid": False}),
    ("quantized_po2", {"bits": 4, **RANDOM}),
    ("quantized_po2", {"bits": 5, "max_value": 0.75, **RANDOM}),
    ("quantized_po2", {"bits": 4, "max_value": 3.0, "quadratic_approximation": True, **RANDOM}),
    ("quantized_relu_po2", {"bits": 4, "max_value": 2.5, **RANDOM}),
    ("quantized_relu_po2", {"bits": 3, "negative_slope": 0.5, "quadratic_approximation": True, **RANDOM}),
]
CERTAIN = [
    ("quantized_bits", {"bits": 4, "integer": 1, **RANDOM}),
    ("quantized_linear", {"bits": 4, "integer": 1, **RANDOM}),
    ("quantized_relu", {"bits": 4, "integer": 1, **RANDOM}),
    ("quantized_sigmoid", {"bits": 4, **RANDOM}),
    ("quantized_tanh", {"bits": 4, **RANDOM}),
    ("ternary", {"alpha": "auto", **RANDOM}),
]


@pytest.mark.slow
def test_samples_are_those_of_the_package_for_the_same_words(tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("no interpreter with qkeras: make live")
    rng, arrays = np.random.default_rng(SEED), {"cases": np.asarray(json.dumps(DRAWN + CERTAIN))}
    for k, (name, _) in enumerate(DRAWN + CERTAIN):
        lanes = 2 if name == "stochastic_ternary" else 1
        x = (rng.integers(-(2**14), 2**14, (4000, 3)) / 4096).astype(np.float32)
        words = prng.outputs(SEED, x.size * lanes) >> np.uint32(32 - prng.RANDOM_BITS)
        arrays[f"x{k}"] = x
        arrays[f"u{k}"] = np.ldexp(words.reshape(*x.shape, lanes) + 0.5, -prng.RANDOM_BITS).transpose(2, 0, 1)
    np.savez(tmp_path / "cases.npz", **arrays)
    script = Path(__file__).with_name("live_draws.py")
    subprocess.run([PYTHON, script, tmp_path / "cases.npz", tmp_path / "samples.npz"], check=True, capture_output=True)
    with np.load(tmp_path / "samples.npz") as theirs:
        for k, (name, kwargs) in enumerate(DRAWN + CERTAIN):
            x = arrays[f"x{k}"]
            ours = quantizer(name, **kwargs)(x, seed=SEED if k < len(DRAWN) else None)
            near = 2.0**-21 * np.maximum(np.abs(x), np.abs(ours))  # x + (y - x) in float32
            assert (np.abs(theirs[f"y{k}"].astype(np.float64) - ours) <= near).all(), (name, kwargs)
