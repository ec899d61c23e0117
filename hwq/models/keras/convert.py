"""The conversion: a file's layers in order, each by its rule, into one ONNX model that the checker accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeGuard

import onnx

from hwq.errors import HwqError, InternalError, ModelError, UnsupportedError, printable
from hwq.models.builder import Builder, Tensor
from hwq.models.keras import (
    activations,
    attention,
    conv,
    dense,
    einsum,
    merges,
    moves,
    normalization,
    ops,
    pooling,
    preparation,
    transposed,
    wrappers,
)
from hwq.models.keras.archive import Archive, read_archive
from hwq.models.keras.arguments import Ref, flat, with_values
from hwq.models.keras.layer import MAX_EXTENT, Layer, Rule
from hwq.models.keras.policy import INPUT_DTYPES, check_policy
from hwq.models.keras.topology import MODELS, LayerCall, LayerSpec, Topology, ending_at, read_topology

SUFFIXES = (".keras", ".h5", ".hdf5", ".json")
MAX_ELEMENTS = 1 << 24  # of an input
SAVE = "save the model again"
TAKE_INTEGERS = frozenset({"Embedding", "Rescaling", "Normalization", *MODELS})  # these turn integers into float32
READ_CALLS = frozenset({"MultiHeadAttention"})  # whose rules read the call's arguments themselves

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dense.RULES,
        **conv.RULES,
        **normalization.RULES,
        **activations.RULES,
        **pooling.RULES,
        **moves.RULES,
        **merges.RULES,
        **einsum.RULES,
        **attention.RULES,
        **preparation.RULES,
        **transposed.RULES,
        **wrappers.RULES,
        **ops.RULES,
    }
)
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "Lambda": "hwq runs no code of a model file: use layers of Keras or QKeras",
    }
)


def is_keras_file(source: object) -> TypeGuard[str | Path]:
    """Whether a model's path says that Keras wrote it."""
    return isinstance(source, str | Path) and Path(source).suffix.lower() in SUFFIXES


def convert(source: str | Path, weights: str | Path | None = None, *, ends: Sequence[str] = ()) -> onnx.ModelProto:
    """The ONNX model of a .keras, .h5 or .json file: inputs and outputs in Keras' order, the batch axis symbolic.

    `weights`: an HDF5 file that takes the place of the file's own (a .json needs one; its sibling is found).
    `ends`: layers at whose outputs the model ends, instead of its own.
    Raises `HwqError` in one line that names the layer.
    """
    archive = read_archive(source, weights)
    whole = topology = read_topology(archive.config)
    if ends:
        topology = ending_at(topology, tuple(dict.fromkeys(ends)))
    model = _Conversion(archive, topology).run()
    called = {call.ref.layer for call in topology.calls}
    left = archive.weights.left([spec.place for name, spec in whole.layers.items() if name not in called])
    if left is not None:
        raise ModelError(f"the weight '{printable(left)}' belongs to no layer", remedy="give the weights of this model")
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise InternalError(f"the converted model is not valid ONNX ({printable(error, 200)})") from error
    return model


class _Conversion:
    """One model on its way; a model within it is another, into the same graph."""

    def __init__(self, archive: Archive, topology: Topology, b: Builder | None = None, prefix: str = "") -> None:
        self.archive = archive
        self.topology = topology
        self.keras2 = _is_keras2(archive)
        self.b = b or Builder()
        self.prefix = prefix
        self.values: dict[Ref, Tensor] = {}

    def run(self) -> onnx.ModelProto:
        inputs = [self._input(ref) for ref in self.topology.inputs]
        self._calls()
        return self.b.model(self.topology.name, inputs, self._outputs(inputs))

    def within(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The results for inputs of the model around."""
        if len(inputs) != len(self.topology.inputs):
            raise ModelError(f"a model of {len(self.topology.inputs)} inputs is given {len(inputs)}", remedy=SAVE)
        for ref, value in zip(self.topology.inputs, inputs, strict=True):
            spec = self.topology.layers[ref.layer]
            _check_input(spec)
            if list(_input_shape(spec)[1:]) != list(value.shape):
                raise UnsupportedError("an inner model of another input shape", node=spec.name, remedy="use one shape")
            self.values[ref] = value
        self._calls()
        return tuple(self.values[ref] for ref in self.topology.outputs)

    def _calls(self) -> None:
        for call in self.topology.calls:
            if call.ref in self.values:
                continue
            made = self._call(call)
            for i, value in enumerate(made if isinstance(made, tuple) else (made,)):
                self.values[replace(call.ref, output=i)] = value

    def _input(self, ref: Ref) -> Tensor:
        spec = self.topology.layers[ref.layer]
        _check_input(spec)
        shape = _input_shape(spec)
        total = 1
        for extent in shape[1:]:
            if type(extent) is not int or not 1 <= extent <= MAX_EXTENT:
                found = f"an input of shape {printable(list(shape))}"
                raise UnsupportedError(found, node=spec.name, op=spec.kind, remedy="only the batch axis may be open")
            total *= extent
        if total > MAX_ELEMENTS or len(shape) > 8:
            found = f"an input of the absurd shape {printable(list(shape))}"
            raise ModelError(found, node=spec.name, op=spec.kind, remedy=f"hwq takes up to {MAX_ELEMENTS} elements")
        dtype = str(spec.config.get("dtype") or "float32")
        t = Tensor(self.b.fresh(ref.layer), tuple(shape[1:]), integer=dtype if "int" in dtype else "")
        self.values[ref] = t
        return t

    def _call(self, call: LayerCall) -> Tensor | tuple[Tensor, ...]:
        spec = self.topology.layers[call.ref.layer]
        for ref in call.inputs:
            if ref not in self.values:
                raise ModelError(f"no output {ref.output} of '{printable(ref.layer)}'", node=spec.name, remedy=SAVE)
        label = spec.name if call.ref.index == 0 else f"{spec.name}_{call.ref.index}"
        args, kwargs = with_values(call.args, self.values), with_values(call.kwargs, self.values)
        return self._apply(spec, label, [self.values[r] for r in call.inputs], tuple(args), kwargs)

    def _apply(
        self,
        spec: LayerSpec,
        label: str,
        inputs: Sequence[Tensor],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] = MappingProxyType({}),
    ) -> Tensor | tuple[Tensor, ...]:
        """The results of one call of a layer, of a layer within a layer, or of a model within the model."""
        label = f"{self.prefix}{label}"
        layer = Layer(spec, label, self.archive.weights, self.b, self.keras2, args, kwargs, partial(_one, self._apply))
        if spec.kind in MODELS:
            inner = read_topology({"class_name": spec.kind, "config": dict(spec.config)}, spec.place)
            return _Conversion(self.archive, inner, self.b, f"{label}_").within(inputs)
        rule = RULES.get(spec.kind)
        if rule is None:
            raise layer.fail("hwq does not convert this layer", REFUSED.get(spec.kind, "replace it, or end before it"))
        check_policy(spec.config.get("dtype"), spec.name, spec.kind)
        _check_call(layer, inputs)
        since = len(self.b.nodes)
        try:
            made = rule(layer, tuple(inputs))
        except HwqError as error:
            if error.node is None:
                raise type(error)(error.found, node=spec.name, op=spec.kind, remedy=error.remedy) from None
            raise
        _check_read(layer)
        for y in made if isinstance(made, tuple) else (made,):
            _check_size(layer, y)
        return made if isinstance(made, tuple) else self.b.rename(made, since, label)

    def _outputs(self, inputs: list[Tensor]) -> list[Tensor]:
        """The outputs in Keras' order, each under a name of its own: that of its layer where it is free."""
        taken = {t.name for t in inputs}
        outputs = []
        for ref in self.topology.outputs:
            if ref not in self.values:
                raise ModelError(f"no output {ref.output} of '{printable(ref.layer)}'", remedy=SAVE)
            t = self.b.last(self.values[ref])
            if t.name in taken:
                t = Tensor(self.b.node("Identity", [t.name], ref.layer), t.shape)
            taken.add(t.name)
            outputs.append(t)
        return outputs


def _one(apply: Callable[..., Tensor | tuple[Tensor, ...]], *args: object) -> Tensor:
    """The result of a layer within a layer, which has one."""
    made = apply(*args)
    if isinstance(made, tuple):
        if len(made) != 1:
            raise UnsupportedError(f"an inner model of {len(made)} outputs", remedy="use one with a single output")
        return made[0]
    return made


def _input_shape(spec: LayerSpec) -> Sequence[Any]:
    found = [spec.config.get(key) for key in ("batch_shape", "batch_input_shape", "shape")]
    shape = next((s for s in found if s is not None), None)
    if spec.kind != "InputLayer" or not isinstance(shape, list | tuple) or len(shape) < 2:
        raise ModelError("an input without a shape", node=spec.name, op=spec.kind, remedy="build the model first")
    return shape


def _check_input(spec: LayerSpec) -> None:
    """Refuse inputs that are no dense tensors of float32 or integers."""
    policy = spec.config.get("dtype")
    if policy is not None and policy not in INPUT_DTYPES:
        check_policy(policy if isinstance(policy, str | dict) else "of no known form", spec.name, spec.kind)
    for key in ("sparse", "ragged", "optional"):
        if spec.config.get(key):
            raise UnsupportedError(f"an input that is {key}", node=spec.name, op=spec.kind, remedy="use a dense one")
    _check_read_keys(spec)


def _check_call(layer: Layer, inputs: Sequence[Tensor]) -> None:
    """Refuse call arguments that the layer's rule does not read, and integers where Keras computes with them."""
    kind = layer.spec.kind
    integer = next((t.integer for t in inputs if t.integer), "")
    if integer and kind not in TAKE_INTEGERS:
        raise layer.fail(f"a tensor of type {integer}", "declare the input as float32")
    if layer.spec.is_op or kind in READ_CALLS:
        return
    if layer.kwargs and not all(isinstance(v, Tensor) for v in layer.kwargs.values()):
        raise layer.fail(f"the call argument '{printable(next(iter(layer.kwargs)))}'", "call the layer without it")
    if layer.kwargs and len(inputs) > 1:
        raise layer.fail("tensors as keyword arguments", "pass them first")
    if any(a is not None and not isinstance(a, Tensor) for a in flat(layer.args)):
        raise layer.fail("a constant as an argument", "use the operation of keras.ops with it")


def _check_read(layer: Layer) -> None:
    _check_read_keys(layer.spec)


def _check_read_keys(spec: LayerSpec) -> None:
    """Refuse a configuration that holds a key nobody has read and that may change values."""
    unread = spec.config.unread()
    if unread:
        value = spec.config[unread[0]]
        found = f"{printable(unread[0])}={printable(value)}, which hwq does not know"
        raise UnsupportedError(found, node=spec.name, op=spec.kind, remedy="build the layer without it")


def _check_size(layer: Layer, t: Tensor) -> None:
    total = 1
    for extent in t.shape:
        total *= extent
    if total > MAX_ELEMENTS:
        raise layer.broken(f"a result of the absurd shape {list(t.shape)}")


def _is_keras2(archive: Archive) -> bool:
    """Whether Keras before version 3 wrote the file: some of its functions meant something else."""
    if archive.keras_version:
        return archive.keras_version.partition(".")[0] in ("1", "2")
    inner = archive.config.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else inner
    return not (isinstance(layers, list) and layers and isinstance(layers[0], dict) and "module" in layers[0])


__all__ = ["SUFFIXES", "LayerSpec", "convert", "is_keras_file"]
