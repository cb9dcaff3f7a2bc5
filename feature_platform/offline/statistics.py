"""The statistics of a data file in the log: rows, nulls, least and greatest value of columns, as Delta writes them.

Readers skip files by these, so a bound that cannot be written exactly is left out: without a bound nothing is skipped.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from feature_platform.ground import clock
from feature_platform.ground.working_columns import FILE

_LONGEST_TEXT = 256  # characters; the log is read whole, so long bounds cost every reader
_BOUNDED = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.String, pl.Date, pl.Datetime)
_LARGE = 50_000  # rows from which a query for each file costs less than to group them
_DAY = 86_400_000_000
_FIRST, _LAST = -719_162 * _DAY, 2_932_897 * _DAY  # the years 1 to 9999, which all readers can parse

Bound = int | float | str | None


def statistics(frames: Sequence[pl.DataFrame], columns: Sequence[str]) -> list[str]:
    """Return the statistics of files with these rows, at least one each, as the JSON that the log holds.

    Columns of other types than numbers, text and times have none. NaN and infinities cannot be written as JSON, and
    readers disagree whether NaN is greater than all numbers: a column with NaN has no bounds.

    >>> import polars as pl
    >>> print(*statistics([pl.DataFrame({"x": [3, None, 1]})], ["x"]))
    {"numRecords": 3, "minValues": {"x": 1}, "maxValues": {"x": 3}, "nullCount": {"x": 1}}
    """
    types = {name: dtype for name, dtype in frames[0].select(columns).schema.items() if isinstance(dtype, _BOUNDED)}
    expressions = [expression for name, dtype in types.items() for expression in _expressions_of(name, dtype)]
    # As it is: delta-rs misreads characters beyond U+FFFFF that are written as two escapes.
    return [
        json.dumps({"numRecords": frame.height, **_bounds_of(types, row)}, ensure_ascii=False)
        for frame, row in zip(frames, _rows(frames, expressions), strict=True)
    ]


def _rows(frames: Sequence[pl.DataFrame], expressions: Sequence[pl.Expr]) -> Iterator[tuple[object, ...]]:
    """Return the values of the expressions for each frame; many small frames share one query."""
    heights = pl.Series([frame.height for frame in frames])
    if not expressions or heights.mean() > _LARGE:  # type: ignore[operator]  # the mean of numbers is one
        return (frame.select(expressions).row(0) if expressions else () for frame in frames)
    file = pl.select(pl.int_range(len(frames)).repeat_by(heights).explode().alias(FILE))
    rows = pl.concat([pl.concat(frames, rechunk=False), file], how="horizontal")
    return rows.group_by(FILE).agg(expressions).sort(FILE).drop(FILE).iter_rows()


def _expressions_of(name: str, dtype: pl.DataType) -> list[pl.Expr]:
    """Return expressions for the nulls, the least and the greatest value, and whether there is NaN."""
    column, values = pl.col(name), pl.col(name).to_physical() if dtype.is_temporal() else pl.col(name)
    values = values.cast(pl.Int64) * _DAY if isinstance(dtype, pl.Date) else values
    nan = column.is_nan().any() if dtype.is_float() else pl.lit(value=False).first()
    expressions = {"nulls": column.null_count(), "least": values.min(), "greatest": values.max(), "nan": nan}
    return [expression.alias(f"{word} {name}") for word, expression in expressions.items()]


def _bounds_of(columns: Mapping[str, pl.DataType], row: Sequence[object]) -> dict[str, dict[str, object]]:
    result: dict[str, dict[str, object]] = {"minValues": {}, "maxValues": {}, "nullCount": {}}
    for at, (name, dtype) in enumerate(columns.items()):
        nulls, least, greatest, nan = row[4 * at : 4 * at + 4]
        result["nullCount"][name] = nulls
        for word, value in (("minValues", least), ("maxValues", greatest)):
            bound = None if nan else _bound_of(value, dtype)
            if bound is not None:
                result[word][name] = bound
    return result


def _bound_of(value: object, dtype: pl.DataType) -> Bound:
    """Return a bound as JSON writes it; None when it cannot be written exactly."""
    match value, dtype:
        case int(), pl.Date() | pl.Datetime():
            return _moment(value, dtype) if _FIRST <= value < _LAST else None
        case float(), _:
            return value if math.isfinite(value) else None
        case str(), _:
            return value if len(value) <= _LONGEST_TEXT else None
        case int(), _:
            return value
        case _:
            return None


def _moment(microsecond: int, dtype: pl.DataType) -> str:
    moment = clock.moment_of(microsecond)
    if isinstance(dtype, pl.Date):
        return moment.date().isoformat()
    wall = moment.replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{wall}Z" if isinstance(dtype, pl.Datetime) and dtype.time_zone else wall
