"""reshape and transpose: the same codes in another order; reshape costs nothing, its array is its input's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from hwq.ir.hardware import Edge, Shape
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.numeric.fixed import Codes
from hwq.ops.base import Kernel, Op, Sample


@dataclass(frozen=True)
class Reshape(Op):
    """The same flat array under another shape."""

    kind = "reshape"
    lean = True
    bounded = True
    shape: Shape

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        return (replace(inputs[0], shape=self.shape),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        def kernel(codes: Codes) -> tuple[Codes, ...]:
            return (codes.reshape(codes.shape[0], *self.shape),)

        return kernel

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        return (xs[0].reshape(self.shape),)

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        return 1, 1

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        return 0

    def __str__(self) -> str:
        return f"reshape[{'x'.join(map(str, self.shape))}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        yield Sample("flatten", cls((1, 12)), (Edge.covering((1, 3, 4), -8, 7, 2),))


@dataclass(frozen=True)
class Transpose(Op):
    """Output axis i is input axis perm[i] (ONNX Transpose)."""

    kind = "transpose"
    lean = True
    bounded = True
    perm: tuple[int, ...]

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        return (replace(inputs[0], shape=tuple(inputs[0].shape[p] for p in self.perm)),)

    def loops(self, shape: Shape) -> list[tuple[int, int]]:
        """(trip count, stride in the input's flat array) of each output axis longer than 1."""
        strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        return [(shape[p], strides[p]) for p in self.perm if shape[p] > 1]

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        axes = (0, *(p + 1 for p in self.perm))

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            return (codes.transpose(axes),)

        return kernel

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        return (xs[0].transpose(self.perm),)

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        return 1, 1

    def __str__(self) -> str:
        return f"transpose[{','.join(map(str, self.perm))}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        yield Sample("nchw_to_nhwc", cls((0, 2, 3, 1)), (Edge.covering((1, 3, 4, 2), -8, 7, 2),))
        yield Sample("matrix", cls((1, 0)), (Edge.covering((5, 3), 0, 255),))
        yield Sample("ones", cls((1, 0)), (Edge.covering((1, 1), 0, 3),))
