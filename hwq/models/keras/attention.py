"""MultiHeadAttention as MatMul, Softmax and MatMul per head: query, value and perhaps a key, without masks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.errors import printable
from hwq.models.builder import Tensor
from hwq.models.keras.layer import Layer, Rule

CALL = ("query", "value", "key")
ARGUMENTS = (*CALL, "query_mask", "value_mask", "key_mask", "attention_mask", "return_attention_scores")
OFF = (*ARGUMENTS, "training", "use_causal_mask")


def _inputs(layer: Layer) -> dict[str, Tensor]:
    """The call's tensors by name; what is neither a tensor nor off is refused."""
    given = dict(zip(ARGUMENTS, layer.args, strict=False)) | dict(layer.kwargs)
    for name, value in given.items():
        if name not in OFF or not (value is None or value is False or (name in CALL and isinstance(value, Tensor))):
            shown = "a tensor" if isinstance(value, Tensor) else printable(value)
            raise layer.fail(f"the call argument {name}={shown}", "hwq converts attention without masks")
    if not all(isinstance(given.get(name), Tensor) for name in CALL[:2]):
        raise layer.broken("attention without a query and a value")
    key = given.get("key")
    return {"query": given["query"], "value": given["value"], "key": given["value"] if key is None else key}


def _attention(layer: Layer, _: tuple[Tensor, ...]) -> Tensor:
    """softmax(Q K' / sqrt(key_dim)) V per head, and the product of all heads with the output kernel."""
    tensors = {name: layer.b.last(t) for name, t in _inputs(layer).items()}
    if any(len(t.shape) != 2 for t in tensors.values()):
        raise layer.fail("attention over more than one axis", "use inputs of shape (batch, steps, features)")
    if layer.config.get("attention_axes") not in (None, 1, [1], (1,)):
        raise layer.fail(f"attention_axes {printable(layer.config.get('attention_axes'))}", "attend over axis 1")
    heads, key_dim = layer.integer("num_heads"), layer.integer("key_dim")
    value_dim = layer.integer("value_dim") if layer.config.get("value_dim") is not None else key_dim
    biased = layer.flag("use_bias", True)
    for key in ("query_shape", "key_shape", "value_shape"):
        layer.inert(key)
    shape = layer.config.get("output_shape")
    features = tensors["query"].channels
    if shape is not None:
        listed = [shape] if isinstance(shape, int) else shape
        if not isinstance(listed, list) or len(listed) != 1 or type(listed[0]) is not int or listed[0] < 1:
            raise layer.fail(f"output_shape {printable(shape)}", "use one number of features")
        features = listed[0]
    q, k, v = (
        _projected(layer, tensors[name], name, heads, width, biased, turned)
        for name, width, turned in (
            ("query", key_dim, (0, 2, 1, 3)),
            ("key", key_dim, (0, 2, 3, 1)),
            ("value", value_dim, (0, 2, 1, 3)),
        )
    )
    steps, keys = q.shape[1], k.shape[2]
    if keys != v.shape[1]:
        raise layer.broken(f"{keys} keys for {v.shape[1]} values")
    scaled = layer.node("Mul", [q, layer.value("scale", 1 / np.sqrt(float(key_dim)))], q, "scaled")
    scores = layer.node("MatMul", [scaled, k], Tensor("", (heads, steps, keys)), "scores")
    weights = layer.node("Softmax", [scores], scores, "weights", axis=-1)
    mixed = layer.node("MatMul", [weights, v], Tensor("", (heads, steps, value_dim)), "mixed")
    mixed = layer.node("Transpose", [mixed], Tensor("", (steps, heads, value_dim)), "by_step", perm=[0, 2, 1, 3])
    size = heads * value_dim
    flat = layer.node(
        "Reshape", [mixed, layer.value("shape", [0, steps, size], np.int64)], Tensor("", (steps, size)), "heads"
    )
    found = layer.read(["kernel", *(["bias"] if biased else [])], "output_dense")
    kernel = layer.expect("output kernel", found["kernel"], (heads, value_dim, features)).reshape(size, features)
    y = Tensor("", (steps, features))
    y = layer.node("MatMul", [flat, layer.constant("output_kernel", None, kernel)], y, "output" if biased else "")
    if biased:
        bias = layer.expect("output bias", found["bias"], (features,))
        y = layer.node("Add", [y, layer.constant("output_bias", None, bias)], y)
    return y


def _projected(
    layer: Layer, x: Tensor, name: str, heads: int, width: int, biased: bool, perm: tuple[int, ...]
) -> Tensor:
    """x times the kernel of a role, split into heads, with the axes (batch, heads, ...) as asked for."""
    found: Mapping[str, Any] = layer.read(["kernel", *(["bias"] if biased else [])], f"{name}_dense")
    size, steps = heads * width, x.shape[0]
    kernel = layer.expect(f"{name} kernel", found["kernel"], (x.channels, heads, width)).reshape(-1, size)
    like = Tensor("", (steps, size))
    y = layer.node("MatMul", [x, layer.constant(f"{name}_kernel", None, kernel)], like, f"{name}_product")
    if biased:
        bias = layer.expect(f"{name} bias", found["bias"], (heads, width)).reshape(size)
        y = layer.node("Add", [y, layer.constant(f"{name}_bias", None, bias)], y, f"{name}_biased")
    split = (steps, heads, width)
    y = layer.node("Reshape", [y, layer.value("shape", [0, *split], np.int64)], Tensor("", split), f"{name}_heads")
    shape = tuple(split[i - 1] for i in perm[1:])
    return layer.node("Transpose", [y], Tensor("", shape), name, perm=list(perm))


RULES: Mapping[str, Rule] = MappingProxyType({"MultiHeadAttention": _attention})
