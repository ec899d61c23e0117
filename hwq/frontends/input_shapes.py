"""The shape of one sample of an input: as the file fixes it, or as the user states it."""

from __future__ import annotations

from math import prod

import onnx

from hwq.errors import ModelError, SpecError, UnsupportedError, printable
from hwq.frontends.call import MAX_ELEMENTS
from hwq.ir.hardware import Shape


def input_shape(info: onnx.ValueInfoProto, stated: Shape | None = None) -> Shape:
    """The file's shape, a symbolic leading axis being a batch of 1; or the stated one, which has to fit the file's.

    Only a leading axis may be stated otherwise than the file fixes it: it may be a batch.
    """
    tensor, name = info.type.tensor_type, printable(info.name)
    remedy = f"state it: --input-shape '{name}=1,3,32,32' with the model's own extents"
    if not info.type.HasField("tensor_type") or (not tensor.HasField("shape") and stated is None):
        raise UnsupportedError(f"input '{name}' has no shape", remedy=remedy)
    fixed = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else 0 for dim in tensor.shape.dim]
    if stated is None:
        symbolic = next((axis for axis, extent in enumerate(fixed) if axis and not extent), None)
        if symbolic is not None:
            example = ",".join(str(extent or (1 if axis == 0 else "N")) for axis, extent in enumerate(fixed))
            raise UnsupportedError(
                f"axis {symbolic} of input '{name}' has no fixed extent",
                remedy=f"state it: --input-shape '{name}={example}' with a number for each N",
            )
        stated = (fixed[0] or 1, *fixed[1:]) if fixed else ()
    elif tensor.HasField("shape"):
        unlike = [axis for axis, (s, f) in enumerate(zip(stated, fixed, strict=False)) if axis and f not in (0, s)]
        if len(stated) != len(fixed) or unlike:
            extents = [extent or "symbolic" for extent in fixed]
            raise SpecError(
                f"input shape {list(stated)} for input '{name}', which is {extents} in the file",
                remedy="state the symbolic axes, and the others as they are",
            )
    if prod(stated) > MAX_ELEMENTS:
        raise ModelError(
            f"input '{name}' has the absurd shape {list(stated)}", remedy=f"hwq takes up to {MAX_ELEMENTS} elements"
        )
    return stated
