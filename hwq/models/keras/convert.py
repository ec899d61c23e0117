"""The conversion: a file's layers in order, each by its rule, into one ONNX model that the checker accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeGuard

import onnx

from hwq.errors import HwqError, InternalError, ModelError, UnsupportedError, printable
from hwq.models.builder import Builder, Tensor
from hwq.models.keras import activations, conv, dense, merges, moves, normalization, pooling
from hwq.models.keras.archive import Archive, read_archive
from hwq.models.keras.layer import MAX_EXTENT, Layer, Rule
from hwq.models.keras.topology import LayerSpec, Ref, Topology, ending_at, read_topology

SUFFIXES = (".keras", ".h5", ".hdf5", ".json")
MAX_ELEMENTS = 1 << 24  # of an input

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dense.RULES,
        **conv.RULES,
        **normalization.RULES,
        **activations.RULES,
        **pooling.RULES,
        **moves.RULES,
        **merges.RULES,
    }
)
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "Lambda": "hwq runs no code of a model file: use layers of Keras or QKeras",
        "Functional": "put the inner model's layers into the outer one",
        "Sequential": "put the inner model's layers into the outer one",
        "Model": "put the inner model's layers into the outer one",
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
    topology = read_topology(archive.config)
    if ends:
        topology = ending_at(topology, tuple(dict.fromkeys(ends)))
    model = _Conversion(archive, topology).run()
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise InternalError(f"the converted model is not valid ONNX ({printable(error, 200)})") from error
    return model


class _Conversion:
    """One model on its way."""

    def __init__(self, archive: Archive, topology: Topology) -> None:
        self.archive = archive
        self.topology = topology
        self.keras2 = _is_keras2(archive)
        self.b = Builder()
        self.values: dict[Ref, Tensor] = {}

    def run(self) -> onnx.ModelProto:
        inputs = [self._input(ref) for ref in self.topology.inputs]
        for call in self.topology.calls:
            if call.ref not in self.values:
                self.values[call.ref] = self._call(call.ref, [self.values[r] for r in call.inputs])
        return self.b.model(self.topology.name, inputs, self._outputs(inputs))

    def _input(self, ref: Ref) -> Tensor:
        spec = self.topology.layers[ref.layer]
        shape = spec.config.get("batch_shape", spec.config.get("batch_input_shape", spec.config.get("shape")))
        if spec.kind != "InputLayer" or not isinstance(shape, list | tuple) or len(shape) < 2:
            raise ModelError("an input without a shape", node=spec.name, op=spec.kind, remedy="build the model first")
        total = 1
        for extent in shape[1:]:
            if type(extent) is not int or not 1 <= extent <= MAX_EXTENT:
                found = f"an input of shape {printable(list(shape))}"
                raise UnsupportedError(found, node=spec.name, op=spec.kind, remedy="only the batch axis may be open")
            total *= extent
        if total > MAX_ELEMENTS or len(shape) > 8:
            found = f"an input of the absurd shape {printable(list(shape))}"
            raise ModelError(found, node=spec.name, op=spec.kind, remedy=f"hwq takes up to {MAX_ELEMENTS} elements")
        t = Tensor(self.b.fresh(ref.layer), tuple(shape[1:]))
        self.values[ref] = t
        return t

    def _call(self, ref: Ref, inputs: list[Tensor]) -> Tensor:
        spec = self.topology.layers[ref.layer]
        label = spec.name if ref.index == 0 else f"{spec.name}_{ref.index}"
        layer = Layer(spec, label, self.archive.weights, self.b, self.keras2)
        rule = RULES.get(spec.kind)
        if rule is None:
            raise layer.fail("hwq does not convert this layer", REFUSED.get(spec.kind, "replace it, or end before it"))
        _check_dtype(layer)
        since = len(self.b.nodes)
        try:
            y = rule(layer, tuple(inputs))
        except HwqError as error:
            if error.node is None:
                raise type(error)(error.found, node=spec.name, op=spec.kind, remedy=error.remedy) from None
            raise
        _check_size(layer, y)
        return self.b.rename(y, since, label)

    def _outputs(self, inputs: list[Tensor]) -> list[Tensor]:
        """The outputs in Keras' order, each under a name of its own: that of its layer where it is free."""
        taken = {t.name for t in inputs}
        outputs = []
        for ref in self.topology.outputs:
            t = self.b.last(self.values[ref])
            if t.name in taken:
                t = Tensor(self.b.node("Identity", [t.name], ref.layer), t.shape)
            taken.add(t.name)
            outputs.append(t)
        return outputs


def _check_dtype(layer: Layer) -> None:
    """Refuse layers that compute in anything but float32."""
    policy = layer.config.get("dtype")
    while isinstance(policy, dict):
        inner = policy.get("config")
        policy = inner.get("name") if isinstance(inner, dict) else None
    if policy not in (None, "float32"):
        raise layer.fail(f"dtype '{printable(policy)}'", "save the model in float32")


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
