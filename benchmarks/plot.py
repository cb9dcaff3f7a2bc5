"""A plot of lines on two logarithmic axes, as SVG by hand."""

import math
from collections.abc import Mapping, Sequence

Point = tuple[float, float]

WIDTH, HEIGHT, MARGIN = 720, 400, 60
RIGHT = WIDTH - 2 * MARGIN  # the names of the lines stand beyond it
_COLOURS = ("#1f77b4", "#7f7f7f", "#d62728")


def log_log(lines: Mapping[str, Sequence[Point]], *, title: str, x: str, y: str) -> str:
    """The SVG of named lines; every value is above 0.

    >>> svg = log_log({"ours": [(1, 0.5), (2, 0.9)]}, title="Growth", x="rows", y="seconds")
    >>> svg.startswith("<svg") and svg.count("<circle") == 2
    True
    """
    points = [point for line in lines.values() for point in line]
    across, up = (_Axis([point[axis] for point in points]) for axis in (0, 1))

    def place(point: Point) -> Point:
        left, height = across.share(point[0]) * (RIGHT - MARGIN), up.share(point[1]) * (HEIGHT - 2 * MARGIN)
        return MARGIN + left, HEIGHT - MARGIN - height

    parts = [_text(WIDTH / 2, 24, title, "middle"), _text(WIDTH / 2, HEIGHT - 12, x, "middle"), _text(8, 44, y)]
    for value in across.ticks:
        parts += [_text(place((value, up.low))[0], HEIGHT - MARGIN + 18, f"{value:g}", "middle")]
    for value in up.ticks:
        top = place((across.low, value))[1]
        parts += [_text(MARGIN - 6, top + 4, f"{value:g}", "end"), _rule(top)]
    for number, (name, line) in enumerate(lines.items()):
        parts += _line(name, [place(point) for point in line], _COLOURS[number % len(_COLOURS)])
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="12">'
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    return "\n".join([head, background, *parts, "</svg>\n"])


class _Axis:
    """A logarithmic axis that holds its values, with ticks at 1, 2 and 5 of each power of ten."""

    def __init__(self, values: Sequence[float]) -> None:
        first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        steps = [lead * 10.0**power for power in range(first, last + 1) for lead in (1, 2, 5)]
        self.low = max(step for step in steps if step <= min(values))
        self.high = min((step for step in steps if step >= max(values) and step > self.low), default=10 * self.low)
        self.ticks = [step for step in steps if self.low <= step <= self.high]

    def share(self, value: float) -> float:
        """Where a value is, from 0 at the low end to 1 at the high one."""
        return math.log(value / self.low) / math.log(self.high / self.low)


def _line(name: str, points: Sequence[Point], colour: str) -> list[str]:
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top in points)
    dots = [f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{colour}"/>' for left, top in points]
    left, top = points[-1]
    label = f'<text x="{left + 8:.1f}" y="{top + 4:.1f}" fill="{colour}">{name}</text>'
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots, label]


def _text(left: float, top: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{text}</text>'


def _rule(top: float) -> str:
    return f'<line x1="{MARGIN}" x2="{RIGHT}" y1="{top:.1f}" y2="{top:.1f}" stroke="#dddddd"/>'
