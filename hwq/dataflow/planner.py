"""plan: a hardware graph becomes processes joined by FIFOs. Each op has its form in hwq/dataflow/forms.

The producer of an edge decides how wide its tokens are and in which order they come; readers that need it otherwise get
a conversion in between. An op without a form of its own works on whole tensors held in arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import gcd

from hwq.dataflow.names import layer_functions, port_names
from hwq.dataflow.order import Order
from hwq.dataflow.process import Fifo, Process
from hwq.dataflow.processes import Buffered, Convert, Fork
from hwq.errors import InternalError
from hwq.ir.hardware import Edge, Graph, Node
from hwq.ir.names import RESERVED
from hwq.numeric.fixed import FixedType
from hwq.ops import Op, Reshape

TOKEN_BITS = 1024  # of tokens whose width is free to choose; AXI4-Stream interfaces are that wide at most


@dataclass(frozen=True)
class Wish:
    """How a reader would like to have an edge, where its producer can choose."""

    order: Order | None = None
    lanes: int = 0  # 0: no matter


@dataclass(frozen=True)
class Form:
    """How an op streams: `build` adds its processes; `wish` says how it would like its inputs."""

    build: Callable[[Planner, Node], bool]  # False: this instance has no form
    wish: Callable[[Planner, Node, int], Wish]  # of input number i


@dataclass(frozen=True)
class Plan:
    """A streaming design: processes in an order in which they can run one after the other, and their FIFOs."""

    graph: Graph
    processes: tuple[Process, ...]
    inputs: tuple[Fifo, ...]  # the ports, in the graph's order
    outputs: tuple[Fifo, ...]

    @property
    def fifos(self) -> tuple[Fifo, ...]:
        """Those inside, in the order in which they are written first."""
        return tuple(f for p in self.processes for f in p.writes if not f.port)


@dataclass
class Planner:
    """One walk over a graph; forms call its methods."""

    graph: Graph
    top: str
    names: Mapping[str, str]  # C names of edges
    forms: Mapping[type[Op], Form]
    processes: list[Process] = field(default_factory=list)
    waiting: dict[str, list[Fifo]] = field(default_factory=dict)  # of an edge, what its next readers read
    taken: set[str] = field(default_factory=set)

    def run(self) -> Plan:
        """The whole plan."""
        graph = self.graph
        self.functions = layer_functions(graph, self.top)
        in_names, out_names = port_names(graph, self.top)
        self.roots = _roots(graph)
        self.taken = {*RESERVED, self.top, *self.names.values(), *(f"{n}_t" for n in self.names.values())}
        self.taken.update(self.functions.values(), out_names.values())
        self.ports = {p.name: n for p, n in zip(graph.outputs, out_names.values(), strict=True)}
        self.readers: dict[str, list[str | None]] = {e: [] for e in graph.edges}  # a reader's port, or None for a node
        for node in graph.nodes:
            if not isinstance(node.op, Reshape):
                for edge in node.inputs:
                    self.readers[self.roots[edge]].append(None)
        for port in graph.outputs:
            self.readers[self.roots[port.edge]].append(self.ports[port.name])
        inputs = []
        for source in graph.inputs:
            order, lanes = self.chosen(source.edge)
            fifo = self.fifo(in_names[source.name], source.edge, order, lanes, port=True)
            inputs.append(fifo)
            self.hand_out(source.edge, fifo)
        for node in graph.nodes:
            if isinstance(node.op, Reshape):
                continue
            form = self.forms.get(type(node.op))
            if form is None or not form.build(self, node):
                self.buffered(node)
        outputs = []
        made = {f.name: f for p in self.processes for f in p.writes}
        for port in graph.outputs:
            outputs.append(made[self.ports[port.name]])
        return Plan(graph, tuple(self.processes), tuple(inputs), tuple(outputs))

    # Edges ------------------------------------------------------------------------------------------------------------

    def edge(self, name: str) -> Edge:
        return self.graph.edges[name]

    def element(self, edge: str) -> str:
        """C type of an edge's codes."""
        return f"{self.names[edge]}_t"

    def name(self, wanted: str) -> str:
        """A free name, and a type's beside it."""
        free, count = wanted, 2
        while self.taken.intersection((free, f"{free}_t", f"{free}_v")):
            free, count = f"{wanted}_{count}", count + 1
        self.taken.update((free, f"{free}_v"))
        return free

    def fifo(self, name: str, edge: str, order: Order, lanes: int, *, port: bool = False) -> Fifo:
        """A FIFO of an edge's codes under a name that is free or its own."""
        if order.size % lanes:
            raise InternalError(f"tokens of {lanes} codes of {order.size}")
        spec = self.edge(edge)
        return Fifo(name, edge, spec.type, self.element(edge), order, lanes, order.size // lanes, port)

    def written(self, edge: str, order: Order, lanes: int) -> Fifo | None:
        """The FIFO that an edge's producer is to write, already handed to its readers; None where there is none.

        Call it before adding the producer; `add` puts the copies after it.
        """
        root, readers = self.roots[edge], self.readers[edge]
        if root != edge:
            raise InternalError(f"edge '{edge}' is a reshape")
        if not readers:
            return None
        if len(readers) == 1:
            name = readers[0] or self.name(self.names[edge] + "_s")
            fifo = self.fifo(name, edge, order, lanes, port=readers[0] is not None)
            self.waiting[edge] = [fifo]
            return fifo
        return self.fifo(self.name(self.names[edge] + "_s"), edge, order, lanes)

    def hand_out(self, edge: str, fifo: Fifo) -> None:
        """Give an edge's FIFO to its readers, through copies where there is not one of them or another port."""
        readers = self.readers[edge]
        if edge in self.waiting:
            return
        if len(readers) == 1 and readers[0] in (None, fifo.name):
            self.waiting[edge] = [fifo]
            return
        copies = []
        for k, port in enumerate(readers):
            name = port or self.name(f"{self.names[edge]}_s{k}")
            copies.append(replace(fifo, name=name, port=port is not None))
        function = self.name(f"fork_{self.names[edge]}")
        self.processes.append(Fork(function, self._maker(edge), (fifo,), tuple(copies)))
        self.waiting[edge] = copies

    def rename(self, edge: str, fifo: Fifo, order: Order) -> None:
        """Let a FIFO stand for an edge whose codes come in it as they are, in an order of that edge."""
        self.hand_out(edge, replace(fifo, edge=edge, order=order, element=self.element(edge)))

    def add(self, *processes: Process) -> None:
        """Processes of one node, in order; what the last writes goes to its readers."""
        self.processes += processes
        for fifo in processes[-1].writes:
            if fifo.edge:
                self.hand_out(fifo.edge, fifo)

    def read(self, edge: str) -> Fifo:
        """The FIFO for the next reader of an edge."""
        return self.waiting[self.roots[edge]].pop(0)

    def peek(self, edge: str) -> Fifo:
        """The same, without taking it."""
        return self.waiting[self.roots[edge]][0]

    def _maker(self, edge: str) -> str:
        return next((n.name for n in self.graph.nodes if edge in n.outputs), edge)

    # Conversions ------------------------------------------------------------------------------------------------------

    def divided(self, fifo: Fifo, run: int) -> Fifo:
        """Tokens that divide a run of that many codes: the widest of which no more than one makes a token of `fifo`."""
        return self.wide(fifo, gcd(fifo.lanes, run))

    def wide(self, fifo: Fifo, lanes: int) -> Fifo:
        """The same codes in tokens of that width; the wider of both is a multiple of the other."""
        if fifo.lanes == lanes:
            return fifo
        made = replace(
            fifo, name=self.name(f"{fifo.name}_x{lanes}"), lanes=lanes, tokens=fifo.order.size // lanes, port=False
        )
        maker = self.processes[-1].node if not fifo.edge else self._maker(fifo.edge)
        self.processes.append(Convert(self.name(f"convert_{made.name}"), maker, (fifo,), (made,)))
        return made

    def ordered(self, fifo: Fifo, order: Order) -> Fifo:
        """The same codes in another order, through an array that holds them all."""
        if fifo.order == order:
            return fifo
        lanes = gcd(fifo.lanes, order.channels)
        made = replace(
            fifo,
            name=self.name(f"{fifo.name}_o"),
            order=order,
            lanes=lanes,
            tokens=order.size // lanes,
            port=False,
        )
        function = self.name(f"reorder_{made.name}")
        self.processes.append(
            Buffered(
                function,
                self._maker(fifo.edge),
                (fifo,),
                (made,),
                inputs=(fifo.edge,),
                outputs=((fifo.edge, made),),
            )
        )
        return made

    # Ops without a form -----------------------------------------------------------------------------------------------

    def buffered(self, node: Node) -> None:
        """The layer on whole tensors."""
        reads = tuple(self.read(e) for e in node.inputs)
        outputs = []
        for edge in node.outputs:
            fifo = None
            if self.readers[edge]:
                order, lanes = self.chosen(edge)
                fifo = self.written(edge, order, lanes)
            outputs.append((edge, fifo))
        name = self.name(f"stream_{self.functions[node.outputs[0]]}")
        writes = tuple(f for _, f in outputs if f is not None)
        cycles = node.op.cycles(self.graph.ins(node))
        self.add(Buffered(name, node.name, reads, writes, node, cycles, node.inputs, tuple(outputs)))

    # Wishes -----------------------------------------------------------------------------------------------------------

    def chosen(self, edge: str) -> tuple[Order, int]:
        """The order and the width of an edge whose producer can choose: what its first reader would like."""
        wish, size = self.wish(edge), self.edge(edge).size
        order = wish.order or Order.flat(size)
        if order.size != size:
            raise InternalError(f"an order of {order.size} codes for edge '{edge}' of {size}")
        most = max(1, min(wish.lanes or order.channels, TOKEN_BITS // max(1, self.edge(edge).type.width)))
        run = order.channels
        return order, max(d for d in range(1, min(most, run) + 1) if run % d == 0)

    def wish(self, edge: str) -> Wish:
        """What the readers of an edge would like: the first of them that cares."""
        root = self.roots[edge]
        for node in self.graph.nodes:
            for i, name in enumerate(node.inputs):
                if self.roots[name] == root and not isinstance(node.op, Reshape):
                    form = self.forms.get(type(node.op))
                    wish = form.wish(self, node, i) if form else Wish()
                    if wish.order is not None or wish.lanes:
                        return wish
        return Wish()


def _roots(graph: Graph) -> dict[str, str]:
    """The edge whose array each edge is: itself, but for reshapes."""
    roots = {e: e for e in graph.edges}
    for node in graph.nodes:
        if isinstance(node.op, Reshape):
            roots[node.outputs[0]] = roots[node.inputs[0]]
    return roots


def covering(fifo: Fifo, lo: int, hi: int) -> FixedType:
    """The FIFO's type, or the narrowest that holds the codes too."""
    return fifo.type if fifo.type.contains(lo, hi) else FixedType.covering(lo, hi, fifo.type.frac)
