"""Pictures inside Markdown: an image that needs nothing from elsewhere, its style included.

Dagster shows Markdown metadata of up to `INLINE` characters where it stands, longer ones in a dialog of a width of
`WIDTH`. What is embedded is kept in an event log, once for each materialization: pictures are made of few bytes.
"""

import base64
import re
from collections.abc import Iterable
from html import unescape

from feature_platform.ground.pictures import svg
from feature_platform.ground.pictures.markdown import escape_markdown
from feature_platform.ground.pictures.style import COLOURS, EMBEDDED, SHAPES

WIDTH = 840
INLINE = 999  # UTF-16 units, as JavaScript counts
_OPENED = re.compile(
    r'<svg class="[^"]*" viewBox="0 0 ([\d.e+]+) ([\d.e+]+)" role="img" aria-label="([^"]*)" xmlns="[^"]*">'
)
_TITLES = re.compile("<title>[^<]*</title>")
_STYLE = re.sub(r"\s*([{}:;,])\s*", r"\1", re.sub(r"\s+", " ", COLOURS + SHAPES + EMBEDDED)).strip()


def sheet(width: int, height: int, said: str, parts: Iterable[str]) -> str:
    """Draw a picture on a background of its own, which is readable on a page of any colour."""
    paper = f'<rect class="paper" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>'
    return svg.drawing(width, height, said, [paper, *parts])


def fits_inline(text: str) -> bool:
    """Tell whether Dagster shows this Markdown where it stands.

    >>> fits_inline("a" * 999), fits_inline("a" * 1000), fits_inline("😀" * 500)
    (True, False, False)
    """
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 <= INLINE


def embed(drawing: str) -> str:
    """Embed a drawing of `svg.drawing` as a Markdown image in its natural size; the same text for the same drawing.

    Raises:
        ValueError: the text is no such drawing.

    >>> embed(svg.drawing(10, 5, "A picture", [])).startswith("![A picture](data:image/svg+xml;base64,")
    True
    """
    opened = _OPENED.match(drawing)
    if opened is None:
        raise ValueError(f"only a drawing of feature_platform can be embedded, not {drawing[:40]!r}")
    width, height, description = opened.groups()
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    inside = _TITLES.sub("", drawing[opened.end() :])  # an image shows none; its alternative text says it
    text = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}</style>{inside}'
    return image(text, unescape(description))


def image(text: str, said: str) -> str:
    """Return SVG as a Markdown image; `said` is the text for those who do not see it."""
    return f"![{escape_markdown(said)}](data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()})"
