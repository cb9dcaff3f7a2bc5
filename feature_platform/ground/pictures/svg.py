"""The few SVG shapes that pictures are made of; text is escaped here and nowhere else."""

import re
from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # not even when escaped


def drawing(width: float, height: float, said: str, parts: Iterable[str], kind: str = "") -> str:
    """Return a picture that scales with its page."""
    inside = "".join(parts)
    return (
        f'<svg class="picture {kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape_xml(said)}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape_xml(said)}</title>{inside}</svg>'
    )


def box(x: float, y: float, width: float, height: float, kind: str, said: str = "") -> str:
    """Draw a rectangle; what it stands for appears under the pointer."""
    title = f"<title>{escape_xml(said)}</title>" if said else ""
    size = f'width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size}>{title}</rect>'


def line(points: Sequence[Point], kind: str) -> str:
    """Draw straight pieces from point to point."""
    return f'<polyline class="{kind}" points="{_points_as_text(points)}"/>'


def area(points: Sequence[Point], kind: str) -> str:
    """Draw the area that points enclose."""
    return f'<polygon class="{kind}" points="{_points_as_text(points)}"/>'


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Write words at a place."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape_xml(words)}</text>'


def words(x: int, y: int, said: str, kind: str) -> str:
    """Write words at a place in whole units, in few bytes; their anchor is a matter of style."""
    return f'<text class="{kind}" x="{x}" y="{y}">{escape_xml(said)}</text>'


def path(steps: str, kind: str) -> str:
    """Draw any lines, as commands of a path; the commands never come from what people write."""
    return f'<path class="{kind}" d="{steps}"/>'


def place(inside: str, x: float, y: float) -> str:
    """Move a picture, or parts of one, to a place."""
    return f'<g transform="translate({x:g} {y:g})">{inside}</g>'


def skyline(heights: Sequence[int], floor: int, pitch: int) -> str:
    """Return columns side by side from x = 0, as the commands of one path in whole units.

    >>> skyline([2, 2, 0, 5], 10, 3)
    'M0 10v-2h6v2h3v-5h3v5z'
    """
    steps, at, ahead = [f"M0 {floor}"], 0, 0
    for height in heights:
        if height != at:
            steps.append((f"h{ahead}" if ahead else "") + f"v{at - height}")
            at, ahead = height, 0
        ahead += pitch
    steps.append(f"h{ahead}" + (f"v{at}" if at else "") + "z")
    return "".join(steps)


def escape_xml(said: str) -> str:
    """Return text as XML: markup is escaped, and characters that XML does not have are shown as replaced.

    >>> escape_xml("<a>" + chr(0))
    '&lt;a&gt;�'
    """
    return escape(_NOT_IN_XML.sub("�", said))


def cut_to_letters(words: str, letters: int) -> str:
    """Cut words to a number of letters.

    >>> cut_to_letters("Hartsfield", 6)
    'Harts…'
    """
    return words if len(words) <= letters else f"{words[: letters - 1]}…"


def number_text(value: float) -> str:
    """Write a number with four digits and commas between thousands.

    >>> number_text(1234567.0), number_text(0.012345), number_text(12.0)
    ('1,234,567', '0.01235', '12')
    """
    if value != value:
        return "–"
    if abs(value) >= 1e9 or 0 < abs(value) < 1e-4:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _points_as_text(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
