"""Postgres by ADBC: rows are streamed by COPY. This is the only module that imports the driver.

The transaction of a session exports its snapshot. Each scan has a connection of its own that takes the snapshot over,
so that several can be read at once, as in a join of a source with itself, and all see the same rows.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, urlencode

import polars as pl

from feature_platform.ground import clock
from feature_platform.ground.clock import GRAINS, Grain
from feature_platform.ground.errors import PackageMissing
from feature_platform.ground.working_columns import SLICE
from feature_platform.parts.sources.database.columns import Column, Literals, times_in_utc
from feature_platform.parts.sources.database.postgres_types import (
    FAILING,
    CatalogueRow,
    column_of,
    columns_of_query,
    columns_of_table,
    quote_name,
)
from feature_platform.parts.sources.database.session import Selection, Session, undo_on_failure

if TYPE_CHECKING:
    from feature_platform.parts.sources.database.database import Database

try:
    from adbc_driver_manager import Error as DriverError
    from adbc_driver_postgresql.dbapi import Connection, Cursor, connect
except ModuleNotFoundError as error:
    raise PackageMissing("Reading Postgres", "adbc-driver-postgresql", "postgres") from error

_BATCH_BYTES = 4 << 20  # four times as much costs 2 % less CPU and twice the memory
_FIRST, _LAST = "0001-01-01", "9999-01-01"  # of the calendar in which slices have names
_BEGIN = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LONGEST_MS = 2**31 - 1
_TRUNCATE = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}
_HAS_XMIN = ("r", "p", "m")  # tables, partitioned ones, materialized views
_NETWORK = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "application_name": "feature_platform",
}
_OTHER_TYPE = "Give another type in `types`, or convert it in a `query`."
_UNREACHABLE = "Check the address, and that the server runs."
_REMEDIES = {  # by the number of an error in SQL, the more exact first, or by its words where no number comes with it
    "42501": "Grant the user SELECT.",
    "42P01": "Check the table and its schema.",
    "42703": "Check the names of columns.",
    "42": "Check the query.",
    "22": _OTHER_TYPE,
    "statement timeout": "Give it more time by `timeout`, or an index.",
    "authentication failed": "Check user and password.",
    "FATAL:  database": "Check the database of the URL.",
    FAILING: _OTHER_TYPE,
    "libpq": _UNREACHABLE,
}


class PostgresSession(Session):
    """A transaction whose snapshot all scans share."""

    slice_grains: ClassVar[Mapping[Grain, Grain]] = {grain: grain for grain in GRAINS}

    def __init__(self, words: "Database", owner: str) -> None:
        self._words, self._owner = words, owner
        self.literals = Literals()
        self._idle: list[Connection] = []  # connections of scans that have ended
        self._connection = self._connect()
        with undo_on_failure(self.close):
            self._learn_columns()
            self._snapshot = str(self.rows("SELECT pg_export_snapshot()")[0][0])

    def batches(self, selection: Selection) -> Iterator[pl.DataFrame]:
        connection = self._take_connection()
        options = {"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}
        with (
            undo_on_failure(lambda: _close(connection)),
            self._errors_in_words(),
            connection.cursor(adbc_stmt_kwargs=options) as cursor,
            undo_on_failure(lambda: _cancel(cursor)),
        ):
            cursor.execute(selection.sql)
            rows = pl.scan_arrow_c_stream(cursor.fetch_arrow())
            for batch in rows.collect_batches(maintain_order=True, engine="streaming"):
                yield self._in_types(batch, selection)
        self._idle.append(connection)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with self._errors_in_words(), self._connection.cursor() as cursor:
            cursor.execute(sql)
            frame: pl.DataFrame = cursor.fetch_polars()
            return frame.rows()

    def stamp(self) -> str | None:
        """Return count and newest value; contents where there is no `new_by`.

        In a table the sum of `xmin`, the number of the transaction that wrote a row, stands for contents: with as many
        rows as before it only grows when rows come, change or go.
        """
        words = self._words
        if words.new_by is not None and not words.checksum:
            return f"max({quote_name(words.new_by)})::text"
        if self._has_xmin and not words.checksum:
            return "sum(xmin::text::bigint)::text"
        row = "hashtextextended(fp_rows::text, 0)::numeric"
        newest = "''" if words.new_by is None else f"coalesce(max({quote_name(words.new_by)})::text, '')"
        return f"{newest} || ' ' || coalesce(sum({row}), 0)::text"

    def slice_key(self, column: Column, grain: Grain) -> str:
        inside = self.between(column, _moment(_FIRST), _moment(_LAST))
        start = f"to_char(date_trunc('{_TRUNCATE[grain]}', {column.raw}), 'YYYY-MM-DD HH24')"
        return f"CASE WHEN {inside} THEN {start} END"

    def slice_start(self, key: object) -> datetime:
        return datetime.strptime(str(key), "%Y-%m-%d %H").replace(tzinfo=timezone.utc)

    def outside(self, column: Column) -> str:
        return f"{column.raw} IS NULL OR NOT {self.between(column, _moment(_FIRST), _moment(_LAST))}"

    def close(self) -> None:
        while self._idle:
            _close(self._idle.pop())
        _close(self._connection)

    def _learn_columns(self) -> None:
        """Read the columns from the catalogue; nothing of the table or query is read."""
        words = self._words
        self._has_xmin = False
        if words.query is None:
            name = ".".join(map(quote_name, words.table_parts))
            self.table = f"{name} AS fp_rows"
            found = self.rows(columns_of_table(self.literals.text(name)))
            if not found:
                raise words.refusal(
                    self._owner, f"there is no table `{words.table}`", "Check the table and its schema."
                )
            self._has_xmin = found[0][-1] in _HAS_XMIN
        else:
            self.table = f"(\n{words.query}\n) AS fp_rows"
            names = [str(name) for (name,) in self.rows(columns_of_query(self.table))]
            if len(names) != len(set(names)):
                twice = next(name for name in names if names.count(name) > 1)
                raise words.refusal(self._owner, f"the query has two columns `{twice}`", "Name each of them with AS.")
            found = self.rows(columns_of_query(self.table, names))
        catalogue = [CatalogueRow(*map(str, row[:6])) for row in found]
        self.columns = {}
        for row in catalogue:
            column, doubt = column_of(row, words.types.get(row.name), words.time_zone)
            if column is None:
                raise words.refusal(self._owner, doubt, f'Give its type: types={{"{row.name}": pl.String}}.')
            self.columns[row.name] = column

    def _in_types(self, batch: pl.DataFrame, selection: Selection) -> pl.DataFrame:
        if not selection.columns and not selection.has_slices:
            return pl.DataFrame(height=batch.height)
        columns = [_in_type(column, batch.schema[column.name]) for column in selection.columns]
        columns += [pl.col(SLICE)] if selection.has_slices else []
        return times_in_utc(batch.select(columns), selection.columns)

    def _take_connection(self) -> Connection:
        """Return a connection that sees the snapshot: one that another scan has left, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect(self._snapshot)

    def _connect(self, snapshot: str | None = None) -> Connection:
        """Begin a transaction; with a snapshot, one that sees the same rows as the one that exported it."""
        with self._errors_in_words():
            connection = connect(self._uri())
            with undo_on_failure(lambda: _close(connection)):
                _execute(connection, _BEGIN)
                if snapshot is not None:
                    _execute(connection, f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        return connection

    def _uri(self) -> str:
        address, words = self._words.address, self._words
        settings = {
            "default_transaction_read_only": "on",
            "TimeZone": "UTC",
            "DateStyle": "ISO",
            "extra_float_digits": "1",
            "statement_timeout": str(min(clock.microseconds(words.timeout, self._owner) // 1000, _LONGEST_MS)),
            "lock_timeout": "10000",
            "synchronize_seqscans": "off",  # so that two scans give rows in the same order
            "idle_in_transaction_session_timeout": "0",
        }
        given = " ".join(f"-c {name}={value}" for name, value in settings.items())
        options = _NETWORK | dict(address.options) | {"options": given}
        password = "" if words.password is None else f":{quote(words.password.reveal(self._source), safe='')}"
        user = f"{quote(address.user, safe='')}{password}@" if address.user else ""
        port = "" if address.port is None else f":{address.port}"
        place = f"postgresql://{user}{address.host}{port}/{quote(address.name, safe='')}"
        return f"{place}?{urlencode(options, quote_via=quote)}"

    @property
    def _source(self) -> str:
        return f"Source `{self._owner}`"

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        """Turn what the server or its driver refuses into one error of the platform."""
        try:
            yield
        except DriverError as error:
            remedy = remedy_of(error.sqlstate, str(error), "Check the server, and run it again.")
            raise self._words.refusal(self._owner, _reason_of(str(error)), remedy) from None
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            remedy = remedy_of(None, str(error), _OTHER_TYPE)
            raise self._words.refusal(self._owner, _reason_of(str(error)), remedy) from None


def _in_type(column: Column, found: pl.DataType) -> pl.Expr:
    """Return a column in its type; numeric and JSON come as extensions of text."""
    value = pl.col(column.name)
    text = value.ext.storage() if isinstance(found, pl.BaseExtension) else value
    return text.cast(column.stored_type).alias(column.name)


def _cancel(cursor: Cursor) -> None:
    """Have the server end a statement that is not read to its end; otherwise the rest is read before it is closed."""
    with suppress(DriverError):
        cursor.adbc_cancel()


def _execute(connection: Connection, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def _close(connection: Connection) -> None:
    """Close a connection, also one that the server has ended, without another error over the one that tells why."""
    with suppress(DriverError):
        connection.rollback()
    with suppress(DriverError):
        connection.close()


def _moment(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=timezone.utc)


def _reason_of(text: str) -> str:
    """Return what a server says, without the driver's words around it and without the statement."""
    said = text.partition("\n\nQuery was")[0]
    for word in ("ERROR:  ", "FATAL:  "):
        if word in said:
            said = said.partition(word)[2]
    first = next(iter(said.removeprefix("IO: [libpq] Failed to connect: ").strip().splitlines()), "it does not answer")
    return first.removeprefix(FAILING).rstrip('"') if first.startswith(FAILING) else first


def remedy_of(state: str | None, text: str, otherwise: str) -> str:
    """Return what would help with an error."""
    fitting = (
        remedy
        for sign, remedy in _REMEDIES.items()
        if ((state or "").startswith(sign) if sign[0].isdigit() else sign in text)  # a port may have any digits
    )
    return next(fitting, otherwise)
