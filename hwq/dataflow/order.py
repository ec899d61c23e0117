"""Orders: in which sequence a stream visits the flat array of a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from hwq.ir.hardware import Shape
from hwq.numeric.fixed import Codes


@dataclass(frozen=True)
class Order:
    """The flat array seen as (outer, channels, inner), visited as (outer, inner, channels): channels innermost.

    A Reshape changes nothing in it. Where nothing is exchanged the order is flat, always written (1, size, 1), so that
    equal orders are equal records.
    """

    outer: int
    channels: int
    inner: int

    @staticmethod
    def flat(size: int) -> Order:
        """The array as it lies."""
        return Order(1, size, 1)

    @staticmethod
    def image(outer: int, channels: int, inner: int) -> Order:
        """Images one after the other, each pixel by pixel, all channels of a pixel together."""
        if channels == 1 or inner == 1:
            return Order.flat(outer * channels * inner)
        return Order(outer, channels, inner)

    @staticmethod
    def of_images(shape: Shape) -> Order:
        """The same for (N, C, ...) as ONNX has it."""
        return Order.image(shape[0], shape[1], prod(shape[2:]))

    @staticmethod
    def all_of(shape: Shape) -> list[Order]:
        """Every order that groups the axes of a tensor, the flat one first."""
        cuts = range(len(shape) + 1)
        parts = [(shape[:i], shape[i:j], shape[j:]) for i in cuts for j in cuts[i:]]
        found = [Order.image(prod(a), prod(b), prod(c)) for a, b, c in parts]
        return list(dict.fromkeys([Order.flat(prod(shape)), *found]))

    @property
    def is_flat(self) -> bool:
        return self.inner == 1

    @property
    def size(self) -> int:
        return self.outer * self.channels * self.inner

    @property
    def view(self) -> Shape:
        """The flat array's shape, of which the stream is the transpose by (0, 2, 1)."""
        return self.outer, self.channels, self.inner

    def places(self) -> Codes:
        """(size,) the flat array's index of each element as it comes."""
        return np.arange(self.size).reshape(self.view).transpose(0, 2, 1).reshape(-1)

    def __str__(self) -> str:
        return "as it lies" if self.is_flat else f"{self.outer} x {self.inner} x {self.channels}, channels innermost"
