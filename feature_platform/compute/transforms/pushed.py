"""Pushed rows: how a source stores them, and which of them its connector has not delivered.

A push is either wholly what the source stores, by name, type and clock, or refused; nothing is guessed. A pushed row
that equals a connector's row in all columns is the same row.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import InvalidDeclaration, PushRefused
from feature_platform.ground.working_columns import ARRIVED_AT, OCCURRENCE, PUSH, PUSH_ROW, SPOOL

ORIGIN = pl.Schema({SPOOL: pl.String(), PUSH: pl.Int64(), PUSH_ROW: pl.Int64(), ARRIVED_AT: clock.UTC})


def convert_push(
    source: Source, stored: pl.Schema, rows: pl.DataFrame, arrived_at: datetime, grid: Partitions | None = None
) -> pl.DataFrame:
    """Return pushed rows as the source's table holds them, in the order of its columns.

    Values are converted where nothing is lost: whole numbers between number types, times of any zone to UTC,
    RFC 3339 text with a zone to times. Only a float is rounded to the nearest of a column of smaller floats. With a
    `known_at` clock a row is known when it arrived, or at a later time that it names: the column may be left out.
    Every other column must be there; null is a value, except for the event time. A source without event time takes
    pushes too: a pushed fact counts as newer than all that the connector delivers for its key.

    Times in the future are refused, unless the project ends later, and so are times before 1678: no run could take
    such rows in.

    Args:
        stored: the columns of the source's table.
        arrived_at: when the push arrived.
        grid: the project's partitions. Defaults to a grid that is open at both ends.

    Raises:
        PushRefused: names the column and the row, and shows no value.

    >>> import feature_platform as fp
    >>> source = fp.Source("orders", fp.sources.Frame(pl.DataFrame()), event_time="at")
    >>> stored = pl.Schema({"at": clock.UTC, "amount": pl.Float64()})
    >>> rows = pl.DataFrame({"amount": [4], "at": ["2013-01-01T09:00:00+01:00"]})
    >>> convert_push(source, stored, rows, clock.instant("2013-01-02", "now")).rows()
    [(datetime.datetime(2013, 1, 1, 8, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC')), 4.0)]
    """
    arrived = clock.instant(arrived_at, "A push, arrived_at,")
    if rows.is_empty():
        raise PushRefused(source.name, "it has no rows", "Send at least one.")
    fitted = fit_columns(source, stored, rows)
    if source.event_time is not None and fitted[source.event_time].null_count():
        row = fitted[source.event_time].is_null().arg_max()
        raise PushRefused(source.name, "is null", "Say when it happened.", column=source.event_time, row=row)
    _check_times(source, fitted, arrived, grid or Partitions())
    if source.known_at is None:
        return fitted
    return fitted.with_columns(
        pl.max_horizontal(source.known_at, pl.lit(arrived, dtype=clock.UTC)).alias(source.known_at)
    )


def fit_columns(source: Source, stored: pl.Schema, rows: pl.DataFrame) -> pl.DataFrame:
    """Return pushed rows in the columns and types of the source's table; the known-at clock may be left out.

    Raises:
        PushRefused: see `convert_push`.
    """
    if source.known_at is not None and source.known_at not in rows.columns:
        rows = rows.with_columns(pl.lit(None, dtype=stored.get(source.known_at, clock.UTC)).alias(source.known_at))
    _check_names(source, stored, rows.columns)
    return pl.DataFrame([_convert(source.name, rows[name], as_dtype(stored[name])) for name in stored])


def undelivered_rows(pushed: pl.DataFrame, delivered: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the pushed rows that are not among the delivered ones, in their order.

    Rows are the same when they are equal in all of `columns`, where null equals null and NaN equals NaN. Of a row that
    was pushed more often than delivered, that many more remain: both together have it as often as the one that has it
    more often.

    >>> frame = pl.DataFrame({"x": [1, 1, 2, None]})
    >>> undelivered_rows(frame, pl.DataFrame({"x": [1, 3, None]}), ["x"])["x"].to_list()
    [1, 2]
    """
    numbered = [
        frame.with_columns(pl.int_range(pl.len()).over(columns).alias(OCCURRENCE))
        for frame in (pushed, delivered.select(columns))
    ]
    on = [*columns, OCCURRENCE]
    return numbered[0].join(numbered[1], on=on, how="anti", nulls_equal=True, maintain_order="left").drop(OCCURRENCE)


def rows_also_pushed(delivered: pl.DataFrame, pushed: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the delivered rows that equal a pushed one in some columns: all it takes to know what is new."""
    pushed_values = pushed.select(columns).unique()
    return delivered.join(pushed_values, on=columns, how="semi", nulls_equal=True, maintain_order="left")


def _check_names(source: Source, stored: pl.Schema, names: Sequence[str]) -> None:
    reserved = [name for name in stored if name.lower() in ORIGIN]
    if reserved:
        found_there = "is a reserved name of the log of pushes, so that the source takes no pushes"
        raise PushRefused(source.name, found_there, "Rename it in the source's `prepare`.", column=reserved[0])
    unknown = [name for name in names if name not in stored]
    if unknown:
        remedy = f"Send {', '.join(f'`{name}`' for name in stored)}."
        raise PushRefused(source.name, "is not a column of the source", remedy, column=unknown[0])
    missing = [name for name in stored if name not in names]
    if missing:
        listed = ", ".join(f"`{name}`" for name in missing)
        raise PushRefused(source.name, f"it lacks the column(s) {listed}", "Send null where there is no value.")


def _check_times(source: Source, rows: pl.DataFrame, arrived: datetime, grid: Partitions) -> None:
    """Refuse times that no event can have, or that nobody could have known of yet."""
    earliest = min(grid.start or clock.EARLIEST, clock.EARLIEST)
    latest = max(arrived + clock.SKEW, grid.end or clock.EARLIEST)
    limits = {source.event_time: (earliest, latest), source.known_at: (clock.ALWAYS, clock.NEVER)}
    for name, (low, high) in limits.items():
        if name is None or _all_within(rows[name], low, high):
            continue
        side = rows.select(clock.side_of_interval(pl.col(name), low, high)).to_series()
        wrong = (side != 0).fill_null(value=False)
        if wrong.any():
            row = wrong.arg_max() or 0
            problem = "lies in the future" if side[row] > 0 else f"lies before the year {low.year}"
            raise PushRefused(source.name, problem, "Send the time at which it happened.", column=name, row=row)


def _all_within(times: pl.Series, low: datetime, high: datetime) -> bool:
    """Tell whether no time of a UTC column lies outside `[low, high)`; a query would cost more than a few rows."""
    ticks = times.cast(pl.Int64)
    first, last = ticks.min(), ticks.max()
    if not isinstance(first, int) or not isinstance(last, int):
        return ticks.null_count() == len(ticks)
    return clock.microsecond_of(low) <= first and last < clock.microsecond_of(high)


def _convert(source: str, column: pl.Series, wanted: pl.DataType) -> pl.Series:
    """Convert a column to the type it is stored in.

    Raises:
        PushRefused: a value would be lost or changed.
    """
    dtype = column.dtype
    if dtype == wanted:
        return column
    if isinstance(wanted, pl.Datetime) and not isinstance(dtype, pl.Null):
        fitted = _times(source, column, wanted)
        lost = fitted.is_null() & column.is_not_null()
    elif isinstance(wanted, pl.Date) and isinstance(dtype, pl.String):
        fitted = column.str.to_date("%Y-%m-%d", strict=False)
        lost = fitted.is_null() & column.is_not_null()
    elif _is_convertible(dtype, wanted):
        fitted = column.cast(wanted, strict=False)
        lost = _lost(column, fitted)
    else:
        raise PushRefused(source, f"is {dtype}", f"It is stored as {wanted}.", column=column.name)
    if lost.any():
        remedy = f"It is stored as {wanted}" + (", a time with a zone." if wanted == clock.UTC else ".")
        raise PushRefused(source, "cannot be stored as it is", remedy, column=column.name, row=lost.arg_max())
    return fitted


def _lost(column: pl.Series, fitted: pl.Series) -> pl.Series:
    """Tell where a value is not what it was; that a float is rounded to a smaller one does not count."""
    dtype, wanted = column.dtype, fitted.dtype
    if wanted == pl.Float32 and dtype.is_float():
        return fitted.is_infinite().fill_null(value=False) & column.is_finite().fill_null(value=False)
    rounded = _with_small_floats(dtype) if _has_small_floats(wanted) else dtype
    return fitted.cast(dtype, strict=False).cast(rounded).ne_missing(column.cast(rounded))


def _is_convertible(dtype: pl.DataType, wanted: pl.DataType) -> bool:
    """Tell whether values of a type can be values of another one."""
    if isinstance(dtype, pl.Null) or dtype == wanted:
        return True
    if isinstance(wanted, pl.List):
        return isinstance(dtype, (pl.List, pl.Array)) and _is_convertible(as_dtype(dtype.inner), as_dtype(wanted.inner))
    if isinstance(wanted, pl.Struct):
        inner = {field.name: as_dtype(field.dtype) for field in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        return len(inner) == len(wanted.fields) and all(
            field.name in inner and _is_convertible(inner[field.name], as_dtype(field.dtype)) for field in wanted.fields
        )
    if isinstance(wanted, pl.String):
        return isinstance(dtype, (pl.Categorical, pl.Enum))
    return dtype.is_numeric() and wanted.is_numeric()


def _times(source: str, column: pl.Series, wanted: pl.Datetime) -> pl.Series:
    """Return times with a zone for a column with one, wall clocks for one without; null where there is no such time."""
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime) and (dtype.time_zone is None) == (wanted.time_zone is None):
        times = column if dtype.time_zone is None else column.dt.convert_time_zone("UTC")
        return times.dt.cast_time_unit("us")
    if isinstance(dtype, pl.String):
        moments = [_moment(text, zoned=wanted.time_zone is not None) for text in column]
        return pl.Series(column.name, moments, dtype=wanted)
    remedy = "Say its zone, as in `2013-03-01T09:00:00Z`." if wanted.time_zone else "Send a time without a zone."
    raise PushRefused(source, f"is {dtype}", remedy, column=column.name)


def _moment(text: str | None, *, zoned: bool) -> datetime | None:
    try:
        moment = None if text is None else datetime.fromisoformat(text)
        if moment is None or (moment.tzinfo is not None) != zoned:
            return None
        return clock.instant(moment, "A pushed time") if zoned else moment
    except (ValueError, InvalidDeclaration):  # no time, or one that UTC has no year for
        return None


def _has_small_floats(dtype: pl.DataType) -> bool:
    return dtype != _with_large_floats(dtype)


def _with_small_floats(dtype: pl.DataType) -> pl.DataType:
    return _with_floats(dtype, pl.Float64(), pl.Float32())


def _with_large_floats(dtype: pl.DataType) -> pl.DataType:
    return _with_floats(dtype, pl.Float32(), pl.Float64())


def _with_floats(dtype: pl.DataType, old: pl.DataType, new: pl.DataType) -> pl.DataType:
    """Return a type whose floats of one size are of another, at every depth."""
    match dtype:
        case pl.List():
            return pl.List(_with_floats(as_dtype(dtype.inner), old, new))
        case pl.Array():
            return pl.Array(_with_floats(as_dtype(dtype.inner), old, new), dtype.size)
        case pl.Struct():
            return pl.Struct({each.name: _with_floats(as_dtype(each.dtype), old, new) for each in dtype.fields})
        case _:
            return new if dtype == old else dtype
