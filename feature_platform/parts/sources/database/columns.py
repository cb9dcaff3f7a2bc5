"""Columns of a database as they are read: in which SQL, in which type, and how they are compared."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import polars as pl

Comparison = Literal["whole", "truth", "text", "instant", "wall", "utc wall", "date"]
ZONES_MARGIN_US = 16 * 3_600_000_000  # no zone is further from UTC
_LONGEST_TEXT = 1000


@dataclass(frozen=True)
class Column:
    """A column of a table or query.

    Attributes:
        dtype: in which it is handed on.
        raw: the SQL of its value as it is stored, by which rows are filtered and cut.
        selected: the SQL that is selected.
        compared: what its raw values are compared with; None for those that the server must not compare, since it
            orders or equates other values than Polars does.
        zone: of times that are stored without one and handed on in UTC.
        margin: how far off a comparison of raw times may be, in microseconds.
    """

    name: str
    dtype: pl.DataType
    raw: str
    selected: str
    compared: Comparison | None = None
    zone: str | None = None
    margin: int = 0

    @property
    def stored_type(self) -> pl.DataType:
        """Return its type before times are put into UTC."""
        return self.dtype if self.zone is None else pl.Datetime("us")


class Literals:
    """How a database writes literals: own renderers, since bound values cost memory or change the plan."""

    def whole(self, value: int) -> str:
        """Write a whole number."""
        return str(value)

    def truth(self, *, value: bool) -> str:
        """Write a truth value."""
        return "TRUE" if value else "FALSE"

    def text(self, value: str) -> str:
        """Write a text without backslashes."""
        return "'" + value.replace("'", "''") + "'"

    def day(self, value: date) -> str:
        """Write a day."""
        return f"DATE '{value.isoformat()}'"

    def wall(self, moment: datetime) -> str:
        """Write a time without a zone."""
        return f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(sep=' ')}'"

    def instant(self, moment: datetime) -> str:
        """Write a moment, which is in UTC."""
        return f"TIMESTAMP WITH TIME ZONE '{moment.replace(tzinfo=None).isoformat(sep=' ')}+00'"


def write_literal(value: object, column: Column, literals: Literals) -> str | None:
    """Write a value that a column is compared with; None where they are not comparable without doubt."""
    match column.compared, value:
        case "truth", bool():
            return literals.truth(value=value)
        case "whole", int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return literals.whole(value)
        case "text", str() if "\0" not in value and "\\" not in value and len(value) < _LONGEST_TEXT:
            return literals.text(value)
        case "instant", datetime() if value.tzinfo is not None:
            return literals.instant(value)
        case "utc wall", datetime() if value.tzinfo is not None:
            return literals.wall(value)
        case "wall", datetime() if value.tzinfo is None:
            return literals.wall(value)
        case "date", date() if not isinstance(value, datetime):
            return literals.day(value)
    return None


def times_in_utc(rows: pl.DataFrame, columns: Iterable[Column]) -> pl.DataFrame:
    """Return rows with the times of columns that have a zone in UTC.

    Raises:
        polars.exceptions.ComputeError: a time is ambiguous in its zone, or does not exist there.
    """
    local = [column for column in columns if column.zone is not None]
    zoned = (pl.col(each.name).dt.replace_time_zone(each.zone).dt.convert_time_zone("UTC") for each in local)
    return rows.with_columns(zoned) if local else rows
