"""Small line charts as SVG, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 28, 40, 52
COLOURS = ("#00897b", "#e07a1f", "#5e6ad2", "#c2406b")
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #444 }
.axis { stroke: #888 } .grid { stroke: #8884 } .guide { stroke: #888; stroke-dasharray: 5 4 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } }
"""


@dataclass(frozen=True)
class Axis:
    """One direction of a chart."""

    label: str
    ticks: Sequence[tuple[float, str]]
    """Value and what is written there; the first and the last are the ends of the axis."""
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, 0 to 1."""
        low, high, at = (
            self._scaled(each) for each in (self.ticks[0][0], self.ticks[-1][0], value)
        )
        return (at - low) / (high - low)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


@dataclass(frozen=True)
class Line:
    """A named series of points."""

    name: str
    points: Sequence[tuple[float, float]]


def line_chart(
    x: Axis, y: Axis, lines: Sequence[Line], guides: Sequence[Sequence[tuple[float, float]]] = ()
) -> str:
    """The chart as an SVG document; `guides` are dashed lines for the eye."""

    def left(value: float) -> float:
        return LEFT + x.place(value) * (WIDTH - LEFT - RIGHT)

    def top(value: float) -> float:
        return HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM)

    parts = [*_axes(x, y, left, top)]
    parts += [
        f'<polyline class="guide" fill="none" points="{_points(guide, left, top)}"/>'
        for guide in guides
    ]
    legend = float(LEFT)
    for line, colour in zip(lines, COLOURS, strict=False):
        points = _points(line.points, left, top)
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>'
        )
        parts += [
            f'<circle cx="{left(a):.1f}" cy="{top(b):.1f}" r="4" fill="{colour}"/>'
            for a, b in line.points
        ]
        parts.append(f'<circle cx="{legend + 5:.1f}" cy="16" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{legend + 15:.1f}" y="20">{escape(line.name)}</text>')
        legend += 40 + 7 * len(line.name)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def growth_chart(lines: Sequence[Line]) -> str:
    """Seconds a sweep against ratings, both on a log scale."""
    points = [point for line in lines for point in line.points]
    most = math.ceil(math.log10(max(ratings for ratings, _ in points)))
    low, high = (
        way(math.log10(end(seconds for _, seconds in points)))
        for way, end in ((math.floor, min), (math.ceil, max))
    )
    sizes = {5: "100 k", 6: "1 M", 7: "10 M", 8: "100 M"}
    return line_chart(
        Axis("ratings", [(10.0**power, sizes[power]) for power in range(5, most + 1)], is_log=True),
        Axis(
            "seconds a sweep",
            [(10.0**power, f"{10.0**power:g}") for power in range(low, high + 1)],
            is_log=True,
        ),
        lines,
    )


def _axes(
    x: Axis, y: Axis, left: Callable[[float], float], top: Callable[[float], float]
) -> list[str]:
    low, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for value, text in x.ticks:
        parts.append(
            f'<line class="grid" x1="{left(value):.1f}" y1="{TOP}" x2="{left(value):.1f}"'
            f' y2="{low}"/>'
        )
        parts.append(
            f'<text x="{left(value):.1f}" y="{low + 18}" text-anchor="middle">{escape(text)}</text>'
        )
    for value, text in y.ticks:
        parts.append(
            f'<line class="grid" x1="{LEFT}" y1="{top(value):.1f}" x2="{right}"'
            f' y2="{top(value):.1f}"/>'
        )
        parts.append(
            f'<text x="{LEFT - 8}" y="{top(value) + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        )
    middle = (LEFT + right) / 2
    return [
        *parts,
        f'<line class="axis" x1="{LEFT}" y1="{low}" x2="{right}" y2="{low}"/>',
        f'<line class="axis" x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{low}"/>',
        f'<text x="{middle:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x.label)}</text>',
        f'<text transform="translate(16 {(TOP + low) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.label)}</text>",
    ]


def _points(
    points: Sequence[tuple[float, float]],
    left: Callable[[float], float],
    top: Callable[[float], float],
) -> str:
    return " ".join(f"{left(a):.1f},{top(b):.1f}" for a, b in points)
