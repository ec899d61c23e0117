"""What a rule sees of one ONNX node: its inputs as signals or constants, its attributes, and a way to emit real ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import HwqError, ModelError, UnsupportedError, printable
from hwq.frontends.attributes import Attributes
from hwq.ir.constants import Coded
from hwq.ir.hardware import Shape
from hwq.ir.real import MINUS_INFINITY, RealNode, RealOp
from hwq.numeric.rational import Rationals, alike, rationals

MAX_ELEMENTS = 1 << 24  # of one activation or folded constant
MAX_AXES = 16
MAX_EXACT = 1 << 20  # elements of a constant that become fractions


@dataclass(frozen=True)
class Signal:
    """An activation: an edge of the real graph."""

    edge: str
    shape: Shape


Array = npt.NDArray[Any]
Value = Signal | Array | Coded
Rule = Callable[["Call"], Sequence[Value]]


class NeedsActivation(UnsupportedError):
    """A rule for activations met a constant: the walk folds the node, if all of its inputs are constants."""


@dataclass(eq=False)
class Call:
    """One ONNX node during the walk."""

    name: str
    kind: str
    domain: str
    version: int  # of its domain's opset
    inputs: list[Value | None]
    types: list[int]  # the inputs' ONNX element types, 0 where unknown
    attributes: Attributes
    n_outputs: int
    nodes: list[RealNode]  # the real graph so far
    shapes: dict[str, Shape]  # of its edges
    fresh: Callable[[str], str]  # a new edge name
    next_seed: Callable[[], int | None] = lambda: None  # of the next layer that draws; None: nothing is to be drawn
    names: Sequence[str] = ()  # of the inputs, where they are the file's
    weights: dict[str, Coded] = field(default_factory=dict)  # what constant tensors were taken for, by name

    def fail(self, found: str, remedy: str) -> HwqError:
        """The error for something hwq does not compile, with this node's name."""
        return UnsupportedError(found, node=self.name, op=self.kind, remedy=remedy)

    def broken(self, found: str, remedy: str = "the op does not allow this: export the model again") -> HwqError:
        """The error for a node that is not valid ONNX."""
        return ModelError(found, node=self.name, op=self.kind, remedy=remedy)

    def empty(self, found: str) -> HwqError:
        """The error for a node whose output has no elements: valid, but there is nothing to compute."""
        return self.fail(found, "hwq compiles no empty tensors: keep an element, or leave out what reads it")

    def given(self, index: int) -> bool:
        """Whether the node has this input."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """An input that must be there."""
        if not self.given(index):
            raise self.broken(f"input {index} is missing")
        value = self.inputs[index]
        assert value is not None
        return value

    def signal(self, index: int) -> Signal:
        """An input that must be an activation."""
        value = self.value(index)
        if not isinstance(value, Signal):
            raise self.constant(index)
        return value

    def constant(self, index: int) -> HwqError:
        """The error for a constant where the rule takes activations; the walk folds such a node."""
        return NeedsActivation(
            f"input {index} is a constant",
            node=self.name,
            op=self.kind,
            remedy="fold the constant part of the model before export",
        )

    def array(self, index: int, what: str) -> Array:
        """A constant input as plain numbers."""
        value = self.value(index)
        if isinstance(value, Signal):
            raise self.fail(
                f"{what} is not a constant", f"make {what} an initializer: hwq compiles static quantization"
            )
        return value.values() if isinstance(value, Coded) else value

    def exact(self, index: int, what: str) -> Rationals:
        """A constant input as exact fractions."""
        value = self.value(index)
        if isinstance(value, Coded):
            values: Rationals = value.scale * rationals(value.codes) + value.offset
            return values
        array = self.array(index, what)
        if not np.isfinite(np.asarray(array, dtype=np.float64)).all():
            raise self.fail(f"{what} holds NaN or infinity", "retrain or re-export the model")
        if array.size > MAX_EXACT and not alike(array):
            raise self.fail(f"{what} of {array.size} values", f"hwq computes exactly with up to {MAX_EXACT}")
        return rationals(array)

    def offsets(self, index: int, what: str) -> Rationals:
        """The same where it is added, minus infinity as `real.MINUS_INFINITY`: masks before a Softmax hold it."""
        value = self.value(index)
        if isinstance(value, Signal | Coded) or value.dtype.kind != "f" or not np.isneginf(value).any():
            return self.exact(index, what)
        array = np.asarray(value, dtype=np.float64)
        masked = np.isneginf(array)
        finite = np.where(masked, 0.0, array)
        if not np.isfinite(finite).all():
            raise self.fail(f"{what} holds NaN or infinity", "retrain or re-export the model")
        return np.where(np.atleast_1d(masked), np.asarray([MINUS_INFINITY], dtype=object), rationals(finite))

    def integer(self, index: int, what: str) -> int:
        """A constant input that is one whole number."""
        array = self.array(index, what)
        if array.size != 1 or not np.isfinite(array).all() or array.reshape(-1)[0] != np.trunc(array.reshape(-1)[0]):
            raise self.fail(f"{what} is {array.reshape(-1)[:3].tolist()}", f"{what} has to be one integer")
        return int(array.reshape(-1)[0])

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, of the default's type where a default is given; text as `str`."""
        value = self.attributes.get(name, default)
        value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for kind, accepted in ((str, str), (int, int), (float, (int, float))):
            if isinstance(default, kind) and not isinstance(value, accepted):
                raise self.broken(f"attribute '{name}' is {printable(value)}")
        if isinstance(default, float) and not np.isfinite(value):
            raise self.fail(f"attribute '{name}' is {value}", "re-export the model")
        return value

    def axes(self, index: int, rank: int) -> list[int] | None:
        """Axes given as an attribute (older opsets) or as an input, counted from the front, each once."""
        raw = self.array(index, "axes").reshape(-1).tolist() if self.given(index) else self.attribute("axes")
        return None if raw is None else list(dict.fromkeys(self.axis(int(a), rank) for a in raw))

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= axis < rank:
            raise self.broken(f"axis {axis} of a tensor with {rank} axes")
        return axis % rank

    def bound(self, *shapes: Shape) -> None:
        """Refuse constants of absurd shape, and those that broadcast to one, before memory is taken."""
        extents = [max(column) for column in zip_longest(*(reversed(s) for s in shapes), fillvalue=1)]
        if prod(extents) > MAX_ELEMENTS or len(extents) > MAX_AXES or any(d < 0 for s in shapes for d in s):
            raise self.broken(
                f"a constant of the absurd shape {extents[::-1]}",
                f"hwq takes up to {MAX_ELEMENTS} elements and {MAX_AXES} axes",
            )

    def emit(self, op: RealOp, inputs: Sequence[Signal], *shapes: Shape) -> list[Signal]:
        """Add a real op; one output signal per shape."""
        for shape in shapes:
            if 0 in shape:
                raise self.empty(f"an output of shape {list(shape)}")
            if not 0 < prod(shape) <= MAX_ELEMENTS or len(shape) > MAX_AXES:
                raise ModelError(
                    f"a tensor of the absurd shape {list(shape)}",
                    node=self.name,
                    op=self.kind,
                    remedy=f"hwq takes 1 to {MAX_ELEMENTS} elements and up to {MAX_AXES} axes",
                )
        outs = [Signal(self.fresh(self.name or self.kind), shape) for shape in shapes]
        self.shapes.update((s.edge, s.shape) for s in outs)
        self.nodes.append(
            RealNode(self.name, self.kind, op, tuple(s.edge for s in inputs), tuple(s.edge for s in outs))
        )
        return outs
