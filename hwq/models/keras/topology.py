"""The graph of a Keras configuration: layers, their calls in order, inputs and outputs; Sequential and Functional."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hwq.errors import ModelError, UnsupportedError, printable
from hwq.models.keras.arguments import Ref, decoded, tensor_ref, tensors_of
from hwq.models.keras.audit import Config
from hwq.models.keras.policy import check_policy
from hwq.models.keras.weights import Place

MAX_LAYERS = 1 << 14
OPS = "ops."
FUNCTIONAL = ("Functional", "Model")
MODELS = (*FUNCTIONAL, "Sequential")
TRUSTED = ("qkeras", "keras", "Custom", "builtins", "")
MODEL_KEYS = frozenset({"name", "trainable", "dtype", "layers", "input_layers", "output_layers", "build_input_shape"})
ENTRY_KEYS = frozenset(
    {"module", "class_name", "config", "registered_name", "build_config", "compile_config", "name", "inbound_nodes"}
    | {"shared_object_id", "backend", "keras_version"}
)
NO_EFFECT = frozenset({"mask", "training", "name"})  # call arguments, where they are None or False


@dataclass(frozen=True)
class LayerSpec:
    """One layer of the file: its name, class, configuration and where its weights are."""

    name: str
    kind: str
    config: Config
    place: Place

    @property
    def is_op(self) -> bool:
        """Whether it is an operation of keras.ops, not a layer."""
        return self.kind.startswith(OPS)


@dataclass(frozen=True)
class LayerCall:
    """A use of a layer; a shared layer has several. `args` and `kwargs` hold a `Ref` where a tensor is passed."""

    ref: Ref
    inputs: tuple[Ref, ...]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Topology:
    """Layers by name; calls, each after those it reads; the model's inputs and outputs."""

    name: str
    layers: Mapping[str, LayerSpec]
    calls: tuple[LayerCall, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]


def read_topology(config: Mapping[str, Any], place: Place | None = None) -> Topology:
    """The graph of a model's configuration; `place` is that of a model within another.

    Raises `HwqError` where it is damaged or not Sequential or Functional.
    """
    kind, inner = config.get("class_name"), config.get("config")
    if kind == "Sequential" and isinstance(inner, list):  # Keras 1 and early Keras 2
        inner = {"name": "sequential", "layers": inner}
    if kind in MODELS:
        checked = _mapping(inner, "the model")
        name = _model_name(checked)
        _refuse_unknown(checked, MODEL_KEYS, name, str(kind))
        check_policy(checked.get("dtype"), name, str(kind))
        return _sequential(checked, place) if kind == "Sequential" else _functional(checked, place)
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


def _refuse_unknown(entry: Mapping[str, Any], known: frozenset[str], name: str, kind: str) -> None:
    """Refuse what an entry says under a key that nothing here reads."""
    for key, value in entry.items():
        if key not in known and value is not None and value is not False:
            raise UnsupportedError(
                f"the key '{printable(key)}' in its description", node=name, op=kind, remedy="hwq does not know it"
            )


def inner_spec(entry: Any, outer: LayerSpec, attribute: str) -> LayerSpec:
    """The description of a layer that another one holds; its weights lie below the outer layer's."""
    entry = _mapping(entry, "a layer")
    config, kind = _mapping(entry.get("config"), "a layer"), entry.get("class_name")
    name = config.get("name", outer.name)
    if not isinstance(kind, str) or not isinstance(name, str):
        raise ModelError("an inner layer without a class", node=outer.name, op=outer.kind, remedy="save it again")
    _check_origin(entry, name, kind)
    _refuse_unknown(entry, ENTRY_KEYS, name, kind)
    place = Place(name, f"{outer.place.group}/{attribute}", outer.place.outer or outer.place.name)
    return LayerSpec(outer.name, kind, Config(config), place)


def _layers(config: Mapping[str, Any], input_counts: bool, within: Place | None) -> Iterator[LayerSpec]:
    """The layers in order; Keras does not count a Sequential model's input layer, nor operations."""
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
        _refuse_unknown(entry, ENTRY_KEYS, name, kind)
        group = snake_case(kind)
        if _is_operation(entry) or (kind == "InputLayer" and not input_counts):
            kind = f"{OPS}{kind}" if kind != "InputLayer" else kind
            yield LayerSpec(name, kind, Config(inner), Place(name, ""))
            continue
        number = counts.get(group, 0)
        counts[group] = number + 1
        group = f"{group}_{number}" if number else group
        outer = "" if within is None else within.outer or within.name
        path = group if within is None else f"{within.group}/layers/{group}"
        yield LayerSpec(name, kind, Config(inner), Place(name, path, outer))


def _is_operation(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is an operation of keras.ops, which may share its name with a layer.

    HDF5 files state no module: there a layer has a dtype or says whether it is trainable, an operation neither.
    """
    if entry.get("module") is not None:
        return ".ops" in str(entry["module"])
    nodes, config = entry.get("inbound_nodes"), entry.get("config")
    called = isinstance(nodes, list) and bool(nodes) and isinstance(nodes[0], dict)
    return called and isinstance(config, dict) and not {"dtype", "trainable", "layers"} & set(config)


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


def _sequential(config: Mapping[str, Any], place: Place | None) -> Topology:
    layers = _unique(_layers(config, False, place))
    order = list(layers)
    first = layers[order[0]]
    if first.kind != "InputLayer":
        shape = first.config.get("batch_input_shape", first.config.get("batch_shape", config.get("build_input_shape")))
        name = f"{first.name}_input"
        while name in layers:
            name += "_"
        layers = {name: LayerSpec(name, "InputLayer", Config({"batch_input_shape": shape}), Place(name, "")), **layers}
        order = list(layers)
    refs = [Ref(name, 0) for name in order]
    calls = [LayerCall(ref, (refs[i - 1],) if i else ()) for i, ref in enumerate(refs)]
    return Topology(_model_name(config), layers, tuple(calls), (refs[0],), (refs[-1],))


def _model_name(config: Mapping[str, Any]) -> str:
    name = config.get("name")
    return name if isinstance(name, str) and name else "model"


def _functional(config: Mapping[str, Any], place: Place | None) -> Topology:
    layers = _unique(_layers(config, True, place))
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
            calls[Ref(name, index)] = _layer_call(Ref(name, index), node, layers[name])
    inputs = tuple(_ends(config.get("input_layers"), "input_layers"))
    outputs = tuple(_ends(config.get("output_layers"), "output_layers"))
    for ref in (*inputs, *outputs):
        if ref.call not in calls:
            raise ModelError(f"no layer makes '{printable(ref.layer)}'", remedy="save the model again")
    return Topology(_model_name(config), layers, tuple(_ordered(calls, outputs)), inputs, outputs)


def _layer_call(ref: Ref, node: Any, layer: LayerSpec) -> LayerCall:
    """A call: `[[layer, node, tensor, kwargs], ...]` (legacy) or `{"args", "kwargs"}`."""
    kwargs: dict[str, Any] = {}
    if isinstance(node, dict):
        args = decoded(node.get("args", []), layer.name)
        kwargs = dict(_mapping(decoded(node.get("kwargs", {}), layer.name), "a call"))
        if not isinstance(args, list):
            raise ModelError("a call without arguments", node=layer.name, op=layer.kind, remedy="save it again")
    else:
        if isinstance(node, list) and len(node) >= 3 and isinstance(node[0], str):
            node = [node]
        if not isinstance(node, list):
            raise ModelError("an inbound node that is no list", node=layer.name, op=layer.kind, remedy="save it again")
        args = [tensor_ref(item) for item in node]
        for item in node:
            if len(item) > 3:
                kwargs |= dict(_mapping(item[3], "a call"))
    kwargs = {k: v for k, v in kwargs.items() if not (k == "name" or (k in NO_EFFECT and (v is None or v is False)))}
    if layer.kind.startswith("Random") and kwargs.get("training") is True:
        del kwargs["training"]  # their default, which Keras overrides at inference
    for key in kwargs:
        if key in NO_EFFECT:
            raise UnsupportedError(
                f"the call argument {key}={printable(kwargs[key])}",
                node=layer.name,
                op=layer.kind,
                remedy="hwq converts inference without masks: call the layer without it",
            )
    return LayerCall(ref, tuple(tensors_of([args, list(kwargs.values())])), tuple(args), kwargs)


def _ends(value: Any, what: str) -> Iterator[Ref]:
    """`["layer", 0, 0]`, or a nest of such, in order."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        yield tensor_ref(value)
    elif isinstance(value, list | dict) and value:
        for item in value if isinstance(value, list) else value.values():
            if not isinstance(item, list):
                raise ModelError(f"{what} is damaged", remedy="save the model again")
            yield tensor_ref(item)
    else:
        raise ModelError(f"the configuration has no {what}", remedy="save the model again")


def _ordered(calls: Mapping[Ref, LayerCall], outputs: tuple[Ref, ...]) -> Iterator[LayerCall]:
    """The calls that the outputs need, each after its inputs; a circle is refused."""
    done: set[Ref] = set()
    open_: set[Ref] = set()
    stack = [ref.call for ref in reversed(outputs)]
    while stack:
        ref = stack[-1]
        call = calls.get(ref)
        if call is None:
            raise ModelError(f"no layer makes '{printable(ref.layer)}'", remedy="save the model again")
        waiting = [r.call for r in call.inputs if r.call not in done]
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
