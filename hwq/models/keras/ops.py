"""Operations of keras.ops, and operators between tensors and constants, as standard ONNX nodes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.errors import printable
from hwq.models.builder import Tensor
from hwq.models.keras.einsum import einsum, matmul, split_equation
from hwq.models.keras.functions import FUNCTIONS, NODES, clipped
from hwq.models.keras.layer import Layer, Rule
from hwq.models.keras.merges import RULES as MERGES
from hwq.models.keras.op_moves import RULES as MOVES
from hwq.models.keras.op_moves import Inputs, only
from hwq.models.keras.preparation import array_of, axes_of

BASIC: Mapping[str, str] = MappingProxyType(
    {
        "Add": "Add",
        "Subtract": "Sub",
        "Multiply": "Mul",
        "Divide": "Div",
        "TrueDivide": "Div",
        "Maximum": "Max",
        "Minimum": "Min",
    }
)
SINGLE: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in ("Sin", "Cos", "Tan", "Sinh", "Cosh", "Tanh", "Exp", "Log", "Sqrt", "Sign")},
        **{name: name for name in ("Floor", "Ceil", "Sigmoid", "Relu", "Selu", "Softplus", "Softsign", "Erf")},
        "Absolute": "Abs",
        "Abs": "Abs",
        "Negative": "Neg",
        "Reciprocal": "Reciprocal",
        "Arctan": "Atan",
        "HardSilu": "HardSwish",
        "HardSwish": "HardSwish",
    }
)
BY_NAME: Mapping[str, str] = MappingProxyType(
    {
        "Silu": "silu",
        "Relu6": "relu6",
        "HardTanh": "hard_tanh",
        "HardSigmoid": "hard_sigmoid",
        "LogSigmoid": "log_sigmoid",
        "SparsePlus": "sparse_plus",
        "SparseSigmoid": "sparse_sigmoid",
        "TanhShrink": "tanh_shrink",
    }
)  # operations without parameters that are activations, too


def _operands(layer: Layer) -> list[Any]:
    """Two operands, each a Tensor or a finite constant array of float32 that broadcasts behind the batch."""
    given = [*layer.args, *layer.kwargs.values()]
    if len(given) != 2:
        raise layer.broken(f"{len(given)} operands where two belong")
    rank = max((len(v.shape) for v in given if isinstance(v, Tensor)), default=0)
    return [v if isinstance(v, Tensor) else _constant(layer, v, rank) for v in given]


def _constant(layer: Layer, value: Any, rank: int) -> Any:
    """A constant operand; an axis of 1 in the batch's place is dropped."""
    try:
        array = np.asarray(value, dtype=np.float32)
    except (ValueError, TypeError, OverflowError):
        raise layer.fail(f"the operand {printable(value)}", "use numbers and tensors") from None
    if value is None or not np.isfinite(array).all():
        raise layer.fail(f"the operand {printable(value)}", "use finite numbers")
    if array.ndim == rank + 1 and array.shape[0] == 1:
        array = array[0]
    if array.ndim > rank:
        raise layer.fail(f"a constant of shape {list(array.shape)} beside the batch", "use one without a batch axis")
    return array


def _basic(layer: Layer, inputs: Inputs, *, op: str, kind: str) -> Tensor:
    """Two operands element by element."""
    a, b = _operands(layer)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if op != "Div":
            return MERGES[kind](layer, (a, b))  # type: ignore[return-value]
        if a.shape != b.shape:
            raise layer.fail("a quotient of tensors of different shape", "reshape them to one shape")
        return layer.node("Div", [layer.b.last(a), layer.b.last(b)], a if not a.first else Tensor("", a.shape))
    x, c = (a, b) if isinstance(a, Tensor) else (b, a)
    shape = np.broadcast_shapes(x.shape, c.shape) if _fits(x.shape, c.shape) else None
    if shape is None:
        raise layer.broken(f"shapes {list(x.shape)} and {list(c.shape)} that do not fit")
    if op == "Div" and isinstance(b, np.ndarray) and not np.all(b):
        raise layer.fail("a division by zero", "divide by other numbers")
    if op in ("Max", "Min") and c.size == 1:
        bound = layer.value("bound", c.reshape(()))
        return layer.node("Clip", [x, bound] if op == "Max" else [x, "", bound], Tensor("", tuple(shape), x.first))
    if c.size == 1 and tuple(shape) == x.shape:
        c = c.reshape(())
    else:
        x = layer.b.last(x)
    name = layer.value("constant", c)
    return layer.node(op, [x, name] if isinstance(a, Tensor) else [name, x], Tensor("", tuple(shape), x.first))


def _fits(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(left[::-1], right[::-1], strict=False))


def _single(layer: Layer, inputs: Inputs, *, op: str) -> Tensor:
    x = only(layer, inputs)
    return layer.node(op, [x], x)


def _named(layer: Layer, inputs: Inputs, *, name: str) -> Tensor:
    x = only(layer, inputs)
    if name in FUNCTIONS:
        return FUNCTIONS[name](layer, x, "")
    op, attributes = NODES[name]
    return layer.node(op, [x], x, **attributes)


def _square(layer: Layer, inputs: Inputs) -> Tensor:
    x = only(layer, inputs)
    return layer.node("Mul", [x, x], x)


def _rsqrt(layer: Layer, inputs: Inputs) -> Tensor:
    x = only(layer, inputs)
    return layer.node("Reciprocal", [layer.node("Sqrt", [x], x, "root")], x)


def _parametrized(layer: Layer, inputs: Inputs, *, op: str, key: str, attribute: str, default: float) -> Tensor:
    """An op whose one attribute is a number of the configuration."""
    x, value = only(layer, inputs), layer.number(key, default)
    attributes: dict[str, Any] = {attribute: value}
    if op == "Shrink":
        attributes["bias"] = value if layer.spec.kind == "ops.SoftShrink" else 0.0
    return layer.node(op, [x], x, **attributes)


def _gelu(layer: Layer, inputs: Inputs) -> Tensor:
    x = only(layer, inputs)
    return layer.node("Gelu", [x], x, approximate="tanh" if layer.flag("approximate", True) else "none")


def _threshold(layer: Layer, inputs: Inputs) -> Tensor:
    """x above the threshold, else the default value."""
    x, at, value = only(layer, inputs), layer.number("threshold", 0.0), layer.number("default_value", 0.0)
    if not value:
        return layer.node("ThresholdedRelu", [x], x, alpha=at)
    y = layer.node("Sub", [x, layer.value("default", value)], x, "less_default")
    y = layer.node("ThresholdedRelu", [y], x, "above", alpha=at - value)
    return layer.node("Add", [y, layer.value("default", value)], x)


def _clip(layer: Layer, inputs: Inputs) -> Tensor:
    x = only(layer, inputs)
    low, high = array_of(layer, "x_min"), array_of(layer, "x_max")
    if low.size != 1 or high.size != 1 or low.item() > high.item():
        raise layer.fail("bounds that are no two numbers in order", "clip between two numbers")
    return clipped(layer, x, low.item(), high.item())


def _reduced(layer: Layer, inputs: Inputs, *, op: str) -> Tensor:
    """A reduction over axes behind the batch."""
    x = only(layer, inputs)
    if layer.config.get("axis") is None:
        raise layer.fail("a reduction over the batch", "name the axes behind the batch")
    if layer.config.get("initial") is not None:
        raise layer.fail("a reduction with an initial value", "use keras.ops.maximum or minimum behind it")
    axes, kept = axes_of(layer, len(x.shape)), layer.flag("keepdims", False)
    shape = tuple(1 if i in axes else d for i, d in enumerate(x.shape, 1) if kept or i not in axes)
    if not shape:
        raise layer.fail("a result of one number per sample", "use keepdims=True")
    named = layer.value("axes", list(axes), np.int64)
    return layer.node(op, [layer.b.last(x), named], Tensor("", shape), keepdims=int(kept))


def _matmul(layer: Layer, inputs: Inputs) -> Tensor:
    a, b = _operands(layer)
    return matmul(layer, a, b)


def _einsum(layer: Layer, inputs: Inputs) -> Tensor:
    given = [*layer.args, *layer.kwargs.values()]
    if len(given) != 2:
        raise layer.fail(f"einsum of {len(given)} operands", "use two at a time")
    operands = [v if isinstance(v, Tensor) else np.asarray(v, dtype=np.float32) for v in given]
    ranks = [len(v.shape) + isinstance(v, Tensor) for v in operands]
    letters = split_equation(layer, layer.config.get("subscripts"), (ranks[0], ranks[1]))
    return einsum(layer, letters, operands[0], operands[1])


def _softmax(layer: Layer, inputs: Inputs) -> Tensor:
    x = only(layer, inputs)
    axes = axes_of(layer, len(x.shape), -1)
    if len(axes) != 1:
        raise layer.fail("softmax over several axes", "use one axis")
    x = layer.b.last(x)
    y = layer.node("Softmax", [x], x, "softmax" if layer.spec.kind == "ops.LogSoftmax" else "", axis=axes[0])
    return layer.node("Log", [y], x) if layer.spec.kind == "ops.LogSoftmax" else y


REDUCTIONS = MappingProxyType({"Mean": "ReduceMean", "Sum": "ReduceSum", "Max": "ReduceMax", "Min": "ReduceMin"})
NUMBERS = MappingProxyType(
    {
        "LeakyRelu": ("LeakyRelu", "negative_slope", "alpha", 0.2),
        "Elu": ("Elu", "alpha", "alpha", 1.0),
        "Celu": ("Celu", "alpha", "alpha", 1.0),
        "HardShrink": ("Shrink", "threshold", "lambd", 0.5),
        "SoftShrink": ("Shrink", "threshold", "lambd", 0.5),
    }
)
KINDS: Mapping[str, Rule] = MappingProxyType(
    {
        **{kind: partial(_basic, op=op, kind=kind) for kind, op in BASIC.items()},
        **{kind: partial(_single, op=op) for kind, op in SINGLE.items()},
        **{kind: partial(_named, name=name) for kind, name in BY_NAME.items()},
        **{kind: partial(_reduced, op=op) for kind, op in REDUCTIONS.items()},
        **{
            kind: partial(_parametrized, op=op, key=key, attribute=attribute, default=default)
            for kind, (op, key, attribute, default) in NUMBERS.items()
        },
        "Square": _square,
        "Rsqrt": _rsqrt,
        "Gelu": _gelu,
        "Threshold": _threshold,
        "Softmax": _softmax,
        "LogSoftmax": _softmax,
        "Clip": _clip,
        "Matmul": _matmul,
        "Einsum": _einsum,
    }
)
RULES: Mapping[str, Rule] = MappingProxyType({f"ops.{kind}": rule for kind, rule in {**KINDS, **MOVES}.items()})
