"""Small charts as SVG of our own: axes, a table against its real function with the error below, a histogram."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import floor, log10

import numpy as np

from hwq.errors import printable
from hwq.report.pictures import Doubles, Picture

WIDTH, HEIGHT = 440, 316
LEFT, RIGHT, TOP = 52, 12, 46
CURVES, STRIP, GAP = 170, 48, 14  # heights of the two panels, and what lies between them
COLUMNS = 376  # of one panel, in pixels: no curve has more points

STYLE = """
svg.hwq { font: 11px system-ui, sans-serif; --ink: #1d2733; --faint: #8593a3; --rule: #d9e0e7; --real: #d9730d;
  --code: #1668c7; --error: #b3261e; --paper: #ffffff; }
@media (prefers-color-scheme: dark) { svg.hwq { --ink: #e6ebf1; --faint: #93a1b1; --rule: #36414d; --real: #f2a65a;
  --code: #6cb2ff; --error: #ff8a80; --paper: #161c23; } }
svg.hwq text { fill: var(--ink); } svg.hwq text.faint { fill: var(--faint); } svg.hwq text.title { font-weight: 600;
  font-size: 12.5px; } svg.hwq .rule { stroke: var(--rule); stroke-width: 1; fill: none; }
svg.hwq .axis { stroke: var(--faint); stroke-width: 1; fill: none; }
svg.hwq .real { stroke: var(--real); stroke-width: 1.6; fill: none; }
svg.hwq .code { stroke: var(--code); stroke-width: 1.6; fill: none; }
svg.hwq .error { stroke: var(--error); stroke-width: 0.8; fill: var(--error); fill-opacity: 0.35; }
svg.hwq .bar { fill: var(--code); }
"""


def ticks(lo: float, hi: float, about: int) -> list[float]:
    """Round numbers in lo..hi, about so many."""
    if not hi > lo:
        return [lo]
    raw = (hi - lo) / max(1, about)
    power = 10.0 ** floor(log10(raw))
    step = power * next((m for m in (1, 2, 5) if m * power >= raw), 10)
    first = -(-lo // step)
    return [k * step for k in np.arange(first, hi / step + 1e-9)]


def number(value: float) -> str:
    """Short, for axes: 12, 0.5, 3.2e6."""
    if value == int(value) and abs(value) < 100000:
        return f"{int(value)}"
    return f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-")


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """One line of text."""
    of = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{of} text-anchor="{anchor}">{escape(content)}</text>'


def path(points: Iterable[tuple[float, float]], kind: str, close: bool = False) -> str:
    """A polyline."""
    steps = " ".join(f"{'L' if k else 'M'}{x:.1f} {y:.1f}" for k, (x, y) in enumerate(points))
    return f'<path class="{kind}" d="{steps}{" Z" if close else ""}"/>'


def svg(width: float, height: float, parts: Sequence[str], label: str, alone: bool = False) -> str:
    """The drawing; `alone`: a file of its own, which brings its style and its paper."""
    names = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    style = f"<style>{STYLE}</style>" if alone else ""
    paper = f'<rect width="{width:.0f}" height="{height:.0f}" fill="var(--paper)"/>' if alone else ""
    head = (
        f'<svg class="hwq" role="img" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    )
    return f"{head}{names}><title>{escape(label)}</title>{style}{paper}{''.join(parts)}</svg>"


class Panel:
    """A rectangle with two linear axes."""

    def __init__(
        self, box: tuple[float, float, float, float], xs: tuple[float, float], ys: tuple[float, float]
    ) -> None:
        self.left, self.top, self.width, self.height = box
        self.xs, self.ys = xs, ys

    def x(self, value: float) -> float:
        return self.left + (value - self.xs[0]) / ((self.xs[1] - self.xs[0]) or 1) * self.width

    def y(self, value: float) -> float:
        return self.top + self.height - (value - self.ys[0]) / ((self.ys[1] - self.ys[0]) or 1) * self.height

    def frame(self, about_x: int, about_y: int, names_x: bool = True) -> list[str]:
        """Grid lines, axes and their numbers."""
        bottom, right = self.top + self.height, self.left + self.width
        parts = []
        for v in ticks(*self.ys, about_y):
            parts.append(path([(self.left, self.y(v)), (right, self.y(v))], "rule"))
            parts.append(text(self.left - 5, self.y(v) + 3.5, number(v), "faint", "end"))
        for v in ticks(*self.xs, about_x):
            parts.append(path([(self.x(v), self.top), (self.x(v), bottom)], "rule"))
            if names_x:
                parts.append(text(self.x(v), bottom + 13, number(v), "faint", "middle"))
        parts.append(path([(self.left, self.top), (self.left, bottom), (right, bottom)], "axis"))
        return parts


def picture_parts(shown: Picture, name: str) -> list[str]:
    """The chart of one circuit: codes as steps over the real function, and the error in LSB below."""
    codes, got = shown.codes.astype(np.float64), shown.got.astype(np.float64)
    lo, hi = float(got.min()), float(got.max())
    margin = max(0.5, (hi - lo) * 0.06)
    xs = (float(codes[0]), float(codes[-1]) if codes.size > 1 else float(codes[0]) + 1)
    box = LEFT, TOP, WIDTH - LEFT - RIGHT, CURVES
    above = Panel((*box,), xs, (lo - margin, hi + margin))
    parts = [text(LEFT, 15, name, "title"), text(LEFT, 30, _subtitle(shown), "faint")]
    parts += above.frame(6, 5, names_x=shown.real is None)
    if shown.real is not None:
        parts += [path(run, "real") for run in _runs(above, codes, shown.real)]
    parts.append(path(_steps(above, codes, got), "code"))
    if shown.real is None:
        parts.append(text(WIDTH - RIGHT, TOP + CURVES + 30, f"input code ({shown.types[0]})", "faint", "end"))
        return parts
    reach = max(0.5, float(np.abs(shown.errors).max()))
    below = Panel((LEFT, TOP + CURVES + GAP, box[2], STRIP), xs, (-reach, reach))
    parts += below.frame(6, 2)
    parts.append(path(_envelope(below, codes, shown.errors), "error", close=True))
    foot = HEIGHT - 8
    parts.append(text(LEFT, foot, _error_text(shown), "faint"))
    parts.append(text(WIDTH - RIGHT, foot, f"input code ({shown.types[0]})", "faint", "end"))
    return parts


def _subtitle(shown: Picture) -> str:
    more = f", channel 0 of {shown.channels}" if shown.channels > 1 else ""
    return printable(f"{shown.title} to {shown.types[1]}{more} · {shown.kernel}", 74)


def _error_text(shown: Picture) -> str:
    return f"error {shown.least:+.3f} … {shown.most:+.3f} LSB"


def _columns(values: int) -> list[int]:
    """Where each column of a panel begins among so many values."""
    return [int(v) for v in np.unique(np.linspace(0, values, min(values, COLUMNS) + 1).astype(np.int64))[:-1]]


def _steps(panel: Panel, codes: Doubles, got: Doubles) -> list[tuple[float, float]]:
    """A staircase while there are few codes, else the extremes of every column."""
    if codes.size <= COLUMNS:
        half = (codes[1] - codes[0]) / 2 if codes.size > 1 else 0.5
        return [
            (panel.x(min(max(x, panel.xs[0]), panel.xs[1])), panel.y(y))
            for code, y in zip(codes, got, strict=True)
            for x in (code - half, code + half)
        ]
    starts = _columns(codes.size)
    least, most = np.minimum.reduceat(got, starts), np.maximum.reduceat(got, starts)
    firsts, points = got[starts], []
    for k, start in enumerate(starts):
        pair = (least[k], most[k]) if firsts[k] - least[k] <= most[k] - firsts[k] else (most[k], least[k])
        points += [(panel.x(codes[start]), panel.y(v)) for v in dict.fromkeys(pair)]
    return points


def _runs(panel: Panel, codes: Doubles, real: Doubles) -> list[list[tuple[float, float]]]:
    """The real function, broken where it leaves the panel."""
    runs: list[list[tuple[float, float]]] = [[]]
    for place in dict.fromkeys([*_columns(codes.size), codes.size - 1]):
        value = real[place]
        if np.isfinite(value) and panel.ys[0] <= value <= panel.ys[1]:
            runs[-1].append((panel.x(codes[place]), panel.y(value)))
        elif runs[-1]:
            runs.append([])
    return [r for r in runs if len(r) > 1]


def _envelope(panel: Panel, codes: Doubles, errors: Doubles) -> list[tuple[float, float]]:
    """The least and the greatest error of every column, and zero between them."""
    starts = _columns(codes.size)
    least = np.minimum(np.minimum.reduceat(errors, starts), 0.0)
    most = np.maximum(np.maximum.reduceat(errors, starts), 0.0)
    width = panel.width / len(starts)
    upper = [(panel.left + (k + e) * width, panel.y(v)) for k, v in enumerate(most) for e in (0, 1)]
    lower = [(panel.left + (k + e) * width, panel.y(v)) for k, v in enumerate(least) for e in (0, 1)]
    return upper + lower[::-1]


def picture_svg(shown: Picture, alone: bool = False) -> str:
    """The chart of one circuit."""
    name = printable(shown.node, 60) or "(unnamed)"
    tall = HEIGHT if shown.real is not None else TOP + CURVES + 38
    return svg(WIDTH, tall, picture_parts(shown, name), f"{name}: {shown.title}", alone)


def sheet_svg(shown: Sequence[Picture]) -> str:
    """All charts in one file, two in a row."""
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    parts = []
    for k, one in enumerate(shown):
        chart = "".join(picture_parts(one, printable(one.node, 60) or "(unnamed)"))
        parts.append(f'<g transform="translate({k % columns * WIDTH} {k // columns * HEIGHT})">{chart}</g>')
    return svg(columns * WIDTH, rows * HEIGHT, parts, "tables against their real functions", alone=True)


def histogram_svg(values: Sequence[float], counts: Sequence[int], title: str, subtitle: str) -> str:
    """Bars of counts at equally spaced values."""
    width, height, bottom = 300, 150, 18
    gap = (values[1] - values[0]) if len(values) > 1 else 1.0
    panel = Panel(
        (44, 38, width - 54, height - 38 - bottom), (values[0] - gap / 2, values[-1] + gap / 2), (0, max(counts) * 1.04)
    )
    parts = [text(8, 14, title, "title"), text(8, 29, subtitle, "faint"), *panel.frame(6, 3)]
    wide = panel.width / len(values)
    for value, count in zip(values, counts, strict=True):
        left, top = panel.x(value - gap / 2) + wide * 0.06, panel.y(count)
        label = f"<title>{number(value)}: {count}</title>"
        size = f'width="{wide * 0.88:.1f}" height="{panel.top + panel.height - top:.1f}"'
        parts.append(f'<rect class="bar" x="{left:.1f}" y="{top:.1f}" {size}>{label}</rect>')
    return svg(width, height, parts, title)
