"""Segments: the value of another column in whose rows a change of numbers sits.

A segment is named only when the column is about as before without it. A change that all rows share has no segment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.ground.pictures.svg import number_text
from feature_platform.ground.shortening import shorten

MOST_VALUES = 50  # of a column, no value included, that separate its rows
_LEAST = 10  # rows with a number that a segment has, or that are left without it
_REST = 0.25  # of the change, at most, that is left without the segment
_USUAL = 0.5  # standard deviations, by which the other rows may have moved as well
_CERTAIN = 5.0  # standard errors, by which the segment's own mean moved
_VALUE = 40  # letters of a value or of a column's name

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Moments:
    """The count, mean and variance of numbers: of one group, or of several at once."""

    count: _Floats
    mean: _Floats
    variance: _Floats

    @classmethod
    def of(cls, count: _Floats, total: _Floats, squares: _Floats) -> Self:
        """Return the moments of groups by their sums; NaN for a group without numbers."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / count
            return cls(count, mean, np.maximum(squares / count - mean**2, 0.0))

    @property
    def error(self) -> _Floats:
        """Return the variance of the mean."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.variance / self.count


@dataclass(frozen=True)
class _Side:
    """The numbers of one side by segment: inside of each, outside of each, and all together."""

    inside: _Moments
    outside: _Moments
    whole: _Moments

    @classmethod
    def of(cls, values: _Floats, codes: npt.NDArray[np.intp], segments: int, middle: float) -> Self:
        """Return the moments of finite numbers; summed around `middle` so that few digits are lost."""
        apart = values - middle
        sums = [np.bincount(codes, weights, segments) for weights in (np.ones_like(apart), apart, apart**2)]
        totals = [np.full(segments, each.sum()) for each in sums]
        rest = [total - own for total, own in zip(totals, sums, strict=True)]
        return cls(*(_Moments.of(*each) for each in (sums, rest, totals)))


def segment_in_words(before: pl.DataFrame, now: pl.DataFrame, column: str, by: Sequence[str]) -> str | None:
    """Return where the change of a column's mean sits, or None when no value of another column explains it.

    Nulls, NaN and infinities of the column are left out. Rows without a value in the other column are a segment, too.
    A segment that only `now` has is held against the mean of all rows before.

    Args:
        by: the columns whose values tell segments apart, e.g. a store; one with more than `MOST_VALUES` tells none.

    >>> before = pl.DataFrame({"x": [1.0, 2.0] * 40, "store": [7] * 40 + [8] * 40})
    >>> now = before.with_columns(x=pl.when(pl.col("store") == 7).then(pl.col("x") * 100).otherwise("x"))
    >>> segment_in_words(before, now, "x", ["store"])
    'most of all where `store` is 7: a mean of 1.5 before, 150 now; elsewhere 1.5 and 1.5'
    """
    explanations: list[tuple[float, str]] = []
    for name in by:
        if name != column:
            explanations += _explaining(_finite(before, column, name), _finite(now, column, name), name)
    # max gives the first of several segments that are the same rows
    return max(explanations, key=lambda each: each[0])[1] if explanations else None


def _finite(frame: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    rows = frame.select(x=pl.col(column).cast(pl.Float64), segment=pl.col(name).cast(pl.String))
    return rows.filter(pl.col("x").is_finite())


def _explaining(before: pl.DataFrame, now: pl.DataFrame, name: str) -> list[tuple[float, str]]:
    """Return the segment of a column that explains the change, if there is one, and how far its own mean moved."""
    values = pl.concat([before["segment"], now["segment"]]).unique().sort(nulls_last=True)
    if before.is_empty() or now.is_empty() or not 2 <= len(values) <= MOST_VALUES:
        return []
    middle = float(np.mean(before["x"].to_numpy()))
    codes = pl.DataFrame({"segment": values, "code": np.arange(len(values))})
    old, new = (_side(each, codes, middle) for each in (before, now))
    is_new = old.inside.count == 0
    moved = np.where(is_new, new.inside.mean - old.whole.mean, new.inside.mean - old.inside.mean)
    named = _is_real(moved, is_new, old, new) & _is_usual_without(old, new, middle)
    if not named.any():
        return []
    at = int(np.argmax(np.where(named, np.abs(moved), -1.0)))
    place = _place(name, values[at])
    return [(float(abs(moved[at])), _describe_segment(place, old, new, at, middle, is_new=bool(is_new[at])))]


def _describe_segment(place: str, old: _Side, new: _Side, at: int, middle: float, *, is_new: bool) -> str:
    before, now, rest_before, rest_now = (
        number_text(float(each.mean[at]) + middle) for each in (old.inside, new.inside, old.outside, new.outside)
    )
    inside = f", which is new: a mean of {now} now" if is_new else f": a mean of {before} before, {now} now"
    return f"most of all where {place}{inside}; elsewhere {rest_before} and {rest_now}"


def _side(rows: pl.DataFrame, codes: pl.DataFrame, middle: float) -> _Side:
    joined = rows.join(codes, on="segment", how="left", nulls_equal=True, maintain_order="left")
    return _Side.of(joined["x"].to_numpy(), joined["code"].to_numpy().astype(np.intp), codes.height, middle)


def _is_real(moved: _Floats, is_new: npt.NDArray[np.bool_], old: _Side, new: _Side) -> npt.NDArray[np.bool_]:
    """Tell whether a segment has enough rows, and its mean moved by more than chance."""
    error = np.where(is_new, old.whole.error, old.inside.error) + new.inside.error
    enough = (is_new | (old.inside.count >= _LEAST)) & (new.inside.count >= _LEAST)
    with np.errstate(invalid="ignore"):
        return np.asarray(enough & (moved != 0) & (np.abs(moved) >= _CERTAIN * np.sqrt(error)))


def _is_usual_without(old: _Side, new: _Side, middle: float) -> npt.NDArray[np.bool_]:
    """Tell whether the other rows are about as they were: in differences, in their own deviations, and in ratios."""
    enough = np.minimum(old.outside.count, new.outside.count) >= _LEAST
    with np.errstate(invalid="ignore", divide="ignore"):
        change, left = (new.whole.mean - old.whole.mean), (new.outside.mean - old.outside.mean)
        small = np.abs(left) <= _REST * np.abs(change)
        near = np.abs(left) <= _USUAL * np.sqrt(old.outside.variance) + 1e-9 * np.abs(change)
        ratio = np.abs(np.log((new.whole.mean + middle) / (old.whole.mean + middle)))
        rest_ratio = np.abs(np.log((new.outside.mean + middle) / (old.outside.mean + middle)))
        alike = ~(rest_ratio > _REST * ratio)  # means of two signs, or none, have no ratio
    return np.asarray(enough & small & near & alike)


def _place(name: str, value: str | None) -> str:
    column = f"`{shorten(name, _VALUE)}`"
    return f"{column} has no value" if value is None else f"{column} is {shorten(value, _VALUE)}"
