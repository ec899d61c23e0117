"""The window attributes that ONNX' convolutions and pools share: kernel_shape, strides, dilations, pads, auto_pad."""

from __future__ import annotations

from dataclasses import dataclass

from hwq.frontends.call import Call
from hwq.ir.hardware import Shape
from hwq.ir.window import Window

MAX_EXTENT = 1 << 20  # of a kernel, stride, dilation or padding


@dataclass(frozen=True)
class Spatial:
    """A window over the spatial axes, and the padding the file asks for (ceil_mode may reach beyond it)."""

    window: Window
    margins: tuple[Shape, Shape]  # before, after

    def over(self, rank: int, first: int) -> Spatial:
        """The same over all axes of a tensor whose spatial axes begin at `first`."""

        def spread(values: Shape, other: int) -> Shape:
            return (other,) * first + values + (other,) * (rank - first - len(values))

        w = self.window
        whole = Window(
            spread(w.kernel, 1), spread(w.strides, 1), spread(w.dilations, 1), spread(w.before, 0), spread(w.after, 0)
        )
        return Spatial(whole, (spread(self.margins[0], 0), spread(self.margins[1], 0)))


def integers(call: Call, name: str, count: int, default: int, least: int) -> Shape:
    """An attribute with one integer per spatial axis."""
    raw = call.attribute(name)
    values = (default,) * count if raw is None or len(raw) == 0 else tuple(int(v) for v in raw)
    if len(values) != count or any(not least <= v <= MAX_EXTENT for v in values):
        raise call.broken(f"{name} {list(values)} for {count} spatial axes")
    return values


def kernel_of(call: Call, rank: int, weights: Shape | None = None) -> Shape:
    """kernel_shape, which a convolution may leave to its weights."""
    if weights is None and call.attribute("kernel_shape") is None:
        raise call.broken("kernel_shape is missing")
    kernel = weights or ()
    if call.attribute("kernel_shape"):
        kernel = integers(call, "kernel_shape", rank, 1, 1)
    if weights is not None and kernel != weights:
        raise call.broken(f"kernel_shape {list(kernel)} for weights of {list(weights)}")
    return kernel


def spatial(call: Call, extents: Shape, kernel: Shape) -> Spatial:
    """The window over data of these extents. Output extents: ONNX Conv and MaxPool, `auto_pad` and `ceil_mode`."""
    rank = len(extents)
    strides = integers(call, "strides", rank, 1, 1)
    dilations = integers(call, "dilations", rank, 1, 1)
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
    mode = str(call.attribute("auto_pad", "NOTSET")) or "NOTSET"
    ceil = bool(call.attribute("ceil_mode", 0))
    before, after = _pads(call, mode, extents, strides, spans)
    beyond = after
    if ceil and mode == "NOTSET":
        beyond = tuple(a + _overhang(n + b + a, span, s, n + b) for a, n, b, span, s in
                       zip(after, extents, before, spans, strides, strict=True))  # fmt: skip
    window = Window(kernel, strides, dilations, before, beyond)
    if any(o < 1 for o in window.outputs(extents)):
        raise call.broken(
            f"a window of {list(spans)} does not fit data of {list(extents)} with its padding",
            "give the model a larger input, or the window more padding",
        )
    return Spatial(window, (before, after))


def _overhang(padded: int, span: int, stride: int, last_start: int) -> int:
    """How far ceil_mode reaches beyond the padding: one more window, unless it would start right of the data."""
    rest = (padded - span) % stride
    if rest == 0 or padded < span:
        return 0
    outputs = (padded - span) // stride + 2
    return 0 if (outputs - 1) * stride >= last_start else stride - rest


def _pads(call: Call, mode: str, extents: Shape, strides: Shape, spans: Shape) -> tuple[Shape, Shape]:
    rank = len(extents)
    pads = integers(call, "pads", 2 * rank, 0, 0)
    if mode == "NOTSET":
        return pads[:rank], pads[rank:]
    if mode == "VALID":
        return agreed(call, mode, pads, (0,) * rank, (0,) * rank)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise call.broken(f"auto_pad '{mode}'")
    totals = [max((-(-n // s) - 1) * s + span - n, 0) for n, s, span in zip(extents, strides, spans, strict=True)]
    small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    return agreed(call, mode, pads, *((small, large) if mode == "SAME_UPPER" else (large, small)))


def agreed(call: Call, mode: str, pads: Shape, before: Shape, after: Shape) -> tuple[Shape, Shape]:
    """The padding that auto_pad means, where the pads written beside it are zeros or say the same."""
    if any(pads) and pads != (*before, *after):
        raise call.broken(f"auto_pad '{mode}' and pads {list(pads)}", "state one of both")
    return before, after
