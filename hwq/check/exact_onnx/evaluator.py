"""The walk over an ONNX file: constants, nodes in order, model-local functions and constant branches, op by op."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

from hwq.check.exact_onnx import (
    arithmetic,
    integers,
    moves,
    normalization,
    qkeras,
    quantizers,
    resize,
    scalar,
    values,
    windows,
)
from hwq.check.exact_onnx.node import Node, Op, Unknown
from hwq.check.exact_onnx.tensor import Exact, Undecided, of_array

_STANDARD: Mapping[str, Op] = MappingProxyType(
    {
        **scalar.TABLE,
        **arithmetic.TABLE,
        **windows.TABLE,
        **moves.TABLE,
        **resize.TABLE,
        **normalization.TABLE,
        **quantizers.TABLE,
    }
)
_QONNX: Mapping[str, Op] = MappingProxyType({**quantizers.QONNX, **windows.QONNX, **moves.QONNX})
TABLE: Mapping[str, Mapping[str, Op]] = MappingProxyType(
    {
        "": _STANDARD,
        "ai.onnx": _STANDARD,
        "com.microsoft": MappingProxyType({**scalar.MICROSOFT, **normalization.MICROSOFT, **quantizers.MICROSOFT}),
        "onnx.brevitas": _QONNX,
        "qonnx.custom_op.general": _QONNX,
        "finn.custom_op.general": _QONNX,
        "qonnx.custom_op.channels_last": MappingProxyType(
            {**windows.CHANNELS_LAST, "BatchNormalization": arithmetic.batch_normalization}
        ),
        "qkeras": qkeras.TABLE,
    }
)
"""Per domain, op type -> op."""

FOLDED_BITS = 21  # to which irrational constants are known
Known = Callable[[Node, str, Exact], Exact]
"""(node, tensor, its value) -> the value to go on with."""


class Evaluator:
    """One model, ready to be evaluated sample by sample. Model-local functions and `If` of constants are walked into.

    Errors: `Unknown` names what is not known; `Undecided` says that an irrational value lies too near a boundary.
    """

    def __init__(self, model: onnx.ModelProto, stated: Mapping[str, Exact] | None = None) -> None:
        """`stated`: what constants are said to mean; believed where float32's rounding hides the difference."""
        self.graph = model.graph
        self.stated = stated or {}
        self.versions = {o.domain: o.version for o in model.opset_import}
        self.functions = {(f.domain, f.name): f for f in getattr(model, "functions", ())}
        self.constants = {t.name: self._meant(t.name, _stored(t)) for t in model.graph.initializer}
        self.lasting: dict[str, Exact] = {}  # what does not depend on the inputs

    def __call__(self, inputs: Mapping[str, Exact], known: Known | None = None) -> dict[str, Exact]:
        """Every tensor's value, by name; `known` sees each as it is computed, and may put another in its place."""
        env: dict[str, Exact | None] = {"": None, **self.constants, **inputs}
        first = not self.lasting
        fixed = set(self.constants)
        self._run(self.graph.node, env, self.versions, known, fixed)
        if first:
            self.lasting = {n: v for n in fixed if (v := env.get(n)) is not None}
        return {n: v for n, v in env.items() if v is not None}

    def _run(
        self,
        nodes: Any,
        env: dict[str, Exact | None],
        versions: Mapping[str, int],
        known: Known | None,
        fixed: set[str],
    ) -> None:
        waiting = list(nodes)
        while waiting:
            later = []
            for proto in waiting:
                if any(i and i not in env for i in proto.input):
                    later.append(proto)
                    continue
                self._step(proto, env, versions, known, fixed)
            if len(later) == len(waiting):
                raise Unknown(
                    f"node '{later[0].name}' reads '{next(i for i in later[0].input if i not in env)}', made nowhere"
                )
            waiting = later

    def _step(
        self,
        proto: onnx.NodeProto,
        env: dict[str, Exact | None],
        versions: Mapping[str, int],
        known: Known | None,
        fixed: set[str],
    ) -> None:
        constant = all(i in fixed for i in proto.input if i) and not _has_graph(proto)
        if constant and all(o in self.lasting for o in proto.output if o):
            env.update({o: self.lasting[o] for o in proto.output if o})
            fixed.update(proto.output)
            return
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        body = self.functions.get((proto.domain, proto.op_type))
        if body is not None:
            results = self._called(body, proto, env)
        else:
            attributes = {a.name: _value(a) for a in proto.attribute}
            version = versions.get(domain, 0) or (versions.get("ai.onnx", 0) if not domain else 0)
            node = Node(proto.name, proto.op_type, domain, version, attributes, tuple(proto.output), self._run)
            results = self._applied(node, [env[i] for i in proto.input], env, versions)
            for name, value in zip(proto.output, results, strict=False):
                if name:
                    meant = self._meant(name, value)
                    if constant:
                        env[name] = folded(meant)
                    else:
                        env[name] = meant if known is None else known(node, name, meant)
            if constant:
                fixed.update(proto.output)
            return
        for name, value in zip(proto.output, results, strict=False):
            if name:
                env[name] = value
        if constant:
            fixed.update(proto.output)

    def _meant(self, name: str, value: Any) -> Any:
        """The stated value of a constant, if no element is further from the file's than two units of float32 in the
        last place of the greatest."""
        stated = self.stated.get(name)
        if stated is None or value is None or value.shape != stated.shape:
            return value
        apart = values.sub(value, stated)
        low, high = (abs(v) for v in apart.ends())
        most = abs(value.num).max(initial=0) * value.unit
        near = (max(int(low.max(initial=0)), int(high.max(initial=0))) * apart.unit) <= most / (1 << 22)
        return stated.typed(value.kind) if near else value

    def _applied(
        self, node: Node, inputs: list[Exact | None], env: dict[str, Exact | None], versions: Mapping[str, int]
    ) -> tuple[Exact, ...]:
        if node.kind == "If" and not node.domain:
            assert inputs[0] is not None
            branch = node.attributes["then_branch" if inputs[0].ints()[0] else "else_branch"]
            inner = {**env, **{t.name: _stored(t) for t in branch.initializer}}
            self._run(branch.node, inner, versions, None, set())
            return tuple(v for o in branch.output if (v := inner[o.name]) is not None)
        op = TABLE.get(node.domain, {}).get(node.kind)
        where = f"node '{node.name or node.outputs[0]}' ({node.kind}{f' of {node.domain}' if node.domain else ''})"
        if op is None:
            raise Unknown(f"{where}: op not known to the exact evaluator")
        try:
            result = op(node, *inputs)
        except Undecided as error:
            raise Undecided(f"{where}: {error}") from None
        except Unknown as error:
            raise Unknown(f"{where}: {error}") from None
        except (ValueError, TypeError, IndexError, ArithmeticError, KeyError, AssertionError) as error:
            raise Unknown(f"{where}: cannot be evaluated ({type(error).__name__}: {str(error)[:120]})") from error
        return result if isinstance(result, tuple) else (result,)

    def _called(self, body: Any, proto: onnx.NodeProto, env: dict[str, Exact | None]) -> tuple[Exact, ...]:
        """A model-local function: its own names, its own opsets, attributes by reference."""
        given = {a.name: a for a in proto.attribute}
        for default in getattr(body, "attribute_proto", ()):
            given.setdefault(default.name, default)
        inner: dict[str, Exact | None] = {"": None, **dict.fromkeys(body.input)}
        inner.update(zip(body.input, (env[i] for i in proto.input), strict=False))
        nodes = []
        for node in body.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            for attribute in list(copy.attribute):
                if attribute.ref_attr_name:
                    name = attribute.name
                    source = given.get(attribute.ref_attr_name)
                    copy.attribute.remove(attribute)
                    if source is not None:
                        added = copy.attribute.add()
                        added.CopyFrom(source)
                        added.name = name
            nodes.append(copy)
        self._run(nodes, inner, {o.domain: o.version for o in body.opset_import}, None, set())
        return tuple(v for o in body.output if (v := inner[o]) is not None)


def folded(x: Exact) -> Exact:
    """An irrational constant, which every executor folds in floats of its own: known to float32's precision only."""
    if x.rad is None:
        return x
    size: Any = abs(integers.wide(x.num))
    loose = np.asarray((size >> FOLDED_BITS) + integers.wide(x.rad), dtype=object)
    return replace(x, rad=np.where(np.asarray(x.rad == 0), 0, loose))


def _has_graph(proto: onnx.NodeProto) -> bool:
    return any(a.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for a in proto.attribute)


def _stored(tensor: onnx.TensorProto) -> Any:
    try:
        return _exact(tensor)
    except ValueError:
        return _bounded(tensor)


def _exact(tensor: onnx.TensorProto) -> Exact:
    array = numpy_helper.to_array(tensor)
    if array.dtype.kind not in "biuf":
        array = array.astype(np.float64 if "float" in array.dtype.name else np.int64)
    return of_array(array, tensor.data_type)


def _bounded(tensor: onnx.TensorProto) -> Exact | None:
    """A bound that is infinite is none; any other tensor of NaN or infinity is not known."""
    array = np.asarray(numpy_helper.to_array(tensor), dtype=np.float64)
    if np.isnan(array).any():
        raise Unknown(f"tensor '{tensor.name}' holds NaN")
    big = np.clip(array, -float(np.finfo(np.float64).max), float(np.finfo(np.float64).max))
    return of_array(big, tensor.data_type)


def _value(attribute: onnx.AttributeProto) -> Any:
    if attribute.type == AttributeProto.TENSOR:
        return _exact(attribute.t)
    if attribute.type == AttributeProto.GRAPH:
        return attribute.g
    return helper.get_attribute_value(attribute)
