"""Codes side by side as hexadecimal text, a sample a line: what testbenches of Verilog read and write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hwq.errors import ToolError
from hwq.ir.hardware import Edge
from hwq.numeric.fixed import Codes

BITS_AT_ONCE = 1 << 24
WORD = 62  # bits that machine integers add up


def element_bits(edge: Edge) -> int:
    """Bits of a code at a port."""
    return max(1, edge.type.width)


def port_octets(edge: Edge) -> int:
    """Octets of a beat."""
    return -(-element_bits(edge) * edge.size // 8)


def hex_lines(codes: Codes, width: int, octets: int) -> bytes:
    """(samples, elements) codes, each in `width` bits of two's complement, the first lowest, in so many octets."""
    rows = codes.reshape(len(codes), -1)
    some = max(1, BITS_AT_ONCE // max(1, rows.shape[1] * width))
    return b"".join(_lines(rows[i : i + some], width, octets) for i in range(0, len(rows), some))


def _lines(rows: Codes, width: int, octets: int) -> bytes:
    places = np.arange(width)
    if rows.dtype == object:
        bits = ((rows[:, :, None] >> places.astype(object)) & 1).astype(np.uint8)
    else:
        bits = ((rows[:, :, None] >> np.minimum(places, 63)) & 1).astype(np.uint8)
    flat = np.zeros((len(rows), octets * 8), dtype=np.uint8)
    flat[:, : rows.shape[1] * width] = bits.reshape(len(rows), -1)
    lowest_first = np.packbits(flat, axis=1, bitorder="little")
    text = np.frombuffer(lowest_first[:, ::-1].tobytes().hex().encode(), dtype=np.uint8).reshape(len(rows), -1)
    return np.concatenate([text, np.full((len(rows), 1), ord("\n"), dtype=np.uint8)], axis=1).tobytes()


def codes_of_lines(text: bytes, samples: int, widths: Sequence[int], signed: Sequence[bool], what: str) -> Codes:
    """(samples, elements) codes from such text, element i in `widths[i]` bits; fill above them is left out."""
    total = sum(widths)
    digits = -(-total // 4)
    lines = text.split()
    if len(lines) < samples:
        raise ToolError(f"the simulation gave {len(lines)} of {samples} samples of {what}")
    unknown = next((i for i, line in enumerate(lines[:samples]) if not _is_hex(line)), None)
    if unknown is not None:
        raise ToolError(f"the simulation gave bits of {what} that are neither 0 nor 1 in sample {unknown}")
    even = digits + digits % 2
    whole = b"".join(line[-digits:].rjust(even, b"0") for line in lines[:samples])
    octets = np.frombuffer(bytes.fromhex(whole.decode()), dtype=np.uint8).reshape(samples, -1)[:, ::-1]
    bits = np.unpackbits(octets, axis=1, bitorder="little")
    wide = any(w > WORD for w in widths)
    codes: Codes = np.zeros((samples, len(widths)), dtype=object if wide else np.int64)
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]]).astype(np.int64)
    for width in set(widths):
        for sign in (False, True):
            own = np.asarray([w == width and s == sign for w, s in zip(widths, signed, strict=True)])
            if own.any():
                codes[:, own] = _values(bits, starts[own], width, sign, wide)
    return codes


def _is_hex(line: bytes) -> bool:
    return not line.strip(b"0123456789abcdefABCDEF")


def _values(bits: npt.NDArray[np.uint8], starts: Codes, width: int, signed: bool, wide: bool) -> Codes:
    """The numbers that `width` bits from each start spell."""
    weights = [1 << k for k in range(width)]
    if signed:
        weights[-1] = -weights[-1]
    dtype = object if wide else np.int64
    total: Codes = np.zeros((len(bits), len(starts)), dtype=dtype)
    for k, weight in enumerate(weights):
        total = total + bits[:, starts + k].astype(dtype) * weight
    return total
