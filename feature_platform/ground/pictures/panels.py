"""Drawings beside each other on one sheet, each with its name and a line of words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from feature_platform.ground.pictures.embedded import WIDTH, sheet
from feature_platform.ground.pictures.facts import cut_to_room
from feature_platform.ground.pictures.svg import place, words

_GAP = 28
_WIDE = (WIDTH - 2 * 14 - _GAP) // 2
_HEAD, _ABOVE, _BELOW = 66, 52, 18
_BOX = re.compile(r'<svg class="[^"]*" viewBox="0 0 ([\d.e+]+) ([\d.e+]+)"')


@dataclass(frozen=True)
class Panel:
    """A drawing of `svg.drawing` and two lines of what is said of it; without a drawing only the words are there."""

    name: str
    said: tuple[str, str]
    drawing: str


def panels_sheet(title: str, said: str, panels: Sequence[Panel]) -> str:
    """Draw panels, two beside each other; `said` is the legend."""
    parts = [words(14, 27, title, "title"), words(14, 47, said, "")]
    top = _HEAD
    for pair in (panels[at : at + 2] for at in range(0, len(panels), 2)):
        tall = [_fit(each.drawing) for each in pair]
        for at, (each, (inside, _)) in enumerate(zip(pair, tall, strict=True)):
            x = 14 + at * (_WIDE + _GAP)
            head = words(0, 12, cut_to_room(each.name, 46), "name")
            head += "".join(
                words(0, 28 + 14 * line, cut_to_room(said, 72), "fine") for line, said in enumerate(each.said)
            )
            parts.append(place(head + inside, x, top))
        top += _ABOVE + max(height for _, height in tall) + _BELOW
    return sheet(WIDTH, top, f"{title}: {', '.join(each.name for each in panels)}", parts)


def _fit(drawing: str) -> tuple[str, int]:
    """Fit a drawing into a panel, and return it with its height there."""
    box = _BOX.match(drawing)
    if box is None:
        return "", 0
    tall = round(_WIDE / float(box[1]) * float(box[2]))
    return drawing.replace("<svg ", f'<svg x="0" y="{_ABOVE}" width="{_WIDE}" height="{tall}" ', 1), tall
