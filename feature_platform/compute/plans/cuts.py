"""Cuts: whether a function gives the same rows however time is cut into parts, which a partitioned table relies on.

The plan is looked at first: where Polars would filter by time before the function works, no row depends on one of
another time. What the plan does not prove is tried on some rows: all at once against in pieces, and all at once twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_platform.compute.plans.functions import CANNOT, Function, Proof
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import NotRepeatable, NotTheSameInParts
from feature_platform.ground.working_columns import MARK

TRIED = 1_000  # rows of a trial
_TRIED_BY_PYTHON = 200  # where a Python function is called for each of them
_ALONE = 40  # rows whose event time is found by giving each of them to the function alone


@dataclass(frozen=True)
class Cut:
    """A function whose rows are cut by time.

    Attributes:
        owner: whose it is, for errors.
        role: what it is called there.
        time: the event time of the rows that it returns.
        given: the event time of the rows that it is given, where these have one; they are cut at any moment. None for
            raw rows, which are cut by `part_of`, from the event time that the function gives them.
        part_of: the part of time that an event time is in.
        remedy: what would do.
    """

    owner: str
    role: str
    function: Function
    time: str
    given: str | None
    part_of: Callable[[pl.Expr], pl.Expr]
    remedy: str

    def check(
        self, schema: pl.Schema, sample: Callable[[int], pl.DataFrame], wider: Callable[[], pl.DataFrame]
    ) -> None:
        """Refuse a function whose rows depend on how time is cut, or on when it is asked.

        Args:
            schema: the columns that it is given.
            sample: returns a number of rows that it is given, for a trial.
            wider: returns rows of more than one part of time, where there are any; for a second trial.

        Raises:
            NotTheSameInParts, NotRepeatable: describes the difference.
        """
        proof = Proof.of(self.function, schema, self.time, self.given)
        if proof.holds:
            return
        frame = sample(_TRIED_BY_PYTHON if proof.calls_python else TRIED)
        whole, again = self._result(frame), self._result(frame)
        if whole is None or again is None:
            return  # the run meets the same error, and describes it better
        difference = _difference(whole, again, self.time)
        if difference is not None:
            raise NotRepeatable(self.owner, self.role, difference)
        if self._difference_in_parts(frame, whole, pl.int_range(frame.height, eager=True)) is None:
            return
        difference = self._difference_by_time(frame) or self._difference_by_time(wider())
        if difference is not None:
            raise NotTheSameInParts(self.owner, self.role, difference, self.remedy)

    def _difference_by_time(self, frame: pl.DataFrame) -> str | None:
        """Describe how rows differ when they are cut by time; None when they do not, or there is nothing to cut."""
        times = self._times(frame)
        known = frame.with_columns(times.alias(MARK)).filter(pl.col(MARK).is_not_null())
        parts = known.select(self.part_of(pl.col(MARK))).to_series()
        rows = known.drop(MARK)
        whole = self._result(rows)
        return None if whole is None or parts.n_unique() < 2 else self._difference_in_parts(rows, whole, parts)

    def _difference_in_parts(self, frame: pl.DataFrame, whole: pl.DataFrame, parts: pl.Series) -> str | None:
        """Describe how pieces differ from the whole (every other part, halves, first tenth); None if they do not."""
        place = parts.rank("dense")
        for belongs in (place % 2 == 0, place * 2 <= place.n_unique(), place * 10 <= place.n_unique()):
            pieces = [each for each in (frame.filter(belongs), frame.filter(~belongs)) if each.height]
            results = [self._result(each) for each in pieces]
            frames = [each for each in results if each is not None]
            if len(frames) < 2 or len(frames) < len(results):
                continue
            other = [each.schema for each in frames if each.schema != whole.schema]
            if other:
                return f"a piece has the columns {', '.join(other[0])}, the whole {', '.join(whole.schema)}"
            difference = _difference(whole, pl.concat(frames), self.time)
            if difference is not None:
                return difference
        return None

    def _times(self, frame: pl.DataFrame) -> pl.Series:
        """Return the event time of each row; null where it is not known."""
        if self.given is not None:
            return frame[self.given]
        rows = frame.with_row_index(MARK)
        marked = self._result(rows)
        known: dict[int, datetime] = {}
        if marked is not None and marked.schema.get(MARK) == rows.schema[MARK]:
            known = dict(marked.select(MARK, self.time).drop_nulls().iter_rows())
        unknown = rows.filter(~pl.col(MARK).is_in(list(known)))
        for place in _places_to_try(unknown, _ALONE):
            alone = self._result(frame[place])
            times = [] if alone is None else alone[self.time].drop_nulls().to_list()
            if times:
                known[place] = times[0]
        return pl.Series(MARK, [known.get(place) for place in range(frame.height)], dtype=UTC)

    def _result(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        """Return what the function makes of rows that have an event time afterwards; None when it fails on them.

        A piece may be smaller than any data the function is made for, so its errors are no reason to stop.
        """
        try:
            return self.function(frame.lazy()).filter(pl.col(self.time).is_not_null()).collect()
        except CANNOT:
            return None


def _difference(whole: pl.DataFrame, other: pl.DataFrame, time: str) -> str | None:
    """Describe the first difference between rows in any order, column by column; None when they agree."""
    if whole.height != other.height:
        return f"{other.height:,} rows come back instead of {whole.height:,}"
    for name in whole.columns:
        one, two = (_in_order(frame, time, name) for frame in (whole, other))
        differs = ~_equal(one[name], two[name])
        if differs.any():
            place = differs.arg_max() or 0
            moment, values = one[time][place], [repr(frame[name][place])[:40] for frame in (two, one)]
            return f"`{name}` at {moment:%Y-%m-%d %H:%M:%S} is {values[0]} instead of {values[1]}"
    return None


def _in_order(frame: pl.DataFrame, time: str, name: str) -> pl.DataFrame:
    values = frame[name]
    if values.dtype.is_nested() or values.dtype == pl.Object:
        frame = frame.with_columns(pl.Series(name, [repr(each) for each in values.to_list()], dtype=pl.String))
    return frame.select(*dict.fromkeys([time, name])).sort(pl.all())


def _equal(one: pl.Series, two: pl.Series) -> pl.Series:
    """Tell where values agree; numbers with a point up to what another order of adding makes of them."""
    same = one.eq_missing(two)
    if not one.dtype.is_float():
        return same
    return same | ((one - two).abs() <= 1e-9 * one.abs()).fill_null(value=False)


def _places_to_try(rows: pl.DataFrame, most: int) -> list[int]:
    """Return the places of rows that share values with others: of each column some with its most frequent value."""
    places = rows[MARK]
    chosen: dict[int, None] = {}
    for name in rows.columns:
        values = rows[name]
        if name == MARK or values.dtype.is_nested() or values.dtype == pl.Object:
            continue
        if values.n_unique() < rows.height:
            often = values.mode().first()
            chosen |= dict.fromkeys(places.filter(values.eq_missing(pl.Series([often], dtype=values.dtype))).head(4))
    return list({**chosen, **dict.fromkeys(places.head(most))})[:most]
