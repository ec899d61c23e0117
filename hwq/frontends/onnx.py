"""The walk over an ONNX graph: checks it, folds constants as it goes, and turns each node into real ops by its rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import helper

from hwq.errors import HwqError, ModelError, SpecError, UnsupportedError, printable
from hwq.frontends import (
    channels_last,
    choices,
    conv,
    folding,
    functions,
    integer_tensors,
    joins,
    matmul_nbits,
    normalization,
    pooling,
    qdq,
    qkeras,
    qonnx,
    qoperator,
    resize,
    shapes,
    softmax,
    spatial,
    standard,
)
from hwq.frontends.attributes import Attributes, ignored
from hwq.frontends.call import Array, Call, NeedsActivation, Rule, Signal, Value
from hwq.frontends.decomposed import without_the_parts
from hwq.frontends.element_types import clash, output_types, typed
from hwq.frontends.inlining import namer, names_of, spliced
from hwq.frontends.input_shapes import input_shape
from hwq.frontends.loading import (
    STANDARD_DOMAIN,
    Source,
    element_types,
    load_model,
    opsets,
    read_tensor,
    stored_tensor,
    widened,
)
from hwq.frontends.order import in_order
from hwq.frontends.refused import REFUSED
from hwq.ir.constants import Coded
from hwq.ir.hardware import Shape
from hwq.ir.names import unique_namer
from hwq.ir.real import InputType, RealGraph, RealInput, RealNode
from hwq.numeric.fixed import FixedType

STANDARD: Mapping[str, Rule] = MappingProxyType(
    {
        **shapes.RULES,
        **standard.RULES,
        **joins.RULES,
        **choices.RULES,
        **conv.RULES,
        **pooling.RULES,
        **spatial.RULES,
        **resize.RULES,
        **functions.RULES,
        **softmax.RULES,
        **normalization.RULES,
        **qdq.RULES,
        **qoperator.RULES,
    }
)
SEEDS = 1 << 32
FINN_INTEGER = re.compile(r"(U?)INT([1-9][0-9]?)")
MOST_ANNOTATED_BITS = 64
MAX_FOLDED = 1 << 23  # elements that folding may add to a model's constants, all nodes together
QONNX_DOMAINS = ("onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general")
RULES: Mapping[str, Mapping[str, Rule]] = MappingProxyType(
    {
        "": STANDARD,
        "com.microsoft": MappingProxyType(
            {
                **qdq.RULES,
                **qoperator.MICROSOFT,
                **functions.MICROSOFT_RULES,
                **normalization.MICROSOFT,
                **matmul_nbits.RULES,
            }
        ),
        **dict.fromkeys(QONNX_DOMAINS, MappingProxyType({**qonnx.RULES, **pooling.QONNX, **spatial.QONNX})),
        "qonnx.custom_op.channels_last": channels_last.RULES,
        "qkeras": qkeras.RULES,
    }
)

ELEMENT_TYPES: Mapping[int, FixedType] = MappingProxyType(
    {
        onnx.TensorProto.BOOL: FixedType(False, 1),
        **{kind: FixedType(signed, bits) for kind, (bits, signed) in qdq.INTEGERS.items()},
    }
)


def read_onnx(source: Source, input_types: Mapping[str, InputType] | None = None) -> RealGraph:
    """The real graph of a model file, its bytes or a ModelProto.

    `input_types` states how unquantized inputs are stored. Errors: `ModelError` for a damaged or hostile file,
    `UnsupportedError` for what hwq does not compile; each names the node.
    """
    return read_model(*load_model(source), input_types)


def read_model(
    model: onnx.ModelProto,
    folder: Path | None,
    input_types: Mapping[str, InputType] | None = None,
    stochastic: int | None = None,
    input_shapes: Mapping[str, Shape] | None = None,
) -> RealGraph:
    """The same from a parsed model and the folder of its external data.

    `stochastic`: the seed of quantizers that draw at random; the k-th of them in the file's order takes the seed + k.
    `input_shapes`: extents of inputs that the file leaves open.
    """
    return _Walk(model, folder, dict(input_types or {}), stochastic, dict(input_shapes or {})).run()


class _Walk:
    """One pass over one model."""

    def __init__(
        self,
        model: onnx.ModelProto,
        folder: Path | None,
        input_types: dict[str, InputType],
        stochastic: int | None,
        input_shapes: dict[str, Shape],
    ) -> None:
        self.graph = model.graph
        self.folder = folder
        self.versions = opsets(model)
        self.stated = input_types
        self.stated_shapes = input_shapes
        self.env: dict[str, Value | None] = {"": None}
        self.types = element_types(model.graph)
        self.nodes: list[RealNode] = []
        self.shapes: dict[str, Shape] = {}
        self.fresh = unique_namer()
        self.weights: dict[str, Coded] = {}
        self.named = namer(names_of(model.graph))
        self.seed = stochastic
        self.folded = 0  # elements that folding has added to the model's constants

    def run(self) -> RealGraph:
        self._read_constants(self.graph)
        self._check_stated()
        inputs = self._read_inputs()
        for node in in_order(self.graph.node, set(self.env)):
            self._visit(node)
        tensors = {name: value.edge for name, value in self.env.items() if isinstance(value, Signal)}
        outputs, constants = self._outputs()
        nodes = without_the_parts(self.nodes, set(outputs.values()))
        if len(nodes) < len(self.nodes):
            made = {e for n in nodes for e in n.outputs} | {i.edge for i in inputs}
            tensors = {name: edge for name, edge in tensors.items() if edge in made}
        whole = (self.graph.name or "model", inputs, outputs, tuple(nodes), self.shapes, tensors, self.weights)
        return RealGraph(*whole, constants=constants)

    def _read_constants(self, graph: onnx.GraphProto) -> None:
        for tensor in graph.initializer:
            if tensor.name in self.env:
                raise ModelError(f"tensor '{tensor.name}' is defined twice", remedy="export the model again")
            self.env[tensor.name] = stored_tensor(tensor, self.folder)
        if graph.sparse_initializer:
            raise UnsupportedError("sparse initializers", remedy="store the weights densely")

    def _check_stated(self) -> None:
        """Types and shapes are stated of inputs that the model has."""
        names = [i.name for i in self.graph.input if i.name not in self.env]
        unknown = sorted((set(self.stated) | set(self.stated_shapes)) - set(names))
        if unknown:
            found = f"the model has no input '{printable(unknown[0])}'"
            raise SpecError(found, remedy="its inputs: " + ", ".join(map(printable, names)))

    def _read_inputs(self) -> tuple[RealInput, ...]:
        annotated = _annotated_types(self.graph)
        inputs: list[RealInput] = []
        for info in self.graph.input:
            if info.name in self.env:
                if any(i.name == info.name for i in inputs):
                    raise ModelError(f"input '{info.name}' is defined twice", remedy="export the model again")
                continue  # an initializer that older exporters list as an input too
            edge, shape = self.fresh(info.name), input_shape(info, self.stated_shapes.get(info.name))
            self.env[info.name] = Signal(edge, shape)
            self.shapes[edge] = shape
            known = annotated.get(info.name) or ELEMENT_TYPES.get(info.type.tensor_type.elem_type)
            stated = self.stated.get(info.name) or (InputType(known) if known else None)
            inputs.append(RealInput(info.name, edge, stated))
        if not inputs:
            raise ModelError("the graph has no input", remedy="export the model with its input")
        return tuple(inputs)

    def _visit(self, node: onnx.NodeProto) -> None:
        again = [o for i, o in enumerate(node.output) if o and (o in self.env or o in node.output[:i])]
        if again:
            raise ModelError(
                f"writes '{again[0]}', which is already defined",
                node=node.name,
                op=node.op_type,
                remedy="export it again, with each tensor under a name of its own",
            )
        unmade = [i for i in node.input if i not in self.env]
        if unmade:
            raise UnsupportedError(
                f"reads '{unmade[0]}', an output that hwq does not compute",
                node=node.name,
                op=node.op_type,
                remedy="remove what depends on it",
            )
        domain = "" if node.domain == STANDARD_DOMAIN else node.domain
        condition = self.env[node.input[0]] if node.op_type == "If" and len(node.input) == 1 else None
        if isinstance(condition, np.ndarray) and domain == "":
            self._branch(node, condition)
            return
        call = Call(
            name=node.name,
            kind=node.op_type,
            domain=domain,
            version=self.versions.get(domain, 0),
            inputs=[self._input(node, i) for i in node.input],
            types=[self.types.get(i, 0) if i else 0 for i in node.input],
            attributes=Attributes(self._attributes(node)),
            n_outputs=len(node.output),
            nodes=self.nodes,
            shapes=self.shapes,
            fresh=self.fresh,
            next_seed=self._next_seed,
            names=list(node.input),
            weights=self.weights,
        )
        if domain == "":
            wrong = clash(call.kind, call.version, call.types, [isinstance(v, Signal) for v in call.inputs])
            if wrong is not None:
                raise call.broken(wrong)
        kinds = output_types(domain, call.kind, call.version, call.types, call.attributes.plain(), len(node.output))
        values = self._apply(call, kinds)
        ranks = [len(v.shape) if v is not None else 0 for v in call.inputs]
        unread = ignored(call.attributes, domain, call.kind, call.version, ranks)
        if unread is not None:
            found = f"attribute '{printable(unread)}', which hwq does not know here"
            raise call.fail(found, "export without it, or to a newer opset")
        self._count(call, values)
        for name, value, kind in zip(node.output, values, kinds, strict=False):
            if name:
                self.types[name] = kind or self.types.get(name, 0)
                self.env[name] = typed(value, self.types[name]) if isinstance(value, np.ndarray) else value

    def _branch(self, node: onnx.NodeProto, condition: Array) -> None:
        """Visit the branch that a constant condition takes, as nodes of the graph around it."""
        if condition.size != 1 or condition.dtype != np.bool_:
            raise ModelError(
                f"a condition of shape {list(condition.shape)}, type {condition.dtype}",
                node=node.name,
                op=node.op_type,
                remedy="the op takes one bool: export the model again",
            )
        taken = "then_branch" if condition.reshape(-1)[0] else "else_branch"
        branch = next((a.g for a in node.attribute if a.name == taken and a.HasField("g")), None)
        if branch is None:
            raise ModelError(f"no {taken}", node=node.name, op=node.op_type, remedy="export the model again")
        odd = [a.name for a in node.attribute if a.name not in ("then_branch", "else_branch")]
        if odd:
            found = f"attribute '{printable(odd[0])}', which hwq does not know here"
            raise UnsupportedError(found, node=node.name, op=node.op_type, remedy="export without it")
        body = spliced(branch, node, self.named)
        self._read_constants(body)
        self.types.update(element_types(body))
        for inner in in_order(body.node, set(self.env)):
            self._visit(inner)

    def _input(self, node: onnx.NodeProto, name: str) -> Value | None:
        """What a node reads: constants as float64, except where large ones are quantized at once."""
        value = self.env[name]
        if not isinstance(value, np.ndarray) or (node.domain in QONNX_DOMAINS and node.op_type in qonnx.NARROW):
            return value
        return widened(value)

    def _apply(self, call: Call, kinds: list[int]) -> list[Value]:
        rule = RULES.get(call.domain, {}).get(call.kind)
        if rule is None and call.kind in REFUSED:
            found, remedy = REFUSED[call.kind]
            raise call.fail(found, remedy)
        constant = not any(isinstance(v, Signal) for v in call.inputs) and bool(call.inputs)
        if constant and rule is None and folding.folds(call):
            return list(folding.fold(call))
        if rule is None:
            domain = f" of domain '{call.domain}'" if call.domain else ""
            raise call.fail(f"hwq does not compile this op{domain}", "replace it, or end the model before it")
        try:
            return integer_tensors.applied(call, rule, kinds)
        except NeedsActivation:
            if constant and folding.folds(call):
                return folding.fold(call)
            raise
        except HwqError as error:
            if error.node is None and error.op is None:
                raise type(error)(error.found, node=call.name, op=call.kind, remedy=error.remedy) from None
            raise
        except (ValueError, TypeError, IndexError, ArithmeticError, AttributeError) as error:
            # Shapes, axes and attributes that no rule foresees: the file is to blame, not the reader of the message.
            raise call.broken(f"cannot be read ({type(error).__name__}: {printable(error, 120)})") from error

    def _next_seed(self) -> int | None:
        seed = self.seed
        if seed is not None:
            self.seed = (seed + 1) % SEEDS
        return seed

    def _count(self, call: Call, values: list[Value]) -> None:
        """Keep what constants may grow to by folding, all nodes together, within bounds."""
        constants = [v for v in values if not isinstance(v, Signal)]
        given = sum(prod(v.shape) for v in call.inputs if v is not None and not isinstance(v, Signal))
        self.folded += max(0, sum(prod(v.shape) for v in constants) - given)
        if self.folded > MAX_FOLDED:
            raise call.fail(
                f"constants that grow to {self.folded} elements", "fold the constant part of the model before export"
            )

    def _attributes(self, node: onnx.NodeProto) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for attribute in node.attribute:
            if attribute.name in found:
                raise ModelError(
                    f"attribute '{printable(attribute.name)}' is given twice",
                    node=node.name,
                    op=node.op_type,
                    remedy="export the model again",
                )
            found[attribute.name] = self._attribute(node, attribute)
        return found

    def _attribute(self, node: onnx.NodeProto, attribute: onnx.AttributeProto) -> Any:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            found, remedy = REFUSED.get(node.op_type, ("control flow", "export a straight graph"))
            raise UnsupportedError(found, node=node.name, op=node.op_type, remedy=remedy)
        if attribute.type == onnx.AttributeProto.TENSOR:
            try:
                return read_tensor(attribute.t, self.folder)
            except HwqError as error:
                raise type(error)(error.found, node=node.name, op=node.op_type, remedy=error.remedy) from None
        if attribute.type == onnx.AttributeProto.SPARSE_TENSOR:
            raise UnsupportedError("a sparse constant", node=node.name, op=node.op_type, remedy="store it densely")
        if attribute.ref_attr_name:
            found = f"attribute '{printable(attribute.name)}' refers to one of a function, in which it does not stand"
            raise ModelError(found, node=node.name, op=node.op_type, remedy="export the model again")
        return helper.get_attribute_value(attribute)

    def _outputs(self) -> tuple[dict[str, str], dict[str, Array]]:
        """The edges of the outputs, and the values of those that depend on no input."""
        outputs: dict[str, str] = {}
        constants: dict[str, Array] = {}
        for info in self.graph.output:
            if info.name in outputs or info.name in constants:
                raise ModelError(f"output '{info.name}' is listed twice", remedy="export the model again")
            if info.name not in self.env:
                raise ModelError(
                    f"output '{info.name}' is never computed", remedy="export the model again, with all of its graph"
                )
            value = self.env[info.name]
            if isinstance(value, Signal):
                outputs[info.name] = value.edge
            elif value is not None:
                constants[info.name] = np.asarray(widened(value.values() if isinstance(value, Coded) else value))
                if not np.isfinite(constants[info.name]).all():
                    raise UnsupportedError(
                        f"output '{printable(info.name)}' is a constant that holds NaN or infinity",
                        remedy="leave it out of the model's outputs",
                    )
        if not outputs:
            raise ModelError("no output depends on an input", remedy="export the model again")
        return outputs, constants


def _annotated_types(graph: onnx.GraphProto) -> dict[str, FixedType]:
    """Integer types that FINN wrote as quantization annotations."""
    known: dict[str, FixedType] = {}
    for annotation in graph.quantization_annotation:
        for entry in annotation.quant_parameter_tensor_names:
            found = FINN_INTEGER.fullmatch(entry.value)
            if entry.key == "finn_datatype" and found and int(found[2]) <= MOST_ANNOTATED_BITS:
                known[annotation.tensor_name] = FixedType(not found[1], int(found[2]))
    return known
