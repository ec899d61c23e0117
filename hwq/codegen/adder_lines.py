"""A graph of adders as C++: what is read, a line an adder, what leaves. Names and types only; templates place them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hwq.numeric.fixed import FixedType
from hwq.ops.parts.adder_graph import CONSTANT, Adder, AdderGraph, Operand


@dataclass(frozen=True)
class AdderLines:
    """`types`: (name, type) of every integer type that occurs; `reads`: (type, name, input); `adders`: (type, name,
    sum); `outputs`: (type, sum) of every output."""

    types: tuple[tuple[str, FixedType], ...]
    reads: tuple[tuple[str, str, int], ...]
    adders: tuple[tuple[str, str, str], ...]
    outputs: tuple[tuple[str, str], ...]


def adder_lines(graph: AdderGraph, biases: list[int]) -> AdderLines:
    """The graph's text; `biases` are those of outputs that are nothing else."""
    types: dict[str, FixedType] = {}

    def typed(kind: FixedType) -> str:
        name = f"{'i' if kind.signed else 'u'}{max(1, kind.width)}"
        types.setdefault(name, kind)
        return name

    def name(signal: int) -> str:
        return f"x{signal}" if signal < graph.inputs else f"s{signal - graph.inputs}"

    def term(operand: Operand, constant: int = 0) -> str:
        if operand.signal == CONSTANT:
            return str(constant << operand.shift)
        return (f"{1 << operand.shift} * " if operand.shift else "") + name(operand.signal)

    used = {o.signal for a in graph.adders for o in (a.left, a.right)} | {o.signal for o in graph.outputs}
    reads = [(typed(graph.type_of(i)), name(i), i) for i in range(graph.inputs) if i in used]
    adders = [
        (typed(graph.type_of(at)), name(at), _sum(adder, term)) for at, adder in enumerate(graph.adders, graph.inputs)
    ]
    outputs = []
    for operand, bias in zip(graph.outputs, biases, strict=True):
        lo, hi = (bias, bias) if operand.signal == CONSTANT else graph.ranges[operand.signal]
        kind = typed(FixedType.covering(lo << operand.shift, hi << operand.shift))
        outputs.append((kind, term(operand, bias)))
    return AdderLines(tuple(sorted(types.items())), tuple(reads), tuple(adders), tuple(outputs))


def _sum(adder: Adder, term: Callable[[Operand, int], str]) -> str:
    """Two terms and their signs; the one that is subtracted comes second."""
    left, right = adder.left, adder.right
    if left.negative and not right.negative:
        left, right = right, left
    first, second = term(left, adder.constant), term(right, adder.constant)
    return f"{'-' if left.negative else ''}{first} {'-' if right.negative else '+'} {second}"
