"""The random bits of quantizers that draw: xorshift32, which is three shifts and three exclusive-ors in hardware.

Element n of an array in C order takes the n-th output. The first state is a hash of the seed (`first_state`), computed
once on the host: hardware gets it as a constant, and neighbouring seeds give unrelated draws.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwq.errors import SpecError, shown

Words = npt.NDArray[np.uint32]

RANDOM_BITS = 24


def step(state: Words) -> Words:
    """One step of every state: x ^= x << 13, x ^= x >> 17, x ^= x << 5 (Marsaglia 2003)."""
    state = state ^ (state << np.uint32(13))
    state = state ^ (state >> np.uint32(17))
    return state ^ (state << np.uint32(5))


def first_state(seed: int) -> int:
    """The state before the first output: MurmurHash3's 32-bit finalizer of seed + 0x9E3779B9, or 1 where that is 0.

    Raises `SpecError` unless 0 <= seed < 2**32.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 32:
        raise SpecError(f"the seed {shown(seed)}", remedy="use an integer from 0 to 4294967295")
    h = (int(seed) + 0x9E3779B9) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return (h ^ (h >> 16)) or 1


def outputs(seed: int, count: int, after: int = 0) -> Words:
    """The states after `after` + 1, `after` + 2, ... steps. Raises `SpecError` for a seed out of range."""
    jump = step(np.uint32(1) << np.arange(32, dtype=np.uint32))  # columns of the linear step
    state, power = np.asarray([first_state(seed)], dtype=np.uint32), jump
    for bit in range(after.bit_length()):
        state = _apply(power, state) if after >> bit & 1 else state
        power = _apply(power, power)
    state = step(state)
    while state.size < count:  # append the same outputs, `state.size` steps later
        state = np.concatenate([state, _apply(jump, state)])
        jump = _apply(jump, jump)
    return state[:count]


def _apply(columns: Words, vectors: Words) -> Words:
    """The matrix of these columns over GF(2), applied to each vector."""
    result = np.zeros_like(vectors)
    for bit in range(32):
        result ^= np.where((vectors >> np.uint32(bit)) & np.uint32(1), columns[bit], np.uint32(0)).astype(np.uint32)
    return result


def draw(probability: npt.NDArray[np.float64], seed: int, lane: int = 0, lanes: int = 1) -> npt.NDArray[np.bool_]:
    """True with each probability p: the output's high 24 bits are below round_half_even(2**24 * p).

    With several lanes, element n takes output `n * lanes + lane`.
    """
    words = outputs(seed, probability.size * lanes)[lane::lanes] >> np.uint32(32 - RANDOM_BITS)
    below = np.rint(np.ldexp(probability, RANDOM_BITS)).reshape(-1)
    return np.asarray(words < below).reshape(probability.shape)
