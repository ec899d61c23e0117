"""Forms: how ops stream, one file each. An op that is not here works on whole tensors held in arrays."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hwq.ops import Add, Conv, Dense, Extremum, Lut, Mul, MultiplyShift, Op, Pool, Scale, Shift, Threshold
from hwq.stream.forms.elements import ELEMENTS
from hwq.stream.forms.pool import POOL
from hwq.stream.forms.products import CONV, DENSE
from hwq.stream.plan import Form

ELEMENTWISE = (Shift, Threshold, Lut, Scale, MultiplyShift, Add, Mul, Extremum)
FORMS: Mapping[type[Op], Form] = MappingProxyType(
    {**dict.fromkeys(ELEMENTWISE, ELEMENTS), Pool: POOL, Conv: CONV, Dense: DENSE}
)
