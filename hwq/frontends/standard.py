"""ONNX' own arithmetic as real ops: everything linear becomes Affine or MatMul, every clamp becomes Clip."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from onnx import TensorProto

from hwq.errors import UnsupportedError
from hwq.frontends import coded
from hwq.frontends.attention import activation_product
from hwq.frontends.broadcast import broadcast
from hwq.frontends.call import Array, Call, Rule, Signal, Value
from hwq.frontends.cancelling import without_cancelled
from hwq.frontends.decomposed import normalized_ratio
from hwq.ir import real
from hwq.ir.constants import Coded, on_dyadic_grid
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection
from hwq.ir.spelt_grids import on_spelt_grid
from hwq.numeric.rational import Rationals, elementwise, rationals, scalar, sqrt_rational

GREATEST = float(np.finfo(np.float32).max)
MAX_MATRICES = 64  # of one batched product


def affine(call: Call, x: Signal, a: Rationals, b: Rationals) -> Signal:
    """a x + b; x is repeated where a parameter has more elements."""
    x = broadcast(call, x, *(v.shape for v in (a, b) if v.shape != (1,)))
    return call.emit(real.Affine(a, b), [x], x.shape)[0]


def _arithmetic(
    call: Call, fold: Callable[[Array, Array], Array], keep: Callable[[Value, Value], Coded | None]
) -> list[Value] | None:
    """The folded result where both inputs are constants; codes stay codes where `keep` finds them."""
    left, right = call.value(0), call.value(1)
    if isinstance(left, Signal) or isinstance(right, Signal):
        return None
    call.bound(tuple(left.shape), tuple(right.shape))
    kept = keep(left, right)
    if kept is not None:
        return [kept]
    with np.errstate(all="ignore"):
        return [np.asarray(fold(call.array(0, "input 0"), call.array(1, "input 1")))]


def _both(call: Call) -> tuple[Signal, Signal] | None:
    """The two inputs, where both are activations."""
    left, right = call.value(0), call.value(1)
    return (left, right) if isinstance(left, Signal) and isinstance(right, Signal) else None


def joined(call: Call, op: real.RealOp, x: Signal, y: Signal) -> Signal:
    """Two activations, broadcast against each other."""
    try:
        shape = tuple(np.broadcast_shapes(x.shape, y.shape))
    except ValueError:
        raise call.broken(f"shapes {list(x.shape)} and {list(y.shape)} do not broadcast") from None
    left = without_cancelled(call, x, y) if isinstance(op, real.Add) else None
    return call.emit(op, [x, y], shape)[0] if left is None else left


def _operands(call: Call) -> tuple[Signal, Rationals, bool]:
    """The activation, the constant, and whether the activation stands on the left."""
    if isinstance(call.value(0), Signal):
        return call.signal(0), call.exact(1, "input 1"), True
    return call.signal(1), call.exact(0, "input 0"), False


def add(call: Call) -> list[Value]:
    """x + y (ONNX Add): a constant is an offset, an activation a join."""
    folded = _arithmetic(call, np.add, lambda x, y: coded.shifted(x, y, 1))
    if folded:
        return folded
    both = _both(call)
    if both:
        return [joined(call, real.Add(), *both)]
    i = 0 if isinstance(call.value(0), Signal) else 1
    x, c = call.signal(i), call.offsets(1 - i, f"input {1 - i}")
    return [affine(call, x, scalar(1), c)]


def sub(call: Call) -> list[Value]:
    """x - y (ONNX Sub): a constant is an offset, an activation a join."""
    folded = _arithmetic(call, np.subtract, lambda x, y: coded.shifted(x, y, -1))
    if folded:
        return folded
    both = _both(call)
    if both:
        return [joined(call, real.Add(), both[0], affine(call, both[1], scalar(-1), scalar(0)))]
    x, c, left = _operands(call)
    return [affine(call, x, scalar(1), -c) if left else affine(call, x, scalar(-1), c)]


def mul(call: Call) -> list[Value]:
    """x y (ONNX Mul): a constant is a scale, an activation a join."""
    folded = _arithmetic(call, np.multiply, coded.product)
    if folded:
        return folded
    both = _both(call)
    if both:
        for top, bottom in (both, both[::-1]):
            ratio = normalized_ratio(call, top, bottom, inverse=True)
            if ratio is not None:
                return [ratio]
        return [joined(call, real.Mul(), *both)]
    x, c, _ = _operands(call)
    return [affine(call, x, c, scalar(0))]


def _divide(left: Array, right: Array) -> Array:
    if left.dtype.kind == "i" and right.dtype.kind == "i":
        return np.where(right == 0, 0, np.trunc(left / np.where(right == 0, 1, right))).astype(np.int64)
    return np.divide(left, right)


def div(call: Call) -> list[Value]:
    """x / c (ONNX Div), exactly."""
    folded = _arithmetic(call, _divide, coded.quotient)
    if folded:
        return folded
    both = _both(call)
    if both:
        ratio = normalized_ratio(call, *both)
        if ratio is not None:
            return [ratio]
        raise call.fail("a division of two activations", "divide on the host, or multiply by a constant reciprocal")
    x, c, left = _operands(call)
    if not left:
        (inverse,) = call.emit(real.Unary("Reciprocal"), [x], x.shape)
        return [affine(call, inverse, c, scalar(0))]
    if any(v == 0 for v in c.reshape(-1)):
        raise call.fail("a division by zero", "retrain or re-export the model")
    return [affine(call, x, elementwise(lambda v: 1 / v, c), scalar(0))]


def neg(call: Call) -> list[Value]:
    """-x (ONNX Neg)."""
    x = call.value(0)
    if isinstance(x, Coded):
        return [coded.negated(x)]
    return [affine(call, x, scalar(-1), scalar(0)) if isinstance(x, Signal) else -call.array(0, "input 0")]


def _channel(parameter: Rationals, x: Signal, axis: int = 1) -> Rationals:
    """A (C,) parameter along an axis of x."""
    shape = [1] * len(x.shape)
    shape[axis] = parameter.size
    return parameter.reshape(shape)


def batch_normalization(call: Call) -> list[Value]:
    """BatchNormalization: the channel is axis 1."""
    x = call.signal(0)
    return [normalized(call, x, 1 if len(x.shape) > 1 else 0)]


def normalized(call: Call, x: Signal, axis: int) -> Signal:
    """gamma (x - mean) / sqrt(var + epsilon) + beta along an axis, the root to 160 bits (exact where rational)."""
    gamma, beta, mean, var = (call.exact(i, "a BatchNormalization parameter").reshape(-1) for i in range(1, 5))
    if call.attribute("training_mode", 0):
        raise call.fail("BatchNormalization in training mode", "export the model in evaluation mode")
    if any(p.size != x.shape[axis] for p in (gamma, beta, mean, var)):
        raise call.broken(f"parameters of {gamma.size} channels for shape {list(x.shape)}")
    epsilon = Fraction(float(np.float32(call.attribute("epsilon", 1e-5))))
    if any(v + epsilon <= 0 for v in var):
        raise call.fail("a BatchNormalization variance that is not positive", "retrain or re-export the model")
    a = gamma / elementwise(lambda v: sqrt_rational(v + epsilon), var)
    return affine(call, x, _channel(a, x, axis), _channel(beta - mean * a, x, axis))


def relu(call: Call) -> list[Value]:
    """max(x, 0) (ONNX Relu)."""
    x = call.value(0)
    if not isinstance(x, Signal):
        kept = coded.clamped(x, 0, None) if isinstance(x, Coded) else None
        return [np.maximum(call.array(0, "input 0"), 0) if kept is None else kept]
    return list(call.emit(real.Clip(scalar(0), None), [x], x.shape))


def clip(call: Call) -> list[Value]:
    """Clip: bounds are attributes before opset 11, inputs since; those that no float32 lies beyond are none."""
    x, lo, hi = call.value(0), _bound(call, 1, "min", -1), _bound(call, 2, "max", 1)
    if not isinstance(x, Signal):
        low = -np.inf if lo is None else float(lo.reshape(-1)[0])
        high = np.inf if hi is None else float(hi.reshape(-1)[0])
        kept = coded.clamped(x, low, high) if isinstance(x, Coded) else None
        if kept is not None:
            return [kept]
        array = call.array(0, "input 0")
        return [np.minimum(np.maximum(array, low), high).astype(array.dtype)]
    if lo is None and hi is None:
        return [x]
    one = [None if v is None else scalar(v.reshape(-1)[0]) for v in (lo, hi)]
    return list(call.emit(real.Clip(one[0], one[1]), [x], x.shape))


def _bound(call: Call, index: int, name: str, side: int) -> Rationals | None:
    """A bound of Clip, one number; None where no finite float32 lies beyond it on that side."""
    if call.given(index):
        array = np.asarray(call.array(index, f"the {name} bound"), dtype=np.float64)
    elif call.attribute(name) is not None:
        array = np.asarray(call.attribute(name), dtype=np.float32).astype(np.float64)
    else:
        return None
    if array.size != 1:
        raise call.broken(f"the {name} bound has {array.size} elements")
    limit = float(array.reshape(-1)[0])
    if limit * side >= GREATEST:
        return None
    if not abs(limit) < GREATEST:
        raise call.fail(f"the {name} bound is {limit:g}, which leaves no finite value", "re-export the model")
    return rationals(array)


def weights_of(call: Call, index: int, axis: int = -1) -> Coded:
    """A weight input on its grid; float weights may be integers times a scale per index of `axis`, their outputs."""
    value = call.value(index)
    if isinstance(value, Signal):
        raise call.fail("two activations are multiplied", "one operand has to be constant weights")
    if isinstance(value, Coded):
        found: Coded | None = _whole(value, axis)
    else:
        double = index < len(call.types) and call.types[index] == TensorProto.DOUBLE
        found = on_dyadic_grid(value) or on_spelt_grid(value if double else value.astype(np.float32), axis)
    if found is None:
        raise call.fail(
            "float weights that lie on no grid of 20 bits, and are no integers of 16 bits times a scale per output",
            "quantize them with a Quant node (QKeras, Brevitas) or write a quantizer config",
        )
    if index < len(call.names):
        call.weights[call.names[index]] = found
    return found


def _whole(weights: Coded, axis: int) -> Coded:
    """Codes without an offset of broken steps, by the grid that the float32 values lie on where there is such a one."""
    if not any(weights.offset.reshape(-1)):
        return weights
    try:
        weights.integers("weights")
    except UnsupportedError:
        return on_spelt_grid(weights.values().astype(np.float32), axis) or weights
    return weights


def product(call: Call, x: Signal, weights: Coded) -> Signal:
    """x W over the last axis of x."""
    shape: Shape = weights.shape
    if len(shape) > 2 and all(d == 1 for d in shape[:-2]):
        weights = weights.moved(lambda a: a.reshape(shape[-2:]))
    if len(weights.shape) == 3 and len(x.shape) == 3 and x.shape[0] == weights.shape[0] <= MAX_MATRICES:
        return _batched(call, x, weights)
    if len(weights.shape) != 2:
        raise call.fail(f"weights of shape {list(shape)}", "use one weight matrix per MatMul")
    n_in, n_out = weights.shape
    if not x.shape or x.shape[-1] != n_in:
        raise call.broken(f"shapes {list(x.shape)} and {[n_in, n_out]} do not fit")
    return call.emit(real.MatMul(weights), [x], (*x.shape[:-1], n_out))[0]


def _batched(call: Call, x: Signal, weights: Coded) -> Signal:
    """A matrix of weights for each row block of x: one product each, in a row."""
    parts = []
    for i in range(x.shape[0]):
        (block,) = call.emit(real.Select(Selection.along(x.shape, 0, [i]), Fraction(0)), [x], (1, *x.shape[1:]))
        matrix = weights.moved(lambda a, i=i: a[i])  # type: ignore[misc]
        parts.append(product(call, block, matrix))
    return call.emit(real.Concat(0), parts, (x.shape[0], *parts[0].shape[1:]))[0]


def _left_product(call: Call, weights: Coded, x: Signal) -> Signal:
    """W x over the last axis but one of x, as the turned x^T W^T; x of one axis is a column."""
    turned = weights.moved(lambda a: np.swapaxes(a, -1, -2) if a.ndim > 1 else a.reshape(-1, 1))
    if len(x.shape) < 2:
        return product(call, x, turned)
    y = product(call, _swapped(call, x), turned)
    if len(weights.shape) > 1:
        return _swapped(call, y)
    return call.emit(real.Reshape(y.shape[:-1]), [y], y.shape[:-1])[0]


def _swapped(call: Call, x: Signal) -> Signal:
    """The last two axes changed."""
    rank = len(x.shape)
    perm = (*range(rank - 2), rank - 1, rank - 2)
    return call.emit(real.Transpose(perm), [x], tuple(x.shape[p] for p in perm))[0]


def matmul(call: Call) -> list[Value]:
    """x W with constant weights, or the product of two activations (ONNX MatMul)."""
    left, right = call.value(0), call.value(1)
    if not isinstance(left, Signal) and not isinstance(right, Signal):
        call.bound((*left.shape[:-1], *right.shape[-1:]))
        return [np.matmul(call.array(0, "input 0"), call.array(1, "input 1"))]
    if not isinstance(left, Signal):
        assert isinstance(right, Signal)
        return [_left_product(call, weights_of(call, 0, -2 if len(left.shape) > 1 else 0), right)]
    if isinstance(right, Signal):
        return [activation_product(call, left, right)]
    return [product(call, left, weights_of(call, 1))]


def gemm(call: Call) -> list[Value]:
    """alpha A B + beta C; either of A and B may be the constant, or none."""
    left, right = call.value(0), call.value(1)
    turned = [bool(call.attribute(key, 0)) for key in ("transA", "transB")]
    if any(len(v.shape) < 2 for v in (left, right)):
        raise call.broken(f"matrices of shapes {list(left.shape)} and {list(right.shape)}")
    alpha, beta = (Fraction(float(np.float32(call.attribute(key, 1.0)))) for key in ("alpha", "beta"))
    x, w = (_swapped(call, v) if isinstance(v, Signal) and t else v for v, t in zip((left, right), turned, strict=True))
    if isinstance(x, Signal) and isinstance(w, Signal):
        y = activation_product(call, x, w)
    elif isinstance(x, Signal):
        weights = weights_of(call, 1, 0 if turned[1] else -1)
        y = product(call, x, weights.moved(lambda a: a.T) if turned[1] else weights)
    elif isinstance(w, Signal):
        weights = weights_of(call, 0, -1 if turned[0] else 0)
        y = _left_product(call, weights.moved(lambda a: a.T) if turned[0] else weights, w)
    else:
        raise call.constant(0)
    bias = call.exact(2, "the bias") * beta if call.given(2) else scalar(0)
    if alpha == 1 and not call.given(2):
        return [y]
    return [affine(call, y, scalar(alpha), bias)]


def _arg(call: Call, largest: bool) -> list[Value]:
    x = call.signal(0)
    axis = call.axis(call.attribute("axis", 0), len(x.shape))
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    op = real.TopK(axis, 1, largest, bool(call.attribute("select_last_index", 0)))
    _, index = call.emit(op, [x], shape, shape)
    if call.attribute("keepdims", 1):
        return [index]
    flat = x.shape[:axis] + x.shape[axis + 1 :]
    return list(call.emit(real.Reshape(flat), [index], flat))


def argmax(call: Call) -> list[Value]:
    """The index of the greatest element along an axis (ONNX ArgMax)."""
    return _arg(call, True)


def argmin(call: Call) -> list[Value]:
    """The index of the least element along an axis (ONNX ArgMin)."""
    return _arg(call, False)


def topk(call: Call) -> list[Value]:
    """The k greatest or least along an axis, in order, and their indices (ONNX TopK)."""
    x = call.signal(0)
    k = call.integer(1, "k") if call.given(1) else int(call.attribute("k", 1))
    axis = call.axis(call.attribute("axis", -1), len(x.shape))
    if k == 0:
        raise call.empty("k = 0")
    if not 0 < k <= x.shape[axis]:
        raise call.broken(f"k = {k} along an axis of {x.shape[axis]}")
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    return list(call.emit(real.TopK(axis, k, bool(call.attribute("largest", 1))), [x], shape, shape))


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "Add": add,
        "Sub": sub,
        "Mul": mul,
        "Div": div,
        "Neg": neg,
        "BatchNormalization": batch_normalization,
        "Relu": relu,
        "Clip": clip,
        "MatMul": matmul,
        "Gemm": gemm,
        "ArgMax": argmax,
        "ArgMin": argmin,
        "TopK": topk,
    }
)
