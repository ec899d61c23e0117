"""QONNX' channels_last ops: Conv, MaxPool and BatchNormalization on (N, ..., C), weights (O, ..., I)."""

from __future__ import annotations

from types import MappingProxyType

from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.conv import biased, convolved
from hwq.frontends.pooling import largest
from hwq.frontends.shapes import moved
from hwq.frontends.standard import normalized, weights_of
from hwq.ir import real


def _transposed(call: Call, x: Signal, perm: tuple[int, ...]) -> Signal:
    shape = tuple(x.shape[p] for p in perm)
    (y,) = moved(call, x, real.Transpose(perm), shape, lambda a: a.transpose(perm))
    assert isinstance(y, Signal)
    return y


def conv(call: Call) -> list[Value]:
    """The channels become axis 1 and the last one again after; weights alike."""
    x, weights = call.signal(0), weights_of(call, 1, 0)
    rank = len(x.shape)
    if rank < 3 or len(weights.shape) != rank:
        raise call.broken(f"weights of shape {list(weights.shape)} for an activation of {list(x.shape)}")
    first = (0, rank - 1, *range(1, rank - 1))
    last = (0, *range(2, rank), 1)
    y = convolved(call, _transposed(call, x, first), weights.moved(lambda w: w.transpose(first)))
    return [_transposed(call, biased(call, y, 2), last)]


def max_pool(call: Call) -> list[Value]:
    """MaxPool over NHWC data (QONNX channels_last)."""
    return largest(call, channels_last=True)


def batch_normalization(call: Call) -> list[Value]:
    """BatchNormalization whose channel is the last axis (QONNX channels_last)."""
    return [normalized(call, call.signal(0), len(call.signal(0).shape) - 1)]


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {"Conv": conv, "MaxPool": max_pool, "BatchNormalization": batch_normalization}
)
