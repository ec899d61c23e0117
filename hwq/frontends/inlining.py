"""Bodies in place of what stands for them: model-local functions where they are called, branches where they are taken.

A body's own tensors and nodes get names that nothing else has, `CALLER/NAME`; what it reads from outside keeps its name
(ONNX IR, Functions and Graphs).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, helper

from hwq.errors import HwqError, ModelError, UnsupportedError, printable

MAX_NODES = 1 << 18  # that all calls together may become
MAX_DEPTH = 64  # of functions that call functions
STANDARD = ("", "ai.onnx")

Attributes = Mapping[str, AttributeProto]
Key = tuple[str, str, str]
"""Domain, name and overload of a function."""


def namer(names: Iterable[str]) -> Callable[[str], str]:
    """A function that turns a name into one that is not among `names`, and that it has not given before."""
    taken = set(names)

    def fresh(wish: str) -> str:
        name, count = wish, 1
        while name in taken:
            count += 1
            name = f"{wish}_{count}"
        taken.add(name)
        return name

    return fresh


def names_of(graph: GraphProto) -> Iterator[str]:
    """Every name of a graph and of the graphs in it."""
    for named in (graph.input, graph.output, graph.initializer, graph.value_info):
        yield from (item.name for item in named)
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)
        for inner in graphs_of(node):
            yield from names_of(inner)


def graphs_of(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs among a node's attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def inlined(model: ModelProto) -> ModelProto:
    """The model with every call of a model-local function replaced by its body; the model itself where it has none.

    Raises `ModelError` or `UnsupportedError`, naming the calling node: recursion, ops of another opset version than the
    model's, attributes that the function does not have.
    """
    if not model.functions:
        return model
    result = ModelProto()
    result.CopyFrom(model)
    _Calls(result).run()
    return result


def spliced(graph: GraphProto, caller: NodeProto, fresh: Callable[[str], str]) -> GraphProto:
    """A branch's body as nodes of the graph around it: its outputs are the caller's, its own names fresh."""
    if len(graph.output) != len(caller.output) or graph.input:
        raise ModelError(
            f"a branch with {len(graph.input)} inputs and {len(graph.output)} outputs for {len(caller.output)}",
            node=caller.name,
            op=caller.op_type,
            remedy="export the model again",
        )
    body = GraphProto(name=graph.name)
    own = {t.name for t in graph.initializer} | {o for n in graph.node for o in n.output}
    names = _targets(((o.name, made) for o, made in zip(graph.output, caller.output, strict=True)), own, body)
    label = caller.name or caller.output[0]
    for name in sorted(own - names.keys() - {""}):
        names[name] = fresh(f"{label}/{name}")
    for tensor in graph.initializer:
        body.initializer.add().CopyFrom(tensor)
        body.initializer[-1].name = names[tensor.name]
    for info in graph.value_info:
        if info.name in names:
            body.value_info.add().CopyFrom(info)
            body.value_info[-1].name = names[info.name]
    copies = [_renamed(node, names, None) for node in graph.node]
    for copy in copies:
        copy.name = fresh(f"{label}/{copy.name or copy.op_type}")
    moves = list(body.node)
    del body.node[:]
    body.node.extend([*copies, *moves])
    return body


def _targets(pairs: Iterable[tuple[str, str]], own: set[str], body: GraphProto) -> dict[str, str]:
    """Names of a body's outputs outside; what is not its own, or leaves twice, goes through an Identity in `body`."""
    names: dict[str, str] = {}
    for inner, outer in pairs:
        if not outer:
            continue
        if inner in own and inner not in names:
            names[inner] = outer
        else:
            body.node.append(helper.make_node("Identity", [names.get(inner, inner)], [outer], name=outer))
    return names


def _renamed(node: NodeProto, names: Mapping[str, str], attributes: Attributes | None) -> NodeProto:
    """A copy under other names, in its graphs too; references to a function's attributes resolved where given."""
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = [names.get(i, i) for i in node.input]
    copy.output[:] = [names.get(o, o) for o in node.output]
    del copy.attribute[:]
    for attribute in node.attribute:
        given = attribute
        if attribute.ref_attr_name and attributes is not None:
            if attribute.ref_attr_name not in attributes:
                continue  # left out by the caller: the op's own default holds
            given = attributes[attribute.ref_attr_name]
            if attribute.type not in (given.type, AttributeProto.UNDEFINED):
                found = f"attribute '{printable(given.name)}' is of another type than the function's"
                raise ModelError(found, node=node.name, op=node.op_type, remedy="export the model again")
        one = copy.attribute.add()
        one.CopyFrom(given)
        one.name = attribute.name
        for graph in [one.g] if one.HasField("g") else one.graphs:
            _rename_graph(graph, names, attributes)
    return copy


def _rename_graph(graph: GraphProto, names: Mapping[str, str], attributes: Attributes | None) -> None:
    """Names that a graph reads from outside are exchanged in place; its own hide them."""
    own = {t.name for t in graph.initializer} | {i.name for i in graph.input}
    own |= {o for n in graph.node for o in n.output}
    seen = {name: new for name, new in names.items() if name not in own}
    nodes = [_renamed(node, seen, attributes) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    for out in graph.output:
        out.name = seen.get(out.name, out.name)


class _Calls:
    """One model whose calls are being replaced."""

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.functions: dict[Key, FunctionProto] = {}
        for function in model.functions:
            key = (_domain(function.domain), function.name, _overload(function))
            if key in self.functions:
                raise ModelError(
                    f"function '{printable(function.name)}' is defined twice", remedy="export the model again"
                )
            self.functions[key] = function
        self.versions = {_domain(o.domain): o.version for o in model.opset_import}
        self.fresh = namer(names_of(model.graph))
        self.count = 0

    def run(self) -> None:
        """Replace every call, those in branches too, and drop the functions."""
        self._replace(self.model.graph, ())
        del self.model.functions[:]

    def _replace(self, graph: GraphProto, chain: tuple[Key, ...]) -> None:
        nodes = list(self._expanded(graph.node, chain))
        del graph.node[:]
        graph.node.extend(nodes)

    def _expanded(self, nodes: Sequence[NodeProto], chain: tuple[Key, ...]) -> Iterator[NodeProto]:
        """The nodes without calls; `chain` are the functions that stand around them."""
        for node in list(nodes):
            self.count += 1
            if self.count > MAX_NODES:
                raise _fail(node, f"functions that become more than {MAX_NODES} nodes", "export a smaller model")
            key = (_domain(node.domain), node.op_type, _overload(node))
            if key in self.functions:
                if key in chain:
                    raise _fail(node, "a function that calls itself", "ONNX functions are not recursive: export again")
                if len(chain) >= MAX_DEPTH:
                    raise _fail(node, f"functions nested over {MAX_DEPTH} deep", "inline them before export")
                yield from self._expanded(self._body(node, self.functions[key]), (*chain, key))
                continue
            for graph in graphs_of(node):
                self._replace(graph, chain)
            yield node

    def _body(self, call: NodeProto, function: FunctionProto) -> list[NodeProto]:
        """The function's nodes under the names of one call."""
        if len(call.input) > len(function.input) or len(call.output) > len(function.output):
            found = f"{len(call.input)} inputs and {len(call.output)} outputs of a function with "
            found += f"{len(function.input)} and {len(function.output)}"
            raise _broken(call, found)
        attributes = {a.name: a for a in function.attribute_proto}
        known = set(function.attribute) | set(attributes)
        unknown = next((a.name for a in call.attribute if a.name not in known), None)
        if unknown is not None:
            raise _broken(call, f"attribute '{printable(unknown)}', which its function does not have")
        attributes.update({a.name: a for a in call.attribute})
        self._adopt(call, function)
        given = [*call.input, *[""] * (len(function.input) - len(call.input))]
        names = dict(zip(function.input, given, strict=True))
        own = {o for n in function.node for o in n.output} - {""}
        if own & names.keys():
            raise _broken(call, "a function that writes one of its inputs")
        ends = GraphProto()
        wanted = [*call.output, *[""] * (len(function.output) - len(call.output))]
        made = _targets(zip(function.output, wanted, strict=True), own, ends)
        label = call.name or call.output[0]
        for name in sorted(own - made.keys()):
            made[name] = self.fresh(f"{label}/{name}")
        names.update(made)
        body = [_renamed(node, names, attributes) for node in function.node]
        body += [_renamed(node, names, None) for node in ends.node]
        for node in body:
            node.name = self.fresh(f"{label}/{node.name or node.op_type}")
        return body

    def _adopt(self, call: NodeProto, function: FunctionProto) -> None:
        """Check that the function's ops mean in the model's opsets what they mean in its own; take over new domains."""
        own = {_domain(o.domain): o.version for o in function.opset_import}
        for domain, version in own.items():
            if domain not in self.versions:
                self.versions[domain] = version
                self.model.opset_import.append(helper.make_opsetid(domain, version))
        for node in function.node:
            domain = _domain(node.domain)
            mine, theirs = self.versions.get(domain), own.get(domain)
            key = (domain, node.op_type, _overload(node))
            if mine is None or theirs is None or mine == theirs or key in self.functions:
                continue
            if not _same_op(node.op_type, domain, mine, theirs):
                found = f"{node.op_type} of opset {theirs} in a function, opset {mine} in the model"
                raise _fail(call, found, "export the model with one opset")


def _same_op(op: str, domain: str, one: int, other: int) -> bool:
    """Whether an op is the same in two versions of its domain."""
    try:
        since = {onnx.defs.get_schema(op, v, domain).since_version for v in (one, other)}
    except (onnx.defs.SchemaError, TypeError):  # unknown, or a version that no machine integer holds
        return False
    return len(since) == 1


def _domain(domain: str) -> str:
    return "" if domain in STANDARD else domain


def _overload(item: FunctionProto | NodeProto) -> str:
    return str(getattr(item, "overload", ""))


def _fail(node: NodeProto, found: str, remedy: str) -> HwqError:
    return UnsupportedError(found, node=node.name, op=node.op_type, remedy=remedy)


def _broken(node: NodeProto, found: str) -> HwqError:
    return ModelError(found, node=node.name, op=node.op_type, remedy="export the model again")
