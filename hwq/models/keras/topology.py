"""The graph of a Keras configuration: layers, their calls in order, inputs and outputs; Sequential and Functional."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hwq.errors import ModelError, UnsupportedError, printable
from hwq.models.keras.weights import Place

MAX_LAYERS = 1 << 14
FUNCTIONAL = ("Functional", "Model")
TRUSTED = ("qkeras", "keras", "Custom", "builtins", "")


@dataclass(frozen=True)
class LayerSpec:
    """One layer of the file: its name, class, configuration and where its weights are."""

    name: str
    kind: str
    config: Mapping[str, Any]
    place: Place


@dataclass(frozen=True)
class Ref:
    """The output of a layer's call number `index`."""

    layer: str
    index: int


@dataclass(frozen=True)
class LayerCall:
    """A use of a layer; a shared layer has several."""

    ref: Ref
    inputs: tuple[Ref, ...]


@dataclass(frozen=True)
class Topology:
    """Layers by name; calls, each after those it reads; the model's inputs and outputs."""

    name: str
    layers: Mapping[str, LayerSpec]
    calls: tuple[LayerCall, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]


def read_topology(config: Mapping[str, Any]) -> Topology:
    """The graph of a model's configuration. Raises `HwqError` where it is damaged or not Sequential or Functional."""
    kind, inner = config.get("class_name"), config.get("config")
    if kind == "Sequential":
        if isinstance(inner, list):  # Keras 1 and early Keras 2
            inner = {"name": "sequential", "layers": inner}
        return _sequential(_mapping(inner, "the model"))
    if kind in FUNCTIONAL:
        return _functional(_mapping(inner, "the model"))
    raise UnsupportedError(
        f"a model of class '{printable(kind)}'", remedy="hwq converts Sequential and Functional models"
    )


def snake_case(name: str) -> str:
    """A class name as Keras writes it into a weights file: QConv2DBatchnorm is q_conv2d_batchnorm."""
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", re.sub(r"\W+", "", name)).lower()


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{printable(what)} has no configuration", remedy="save the model again")
    return value


def _layers(config: Mapping[str, Any], input_counts: bool) -> Iterator[LayerSpec]:
    """The layers in order; Keras does not count a Sequential model's input layer."""
    listed = config.get("layers")
    if not isinstance(listed, list) or not listed or len(listed) > MAX_LAYERS:
        raise ModelError("the configuration lists no layers", remedy="save the model again")
    counts: dict[str, int] = {}
    for entry in listed:
        entry = _mapping(entry, "a layer")
        inner = _mapping(entry.get("config"), "a layer")
        kind = entry.get("class_name")
        name = inner.get("name", entry.get("name"))
        if not isinstance(kind, str) or not isinstance(name, str) or not name:
            raise ModelError("a layer without a name or class", remedy="save the model again")
        kind = kind.removeprefix("qkeras>")  # legacy files write registered names
        _check_origin(entry, name, kind)
        group = snake_case(kind)
        if kind == "InputLayer" and not input_counts:
            yield LayerSpec(name, kind, inner, Place(name, ""))
            continue
        number = counts.get(group, 0)
        counts[group] = number + 1
        yield LayerSpec(name, kind, inner, Place(name, f"{group}_{number}" if number else group))


def _check_origin(entry: Mapping[str, Any], name: str, kind: str) -> None:
    """Refuse classes that only share a name with Keras' or QKeras': they are somebody's code."""
    registered, module = entry.get("registered_name"), entry.get("module")
    package = registered.rpartition(">")[0] if isinstance(registered, str) else ""
    origin = module.partition(".")[0] if isinstance(module, str) else ""
    if package not in TRUSTED or origin not in (*TRUSTED, "tensorflow", "tf_keras"):
        where = printable(registered if package not in TRUSTED else module)
        raise UnsupportedError(f"custom code ('{where}')", node=name, op=kind, remedy="use layers of Keras or QKeras")


def _unique(layers: Iterator[LayerSpec]) -> dict[str, LayerSpec]:
    found: dict[str, LayerSpec] = {}
    for layer in layers:
        if layer.name in found:
            raise ModelError(f"two layers are called '{printable(layer.name)}'", remedy="save the model again")
        found[layer.name] = layer
    return found


def _sequential(config: Mapping[str, Any]) -> Topology:
    layers = _unique(_layers(config, input_counts=False))
    order = list(layers)
    first = layers[order[0]]
    if first.kind != "InputLayer":
        shape = first.config.get("batch_input_shape", first.config.get("batch_shape", config.get("build_input_shape")))
        name = f"{first.name}_input"
        while name in layers:
            name += "_"
        layers = {name: LayerSpec(name, "InputLayer", {"batch_input_shape": shape}, Place(name, "")), **layers}
        order = list(layers)
    refs = [Ref(name, 0) for name in order]
    calls = [LayerCall(ref, (refs[i - 1],) if i else ()) for i, ref in enumerate(refs)]
    return Topology(_model_name(config), layers, tuple(calls), (refs[0],), (refs[-1],))


def _model_name(config: Mapping[str, Any]) -> str:
    name = config.get("name")
    return name if isinstance(name, str) and name else "model"


def _functional(config: Mapping[str, Any]) -> Topology:
    layers = _unique(_layers(config, input_counts=True))
    calls: dict[Ref, LayerCall] = {}
    for entry in config["layers"]:
        name = entry["config"].get("name", entry.get("name"))
        nodes = entry.get("inbound_nodes", [])
        if not isinstance(nodes, list):
            raise ModelError("inbound_nodes is no list", node=name, remedy="save the model again")
        if layers[name].kind == "InputLayer":
            calls[Ref(name, 0)] = LayerCall(Ref(name, 0), ())
            continue
        for index, node in enumerate(nodes):
            calls[Ref(name, index)] = LayerCall(Ref(name, index), tuple(_inputs_of(node, layers[name])))
    inputs = tuple(_ends(config.get("input_layers"), "input_layers"))
    outputs = tuple(_ends(config.get("output_layers"), "output_layers"))
    for ref in (*inputs, *outputs):
        if ref not in calls:
            raise ModelError(f"no layer makes '{printable(ref.layer)}'", remedy="save the model again")
    return Topology(_model_name(config), layers, tuple(_ordered(calls, outputs)), inputs, outputs)


def _inputs_of(node: Any, layer: LayerSpec) -> Iterator[Ref]:
    """The tensors that a call reads: `[[layer, node, tensor, kwargs], ...]` (legacy) or `{"args", "kwargs"}`."""
    if isinstance(node, dict):
        if any(True for _ in _tensors(node.get("kwargs", {}))):
            raise UnsupportedError(
                "tensors as keyword arguments", node=layer.name, op=layer.kind, remedy="pass them first"
            )
        yield from _tensors(node.get("args", []))
        return
    if isinstance(node, list) and len(node) >= 3 and isinstance(node[0], str):
        node = [node]
    if not isinstance(node, list):
        raise ModelError("an inbound node that is no list", node=layer.name, op=layer.kind, remedy="save it again")
    for item in node:
        ref = _ref(item)
        if len(item) > 3 and isinstance(item[3], dict) and set(item[3]) - {"training", "mask", "name"}:
            raise UnsupportedError("call arguments", node=layer.name, op=layer.kind, remedy="use layers without them")
        yield ref


def _tensors(value: Any) -> Iterator[Ref]:
    """The Keras tensors in a nest of lists and dictionaries, left to right."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
            yield _ref(_mapping(item.get("config"), "a tensor").get("keras_history"))
        elif isinstance(item, dict):
            pending.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            pending.extend(reversed(item))


def _ref(item: Any) -> Ref:
    if not isinstance(item, list) or len(item) < 3 or not isinstance(item[0], str) or type(item[1]) is not int:
        raise ModelError("a tensor without layer, node and index", remedy="save the model again")
    if item[2] != 0:
        raise UnsupportedError("a second output of a layer", node=item[0], remedy="use layers with one output")
    return Ref(item[0], item[1])


def _ends(value: Any, what: str) -> Iterator[Ref]:
    """`["layer", 0, 0]`, or a nest of such, in order."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        yield _ref(value)
    elif isinstance(value, list | dict) and value:
        for item in value if isinstance(value, list) else value.values():
            if not isinstance(item, list):
                raise ModelError(f"{what} is damaged", remedy="save the model again")
            yield _ref(item)
    else:
        raise ModelError(f"the configuration has no {what}", remedy="save the model again")


def _ordered(calls: Mapping[Ref, LayerCall], outputs: tuple[Ref, ...]) -> Iterator[LayerCall]:
    """The calls that the outputs need, each after its inputs; a circle is refused."""
    done: set[Ref] = set()
    open_: set[Ref] = set()
    stack = list(reversed(outputs))
    while stack:
        ref = stack[-1]
        call = calls.get(ref)
        if call is None:
            raise ModelError(f"no layer makes '{printable(ref.layer)}'", remedy="save the model again")
        waiting = [r for r in call.inputs if r not in done]
        if ref in done or not waiting:
            stack.pop()
            open_.discard(ref)
            if ref not in done:
                done.add(ref)
                yield call
            continue
        open_.add(ref)
        if any(r in open_ for r in waiting):
            raise ModelError("the layers read each other in a circle", node=ref.layer, remedy="save the model again")
        stack.extend(reversed(waiting))


def ending_at(topology: Topology, names: tuple[str, ...]) -> Topology:
    """The part of a model that computes the named layers' outputs (of their first call), which become its outputs."""
    calls = {call.ref: call for call in topology.calls}
    for name in names:
        if Ref(name, 0) not in calls:
            listed = ", ".join(call.ref.layer for call in topology.calls)
            raise UnsupportedError(f"no layer '{printable(name)}' to end at", remedy=f"its layers: {listed}")
    outputs = tuple(Ref(name, 0) for name in names)
    kept = tuple(_ordered(calls, outputs))
    inputs = tuple(r for r in topology.inputs if any(call.ref == r for call in kept))
    return Topology(topology.name, topology.layers, kept, inputs, outputs)
