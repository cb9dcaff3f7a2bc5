"""Two distributions in one picture: the reference as a grey surface, the current values in colour."""

from collections.abc import Sequence

from feature_platform.ground.pictures import svg

_WIDTH, _HEIGHT, _FOOT = 460.0, 150.0, 18.0
_ROW, _LABEL, _TAIL = 24.0, 120.0, 104.0


def steps(reference: Sequence[float], current: Sequence[float], low: float, high: float, *, small: bool = False) -> str:
    """Draw the shares of equally wide bins from `low` to `high`."""
    width, height, foot = (120.0, 30.0, 0.0) if small else (_WIDTH, _HEIGHT, _FOOT)
    top = max(*reference, *current, 1e-9)
    floor = height - foot
    curves = [_stairs(each, width, floor - 4, top, floor) for each in (reference, current)]
    closed = [[(0.0, floor), *curve, (width, floor)] for curve in curves]
    parts = [svg.area(closed[0], "reference"), svg.area(closed[1], "current"), svg.line(curves[1], "current-edge")]
    if not small:
        ticks = [(0.0, low, "start"), (width / 2, (low + high) / 2, "middle"), (width, high, "end")]
        parts.append(svg.line([(0, floor), (width, floor)], "axis"))
        parts += [svg.text(x, height - 4, svg.number_text(value), "tick", anchor) for x, value, anchor in ticks]
    description = (
        f"Distribution of the reference and the current values from {svg.number_text(low)} to {svg.number_text(high)}"
    )
    return svg.drawing(width, height, description, parts, "small" if small else "")


def bars(names: Sequence[str], reference: Sequence[float], current: Sequence[float]) -> str:
    """Draw the shares of categories, the reference's and the current one below each other."""
    top, room = max(*reference, *current, 1e-9), _WIDTH - _LABEL - _TAIL
    parts = []
    for at, (name, left, right) in enumerate(zip(names, reference, current, strict=True)):
        y = at * _ROW
        parts += [
            svg.text(_LABEL - 8, y + 15, svg.cut_to_letters(name, 18), "label", "end"),
            svg.box(_LABEL, y + 3, left / top * room, 8, "reference", f"{name}: {left:.2%} of the reference"),
            svg.box(_LABEL, y + 12, right / top * room, 8, "current", f"{name}: {right:.2%} now"),
            svg.text(_WIDTH, y + 15, f"{left:.1%} → {right:.1%}", "tick", "end"),
        ]
    return svg.drawing(_WIDTH, len(names) * _ROW, "Shares of categories in the reference and now", parts)


def small_bars(reference: Sequence[float], current: Sequence[float]) -> str:
    """Draw the shares of categories as a small picture: pairs of thin columns."""
    width, height, top = 120.0, 30.0, max(*reference, *current, 1e-9)
    pitch = width / max(len(reference), 1)
    thick = min(pitch * 0.4, 10)
    parts = []
    for at, (left, right) in enumerate(zip(reference, current, strict=True)):
        middle = (at + 0.5) * pitch
        parts.append(svg.box(middle - thick, height - left / top * 28, thick, left / top * 28, "reference"))
        parts.append(svg.box(middle, height - right / top * 28, thick, right / top * 28, "current"))
    return svg.drawing(width, height, "Shares of categories in the reference and now", parts, "small")


def meter(score: float, threshold: float, *, drifted: bool) -> str:
    """Draw a score against its threshold, which is the line in the middle; twice the threshold fills it."""
    width, height = 140.0, 10.0
    filled = min(score / threshold / 2, 1.0) * width if threshold > 0 else 0.0
    parts = [
        svg.box(0, 2, width, 6, "track"),
        svg.box(0, 2, filled, 6, "over" if drifted else "under"),
        svg.line([(width / 2, 0), (width / 2, height)], "threshold"),
    ]
    return svg.drawing(
        width,
        height,
        f"{svg.number_text(score)} of a threshold of {svg.number_text(threshold)}",
        parts,
        "meter",
    )


def _stairs(shares: Sequence[float], width: float, room: float, top: float, floor: float) -> list[svg.Point]:
    pitch = width / max(len(shares), 1)
    heights = [floor - share / top * room for share in shares]
    return [point for at, y in enumerate(heights) for point in ((at * pitch, y), ((at + 1) * pitch, y))]
