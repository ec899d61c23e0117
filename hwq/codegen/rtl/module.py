"""A circuit as a Verilog module: a wire a signal, a register a stage that it is held for, modules that it calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hwq.codegen.environment import environment
from hwq.codegen.rtl.expressions import Wires, declared, literal, signed_literal
from hwq.netlist.circuit import Gate, Node
from hwq.netlist.timing import Timed

LINE = 110
OPERATORS = ((Gate.AND, "&"), (Gate.OR, "|"), (Gate.XOR, "^"))


class Element(NamedTuple):
    """A signal's place in the vector of its tensor."""

    low: int
    width: int


def packed(widths: Sequence[int]) -> list[Element]:
    """Elements side by side, the first in the lowest bits."""
    places, low = [], 0
    for width in widths:
        places.append(Element(low, width))
        low += width
    return places


def cut(vector: str, total: int, place: Element) -> str:
    """An element of a vector of so many bits."""
    low, width = place
    if width == total:
        return vector
    return f"{vector}[{low}]" if width == 1 else f"{vector}[{low + width - 1}:{low}]"


def joined(parts: Sequence[str], indent: str = "    ") -> str:
    """A concatenation, the first part in the lowest bits, on as many lines as it needs."""
    if len(parts) == 1:
        return parts[0]
    one = "{" + ", ".join(reversed(parts)) + "}"
    if len(one) <= LINE - 20:
        return one
    lines, line = [], ""
    for part in reversed(parts):
        if line and len(line) + len(part) + 2 > LINE - len(indent):
            lines.append(line)
            line = ""
        line += f"{', ' if line else ''}{part}"
    return "{\n" + "".join(f"{indent}{text},\n" for text in lines) + f"{indent}{line}\n  }}"


@dataclass(frozen=True)
class Port:
    """A vector that a module reads or makes."""

    name: str
    width: int
    text: str = ""  # what lies in it


@dataclass(frozen=True)
class Module:
    """A module's text."""

    name: str
    text: str


def modules_of(name: str, circuit: Timed, ins: Sequence[str], outs: Sequence[str], title: str) -> Iterator[Module]:
    """The module of a circuit, and those that it calls, whose names begin with its own.

    `ins` and `outs` say what lies in each vector.
    """
    for inner, called in circuit.modules.items():
        yield from modules_of(f"{name}_{inner}", called, ["operands"], ["results"], f"called by {name}")
    yield Module(name, _Printer(name, circuit).text(ins, outs, title))


class _Printer:
    """Prints one circuit."""

    def __init__(self, name: str, circuit: Timed) -> None:
        self.name = name
        self.timed = circuit
        self.circuit = circuit.circuit
        self.nodes = self.circuit.nodes
        self.wires = Wires(self.nodes, {})
        self.lines: list[str] = []
        self.clocked: list[tuple[str, str]] = []
        self.uses_clock = bool(circuit.copies)
        self.calls: dict[tuple[str, tuple[int, ...]], str] = {}

    def text(self, ins: Sequence[str], outs: Sequence[str], title: str) -> str:
        names = ["x"] if len(ins) == 1 else [f"x{k}" for k in range(len(ins))]
        made = ["y"] if len(outs) == 1 else [f"y{k}" for k in range(len(outs))]
        in_ports = [self._read(n, g, t) for n, g, t in zip(names, self.circuit.inputs, ins, strict=True)]
        for k in sorted(self.timed.stages):
            if k in self.circuit.notes:
                self.lines.append(f"  // {self.circuit.notes[k]}")
            node = self.nodes[k]
            if node.gate is Gate.CALL:
                self._call(k, node)
            elif node.gate is not Gate.INPUT:
                self.wires.names[k] = f"n{k}"
                self._define(k, node)
            self._hold(k, node)
        out_ports = [self._write(n, g, t) for n, g, t in zip(made, self.circuit.outputs, outs, strict=True)]
        context = {
            "name": self.name,
            "title": title,
            "inputs": in_ports,
            "outputs": out_ports,
            "clocked": self.uses_clock,
            "latency": self.timed.latency,
            "lines": self.lines,
            "registers": self.clocked,
            "unused": self._unused(),
        }
        return environment().get_template("rtl/module.v.j2").render(context)

    def _read(self, vector: str, group: tuple[int, ...], text: str) -> Port:
        """Name the elements of an input."""
        places = packed([self.nodes[s].width for s in group])
        total = sum(p.width for p in places)
        for i, (signal, place) in enumerate(zip(group, places, strict=True)):
            name = f"{vector}_{i}"
            self.wires.names[signal] = name
            self.lines.append(f"  {declared('wire', place.width, name)} = {cut(vector, total, place)};")
            if signal in self.timed.stages:
                continue
            self.wires.read.setdefault(signal, 0)
        return Port(vector, total, text)

    def _write(self, vector: str, group: tuple[int, ...], text: str) -> Port:
        """Put the elements of an output side by side."""
        parts = []
        for s in group:
            node = self.nodes[s]
            name = self._at(s, self.timed.latency)
            parts.append(self.wires.extended(s, name, node.width))
        self.lines.append(f"  assign {vector} = {joined(parts)};")
        return Port(vector, sum(self.nodes[s].width for s in group), text)

    def _at(self, signal: int, stage: int) -> str:
        """The name of a signal in a stage."""
        if signal not in self.timed.stages:
            return ""
        late = stage - self.timed.stages[signal]
        return self.wires.names[signal] + (f"_{late}" if late else "")

    def _hold(self, k: int, node: Node) -> None:
        """Registers for as many stages as a signal is needed later."""
        before = self.wires.names[k]
        for late in range(1, self.timed.copies.get(k, 0) + 1):
            name = f"{self.wires.names[k]}_{late}"
            self.lines.append(f"  {declared('reg', node.width, name)};")
            self.clocked.append((name, before))
            self.wires.see(k, 0, node.width)
            before = name

    def _call(self, k: int, node: Node) -> None:
        """An instance of a module, made with the first of its results that is used."""
        label, result = node.param
        inner = self.timed.modules[label]
        group, outs = inner.circuit.inputs[0], inner.circuit.outputs[0]
        widths = [inner.circuit.nodes[s].width for s in outs]
        instance = self.calls.get((label, node.args))
        if instance is None:
            instance = self.calls[label, node.args] = f"u{len(self.calls)}"
            operands = [
                self.wires.extended(a, self.wires.names.get(a, ""), inner.circuit.nodes[s].width)
                for a, s in zip(node.args, group, strict=True)
            ]
            clock = ".clk(clk), .ce(ce), " if needs_clock(inner) else ""
            self.uses_clock |= bool(clock)
            self.lines.append(f"  {declared('wire', sum(widths), f'{instance}_y')};")
            self.lines.append(
                f"  {self.name}_{label} {instance} ({clock}.x({joined(operands, '      ')}), .y({instance}_y));"
            )
        self.wires.names[k] = f"n{k}"
        place = packed(widths)[result]
        self.lines.append(f"  {declared('wire', node.width, f'n{k}')} = {cut(f'{instance}_y', sum(widths), place)};")

    def _define(self, k: int, node: Node) -> None:
        if node.gate is Gate.TABLE:
            return self._table(k, node)
        text = self._expression(k, node)
        self.lines.append(f"  {declared('wire', node.width, f'n{k}')} = {text};")
        return None

    def _table(self, k: int, node: Node) -> None:
        """A table of constants; what no code of the operand asks for is the last word."""
        (a,) = node.args
        source = self.nodes[a]
        width, mask = source.width, (1 << source.width) - 1
        address = self.wires.part(a, self._at(a, self.timed.stages[k]), 0, width)
        self.lines.append(f"  {declared('reg', node.width, f'n{k}')};")
        self.lines.append(f"  always @(*)\n    case ({address})")
        for code, word in enumerate(node.param[:-1], source.lo):
            if word != node.param[-1]:
                self.lines.append(f"      {width}'d{code & mask}: n{k} = {literal(word, node.width)};")
        self.lines.append(f"      default: n{k} = {literal(node.param[-1], node.width)};\n    endcase")

    def _expression(self, k: int, node: Node) -> str:
        stage, width = self.timed.stages[k], node.width

        def operand(a: int, bits: int = width, places: int = 0) -> str:
            return self.wires.extended(a, self._at(a, stage), bits, places)

        if node.gate is Gate.ADD:
            return self._sum(k, node)
        if node.gate is Gate.MULTIPLY:
            return " * ".join(operand(a) for a in node.args)
        if node.gate is Gate.BITS:
            (a,) = node.args
            return self.wires.bits(a, self._at(a, stage), node.param, width)
        if node.gate in (Gate.LESS, Gate.EQUAL):
            return self._comparison(k, node)
        if node.gate is Gate.SELECT:
            chosen, one, other = node.args
            return f"{operand(chosen, 1)} ? {operand(one)} : {operand(other)}"
        if node.gate is Gate.NOT:
            return f"~{operand(node.args[0], 1)}"
        if node.gate is Gate.ANY:
            (a,) = node.args
            return f"|{operand(a, self.nodes[a].width)}"
        if node.gate is Gate.JOIN:
            return joined([operand(a, 1) for a in node.args])
        if node.gate is Gate.PARITY:
            (a,) = node.args
            bits = self.nodes[a].width
            return f"^({operand(a, bits)} & {bits}'h{node.param:x})"
        sign = next(s for gate, s in OPERATORS if gate is node.gate)
        return f" {sign} ".join(operand(a, 1) for a in node.args)

    def _sum(self, k: int, node: Node) -> str:
        (a, b), (i, j, sign) = node.args, node.param
        stage, width = self.timed.stages[k], node.width
        fixed = self.nodes[b]
        if fixed.gate is Gate.CONSTANT:  # constants are added or subtracted, whichever is shorter
            value = sign * (fixed.lo << j)
            first = self.wires.extended(a, self._at(a, stage), width, i)
            return first if not value else f"{first} {'-' if value < 0 else '+'} {literal(abs(value), width)}"
        first, second = (self.wires.extended(s, self._at(s, stage), width, places) for s, places in ((a, i), (b, j)))
        if self.nodes[a].gate is Gate.CONSTANT and not self.nodes[a].lo and sign < 0:
            return f"-{second}"
        return f"{first} {'-' if sign < 0 else '+'} {second}"

    def _comparison(self, k: int, node: Node) -> str:
        a, b = node.args
        stage = self.timed.stages[k]
        one, other = self.nodes[a], self.nodes[b]
        signed = one.signed or other.signed
        width = max(n.width + (signed and not n.signed) for n in (one, other))
        texts = []
        for s, n in ((a, one), (b, other)):
            if n.gate is Gate.CONSTANT:
                texts.append(signed_literal(n.lo, width) if signed else literal(n.lo, width))
            else:
                text = self.wires.extended(s, self._at(s, stage), width)
                texts.append(f"$signed({text})" if signed else text)
        return f"{texts[0]} {'==' if node.gate is Gate.EQUAL else '<'} {texts[1]}"

    def _unused(self) -> list[str]:
        """Bits that nothing reads: what is rounded away, and elements that no result depends on."""
        found = []
        declared_signals = [*self.timed.stages, *(s for g in self.circuit.inputs for s in g)]
        for s in sorted(set(declared_signals)):
            width = self.nodes[s].width
            left = ((1 << width) - 1) & ~self.wires.read.get(s, 0)
            name, low = self.wires.names[s], 0
            while left >> low:
                low += ((left >> low) & -(left >> low)).bit_length() - 1
                count = (~(left >> low) & -(~(left >> low))).bit_length() - 1
                found.append(cut(name, width, Element(low, count)))
                low += count
        used = {(n.param[0], n.args, n.param[1]) for k in self.timed.stages if (n := self.nodes[k]).gate is Gate.CALL}
        for (label, args), instance in self.calls.items():
            inner = self.timed.modules[label].circuit
            places = packed([inner.nodes[s].width for s in inner.outputs[0]])
            total = sum(p.width for p in places)
            unread = [p for r, p in enumerate(places) if (label, args, r) not in used]
            found += [cut(f"{instance}_y", total, p) for p in unread]
        return found


def needs_clock(circuit: Timed) -> bool:
    """Whether a module has registers, of its own or in what it calls."""
    return bool(circuit.copies) or any(needs_clock(m) for m in circuit.modules.values())
