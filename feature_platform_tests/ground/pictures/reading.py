"""Reading pictures back: what they say and how tall things are in them."""

import base64
import re
from xml.etree import ElementTree as ET

from markdown_it import MarkdownIt

SVG = "{http://www.w3.org/2000/svg}"


def svg_of(markdown: str) -> ET.Element:
    """The drawing inside a Markdown image, parsed as strictly as a browser does."""
    found = re.fullmatch(r"!\[.*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert found, markdown[:80]
    return ET.fromstring(base64.b64decode(found[1]).decode())


def texts(svg: ET.Element) -> list[str]:
    """All words of a drawing in order."""
    return [each.text or "" for each in svg.iter(f"{SVG}text")]


def paths(svg: ET.Element, kind: str) -> list[str]:
    """The commands of the paths of one kind."""
    return [each.attrib["d"] for each in svg.iter(f"{SVG}path") if each.attrib.get("class") == kind]


def heights(steps: str, pitch: int) -> list[int]:
    """The heights of the columns of a skyline."""
    found: list[int] = []
    level = 0
    for command, number in re.findall(r"([hv])(-?\d+)", steps):
        if command == "v":
            level -= int(number)
        else:
            found += [level] * (int(number) // pitch)
    assert level == 0, "the outline ends where it began"
    return found


def points(steps: str) -> list[tuple[int, int]]:
    """The places that a path of M, l and h passes."""
    x = y = 0
    found = []
    for command, numbers in re.findall(r"([Mlh])([-\d ]+)", steps):
        parts = [int(each) for each in numbers.split()]
        if command == "M":
            x, y = parts
        else:
            x, y = x + parts[0], y + (parts[1] if command == "l" else 0)
        found.append((x, y))
    return found


def rendered(markdown: str) -> str:
    """Markdown as HTML, with the tables that Dagster has, too."""
    parser = MarkdownIt("commonmark").enable("table").enable("strikethrough")
    parser.validateLink = lambda _: True  # type: ignore[assignment]  # pictures as data are let through by Dagster
    return str(parser.render(markdown))
