"""The hardware ops, one file each. `OPS` lists them: the shared tests take each one's samples through every oracle."""

from __future__ import annotations

from hwq.ops.add import Add
from hwq.ops.base import Channels, Kernel, Op, Rom, Sample, spread
from hwq.ops.concat import Concat
from hwq.ops.conv import Conv
from hwq.ops.dense import Dense
from hwq.ops.draw import Draw
from hwq.ops.extremum import Extremum
from hwq.ops.gather import Gather
from hwq.ops.lut import Lut
from hwq.ops.move import Reshape, Transpose
from hwq.ops.mul import Mul
from hwq.ops.multiply_shift import MultiplyShift
from hwq.ops.normalize import Normalize
from hwq.ops.parts.linear import Products
from hwq.ops.pool import Pool
from hwq.ops.scale import Scale
from hwq.ops.shift import Shift
from hwq.ops.softmax import Softmax
from hwq.ops.threshold import Threshold
from hwq.ops.topk import TopK

OPS: tuple[type[Op], ...] = (
    Dense,
    Conv,
    Pool,
    Gather,
    Shift,
    Threshold,
    Lut,
    Scale,
    Reshape,
    Transpose,
    TopK,
    Softmax,
    Add,
    Mul,
    Extremum,
    Concat,
    MultiplyShift,
    Draw,
    Normalize,
)

__all__ = [
    "OPS",
    "Add",
    "Channels",
    "Concat",
    "Conv",
    "Dense",
    "Draw",
    "Extremum",
    "Gather",
    "Kernel",
    "Lut",
    "Mul",
    "MultiplyShift",
    "Normalize",
    "Op",
    "Pool",
    "Products",
    "Reshape",
    "Rom",
    "Sample",
    "Scale",
    "Shift",
    "Softmax",
    "Threshold",
    "TopK",
    "Transpose",
    "spread",
]
