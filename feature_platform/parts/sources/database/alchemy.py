"""Any other database, by SQLAlchemy and the driver that the URL names. This is the only module that imports it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.mysql import TIMESTAMP as MYSQL_TIMESTAMP

from feature_platform.ground import clock
from feature_platform.ground.working_columns import SLICE
from feature_platform.parts.sources.database.columns import ZONES_MARGIN_US, Column, Comparison, Literals, times_in_utc
from feature_platform.parts.sources.database.session import Selection, refuse_wrong_values, undo_on_failure
from feature_platform.parts.sources.database.standard import BATCH_ROWS, StandardSession
from feature_platform.parts.sources.database.values import frame_of

if TYPE_CHECKING:
    from feature_platform.parts.sources.database.database import Database

_KNOW_LITERALS = ("mysql", "mariadb", "postgresql", "oracle")  # of times, and EXTRACT
_KNOW_LIMIT = ("mysql", "mariadb", "postgresql", "sqlite")
_ISOLATION = "REPEATABLE READ"
_TYPES: Sequence[tuple[type, pl.DataType, Comparison | None]] = (
    (sa.Boolean, pl.Boolean(), None),
    (sa.Integer, pl.Int64(), "whole"),
    (sa.Float, pl.Float64(), None),
    (sa.Date, pl.Date(), "date"),
    (sa.Uuid, pl.String(), None),
    (sa.JSON, pl.String(), None),
    (sa.String, pl.String(), None),
    (sa.LargeBinary, pl.Binary(), None),
    (sa.BINARY, pl.Binary(), None),
    (sa.VARBINARY, pl.Binary(), None),
)


class AlchemySession(StandardSession):
    """A transaction of a database that SQLAlchemy has a dialect for."""

    def __init__(self, words: "Database", owner: str) -> None:
        super().__init__(words, owner)
        self.literals = _AlchemyLiterals()
        with self._errors_in_words():
            self._engine = sa.create_engine(self._url(), poolclass=sa.NullPool, hide_parameters=True)
            self._dialect = self._engine.dialect
            self.has_limit = self._dialect.name in _KNOW_LIMIT
            self._connection = self._engine.connect()
            with undo_on_failure(self.close):
                self._begin()
                self._learn_columns()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with self._errors_in_words(), self._lock:
            return [tuple(row) for row in self._connection.execute(_text(sql))]

    def close(self) -> None:
        with suppress(sa.exc.SQLAlchemyError, OSError):
            self._connection.rollback()
        with suppress(sa.exc.SQLAlchemyError, OSError):
            self._connection.close()
        self._engine.dispose()

    def _url(self) -> sa.URL:
        address, password = self._words.address, self._words.password
        return sa.URL.create(
            address.scheme,
            username=address.user,
            password=None if password is None else password.reveal(f"Source `{self._owner}`"),
            host=address.host or None,
            port=address.port,
            database=address.name or None,
            query=dict(address.options),
        )

    def _begin(self) -> None:
        """Begin the transaction, as this kind of database makes it read-only, of one moment, and bounded in time."""
        seconds = clock.microseconds(self._words.timeout, self._owner) / 1_000_000
        match self._dialect.name:
            case "mysql" | "mariadb":
                is_mariadb = getattr(self._dialect, "is_mariadb", False)
                self._connection.execution_options(isolation_level=_ISOLATION)
                self._connection.execute(_text("SET time_zone = '+00:00'"))
                bound = (
                    f"max_statement_time = {seconds}" if is_mariadb else f"max_execution_time = {seconds * 1000:.0f}"
                )
                self._connection.execute(_text(f"SET SESSION {bound}"))
                self._connection.execute(_text("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"))
            case "postgresql":
                self._connection.execution_options(isolation_level=_ISOLATION, postgresql_readonly=True)
                self._connection.execute(_text("SET LOCAL TIME ZONE 'UTC'"))
                self._connection.execute(_text(f"SET LOCAL statement_timeout = {seconds * 1000:.0f}"))
            case "sqlite":
                self._connection.execute(_text("BEGIN"))
                self._connection.execute(_text("PRAGMA query_only = ON"))
            case "oracle":
                self._connection.execute(_text("SET TRANSACTION READ ONLY"))
            case _:
                self._connection.execution_options(isolation_level=_ISOLATION)

    def _learn_columns(self) -> None:
        words = self._words
        self.table = self._name_table()
        if words.query is not None:
            names = list(self._connection.execute(_text(f"SELECT * FROM {self.table} WHERE 1 = 0")).keys())
            self.columns = {name: self._column(name, None) for name in names}
            return
        schema, name = (None, *words.table_parts)[-2:]
        try:
            found = sa.inspect(self._connection).get_columns(str(name), schema=schema)
        except sa.exc.NoSuchTableError:
            found = []
        if not found:
            raise words.refusal(self._owner, f"there is no table `{words.table}`", "Check the table and its schema.")
        self.columns = {each["name"]: self._column(each["name"], each["type"]) for each in found}

    def _column(self, name: str, declared: sa.types.TypeEngine[object] | None) -> Column:
        raw, wanted, zone = self._quote(name), self._words.types.get(name), self._words.time_zone
        if isinstance(declared, sa.DateTime) and wanted is None:
            return _time_column(name, raw, declared, zone, is_compared=self._dialect.name in _KNOW_LITERALS)
        natural, compared = _natural_type(declared)
        dtype = wanted or natural
        if dtype is None:
            kind = "of the query" if self._words.query is not None else f"of type {declared}"
            found = f"column `{name}` {kind} does not say what it holds"
            raise self._words.refusal(self._owner, found, f'Give its type: types={{"{name}": pl.String}}.')
        is_compared = dtype == natural and (compared == "whole" or self._dialect.name in _KNOW_LITERALS)
        return Column(name, dtype, raw, raw, compared if is_compared else None)

    def _frames(self, selection: Selection) -> Iterator[pl.DataFrame]:
        types: dict[str, pl.DataType] = {column.name: column.stored_type for column in selection.columns}
        if selection.has_slices:
            types[SLICE] = pl.String()
        streaming = self._connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS)
        with streaming.execute(_text(selection.sql)) as result:
            while rows := result.fetchmany(BATCH_ROWS):
                texts = [_with_text_last(row) for row in rows] if selection.has_slices else [tuple(row) for row in rows]
                yield times_in_utc(frame_of(texts, types), selection.columns)

    def _quote(self, name: str) -> str:
        """Quote a name; `quote_identifier` of SQLAlchemy doubles percents for some drivers, as `text` does again."""
        preparer = self._dialect.identifier_preparer
        if self._dialect.requires_name_normalize:  # Oracle: a name in small letters is one that was never quoted
            return preparer.quote(name)
        escaped = name.replace(preparer.final_quote, preparer.final_quote * 2)
        return f"{preparer.initial_quote}{escaped}{preparer.final_quote}"

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        """Turn what the database or its driver refuses, and values of other types, into one error of the platform."""
        words = self._words
        try:
            with refuse_wrong_values(words, self._owner):
                yield
        except ModuleNotFoundError as error:
            remedy = f"Install it: pip install {error.name}."
            raise words.refusal(self._owner, f"its driver {error.name} is not installed", remedy) from None
        except sa.exc.NoSuchModuleError:
            found = f"SQLAlchemy knows no database `{words.address.scheme}`"
            raise words.refusal(self._owner, found, "Check the URL, or install its dialect.") from None
        except (sa.exc.SQLAlchemyError, OSError) as error:
            remedy = "Check the address, the user, and the names of tables and columns."
            raise words.refusal(self._owner, _reason_of(error), remedy) from None


class _AlchemyLiterals(Literals):
    """Literals of standard SQL; the session's zone is UTC where a column has one."""

    def instant(self, moment: datetime) -> str:
        return self.wall(moment)


def _text(sql: str) -> sa.TextClause:
    return sa.text(sql.replace(":", "\\:"))  # a colon would begin the name of a parameter


def _natural_type(declared: object) -> tuple[pl.DataType | None, Comparison | None]:
    if isinstance(declared, sa.Numeric) and not isinstance(declared, sa.Float):
        digits, places = declared.precision or 0, declared.scale or 0
        return (pl.Decimal(digits, places), None) if 0 < digits <= 38 else (None, None)
    return next(((dtype, compared) for kind, dtype, compared in _TYPES if isinstance(declared, kind)), (None, None))


def _time_column(name: str, raw: str, declared: sa.DateTime, zone: str | None, *, is_compared: bool) -> Column:
    """Return a column of times; a TIMESTAMP of MySQL and MariaDB is in the zone of the session, which is UTC."""
    of_session = "UTC" if isinstance(declared, MYSQL_TIMESTAMP) else zone
    if declared.timezone:
        return Column(name, clock.UTC, raw, raw, "utc wall" if is_compared else None)
    if of_session is None:
        return Column(name, pl.Datetime("us"), raw, raw, "wall" if is_compared else None)
    margin = 0 if of_session == "UTC" else ZONES_MARGIN_US
    return Column(name, clock.UTC, raw, raw, "utc wall" if is_compared else None, of_session, margin)


def _with_text_last(row: Sequence[object]) -> tuple[object, ...]:
    *values, last = row
    return (*values, None if last is None else str(last))


def _reason_of(error: Exception) -> str:
    """Return what the driver says, without the statement."""
    original = getattr(error, "orig", None) or error
    texts = [each for each in getattr(original, "args", ()) if isinstance(each, str)]
    return next(iter((texts[-1] if texts else str(original)).strip().splitlines()), type(original).__name__)
