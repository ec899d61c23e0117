"""The graph of layers as SVG: ranks from top to bottom, branches side by side, long edges beside the boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from hwq.errors import printable
from hwq.ir.hardware import Graph
from hwq.report.plot import path, svg, text
from hwq.report.text_table import shortened

BOX_WIDTH, BOX_HEIGHT = 292, 40
STEP_X, STEP_Y = 324, 74
LANE = 12  # between long edges
MARGIN = 16
LETTERS = 42  # of a line in a box


@dataclass(frozen=True)
class Box:
    """A layer or a port."""

    key: str
    kind: str  # "port", "quantizer" or "layer"
    title: str
    detail: str
    reads: tuple[str, ...]  # keys
    labels: tuple[str, ...]  # what each of them brings


def boxes(graph: Graph) -> list[Box]:
    """Ports and layers in executable order."""
    made = {p.edge: f"in {p.name}" for p in graph.inputs}
    found = [
        Box(made[p.edge], "port", f"input {printable(p.source)}", _edge(graph, p.edge), (), ()) for p in graph.inputs
    ]
    for node in graph.nodes:
        key = f"node {node.outputs[0]}"
        reads = tuple(made[e] for e in node.inputs)
        labels = tuple(str(graph.edges[e].type) for e in node.inputs)
        kind = "layer" if node.proof is None or node.proof.kind == "forms" else "quantizer"
        shape = "x".join(map(str, graph.outs(node)[0].shape))
        found.append(Box(key, kind, printable(node.name) or "(unnamed)", f"{node.op} · {shape}", reads, labels))
        made.update(dict.fromkeys(node.outputs, key))
    for out in graph.outputs:
        label = (str(graph.edges[out.edge].type),)
        title = f"output {printable(out.name)}"
        found.append(Box(f"out {out.name}", "port", title, _edge(graph, out.edge), (made[out.edge],), label))
    return found


def _edge(graph: Graph, name: str) -> str:
    edge = graph.edges[name]
    return f"{'x'.join(map(str, edge.shape))} · {edge.type}"


def _ranks(found: list[Box]) -> dict[str, int]:
    """How far each box is from the inputs, at most."""
    ranks: dict[str, int] = {}
    for box in found:
        ranks[box.key] = 1 + max((ranks[r] for r in box.reads), default=-1)
    return ranks


def _columns(found: list[Box], ranks: Mapping[str, int]) -> dict[str, float]:
    """Places side by side in each rank, in the order of what is read, about a common middle."""
    rows: dict[int, list[Box]] = {}
    for box in found:
        rows.setdefault(ranks[box.key], []).append(box)
    widest = max(len(row) for row in rows.values())
    places: dict[str, float] = {}
    for rank in sorted(rows):
        row = sorted(rows[rank], key=lambda b: sum(places[r] for r in b.reads) / max(1, len(b.reads)))
        for k, box in enumerate(row):
            places[box.key] = (widest - len(row)) / 2 + k
    return places


def graph_svg(graph: Graph) -> str:
    """The drawing of a whole graph."""
    found = boxes(graph)
    ranks = _ranks(found)
    places = _columns(found, ranks)
    widest = 1 + max(places.values())
    depth = 1 + max(ranks.values())
    free: list[int] = []  # of each lane, the rank from which it is free
    parts: list[str] = []
    for box in found:
        for read, label in zip(box.reads, box.labels, strict=True):
            start, end = _foot(places[read], ranks[read]), _head(places[box.key], ranks[box.key])
            if ranks[box.key] - ranks[read] > 1:
                parts += _long(start, end, widest, _lane(free, ranks[read], ranks[box.key]), label)
            else:
                middle = (start[1] + end[1]) / 2
                curve = f"M{start[0]:.1f} {start[1]:.1f} C{start[0]:.1f} {middle:.1f} {end[0]:.1f} {middle:.1f} "
                parts.append(f'<path class="axis" d="{curve}{end[0]:.1f} {end[1] - 4:.1f}"/>')
                parts.append(text((start[0] + end[0]) / 2 + 7, middle + 4, label, "faint"))
            parts.append(_arrow(end))
    for box in found:
        parts.append(_box(box, *_head(places[box.key], ranks[box.key])))
    width = 2 * MARGIN + (widest - 1) * STEP_X + BOX_WIDTH + (len(free) * LANE + 64 if free else 0)
    return svg(width, 2 * MARGIN + (depth - 1) * STEP_Y + BOX_HEIGHT, parts, "the graph of layers")


def _head(place: float, rank: int) -> tuple[float, float]:
    return MARGIN + place * STEP_X + BOX_WIDTH / 2, MARGIN + rank * STEP_Y


def _foot(place: float, rank: int) -> tuple[float, float]:
    x, y = _head(place, rank)
    return x, y + BOX_HEIGHT


def _lane(free: list[int], first: int, last: int) -> int:
    for k, rank in enumerate(free):
        if rank <= first:
            free[k] = last
            return k
    free.append(last)
    return len(free) - 1


def _long(start: tuple[float, float], end: tuple[float, float], widest: float, lane: int, label: str) -> list[str]:
    """An edge that passes ranks: right of all boxes."""
    right = MARGIN + (widest - 1) * STEP_X + BOX_WIDTH + 14 + lane * LANE
    leave, enter = start[1] + 9, end[1] - 14
    points = [start, (start[0], leave), (right, leave), (right, enter), (end[0], enter), (end[0], end[1] - 4)]
    return [path(points, "axis"), text(right + 4, (leave + enter) / 2, label, "faint")]


def _arrow(end: tuple[float, float]) -> str:
    x, y = end
    return f'<path class="head" d="M{x - 4:.1f} {y - 7:.1f} L{x + 4:.1f} {y - 7:.1f} L{x:.1f} {y:.1f} Z"/>'


def _box(box: Box, middle: float, top: float) -> str:
    left = middle - BOX_WIDTH / 2
    shape = f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="{16 if box.kind == "port" else 5}"'
    return (
        f"<g><title>{escape(box.title)}: {escape(box.detail)}</title>"
        f'<rect class="box {box.kind}" x="{left:.1f}" y="{top:.1f}" {shape}/>'
        f"{text(middle, top + 16, shortened(box.title, LETTERS), 'name', 'middle')}"
        f"{text(middle, top + 31, shortened_end(box.detail, LETTERS + 6), 'faint', 'middle')}</g>"
    )


def shortened_end(content: str, limit: int) -> str:
    """The beginning of a long text."""
    return content if len(content) <= limit else content[: limit - 1] + "…"
