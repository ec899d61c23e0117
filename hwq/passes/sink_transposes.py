"""transposes: moved down the graph past everything that does not care for the order of axes, until two undo each other.

NHWC models wrap every convolution in a pair of them; what stands between, quantizers above all, works in either order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwq.ir.hardware import Edge, Graph, Node
from hwq.ops import Reshape, Transpose

Perm = tuple[int, ...]


def sink_transposes(graph: Graph) -> Graph:
    """The same graph with as few transposes as this finds; those that move only axes of 1 become reshapes."""
    if not any(isinstance(n.op, Transpose) for n in graph.nodes):
        return graph
    return _Sinking(graph).run()


@dataclass(frozen=True)
class Moved:
    """An edge that is a transpose of another one."""

    edge: str
    perm: Perm


class _Sinking:
    """One walk: `moved` says of which edge an edge is the transpose, as long as none has been made."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {p.edge: graph.edges[p.edge] for p in graph.inputs}
        self.moved: dict[str, Moved] = {}
        self.made: dict[str, str] = {}  # a moved edge -> the edge that holds it after all
        self.taken = set(graph.edges)

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if isinstance(node.op, Transpose):
                self._transpose(node, node.op.perm)
            elif not self._sunk(node):
                self._emit(replace(node, inputs=tuple(self._held(e, node.name) for e in node.inputs)))
        outputs = tuple(replace(p, edge=self._held(p.edge, p.name)) for p in self.graph.outputs)
        return replace(self.graph, outputs=outputs).with_nodes(self.nodes)

    def _emit(self, node: Node) -> None:
        self.nodes.append(node)
        inputs = tuple(self.edges[e] for e in node.inputs)
        self.edges.update(zip(node.outputs, node.op.infer(inputs), strict=True))

    def _transpose(self, node: Node, perm: Perm) -> None:
        """Nothing is made yet: the output is the transpose of what the input is one of."""
        before = self.moved.get(node.inputs[0], Moved(node.inputs[0], tuple(range(len(perm)))))
        self.moved[node.outputs[0]] = Moved(before.edge, tuple(before.perm[p] for p in perm))

    def _sunk(self, node: Node) -> bool:
        """The op on the edges before the transposes, where all inputs share one and the op allows it."""
        sources = [self.moved.get(e) for e in node.inputs]
        perms = {s.perm for s in sources if s is not None}
        if None in sources or len(perms) != 1 or len(node.outputs) != 1:
            return False
        perm = perms.pop()
        op = node.op.permuted(tuple(self.graph.edges[e] for e in node.inputs), perm)
        if op is None:
            return False
        self._emit(replace(node, op=op, inputs=tuple(s.edge for s in sources if s is not None)))
        self.moved[node.outputs[0]] = Moved(node.outputs[0], perm)
        return True

    def _held(self, edge: str, reader: str) -> str:
        """The edge itself; made now, where it is a transpose that nothing has undone."""
        moved = self.moved.get(edge)
        if moved is None:
            return edge
        if moved.perm == tuple(range(len(moved.perm))):
            return moved.edge
        if edge not in self.made:
            shape = self.edges[moved.edge].shape
            order = [a for a in moved.perm if shape[a] > 1]
            target = tuple(shape[a] for a in moved.perm)
            op = Reshape(target) if order == sorted(order) else Transpose(moved.perm)
            name = edge if edge not in self.edges else self._fresh(edge)
            self._emit(Node(reader, op, (moved.edge,), (name,)))
            self.made[edge] = name
        return self.made[edge]

    def _fresh(self, name: str) -> str:
        """A name like this one that no edge has."""
        count, free = 2, f"{name}_moved"
        while free in self.taken:
            free, count = f"{name}_moved_{count}", count + 1
        self.taken.add(free)
        return free
