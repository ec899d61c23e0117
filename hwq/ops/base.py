"""What a hardware op is: it infers its output's range, simulates on codes, and describes itself to a kernel template.

One op is one file here and one template of the same stem in `templates/kernels`. Nothing else knows an op by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

import numpy as np

from hwq.errors import InternalError, UnsupportedError
from hwq.ir.hardware import Edge, Shape
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.numeric.fixed import AT_ONCE, FLOAT32_EXACT, FLOAT64_EXACT, Codes, FixedType, code_dtype
from hwq.ops.parts.resources import Unit
from hwq.ops.parts.weight_coding import Coding

Kernel = Callable[..., tuple[Codes, ...]]
"""Takes code arrays of shape (batch, *edge.shape) and returns one per output."""


@dataclass(frozen=True)
class Rom:
    """A table of constants: `words[depth][lanes]` of integer codes, in two's complement or as `coding` says.

    Codes of at most 62 bits may lie in any signed integers that hold them.

    Each cycle reads `rows` of its rows: all lanes at once, or (`whole_row` False) one lane after the other.
    """

    role: str  # "weights", "bias", "thresholds", ...: unique within its op
    words: Codes
    type: FixedType
    rows: int = 1
    whole_row: bool = True
    coding: Coding | None = None
    packed: int = 1  # lanes that kernels read as one word, the first in its lowest bits

    @property
    def word_type(self) -> FixedType:
        """What is stored of one code."""
        return self.type if self.coding is None else self.coding.word

    @property
    def codes(self) -> Codes:
        """The codes for arithmetic, (depth, lanes)."""
        return self.words if self.words.dtype == object else self.words.astype(np.int64, copy=False)

    @property
    def stored(self) -> Codes:
        """The stored words, (depth, lanes)."""
        return self.codes if self.coding is None else self.coding.encode(self.codes)

    def pieces(self, some: int = AT_ONCE) -> Iterator[Codes]:
        """The stored words of some thousand elements at a time, whole rows."""
        rows = max(1, some // max(1, self.lanes))
        for start in range(0, self.depth, rows):
            yield replace(self, words=self.words[start : start + rows]).stored

    @property
    def label(self) -> str:
        """How codes are stored, for listings and digests."""
        return str(self.type if self.coding is None else self.coding)

    @property
    def depth(self) -> int:
        return int(self.words.shape[0])

    @property
    def lanes(self) -> int:
        return int(self.words.shape[1])

    @property
    def bits(self) -> int:
        return int(self.words.size) * self.word_type.width


@dataclass(frozen=True)
class Sample:
    """An op with input edges, for the test that takes every op through every oracle."""

    label: str
    op: Op
    inputs: tuple[Edge, ...]


@dataclass(frozen=True)
class Channels:
    """Which parameter an element uses: `c = (index // inner) % count`, over the flattened tensor."""

    count: int = 1
    inner: int = 1

    def index(self, size: int) -> Codes:
        return (np.arange(size) // self.inner) % self.count

    def rows(self, lanes: int) -> int:
        """How many channels `lanes` consecutive elements (0: all of them) touch at most."""
        return self.count if lanes == 0 else min(self.count, (lanes - 1) // self.inner + 1 + (self.inner > 1))

    def permuted(self, shape: Shape, perm: tuple[int, ...]) -> Channels | None:
        """The map for the tensor of which this one's, of `shape`, is the transpose by `perm`; None: there is none."""
        if self.count == 1:
            return self
        last = next((j for j in range(len(shape), -1, -1) if prod(shape[j:]) >= self.inner), 0)
        first = next((i for i in range(last, -1, -1) if prod(shape[i:last]) >= self.count), 0)
        if prod(shape[last:]) != self.inner or prod(shape[first:last]) != self.count:
            return None
        axes = [perm[i] for i in range(first, last) if shape[i] > 1]
        source = {p: shape[i] for i, p in enumerate(perm)}
        between = [source[a] for a in range(axes[0], axes[-1] + 1) if a not in axes]
        if axes != sorted(axes) or any(n > 1 for n in between):
            return None
        return Channels(self.count, prod(source[a] for a in range(axes[-1] + 1, len(shape))))

    def view(self, codes: Codes) -> Codes:
        """(batch, ...) codes as (batch, outer, count, inner)."""
        return codes.reshape(codes.shape[0], -1, self.count, self.inner)

    def kernel(self, run: Callable[[Codes], Codes]) -> Kernel:
        """The kernel that runs element by element, with parameters of shape (1, 1, count, 1)."""
        if self.count == 1:
            return lambda codes: (run(codes).reshape(codes.shape),)
        return lambda codes: (run(self.view(codes)).reshape(codes.shape),)


def channels_of(shape: Shape, full: Shape) -> Channels:
    """The channel map of parameters of `shape`, broadcast against a tensor of shape `full`.

    The smallest run of axes that covers every axis along which the parameters vary.
    """
    padded = (1,) * (len(full) - len(shape)) + tuple(shape)
    varying = [axis for axis, extent in enumerate(padded) if extent != 1]
    if not varying:
        return Channels()
    first, last = varying[0], varying[-1]
    return Channels(prod(full[first : last + 1]), prod(full[last + 1 :]))


def spread(values: Any, full: Shape) -> tuple[Any, Channels]:
    """Parameters broadcastable to `full` as one flat row per channel, and their channel map."""
    array = np.asarray(values)
    channels = channels_of(array.shape, full)
    padded = array.reshape((1,) * (len(full) - array.ndim) + array.shape)
    varying = [axis for axis, extent in enumerate(padded.shape) if extent != 1]
    if not varying:
        return array.reshape(1), channels
    target = tuple(extent if varying[0] <= axis <= varying[-1] else 1 for axis, extent in enumerate(full))
    return np.broadcast_to(padded, target).reshape(-1), channels


def proved(edge: Edge, codes: Any) -> None:
    """Raise where codes that a kernel can give lie outside the range that was inferred for them."""
    if np.size(codes) and not (edge.lo <= np.min(codes) and np.max(codes) <= edge.hi):
        raise InternalError(f"codes {np.min(codes)}..{np.max(codes)} outside the range {edge.lo}..{edge.hi}")


def held(codes: Any, dtype: Any) -> Codes:
    """Codes in another dtype: Python integers never come from floats, which would stay floats."""
    if dtype is object and codes.dtype.kind == "f":
        return np.asarray(codes.astype(np.int64).astype(object))
    return np.asarray(codes.astype(dtype, copy=False))


def quick_dtype(bound: int) -> Any:
    """The quickest dtype in which integers of at most `bound` in magnitude are exact: floats up to 24 and 53 bits."""
    if bound < FLOAT64_EXACT:
        return np.float32 if bound < FLOAT32_EXACT else np.float64
    return code_dtype(-bound, bound)


def as_codes(values: Any, lo: int, hi: int) -> Codes:
    """An integer array in the dtype that `lo..hi` asks for."""
    return held(np.asarray(values), code_dtype(lo, hi))


def inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `perm`."""
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def wide_constant(role: str, value: int) -> tuple[Rom, ...]:
    """A ROM for a code that no C++ literal holds; none for others."""
    if -(1 << 63) < value < 1 << 63:
        return ()
    return (Rom(role, np.asarray([[value]], dtype=object), FixedType.covering(value, value)),)


class Op(ABC):
    """A hardware op: integers in, integers out, exactly."""

    kind: ClassVar[str]
    templates: ClassVar[str] = "kernels"  # the folder of its template
    lean: ClassVar[bool] = False  # whether its kernel takes and gives any dtype that holds the codes, floats too
    scattered: ClassVar[bool] = False  # whether the elements of one cycle lie apart in the arrays, not side by side
    bounded: ClassVar[bool] = False  # whether `prepare` always proves that no code can leave the inferred range
    makes_new: ClassVar[bool] = False  # whether what its kernel gives is an array that nothing else holds
    draws: ClassVar[bool] = False  # whether its kernel takes the number of its first sample: it has a state

    @abstractmethod
    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        """The output edges: shapes, types and the ranges that can really occur."""

    @abstractmethod
    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        """A function that computes the op on batches of codes; tables it needs are made here, once."""

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        """The op as a circuit: from signals in the shapes of `inputs`, those of the outputs."""
        raise UnsupportedError(f"'{self.kind}' has no Verilog", remedy="use --target vivado, vitis, catapult or native")

    def scaled(self, inputs: tuple[Edge, ...], factor: float) -> Kernel | None:
        """The kernel with all that it gives multiplied by a power of two, held as floats; None where it cannot."""
        return None

    def proves_range(self, inputs: tuple[Edge, ...]) -> bool:
        """Whether `prepare` proves that no code can leave the inferred range; the simulator checks all others."""
        return self.bounded

    @classmethod
    @abstractmethod
    def samples(cls) -> Iterator[Sample]:
        """Instances that cover the op's cases, for the shared tests."""

    def permuted(self, inputs: tuple[Edge, ...], perm: tuple[int, ...]) -> Op | None:
        """The op that makes y0 of the x0 of which `inputs` are the transposes by `perm`, y being that transpose of y0.

        None where there is none. Here: ops on single elements, which have parameters by `Channels`.
        """
        channels: Any = getattr(self, "channels", None)
        shapes = {e.shape for e in inputs}
        if not isinstance(channels, Channels) or len(shapes) > 1:
            return None
        moved = channels.permuted(shapes.pop(), perm)
        this: Any = self
        return None if moved is None else replace(this, channels=moved)

    def roms(self) -> tuple[Rom, ...]:
        return ()

    def macs(self, inputs: tuple[Edge, ...]) -> int:
        """Multiply-accumulates per sample."""
        return 0

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        """The arithmetic that works side by side each cycle."""
        return ()

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        """Elements read and written each cycle: what the arrays around the op are partitioned for."""
        lanes = getattr(self, "lanes", 0) or inputs[0].size
        return lanes, lanes

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        """Loop iterations of the kernel per sample, its initiation interval being 1."""
        return -(-inputs[0].size // max(1, self.lanes_in_out(inputs)[0]))

    def __str__(self) -> str:
        return self.kind
