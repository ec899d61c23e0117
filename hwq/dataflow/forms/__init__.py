"""Forms: how ops stream, one file each. An op that is not here works on whole tensors held in arrays."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hwq.dataflow.forms.concat import CONCAT
from hwq.dataflow.forms.elements import ELEMENTS
from hwq.dataflow.forms.gather import GATHER
from hwq.dataflow.forms.pool import POOL
from hwq.dataflow.forms.products import CONV, DENSE
from hwq.dataflow.forms.transpose import TRANSPOSE
from hwq.dataflow.planner import Form
from hwq.ops import (
    Add,
    Concat,
    Conv,
    Dense,
    Extremum,
    Gather,
    Lut,
    Mul,
    MultiplyShift,
    Op,
    Pool,
    Scale,
    Shift,
    Threshold,
    Transpose,
)

ELEMENTWISE = (Shift, Threshold, Lut, Scale, MultiplyShift, Add, Mul, Extremum)
FORMS: Mapping[type[Op], Form] = MappingProxyType(
    {
        **dict.fromkeys(ELEMENTWISE, ELEMENTS),
        Concat: CONCAT,
        Conv: CONV,
        Dense: DENSE,
        Gather: GATHER,
        Pool: POOL,
        Transpose: TRANSPOSE,
    }
)
