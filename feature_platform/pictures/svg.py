"""The few SVG shapes that pictures are made of; text is escaped here and nowhere else."""

from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]


def drawing(width: float, height: float, said: str, parts: Iterable[str], kind: str = "") -> str:
    """A picture that scales with its page."""
    inside = "".join(parts)
    return (
        f'<svg class="picture {kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(said)}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(said)}</title>{inside}</svg>'
    )


def box(x: float, y: float, width: float, height: float, kind: str, said: str = "") -> str:
    """A rectangle; what it stands for appears under the pointer."""
    title = f"<title>{escape(said)}</title>" if said else ""
    size = f'width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size}>{title}</rect>'


def line(points: Sequence[Point], kind: str) -> str:
    """Straight pieces from point to point."""
    return f'<polyline class="{kind}" points="{_told(points)}"/>'


def area(points: Sequence[Point], kind: str) -> str:
    """What points enclose."""
    return f'<polygon class="{kind}" points="{_told(points)}"/>'


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Words at a place."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def short(words: str, letters: int) -> str:
    """Words cut to a number of letters.

    >>> short("Hartsfield", 6)
    'Harts…'
    """
    return words if len(words) <= letters else f"{words[: letters - 1]}…"


def number(value: float) -> str:
    """A number as a reader wants it: four digits, thousands apart.

    >>> number(1234567.0), number(0.012345), number(12.0)
    ('1,234,567', '0.01235', '12')
    """
    if value != value:
        return "–"
    if abs(value) >= 1e9 or 0 < abs(value) < 1e-4:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _told(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
