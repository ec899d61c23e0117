"""What a rule sees of one layer: its configuration, checked as it is read, its weights, and the graph to add to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.errors import HwqError, ModelError, SpecError, UnsupportedError, printable
from hwq.models.builder import Builder, Floats, Tensor
from hwq.models.keras.audit import Config
from hwq.models.keras.topology import LayerSpec
from hwq.models.keras.weights import Weights
from hwq.models.quantizer_nodes import Move, as_it_is, constant_node
from hwq.quantizers import Quantizer, quantizer

MAX_EXTENT = 1 << 24
SETS_ALPHA = frozenset(
    {
        "quantized_bits",
        "quantized_linear",
        "quantized_hswish",
        "binary",
        "ternary",
        "stochastic_binary",
        "stochastic_ternary",
        "bernoulli",
    }
)  # whose alpha None becomes auto_po2 in a kernel


Apply = Callable[[LayerSpec, str, Sequence[Tensor]], Tensor]


@dataclass(frozen=True, eq=False)
class Layer:
    """One call of a layer during conversion; `label` is the name of its result."""

    spec: LayerSpec
    label: str
    weights: Weights
    b: Builder
    keras2: bool
    args: tuple[Any, ...] = ()  # of the call, a Tensor where a tensor is passed
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    apply: Apply | None = None  # a layer within this one, by its own rule

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def config(self) -> Config:
        return self.spec.config

    # -- errors -----------------------------------------------------------------------------------------------------

    def fail(self, found: str, remedy: str) -> HwqError:
        """The error for what hwq does not convert."""
        return UnsupportedError(found, node=self.name, op=self.spec.kind, remedy=remedy)

    def broken(self, found: str) -> HwqError:
        """The error for a configuration that no Keras wrote."""
        return ModelError(found, node=self.name, op=self.spec.kind, remedy="save the model again")

    # -- configuration ----------------------------------------------------------------------------------------------

    def flag(self, key: str, default: bool) -> bool:
        """A truth value of the configuration."""
        value = self.config.get(key, default)
        if not isinstance(value, bool | int):
            raise self.broken(f"{key} is {printable(value)}")
        return bool(value)

    def integer(self, key: str, default: int | None = None) -> int:
        """A positive integer of the configuration."""
        value = self.config.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_EXTENT:
            raise self.broken(f"{key} is {printable(value)}")
        return value

    def number(self, key: str, default: float) -> float:
        """A finite number of the configuration; Keras serializes arrays as {"config": {"value": ...}}."""
        value = self.config.get(key, default)
        while isinstance(value, dict) and isinstance(value.get("config"), dict):
            value = value["config"].get("value")
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise self.broken(f"{key} is {printable(value)}")
        return float(value)

    def text(self, key: str, default: str) -> str:
        """A text of the configuration."""
        value = self.config.get(key, default)
        if not isinstance(value, str):
            raise self.broken(f"{key} is {printable(value)}")
        return value

    def numbers(self, key: str, rank: int, default: Any = None) -> tuple[int, ...]:
        """`rank` positive integers, or one for all axes."""
        value = self.config.get(key)
        value = default if value is None else value
        values = [value] * rank if isinstance(value, int) else value
        if not isinstance(values, list | tuple) or len(values) != rank:
            raise self.broken(f"{key} is {printable(value)}")
        if any(type(v) is not int or not 1 <= v <= MAX_EXTENT for v in values):
            raise self.broken(f"{key} is {printable(value)}")
        return tuple(values)

    def channels_last(self) -> None:
        """Refuse data_format channels_first, which Keras itself runs on few devices."""
        if self.config.get("data_format") not in (None, "channels_last"):
            raise self.fail("data_format channels_first", "build the model with channels_last")

    def inert(self, *keys: str) -> None:
        """Count keys as read that say nothing in this layer: the docstring of the caller says why."""
        for key in keys:
            self.config.get(key)

    # -- quantizers and weights -------------------------------------------------------------------------------------

    def quantizer(self, key: str, default: Any = None) -> Quantizer | None:
        """The quantizer of the configuration: text, dictionary or None; as it is, for biases and activations."""
        spec = self.config.get(key, default)
        return None if spec is None else self.parsed(spec, key)

    def parsed(self, spec: Any, what: str) -> Quantizer:
        """The quantizer that a spec names."""
        try:
            return quantizer(spec)
        except HwqError as error:
            found = f"{what}: {error.found}"
            raise SpecError(found, node=self.name, op=self.spec.kind, remedy=error.remedy) from None

    def kernel_quantizer(self, key: str, default: Any = None) -> Quantizer | None:
        """The same for a kernel: there QKeras turns alpha None into auto_po2 per output channel, and symmetric."""
        q = self.quantizer(key, default)
        if q is None or q.NAME not in SETS_ALPHA or getattr(q, "alpha", None) is not None:
            return q
        config = {**q.config, "alpha": "auto_po2"}
        if "symmetric" in config:
            config["symmetric"] = True
        return self.parsed({"class_name": q.NAME, "config": config}, key)

    def read(self, names: Sequence[str], inner: str = "") -> dict[str, Floats]:
        """Weights by name, in the order in which the layer (or its inner layer) made them."""
        return dict(zip(names, self.weights.read(self.spec.place, names, inner), strict=True))

    def expect(self, name: str, values: Floats, shape: tuple[int, ...]) -> Floats:
        """The weight itself, if it has the shape that the configuration says."""
        if values.shape != shape:
            raise self.broken(f"{name} of shape {list(values.shape)} where {list(shape)} belongs")
        return values

    def constant(self, what: str, q: Quantizer | None, values: Floats, move: Move = as_it_is) -> str:
        """The name of a quantized weight."""
        return constant_node(self.b, f"{self.name}_{what}", q, values, move)

    # -- nodes ------------------------------------------------------------------------------------------------------

    def node(
        self, op: str, inputs: Sequence[Tensor | str], like: Tensor, suffix: str = "", **attributes: Any
    ) -> Tensor:
        """Add a node; its result has the shape and layout of `like`."""
        names = [i.name if isinstance(i, Tensor) else i for i in inputs]
        wish = f"{self.label}_{suffix}" if suffix else self.label
        return Tensor(self.b.node(op, names, wish, **attributes), like.shape, like.first)

    def value(self, what: str, values: Any, dtype: Any = np.float32) -> str:
        """A small constant."""
        return self.b.shared(f"{self.name}_{what}", values, dtype)


Rule = Callable[[Layer, tuple[Tensor, ...]], Tensor | tuple[Tensor, ...]]
Unary = Callable[[Layer, Tensor], Tensor]


def unary(rule: Unary) -> Rule:
    """A rule for layers with one input."""

    def checked(layer: Layer, inputs: tuple[Tensor, ...]) -> Tensor:
        if len(inputs) != 1:
            raise layer.broken(f"{len(inputs)} inputs where one belongs")
        return rule(layer, inputs[0])

    return checked


def table(rules: Mapping[str, Unary]) -> Mapping[str, Rule]:
    """A read-only table of rules for layers with one input."""
    return MappingProxyType({kind: unary(rule) for kind, rule in rules.items()})
