"""A guess about a file of data: which columns are its time, its key and its values, from the first rows."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from keyword import iskeyword
from pathlib import Path

import polars as pl

from feature_platform.ground.clock import UTC, partition_end, partition_start
from feature_platform.ground.errors import InvalidDeclaration

_LOOKED_AT = 10_000  # rows
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%d.%m.%Y")
_READERS: Mapping[str, tuple[str, Callable[[Path], pl.LazyFrame]]] = {
    ".csv": ("Csv", lambda path: pl.scan_csv(path, infer_schema_length=_LOOKED_AT)),
    ".parquet": ("Parquet", pl.scan_parquet),
}


@dataclass(frozen=True)
class Guess:
    """What was guessed about a file.

    Attributes:
        path: where it is.
        connector: the name of its connector in `fp.sources`.
        clock: the column with the time.
        reading: the code that makes a time in UTC of it, as it is written after `pl.col`.
        key: the column with the key of the entity.
        value: a column of numbers; None where there is none.
        first, last: the first and the last moment.
        lowest, highest: of the value.
    """

    path: Path
    connector: str
    clock: str
    reading: str
    key: str
    value: str | None
    first: datetime
    last: datetime
    lowest: float = 0.0
    highest: float = 0.0

    @property
    def new_names(self) -> Mapping[str, str]:
        """Return new names for the columns whose names cannot be names of features."""
        names = [self.clock, self.key, *([self.value] if self.value else [])]
        return {name: plain for name in names if (plain := plain_name(name)) != name}

    def describe(self) -> str:
        """Return what was guessed, in one sentence."""
        value = f", and `{self.value}` a number to add up" if self.value else ""
        return f"`{self.clock}` is taken for the time, `{self.key}` for the key{value}. Change it in the module if not."


def guess_file(path: Path) -> Guess:
    """Guess which columns of a CSV or Parquet file are its time, its key and its values.

    Raises:
        InvalidDeclaration: it is no such file, cannot be read, or has no column that is a time or a key.
    """
    connector, read = _READERS.get(path.suffix.lower(), ("", None))
    if read is None or not path.is_file():
        raise InvalidDeclaration(f"{path}", "is not a CSV or Parquet file", "Name one that ends in .csv or .parquet.")
    try:
        rows = read(path).head(_LOOKED_AT).collect()
        clock, reading, time = _clock(path, rows)
        times = read(path).select(time).collect().to_series().drop_nulls()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidDeclaration(f"{path}", f"cannot be read: {error}", "Mend the file, or name another.") from error
    if times.is_empty():
        raise InvalidDeclaration(f"{path}", f"has no time in `{clock}`", "Name a file with rows.")
    key = _key(path, rows, clock)
    value = next((name for name, dtype in rows.schema.items() if dtype.is_numeric() and name not in (clock, key)), None)
    low, high = (0.0, 0.0) if value is None else (float(rows[value].min() or 0), float(rows[value].max() or 0))  # type: ignore[arg-type]
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise TypeError("a column of times has no times")
    return Guess(path, connector, clock, reading, key, value, first, last, low, high)


def plain_name(column: str) -> str:
    """Return the name of a column as a Python name.

    >>> plain_name("Unit Price (EUR)"), plain_name("2nd"), plain_name("class")
    ('unit_price_eur', 'c_2nd', 'c_class')
    """
    if column.isidentifier() and column.isascii() and not iskeyword(column):
        return column
    plain = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_") or "column"
    return f"c_{plain}" if plain[0].isdigit() or iskeyword(plain) else plain


def _clock(path: Path, rows: pl.DataFrame) -> tuple[str, str, pl.Expr]:
    """Return the first column that is a time, and what makes it one of UTC: as it is written, and as it is computed."""
    for name, dtype in rows.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
            written = '.dt.convert_time_zone("UTC").dt.cast_time_unit("us")'
            return name, written, column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
        if isinstance(dtype, pl.Datetime):
            written = '.dt.replace_time_zone("UTC").dt.cast_time_unit("us")'
            return name, written, column.dt.replace_time_zone("UTC").dt.cast_time_unit("us")
        if dtype == pl.Date:
            return name, '.cast(pl.Datetime("us", "UTC"))', column.cast(UTC)
        form = _format(rows[name]) if dtype == pl.String else None
        if form is not None:
            written = f'.str.to_datetime("{form}", time_unit="us", time_zone="UTC")'
            return name, written, column.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
    raise InvalidDeclaration(
        f"{path}",
        f"has no column that is a time among {', '.join(rows.columns)}",
        "Name a file with a column of times.",
    )


def _format(texts: pl.Series) -> str | None:
    """Return the form of time that all texts have; None where there is none."""
    for form in _FORMATS:
        times = texts.drop_nulls().str.to_datetime(form, strict=False, time_zone="UTC")
        if len(times) and times.null_count() == 0:
            return form
    return None


def _key(path: Path, rows: pl.DataFrame, clock: str) -> str:
    """Return the column that repeats, and is named or typed like a key."""
    possible = [
        name
        for name, dtype in rows.schema.items()
        if name != clock and (dtype == pl.String or dtype.is_integer()) and rows[name].null_count() < rows.height
    ]
    if not possible:
        raise InvalidDeclaration(
            f"{path}", f"has no column of text or whole numbers beside `{clock}`", "Name a file with a column of keys."
        )
    names = [name for name in possible if name.lower().endswith(("id", "key", "customer", "user", "account"))]
    repeating = [name for name in (*names, *possible) if rows[name].n_unique() < rows.height]
    return (repeating or names or possible)[0]


def day_after(moment: datetime) -> datetime:
    """Return the midnight after a moment."""
    return partition_end(partition_start(moment, "daily"), "daily")
