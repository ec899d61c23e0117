"""com.microsoft MatMulNBits: A times the transpose of blockwise quantized weights (contrib operators' documentation).

B is (N, blocks, bytes), codes packed from the low bits of each byte on; every block of `block_size` codes along K has a
scale, and a zero point of 2^(bits - 1) where none is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from hwq.frontends.call import Array, Call, Rule, Value
from hwq.frontends.standard import affine, product
from hwq.ir.constants import Coded
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import Rationals, rationals, scalar

BITS = (1, 2, 4, 8)
EXACT_LEVELS = (0, 1)  # of accuracy_level: the activation is neither quantized nor narrowed on the way


def matmul_nbits(call: Call) -> list[Value]:
    """A dequantize(B)^T + bias, exactly."""
    x = call.signal(0)
    k, n, bits, block = (int(call.attribute(key, d)) for key, d in (("K", 0), ("N", 0), ("bits", 4), ("block_size", 0)))
    level = int(call.attribute("accuracy_level", 0))
    if bits not in BITS or k < 1 or n < 1 or block < 1 or (block * bits) % 8:
        raise call.broken(f"K = {k}, N = {n}, bits = {bits}, block_size = {block}")
    if level not in EXACT_LEVELS:
        raise call.fail(
            f"accuracy_level {level}: the activation is narrowed on the way", "export it with accuracy_level 0 or 1"
        )
    blocks = -(-k // block)
    packed = _sized(call, 1, "the weights", n * blocks * block * bits // 8)
    codes = _unpacked(packed, bits).reshape(n, blocks * block)[:, :k]
    of_block = np.arange(k) // block
    if call.given(4) and not np.array_equal(call.array(4, "g_idx").reshape(-1), of_block):
        raise call.fail("g_idx, which reorders the blocks", "export it without reordering (act_order)")
    _sized(call, 2, "the scales", n * blocks)
    scale = call.exact(2, "the scales").reshape(n, blocks)
    if any(v < 0 for v in scale.reshape(-1)):
        raise call.fail("a scale that is not positive", "export the model again")
    weights = _less_zeros(codes, _zeros(call, n, blocks, bits), of_block)
    scaled = Coded(*_alive(weights.codes.T, scale.T[of_block]), scalar(0))
    if weights.offset.size > 1:
        scaled = Coded(scaled.codes, scaled.scale, np.asarray(weights.offset.T * scaled.scale, dtype=object))
    y = product(call, x, scaled)
    return [affine(call, y, scalar(1), call.exact(5, "the bias").reshape(-1)) if call.given(5) else y]


def _sized(call: Call, index: int, what: str, size: int) -> Array:
    array = call.array(index, what)
    if array.size != size:
        raise call.broken(f"{what} of {array.size} elements where {size} are stated")
    return array


def _unpacked(packed: Array, bits: int) -> Codes:
    """The codes in bytes, low bits first."""
    places = np.arange(0, 8, bits)
    return np.asarray((packed.astype(np.int64)[..., None] >> places) & ((1 << bits) - 1))


def _zeros(call: Call, n: int, blocks: int, bits: int) -> Array:
    """(N, blocks) zero points: packed like the codes, each row of them in whole bytes; or plain numbers."""
    if not call.given(3):
        return np.full((n, blocks), 1 << (bits - 1), dtype=np.int64)
    array = call.array(3, "the zero points")
    if array.dtype.kind == "f":
        return _sized(call, 3, "the zero points", n * blocks).reshape(n, blocks)
    row = -(-blocks * bits // 8)
    return _unpacked(_sized(call, 3, "the zero points", n * row).reshape(n, row), bits).reshape(n, -1)[:, :blocks]


def _less_zeros(codes: Codes, zeros: Array, of_block: Codes) -> Coded:
    """Codes less their zero points, which are an offset of each where they are no integers."""
    if np.array_equal(zeros, np.rint(zeros)):
        return Coded(codes - zeros.astype(np.int64)[:, of_block], scalar(1), scalar(0))
    return Coded(codes, scalar(1), np.asarray(-rationals(zeros)[:, of_block], dtype=object))


def _alive(codes: Codes, scale: Rationals) -> tuple[Codes, Rationals]:
    """Codes that are 0 where their scale is, and scales without 0."""
    dead = np.asarray(scale == 0, dtype=bool)
    return (np.where(dead, 0, codes), np.where(dead, scalar(1), scale)) if dead.any() else (codes, scale)


RULES: Mapping[str, Rule] = MappingProxyType({"MatMulNBits": matmul_nbits})
