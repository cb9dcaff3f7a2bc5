"""A file of SQLite, read by the standard library.

SQLite keeps any value in any column. A column is read as it was declared, value by value and without CAST, which makes
0 of a text: what is of another type is refused. Times are texts in ISO 8601, which begin with the day.
"""

import hashlib
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import quote

import polars as pl

from feature_platform.ground import clock
from feature_platform.ground.clock import Grain
from feature_platform.ground.working_columns import SLICE
from feature_platform.parts.sources.database.columns import Column, Comparison, Literals, times_in_utc
from feature_platform.parts.sources.database.session import Selection, Session, refuse_wrong_values, undo_on_failure
from feature_platform.parts.sources.database.values import frame_of

if TYPE_CHECKING:
    from feature_platform.parts.sources.database.database import Database

_BATCH = 50_000
_MARGIN_US = 2 * 86_400_000_000  # texts are compared by their days, which may be those of another zone
_MOST_HASHED = 100  # arguments of a function
_STEPS = 10_000  # of SQLite's machine between two looks at the clock
_A_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"
_VIEW = "platform_query"
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_DECLARED: Sequence[tuple[str, pl.DataType, Comparison | None]] = (  # the first that is part of a declared type
    ("BOOL", pl.Boolean(), "truth"),
    ("DATETIME", pl.Datetime("us"), "wall"),
    ("TIMESTAMP", pl.Datetime("us"), "wall"),
    ("INT", pl.Int64(), "whole"),
    ("CHAR", pl.String(), "text"),
    ("CLOB", pl.String(), "text"),
    ("TEXT", pl.String(), "text"),
    ("JSON", pl.String(), None),
    ("UUID", pl.String(), "text"),
    ("BLOB", pl.Binary(), None),
    ("REAL", pl.Float64(), None),
    ("FLOAT", pl.Float64(), None),
    ("DOUBLE", pl.Float64(), None),
    ("DATE", pl.Date(), "date"),
)


class SqliteSession(Session):
    """A read transaction of a file."""

    def __init__(self, words: "Database", owner: str) -> None:
        self._words, self._owner = words, owner
        self._lock = threading.Lock()
        self._deadline = 0.0
        self.literals = _SqliteLiterals()
        with self._errors_in_words():
            self._connection = sqlite3.connect(
                f"file:{quote(words.address.name)}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
            )
        with undo_on_failure(self.close):
            self._begin()

    def batches(self, selection: Selection) -> Iterator[pl.DataFrame]:
        types = {column.name: column.stored_type for column in selection.columns}
        if selection.has_slices:
            types[SLICE] = pl.String()
        with self._errors_in_words():
            cursor = self._execute(selection.sql)
            try:
                while rows := self._fetch(cursor):
                    yield times_in_utc(frame_of(rows, types), selection.columns)
            finally:
                cursor.close()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with self._errors_in_words():
            return self._execute(sql).fetchall()

    def stamp(self) -> str | None:
        names = [_quote_name(name) for name in self.columns]
        newest = "''" if self._words.new_by is None else f"MAX({_quote_name(self._words.new_by)})"
        if self._words.new_by is not None and not self._words.checksum:
            return newest
        return f"{newest} || ' ' || platform_sum({', '.join(names)})" if len(names) <= _MOST_HASHED else None

    def slice_key(self, column: Column, grain: Grain) -> str:
        return f"CASE WHEN {column.raw} GLOB '{_A_DAY}' THEN SUBSTR({column.raw}, 1, 10) END"

    def slice_start(self, key: object) -> datetime:
        return datetime.strptime(str(key), "%Y-%m-%d").replace(tzinfo=timezone.utc)

    def outside(self, column: Column) -> str:
        return f"{column.raw} IS NULL OR {column.raw} NOT GLOB '{_A_DAY}'"

    def close(self) -> None:
        self._connection.close()

    def _begin(self) -> None:
        """Begin the transaction, and learn the columns."""
        words = self._words
        self._connection.set_progress_handler(lambda: time.monotonic() > self._deadline, _STEPS)
        self._connection.create_aggregate("platform_sum", -1, _RowSum)  # type: ignore[arg-type]
        if words.query is not None:
            self.rows(f"CREATE TEMP VIEW {_VIEW} AS SELECT * FROM (\n{words.query}\n)")
        self.rows("BEGIN")
        schema, name = ["temp", _VIEW] if words.query is not None else (["main", *words.table_parts])[-2:]
        self.table = f"{_quote_name(schema)}.{_quote_name(name)}"
        texts = f"{self.literals.text(name)}, {self.literals.text(schema)}"
        declared = self.rows(f"SELECT name, type FROM pragma_table_xinfo({texts}) WHERE hidden <> 1 ORDER BY cid")
        if not declared:
            raise words.refusal(self._owner, f"there is no table `{words.table}`", "Check the table.")
        self.columns = {str(column): self._column(str(column), str(kind)) for column, kind in declared}

    def _column(self, name: str, declared: str) -> Column:
        wanted = self._words.types.get(name)
        natural = _natural_type(declared.upper())
        dtype = wanted or natural[0]
        if dtype is None:
            found = f"column `{name}` is declared {declared or 'without a type'}, which does not say what it holds"
            raise self._words.refusal(self._owner, found, f'Give its type: types={{"{name}": pl.String}}.')
        raw, compared = _quote_name(name), natural[1] if dtype == natural[0] else None
        if not isinstance(dtype, pl.Datetime):
            return Column(name, dtype, raw, raw, compared)
        zone = self._words.time_zone if wanted is None else None
        in_utc = zone is not None or dtype.time_zone is not None
        final = clock.UTC if in_utc else pl.Datetime("us")
        return Column(name, final, raw, raw, "utc wall" if in_utc else "wall", zone, _MARGIN_US)

    def _execute(self, sql: str) -> sqlite3.Cursor:
        with self._lock:
            self._deadline = time.monotonic() + clock.duration_of(self._words.timeout).total_seconds()
            return self._connection.execute(sql)

    def _fetch(self, cursor: sqlite3.Cursor) -> list[tuple[object, ...]]:
        with self._lock:
            return cursor.fetchmany(_BATCH)

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        """Turn what SQLite refuses, and values of other types, into one error of the platform."""
        words = self._words
        try:
            with refuse_wrong_values(words, self._owner):
                yield
        except sqlite3.Error as error:
            found = f"it took longer than {words.timeout}" if str(error) == "interrupted" else str(error)
            raise words.refusal(self._owner, found, _remedy_of(str(error))) from None


class _SqliteLiterals(Literals):
    """Literals of SQLite, where a time is compared by the day that its text begins with."""

    def truth(self, *, value: bool) -> str:
        return "1" if value else "0"

    def day(self, value: date) -> str:
        return f"'{value.isoformat()}'"

    def wall(self, moment: datetime) -> str:
        return f"'{moment.date().isoformat()}'"

    instant = wall


class _RowSum:
    """An aggregate: the sum of a hash of each row, whatever their order."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, *values: object) -> None:
        """Take in a row."""
        self._sum += int.from_bytes(hashlib.blake2b(repr(values).encode(), digest_size=8).digest())

    def finalize(self) -> str:
        """Return the sum."""
        return str(self._sum)


def _natural_type(declared: str) -> tuple[pl.DataType | None, Comparison | None]:
    """Return the type that a declared one stands for, and how it is compared; None for one that says nothing."""
    decimal = _DECIMAL.fullmatch(declared)
    if decimal is not None and int(decimal[1]) <= 38:
        return pl.Decimal(int(decimal[1]), int(decimal[2] or 0)), None
    return next(((dtype, compared) for word, dtype, compared in _DECLARED if word in declared), (None, None))


def _quote_name(name: str) -> str:
    """Quote a name by backticks: SQLite takes a name in double quotes for a text when there is no such column."""
    return "`" + name.replace("`", "``") + "`"


def _remedy_of(error: str) -> str:
    if "unable to open" in error:
        return "Check the path, and who may read the file."
    if "no such" in error or "syntax error" in error:
        return "Check the names of tables and columns."
    return "Check that no other process keeps it locked." if "locked" in error else "Check the file."
