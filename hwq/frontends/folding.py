"""Constant folding of standard ops no rule covers, by ONNX' own reference implementation, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from hwq.frontends import coded
from hwq.frontends.call import MAX_ELEMENTS, Call, Signal, Value
from hwq.ir.constants import Coded

SAFE = frozenset(
    [
        "Abs",
        "And",
        "Ceil",
        "Cos",
        "Equal",
        "Erf",
        "Exp",
        "Expand",
        "Floor",
        "Greater",
        "GreaterOrEqual",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Mean",
        "Min",
        "Mod",
        "Not",
        "Or",
        "Pow",
        "Range",
        "Reciprocal",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Round",
        "Sigmoid",
        "Sign",
        "Sin",
        "Slice",
        "Softplus",
        "Split",
        "Sqrt",
        "Sum",
        "Tanh",
        "Tile",
        "Where",
        "Xor",
    ]
)


def fold(call: Call) -> list[Value]:
    """The outputs of a node whose inputs are all constants. Only ops on a list; growth is bounded beforehand."""
    if call.kind not in SAFE:
        raise call.fail("hwq does not fold this op on constants", "fold the constant part of the model before export")
    if call.kind == "Where" and len(call.inputs) == 3:
        condition, left, right = (call.value(i) for i in range(3))
        kept = coded.chosen(condition, left, right) if isinstance(condition, np.ndarray) else None
        if kept is not None:
            return [kept]
    arrays = [None if v is None else _single(v) if isinstance(v, Coded) else v for v in call.inputs]
    given = [a for a in arrays if a is not None and not isinstance(a, Signal)]
    try:
        _bound_growth(call, given)
    except (ValueError, IndexError, OverflowError):
        raise call.broken("constants that do not fit together") from None
    from onnx.reference import ReferenceEvaluator

    names = ["" if a is None else f"i{k}" for k, a in enumerate(arrays)]
    outs = [f"o{k}" for k in range(max(1, call.n_outputs))]
    node = helper.make_node(call.kind, names, outs, **call.attributes)
    try:
        with np.errstate(all="ignore"):
            run = ReferenceEvaluator(node, opsets={"": max(1, call.version)})
            results: Any = run.run(None, {n: np.asarray(a) for n, a in zip(names, arrays, strict=True) if n})
    except Exception as error:
        raise call.fail(f"folding it failed ({type(error).__name__})", "fold the constant part before export") from None
    return [np.asarray(r, dtype=np.float64) if np.asarray(r).dtype.kind == "f" else np.asarray(r) for r in results]


def _single(value: Coded) -> Any:
    """The values of codes as their tensor holds them, in float32."""
    return value.values().astype(np.float32).astype(np.float64)


def _bound_growth(call: Call, given: list[Any]) -> None:
    """Refuse results of absurd size, of Expand, Tile, Range and of broadcasting, before memory is taken."""
    shapes = [a.shape for a in given]
    if call.kind == "Expand" and len(given) > 1:
        shapes[1] = tuple(int(d) for d in given[1].reshape(-1))
    elif call.kind == "Tile" and len(given) > 1:
        repeats = given[1].reshape(-1)
        shapes = [tuple(int(d) * int(r) for d, r in zip(given[0].shape, repeats, strict=False))]
    elif call.kind == "Range" and len(given) == 3:
        start, limit, delta = (float(a.reshape(-1)[0]) for a in given)
        shapes = [(int(min(abs((limit - start) / delta), 2.0**62)) if delta else MAX_ELEMENTS + 1,)]
    elif call.kind in ("Split", "Slice"):
        shapes = shapes[:1]
    call.bound(*shapes)
