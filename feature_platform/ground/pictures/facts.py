"""A table's columns in one picture: a row for each, with its distribution and what a reader asks for first."""

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from feature_platform.ground.pictures.embedded import WIDTH, sheet
from feature_platform.ground.pictures.svg import path, place, skyline, words

ROWS = 40  # further ones are only counted: each picture is kept for every partition
BINS = 24
_PITCH, _FLOOR, _TALL = 7, 29, 23
_HEAD, _ROW, _FOOT = 78, 36, 26
_SHAPE, _ABSENT, _DIFFERENT, _VALUES = 218, 412, 566, 586
_BAR = 44  # the length of the bar of missing values when all are missing


@dataclass(frozen=True)
class ColumnFacts:
    """What is shown of one column.

    Attributes:
        kind: its type, in a word.
        shares: of evenly wide bins, or of the leading categories; nothing when there is no distribution.
        rest: the share of all other categories; None when `shares` are of bins.
        absent: the share of rows without a value.
        different: how many different values there are, about; None when that is not known.
        values: the smallest, the median and the largest, or one text.
    """

    name: str
    kind: str
    shares: Sequence[float]
    rest: float | None
    absent: float
    different: int | None
    values: tuple[str, str, str] | str


def facts_sheet(title: str, said: str, columns: Sequence[ColumnFacts], more: str = "") -> str:
    """Draw the whole picture, at most `ROWS` columns of it; the text `more` stands below them."""
    shown = columns[:ROWS]
    height = _HEAD + _ROW * len(shown) + (_FOOT if more else 8)
    parts = [words(14, 26, title, "title"), words(14, 45, said, ""), *_heads()]
    parts += [place(_row(each), 0, _HEAD + _ROW * at) for at, each in enumerate(shown)]
    rules = "".join(f"M14 {_HEAD + _ROW * at}h{WIDTH - 28}" for at in range(len(shown)))
    parts.append(path(rules, "axis"))
    if more:
        parts.append(words(14, height - 11, more, ""))
    return sheet(WIDTH, height, f"{title}: {said}", parts)


def cut_to_room(said: str, letters: int) -> str:
    """Cut words to the room of some letters; letters of East Asian scripts take that of two.

    >>> cut_to_room("Hartsfield", 6), cut_to_room("東京国際空港", 6)
    ('Harts…', '東京…')
    """
    room, width = letters - 1, 0
    for at, letter in enumerate(said):
        width += 2 if east_asian_width(letter) in "WF" else 1
        if width > room and (at + 1 < len(said) or width > letters):
            return f"{said[:at]}…"
    return said


def share_text(share: float) -> str:
    """Write a share in percent; a small share is never shown as 0%, nor a large one as 100%.

    >>> share_text(0.0), share_text(0.00001), share_text(0.1234), share_text(0.99999), share_text(1.0)
    ('0%', '<0.1%', '12.3%', '>99.9%', '100%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    return ">99.9%" if 0.999 < share < 1 else f"{share * 100:.3g}%"


def _heads() -> list[str]:
    heads = [(14, "column", ""), (_SHAPE, "distribution", ""), (_ABSENT, "missing", "")]
    heads += [(_DIFFERENT, "different", "end"), (_VALUES + 70, "smallest", "end")]
    heads += [(_VALUES + 158, "median", "end"), (WIDTH - 14, "largest", "end")]
    return [words(x, 68, said, kind) for x, said, kind in heads]


def _row(column: ColumnFacts) -> str:
    parts = [words(14, 16, cut_to_room(column.name, 26), "name"), words(14, 29, cut_to_room(column.kind, 30), "fine")]
    parts += _shape(column)
    if column.absent > 0:
        long = max(round(column.absent * _BAR), 1)
        parts.append(path(f"M{_ABSENT} 15h{long}v8h-{long}z", "absent"))
    parts.append(words(_ABSENT + (_BAR + 6 if column.absent > 0 else 0), 23, share_text(column.absent), ""))
    if column.different is not None:
        parts.append(words(_DIFFERENT, 23, f"{column.different:,}", "end"))
    if isinstance(column.values, str):
        parts += [words(_VALUES, 23, cut_to_room(column.values, 38), "ink")] if column.values else []
    else:
        places = (_VALUES + 70, _VALUES + 158, WIDTH - 14)
        parts += [words(x, 23, said, "ink end") for x, said in zip(places, column.values, strict=True)]
    return "".join(parts)


def _shape(column: ColumnFacts) -> list[str]:
    """Draw the distribution: bins side by side, or bars with gaps and a grey one for the rest."""
    shares = list(column.shares)
    top = max([*shares, column.rest or 0.0], default=0.0)
    if top <= 0:
        return []
    tall = [_height(share, top) for share in shares]
    if column.rest is None:
        return [place(path(skyline(tall, _FLOOR, _PITCH), "bars"), _SHAPE, 0)]
    bars = [each for height in tall for each in (height, height, 0)]
    drawn = [place(path(skyline(bars, _FLOOR, _PITCH), "bars"), _SHAPE, 0)] if bars else []
    if column.rest > 0:
        rest = path(skyline([_height(column.rest, top)] * 2, _FLOOR, _PITCH), "rest")
        drawn.append(place(rest, _SHAPE + len(bars) * _PITCH, 0))
    return drawn


def _height(share: float, top: float) -> int:
    """Return the height of a share in whole units, at least 1 where the share is not 0."""
    return max(round(share / top * _TALL), 1) if share > 0 else 0
