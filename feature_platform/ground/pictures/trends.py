"""Trends: one number over partitions or windows, with the threshold that it is held against and where it alarmed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from feature_platform.ground.pictures.embedded import INLINE, WIDTH, image, sheet
from feature_platform.ground.pictures.facts import cut_to_room
from feature_platform.ground.pictures.svg import path, place, words

_GAP, _HIGH, _TOP, _FLOOR = 28, 124, 28, 100  # of a panel, in units of the picture
_PANEL = (WIDTH - 2 * 14 - _GAP) // 2
_POINTS, _FEW_POINTS = 180, 60  # more are thinned out, the largest of each stretch stays
_FAR = 6.0  # thresholds, beyond which a value is drawn at the upper edge
_HEAD = 44


@dataclass(frozen=True)
class Trend:
    """One number in order of time.

    Attributes:
        said: what is said of it beside its name, such as the newest value.
        places: how far along each value is, in any unit, ascending.
        values: the numbers; None or NaN where there is none.
        thresholds: what each is held against; None where that is not known.
        below: thresholds of what is too little, where there are some.
        alarms: which are marked.
        first, last: what stands at both ends.
    """

    name: str
    said: str
    places: Sequence[float]
    values: Sequence[float | None]
    thresholds: Sequence[float | None]
    alarms: Sequence[bool]
    first: str
    last: str
    below: Sequence[float | None] = ()


def trends_sheet(title: str, trends: Sequence[Trend]) -> str:
    """Draw trends as panels, two beside each other, each on its own scale."""
    rows = (len(trends) + 1) // 2
    parts = [words(14, 27, title, "title")]
    for at, each in enumerate(trends):
        parts.append(place(_panel(each), 14 + at % 2 * (_PANEL + _GAP), _HEAD + at // 2 * _HIGH))
    names = ", ".join(each.name for each in trends)
    return sheet(WIDTH, _HEAD + rows * _HIGH + 4, f"{title}: {names}", parts)


def sparkline(trend: Trend, room: int = INLINE) -> str:
    """Draw the curve of a trend as a Markdown image of few bytes, which Dagster shows where it stands.

    Of a long one the newer part is shown. It has no style of its own: its colours can be seen on any page.

    Args:
        room: how many characters it may take.
    """
    width, floor = 340, 44
    thin = _thin_out(trend, _FEW_POINTS)
    curve, limit, alarms = _lines(thin, width - 8, floor - 6, 4)
    drawn = [(curve, "#4f83dd", "1.5"), (limit, "#888", "1"), (alarms, "#d9473c", "5")]
    lines = "".join(
        f'<path d="{steps}" stroke="{colour}" stroke-width="{thick}"/>' for steps, colour, thick in drawn if steps
    )
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{floor}">'
        f'<g fill="none" stroke-linecap="round" transform="translate(4)">{lines}</g></svg>'
    )
    shown, half = image(text, "its curve"), len(trend.places) // 2
    if len(shown) <= room or not trend.places:
        return shown
    return sparkline(_points_at(trend, range(half or 1, len(trend.places))), room)


def _panel(trend: Trend) -> str:
    curve, limit, alarms = _lines(_thin_out(trend, _POINTS), _PANEL, _FLOOR, _TOP)
    parts = [
        words(0, 12, cut_to_room(trend.name, 34), "name"),
        words(_PANEL, 12, cut_to_room(trend.said, 40), "bad end" if any(trend.alarms[-1:]) else "end"),
        path(f"M0 {_FLOOR}h{_PANEL}", "axis"),
        *(path(steps, kind) for steps, kind in ((limit, "limit"), (curve, "curve"), (alarms, "alarms")) if steps),
        words(0, _FLOOR + 14, trend.first, "fine"),
        words(_PANEL, _FLOOR + 14, trend.last, "fine end"),
    ]
    return "".join(parts)


def _lines(trend: Trend, width: int, floor: int, top: int) -> tuple[str, str, str]:
    """Return the curve, the threshold and the marked points as paths in whole units."""
    low, high = min(trend.places, default=0.0), max(trend.places, default=0.0)
    largest = _largest(trend)
    across = [round((each - low) / (high - low) * width) if high > low else width // 2 for each in trend.places]

    def level(value: float | None) -> int | None:
        if value is None or math.isnan(value):
            return None
        return floor - round(min(max(value / largest, 0.0), 1.0) * (floor - top))

    heights = [level(each) for each in trend.values]
    limits = [level(each) for each in trend.thresholds]
    marked = [
        f"M{x} {y}h0" for x, y, alarm in zip(across, heights, trend.alarms, strict=True) if alarm and y is not None
    ]
    limit = _curve(across, limits) + (_curve(across, [level(each) for each in trend.below]) if trend.below else "")
    return _curve(across, heights), limit, "".join(marked)


def _largest(trend: Trend) -> float:
    """Return the value at the upper edge."""
    limits = [each for each in trend.thresholds if each is not None and math.isfinite(each)]
    known = [each for each in trend.values if each is not None and math.isfinite(each)]
    far = _FAR * max(limits) if limits and max(limits) > 0 else math.inf
    return min(max([*known, *limits, 0.0]), far) * 1.05 or 1.0


def _curve(across: Sequence[int], heights: Sequence[int | None]) -> str:
    """Draw straight pieces between known points; points on one level are joined, a gap stays one."""
    steps: list[str] = []
    at: tuple[int, int] | None = None
    for index, (x, y) in enumerate(zip(across, heights, strict=True)):
        if y is None:
            at = None
        elif at is None:
            alone = index + 1 == len(heights) or heights[index + 1] is None
            steps.append(f"M{x} {y}" + ("h1" if alone else ""))
            at = (x, y)
        elif y == at[1] and index + 1 < len(heights) and heights[index + 1] == y:
            continue
        else:
            steps.append(f"h{x - at[0]}" if y == at[1] else f"l{x - at[0]} {y - at[1]}")
            at = (x, y)
    return "".join(steps)


def _thin_out(trend: Trend, most: int) -> Trend:
    """Return at most so many points: one for each of even stretches, an alarm of it or else its largest value."""
    many = len(trend.places)
    if many <= most:
        return trend
    stretches = [range(at * many // most, (at + 1) * many // most) for at in range(most)]
    places = [max(each, key=lambda at: (trend.alarms[at], _rank(trend.values[at]), at)) for each in stretches]
    return _points_at(trend, places)


def _points_at(trend: Trend, places: Sequence[int]) -> Trend:
    return replace(
        trend,
        places=[trend.places[at] for at in places],
        values=[trend.values[at] for at in places],
        thresholds=[trend.thresholds[at] for at in places],
        alarms=[trend.alarms[at] for at in places],
        below=[trend.below[at] for at in places] if trend.below else (),
    )


def _rank(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value
