"""Fresh random configurations of every quantizer against the package itself, where an interpreter has it (`make live`).

HWQ_QKERAS_PYTHON names that interpreter (else .venv-live of this directory), HWQ_LIVE_SEED and
HWQ_LIVE_CASES what is drawn.
Inputs lie on a 17-bit grid, where the package's float32 reaches the ideal value for scales that are powers of two.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwq.errors import HwqError
from hwq.quantizers import quantizer

HERE = Path(__file__).resolve().parent
PYTHON = Path(os.environ.get("HWQ_QKERAS_PYTHON", HERE.parent / ".venv-live" / "bin" / "python"))
SEED = int(os.environ.get("HWQ_LIVE_SEED", "1"))
CASES = int(os.environ.get("HWQ_LIVE_CASES", "1500"))
FIXED_ALPHAS = [None, None, 1.0, 0.5, 2.0, -1.0, 0.3, 1.7]
AUTO_ALPHAS = ["auto", "auto_po2"]
COLUMNS = 6  # of the inputs of automatic scales
LIST_ALPHA = [0.5, 2.0, 1.0, 0.25]  # one for each of the last axis
SIGMOIDS = ["hard", "hard", "smooth", "real"]

Rng = np.random.Generator


def pick(rng: Rng, options: list[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def weight_options(rng: Rng) -> dict[str, Any]:
    """How an automatic scale is found; the input of such a case has the shape (8, 6)."""
    axis = pick(rng, [None, None, 0, 1])
    options: dict[str, Any] = {"alpha": pick(rng, AUTO_ALPHAS)}
    if axis is not None:
        options["scale_axis"] = axis
    if options["alpha"] == "auto_po2" and axis is not None and rng.random() < 0.3:
        options["elements_per_scale"] = 2
    if options["alpha"] == "auto_po2" and rng.random() < 0.3:
        options |= {"min_po2_exponent": -int(rng.integers(1, 8)), "max_po2_exponent": int(rng.integers(0, 4))}
    return options


def bits_case(rng: Rng) -> dict[str, Any]:
    fixed = {
        "bits": int(rng.integers(1, 13)),
        "integer": int(rng.integers(-1, 5)),
        "symmetric": int(rng.integers(2)),
        "keep_negative": bool(rng.integers(2)),
    }
    if rng.random() < 0.1:
        scales = np.exp2(rng.integers(-3, 2, COLUMNS)).tolist()
        return fixed | {"alpha": pick(rng, AUTO_ALPHAS), "post_training_scale": scales}
    if rng.random() < 0.4:
        return fixed | weight_options(rng)
    return fixed | {"alpha": pick(rng, FIXED_ALPHAS), "qnoise_factor": pick(rng, [1.0, 1.0, 1.0, 0.5, 0.0])}


def linear_case(rng: Rng) -> dict[str, Any]:
    case = {
        "bits": int(rng.integers(1, 13)),
        "integer": int(rng.integers(-1, 5)),
        "symmetric": int(rng.integers(2)),
        "keep_negative": bool(rng.integers(2)),
        "alpha": pick(rng, [None, 1.0, 0.5, 2.0, 0.3, LIST_ALPHA, "auto", "auto_po2"]),
    }
    if case["alpha"] in AUTO_ALPHAS:
        case["scale_axis"] = pick(rng, [None, 0, 1])
    return case


def relu_case(rng: Rng) -> dict[str, Any]:
    case = {
        "bits": int(rng.integers(2, 13)),
        "integer": int(rng.integers(0, 5)),
        "use_sigmoid": int(rng.random() < 0.25),
        "negative_slope": pick(rng, [0.0, 0.0, 0.5, 0.25, 0.125, 1.0, 2.0]),
        "qnoise_factor": pick(rng, [1.0, 1.0, 0.5]),
    }
    if rng.random() < 0.4:
        case |= {"relu_upper_bound": pick(rng, [None, 0.75, 3.0, 6.0]), "is_quantized_clip": bool(rng.integers(2))}
    return case


def po2_case(rng: Rng) -> dict[str, Any]:
    return {
        "bits": int(rng.integers(2, 7)),
        "max_value": pick(rng, [None, None, 0.5, 1.0, 1.5, 3.0, 4.0, 100.0]),
        "quadratic_approximation": bool(rng.random() < 0.3),
        "log2_rounding": pick(rng, ["rnd", "rnd", "floor"]),
        "qnoise_factor": pick(rng, [1.0, 1.0, 0.5]),
    }


def relu_po2_case(rng: Rng) -> dict[str, Any]:
    return po2_case(rng) | {"negative_slope": pick(rng, [0, 0, 0.25, 0.5, 1])}


def sigmoid_case(rng: Rng) -> dict[str, Any]:
    bits = int(rng.integers(1, 11))
    return {"bits": bits, "symmetric": bool(rng.integers(2)), "use_real_sigmoid": bool(rng.integers(2))}


def tanh_case(rng: Rng) -> dict[str, Any]:
    bits = int(rng.integers(2, 11))
    return {"bits": bits, "symmetric": bool(rng.integers(2)), "use_real_tanh": bool(rng.integers(2))}


def ulaw_case(rng: Rng) -> dict[str, Any]:
    bits, integer = int(rng.integers(2, 11)), int(rng.integers(0, 4))
    return {"bits": bits, "integer": integer, "symmetric": int(rng.integers(2)), "u": pick(rng, [255.0, 100.0, 15.0])}


def hswish_case(rng: Rng) -> dict[str, Any]:
    return {
        "bits": int(rng.integers(2, 11)),
        "integer": int(rng.integers(0, 4)),
        "symmetric": int(rng.integers(2)),
        "relu_shift": pick(rng, [3, 2, 4]),
        "relu_upper_bound": pick(rng, [6, 4, 8]),
    }


def binary_case(rng: Rng) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {"use_01": bool(rng.integers(2))} | weight_options(rng)
    return {"use_01": bool(rng.integers(2)), "alpha": pick(rng, [*FIXED_ALPHAS, LIST_ALPHA])}


def ternary_case(rng: Rng) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {"alpha": pick(rng, AUTO_ALPHAS), "number_of_unrolls": int(rng.integers(1, 7))}
    return {"alpha": pick(rng, [*FIXED_ALPHAS, LIST_ALPHA]), "threshold": pick(rng, [None, 0.0, 0.25, 0.5, 0.7, 2.0])}


def stochastic_case(rng: Rng) -> dict[str, Any]:
    return {
        "alpha": pick(rng, [*FIXED_ALPHAS, LIST_ALPHA, *AUTO_ALPHAS]),
        "temperature": pick(rng, [6.0, 2.5]),
        "use_real_sigmoid": bool(rng.integers(2)),
    }


def stochastic_ternary_case(rng: Rng) -> dict[str, Any]:
    threshold, unrolls = pick(rng, [None, 0.0, 0.25, 0.7]), int(rng.integers(1, 7))
    return stochastic_case(rng) | {"threshold": threshold, "number_of_unrolls": unrolls}


def bernoulli_case(rng: Rng) -> dict[str, Any]:
    return {
        "alpha": pick(rng, FIXED_ALPHAS),
        "temperature": pick(rng, [6.0, 2.0]),
        "use_real_sigmoid": pick(rng, [0, 1]),
    }


DRAWS = {
    "quantized_bits": bits_case,
    "quantized_linear": linear_case,
    "quantized_relu": relu_case,
    "quantized_po2": po2_case,
    "quantized_relu_po2": relu_po2_case,
    "quantized_sigmoid": sigmoid_case,
    "quantized_tanh": tanh_case,
    "quantized_ulaw": ulaw_case,
    "quantized_hswish": hswish_case,
    "binary": binary_case,
    "ternary": ternary_case,
    "stochastic_binary": stochastic_case,
    "stochastic_ternary": stochastic_ternary_case,
    "bernoulli": bernoulli_case,
}
ASKS_SIGMOID = ("quantized_relu", "quantized_sigmoid", "quantized_tanh", "quantized_ulaw")


def drawn(rng: Rng, count: int) -> list[tuple[dict[str, Any], np.ndarray]]:
    names = list(DRAWS)
    pairs = []
    for k in range(count):
        name = names[k % len(names)]
        kwargs = DRAWS[name](rng)
        case = {"name": name, "kwargs": kwargs}
        if name in ASKS_SIGMOID:
            case["internal_sigmoid"] = pick(rng, SIGMOIDS)
        if kwargs.get("alpha") in AUTO_ALPHAS:
            x = rng.normal(0, 2.0 ** rng.integers(-4, 3), (8, COLUMNS)).astype(np.float32)
        else:
            x = (rng.integers(-(2**16), 2**16, 400) / 4096).astype(np.float32)
            x[:200] = (rng.integers(-(2**13), 2**13, 200) / 4096).astype(np.float32)
            x[:9] = [0, 1, -1, 0.5, -0.5, 2, -2, 3, -3]
        pairs.append((case, x.reshape(-1, 4) if kwargs.get("alpha") == LIST_ALPHA else x))
    return pairs


def own(case: dict[str, Any]) -> Any:
    """hwq's quantizer of a case."""
    more = {"internal_sigmoid": case["internal_sigmoid"]} if "internal_sigmoid" in case else {}
    return quantizer(case["name"], **case["kwargs"], **more)


def straight_through(q: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x + noise * (value - x) in float32, as the package adds a value to its input: not always y."""
    noise = getattr(q, "qnoise_factor", 1.0)
    return x + np.float32(noise) * ((y if noise == 1 else replace(q, qnoise_factor=1.0)(x)) - x)


def equal(q: Any, x: np.ndarray, y: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Elements that are the package's to the bit, after its addition; irrational ones of u-law within 2**-20."""
    same = (y == expected) | (straight_through(q, x, y) == expected)
    if q.NAME == "quantized_ulaw":
        same |= np.abs(y.astype(np.float64) - expected) <= 2.0**-20 * np.abs(y)
    return same


def quotients(q: Any, x: np.ndarray) -> list[tuple[np.ndarray, Any]]:
    """What is rounded to integers where the package's float32 cannot reach it, and how large what it came from was."""
    wide = x.astype(np.float64)

    def sigmoid(shift: int = 0) -> np.ndarray:
        return 1 / (1 + np.exp(-np.ldexp(wide, -shift)))

    if q.NAME == "quantized_linear":
        exact = wide / (np.float64(1 if q.scale is None else q.scale) * float(q.lsb or 1))
        return [(exact, np.maximum(np.abs(exact), 1))]
    if q.NAME == "quantized_hswish":
        exact = wide * np.clip(wide + q.relu_shift, 0, q.relu_upper_bound) / q.relu_upper_bound / float(q.lsb)
        return [(exact, np.maximum(np.abs(exact), 1))]
    if q.NAME == "quantized_sigmoid" and q.curve == "real":
        return [(np.ldexp(sigmoid(), q.bits), 2**q.bits)]
    if q.NAME == "quantized_tanh" and q.curve in ("real", "tanh"):
        return [(np.ldexp(np.tanh(wide / (2 if q.curve == "real" else 1)), q.bits - 1), 2**q.bits)]
    if q.NAME == "quantized_ulaw" and q.internal_sigmoid == "real":
        return [(np.ldexp(sigmoid(q.integer), q.bits - 1), 2**q.bits)]
    if q.NAME == "quantized_relu" and q.use_sigmoid and q.internal_sigmoid == "real":
        places = np.ldexp(sigmoid(q.integer), q.bits - int(q.negative_slope != 0))
        return [(places, 2**q.bits), (places * q.negative_slope, 2**q.bits)]
    return []


def near_a_tie(q: Any, x: np.ndarray) -> np.ndarray:
    """Elements whose quotient is so near a tie that some ulps of float32 decide: hwq rounds the exact one."""
    near = np.zeros(x.shape, dtype=bool)
    for quotient, size in quotients(q, x):
        near |= np.abs(quotient - np.floor(quotient) - 0.5) <= 2.0**-21 * size
    return near


def at_a_short_logarithm(q: Any, x: np.ndarray) -> np.ndarray:
    """2**-13, of which float32's logarithm lies below -13: where it is rounded down, or half of it is a tie."""
    if getattr(q, "log2_rounding", "rnd") != "floor" and not getattr(q, "quadratic_approximation", False):
        return np.zeros(x.shape, dtype=bool)
    return np.abs(np.where(x < 0, (getattr(q, "negative_slope", 1) or 1) * x, x)) == 2.0**-13


def neighbour(q: Any, y: np.ndarray) -> np.ndarray:
    """How far the next value of the quantizer is: all that an exception of single elements excuses."""
    if getattr(q, "log2_rounding", None):
        return np.abs(y)
    if q.NAME in ("quantized_ulaw", "quantized_relu"):
        return np.full(y.shape, np.diff(np.sort(q.range())).max())
    return np.abs(np.broadcast_to((q.lsb or 1) * (1 if q.scale is None else q.scale), y.shape))


ELEMENTS = (near_a_tie, at_a_short_logarithm)  # the exceptions of single elements, by name

LISTS = ("binary", "ternary", "stochastic_binary", "stochastic_ternary")
REFUSALS = {  # refused by one side only: (the package's error, hwq's) by name
    "the package fails on a list as alpha (numpy 2)": lambda case, theirs, ours: (
        case["name"] in LISTS and case["kwargs"]["alpha"] == LIST_ALPHA and theirs.startswith("TypeError") and not ours
    ),
    "the package gives NaN for one bit with an automatic scale": lambda case, theirs, ours: (
        case["name"] == "quantized_bits"
        and case["kwargs"]["bits"] == 1
        and not theirs
        and "is NaN in the package" in ours
    ),
}


def same_scale(theirs: np.ndarray | None, ours: np.ndarray | None) -> bool:
    """Equal to the bit; None is 1, which the package says in some classes and in others not."""
    a, b = (np.float32(1) if s is None else np.asarray(s) for s in (theirs, ours))
    shape = np.broadcast_shapes(a.shape, b.shape)
    return np.array_equal(np.broadcast_to(a, shape), np.broadcast_to(b, shape))


def difference(case: dict[str, Any], x: np.ndarray, package: Any, k: int) -> str:
    """What of case k is not the package's, in words; empty where all is."""
    theirs = str(package[f"error{k}"]) if f"error{k}" in package else ""
    random = case["name"] == "bernoulli"
    try:
        q = own(case)
        y = q(x, seed=1) if random else q(x)
        ours = ""
    except HwqError as error:
        ours = str(error)
    if theirs or ours:
        known = bool(theirs and ours) or any(rule(case, theirs, ours) for rule in REFUSALS.values())
        return "" if known else f"package: {theirs or 'takes it'}; hwq: {ours or 'takes it'}"
    expected = package[f"y{k}"]
    if random:  # no two runs agree: the values that there are, each time
        one_of_them = np.any([equal(q, x, value, expected) for value in np.unique(y)], axis=0)
        return "" if one_of_them.all() else f"values {np.unique(expected)}, not {np.unique(y)}"
    if not same_scale(package.get(f"scale{k}"), q.scale):
        return f"scale {package[f'scale{k}'].ravel()[:4]}, not {q.scale}"
    off = ~equal(q, x, y, expected)
    for exception in ELEMENTS:
        off &= ~(exception(q, x) & (np.abs(y - expected) <= 1.001 * neighbour(q, y)))
    if not off.any():
        return ""
    at = tuple(np.argwhere(off)[0])
    return f"{int(off.sum())} elements, the first {x[at]} gives {y[at]}, not {expected[at]}"


@pytest.mark.slow
def test_random_configurations_equal_the_package(tmp_path: Path) -> None:
    """Values, scales and refusals; what may differ is named above, element by element and rule by rule."""
    if not PYTHON.exists():
        pytest.skip(f"no interpreter with the package: make live, or HWQ_QKERAS_PYTHON ({PYTHON.name} is not there)")
    pairs = drawn(np.random.default_rng(SEED), CASES)
    (tmp_path / "cases.json").write_text(json.dumps([case for case, _ in pairs]))
    np.savez(tmp_path / "x.npz", **{str(k): x for k, (_, x) in enumerate(pairs)})
    files = [str(tmp_path / name) for name in ("cases.json", "x.npz", "y.npz")]
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([str(PYTHON), str(HERE / "live_package.py"), *files], check=True, env=environment)
    package = np.load(tmp_path / "y.npz")
    found = [(case, difference(case, x, package, k)) for k, (case, x) in enumerate(pairs)]
    wrong = [f"{case}: {what}" for case, what in found if what]
    assert not wrong, f"{len(wrong)} of {len(pairs)}:\n" + "\n".join(wrong[:40])
    refused = sum(f"error{k}" in package for k in range(len(pairs)))
    assert refused < 0.1 * len(pairs), f"the package refuses {refused} of {len(pairs)}"
    assert {case["name"] for case, _ in pairs} == set(DRAWS)
