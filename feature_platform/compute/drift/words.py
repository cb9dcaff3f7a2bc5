"""A drift in words: what a column was before and is now, and where most of the change sits."""

import numpy as np

from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.ground.pictures.facts import share_text
from feature_platform.ground.pictures.svg import number_text
from feature_platform.ground.shortening import shorten
from feature_platform.parts.drift.base import Kind, shares

_LOST = 0.01  # of the rows more or less without a value, from which on words mention it
_SAME = 0.1  # deviations, up to which means are about the same and words mention the spread, too
_VALUE = 40  # letters of a value


def drift_in_words(reference: ColumnProfile, current: ColumnProfile, *, lengths: bool = False) -> str:
    """Return what a column was and is: the mean or the share that moved most, the place, and what has no value.

    Args:
        lengths: whether the numbers are the lengths of lists.

    >>> import polars as pl
    >>> from feature_platform.compute.profiles.counting import layouts_of, profile_of
    >>> before, now = pl.DataFrame({"x": ["a"] * 8 + ["b"] * 2}), pl.DataFrame({"x": ["a"] * 3 + ["b"] * 7})
    >>> layouts = layouts_of(before, ["x"])
    >>> drift_in_words(profile_of(before, layouts)["x"], profile_of(now, layouts)["x"])
    'most of all `a`: 80% of the values before, 30% now'
    """
    parts = []
    if reference.values and current.values:
        if reference.layout.kind is Kind.NUMBER:
            parts = [*_moments(reference, current, "mean length" if lengths else "mean"), *_range(reference, current)]
        elif reference.layout.kind is Kind.CATEGORY:
            parts = [_category(reference, current)]
    lost = [each.missing / max(each.rows, 1) for each in (reference, current)]
    if abs(lost[1] - lost[0]) >= _LOST:
        parts.append(f"rows without a value: {share_text(lost[0])} before, {share_text(lost[1])} now")
    return "; ".join(parts)


def _moments(reference: ColumnProfile, current: ColumnProfile, mean: str) -> list[str]:
    before, now = reference.mean, current.mean
    if not (np.isfinite(before) and np.isfinite(now)):
        return []
    sentences = [f"the {mean} was {number_text(before)} and is {number_text(now)}"]
    if abs(now - before) <= _SAME * reference.deviation:
        sentences.append(
            f"the spread (standard deviation) was {number_text(reference.deviation)} "
            f"and is {number_text(current.deviation)}"
        )
    return sentences


def _range(reference: ColumnProfile, current: ColumnProfile) -> list[str]:
    """Return the tenth of the reference's numbers whose share changed most."""
    starts, edges = reference.layout.coarse, reference.layout.edges
    before, now = (shares(np.add.reduceat(each.counts, starts)[None, :])[0] for each in (reference, current))
    at = int(np.argmax(np.abs(now - before)))
    if before[at] == now[at]:
        return []
    below = None if at == 0 else number_text(float(edges[starts[at] - 1]))
    above = None if at == len(starts) - 1 else number_text(float(edges[starts[at + 1] - 1]))
    if below is None or above is None or below == above:
        place = f"numbers up to {above}" if below is None else f"numbers above {below}"
        place = f"the number {above}" if below is not None and below == above else place
        place = "all numbers" if below is None and above is None else place
    else:
        place = f"numbers above {below} up to {above}"
    return [
        f"most of all {place}: {share_text(float(before[at]))} of the values before, {share_text(float(now[at]))} now"
    ]


def _category(reference: ColumnProfile, current: ColumnProfile) -> str:
    before, now = (shares(each.counts[None, :])[0] for each in (reference, current))
    at = int(np.argmax(np.abs(now - before)))
    values = reference.layout.values
    named = f"`{shorten(values[at], _VALUE)}`" if at < len(values) else "values that are new or rare"
    if at == len(values) and current.unknown:
        named += f", such as `{shorten(current.unknown[0], _VALUE)}`"
    return (
        f"most of all {named}: {share_text(float(before[at]))} of the values before, {share_text(float(now[at]))} now"
    )
