"""The declaration of a table or query of a database."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from feature_platform.ground import clock
from feature_platform.ground.errors import InvalidDeclaration, SourceUnreadable
from feature_platform.ground.secret import Secret, hide_secrets
from feature_platform.parts.sources.base import Connector, Gone, OpenedData, validate_gone
from feature_platform.parts.sources.database.address import Address, address_of
from feature_platform.parts.sources.database.opened import OpenedDatabase, Transaction
from feature_platform.parts.sources.database.session import Session
from feature_platform.parts.sources.typed import Types, validate_types

_OWNER = "Connector Database"
_PARTS = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
_TABLE = re.compile(r'(?:"(?:[^"]|"")+"|[^".]+)(?:\.(?:"(?:[^"]|"")+"|[^".]+)){0,2}')
_SELECT = re.compile(r"\s*(?:(?:--[^\n]*\n|/\*.*?\*/)\s*)*(?:select|with)\b.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, init=False)
class Database(Connector):
    """A table or query of Postgres, SQLite, or any database that SQLAlchemy or a driver of ADBC knows.

    All rows of a run come from one read-only transaction. Filters go to the server where SQL says the same.

    Args:
        url: without a password: `postgresql://reader@db.internal/shop`, `sqlite:///shop.db`, `mysql+pymysql://...`.
        driver: an ADBC driver of your own that reads instead: its package, such as `adbc_driver_duckdb`, or what ADBC's
            driver manager knows. The options of the URL are for it.
        password: the name of the environment variable that holds it.
        table: with its schema where that is needed, `public.orders`; names with dots or quotes in double quotes.
        query: one SELECT instead of a table.
        new_by: a column that grows with each change of a row. Without it contents are compared, which takes longer.
        watch: how far back partitions are compared at each look; older ones are once a week, and when a run takes
            them in.
        time_zone: of times without one. None leaves them as they are.
        types: of columns whose own type does not say enough, or that are read in another one.
        timeout: of one statement, with the rows that it streams.
        checksum: whether contents are compared although there is a `new_by`.

    >>> Database("postgresql://reader@db.internal/shop", table="public.orders").location
    'postgresql://reader@db.internal/shop public.orders'
    """

    kind = "database"
    holds_still = True
    units_are = "slices of time"
    scans_at_once = 4

    url: str
    driver: str | None
    password: Secret | None
    table: str | None
    query: str | None
    new_by: str | None
    watch: str | None
    time_zone: str | None
    types: Mapping[str, pl.DataType]
    timeout: str
    checksum: bool
    gone: Gone
    address: Address = field(repr=False)

    def __init__(
        self,
        url: str,
        *,
        driver: str | None = None,
        password: Secret | None = None,
        table: str | None = None,
        query: str | None = None,
        new_by: str | None = None,
        watch: str | None = None,
        time_zone: str | None = None,
        types: Types | None = None,
        timeout: str = "1h",
        checksum: bool = False,
        gone: Gone = "kept",
    ) -> None:
        if watch is not None:
            clock.microseconds(watch, f"{_OWNER}, watch,")
        clock.microseconds(timeout, f"{_OWNER}, timeout,")
        values = {
            "address": address_of(url, has_driver=driver is not None),
            "url": url,
            "driver": _validate_driver(driver),
            "password": _validate_password(password),
            **_validate_rows(table, query),
            "new_by": new_by,
            "watch": watch,
            "time_zone": _validate_zone(time_zone),
            "types": validate_types("Database", "types", types or {}),
            "timeout": timeout,
            "checksum": checksum,
            "gone": validate_gone(_OWNER, gone),
        }
        for word, value in values.items():
            object.__setattr__(self, word, value)

    @property
    def location(self) -> str:
        return f"{self.address.place} {self.table or 'query'}"

    @property
    def reading(self) -> str:
        return f"{self.query!r}{self.time_zone!r}{sorted(self.types.items())!r}{self.driver or ''}"

    @property
    def table_parts(self) -> list[str]:
        """Return the names that a table is made of: its schema, where it is given, and its own."""
        parts = _PARTS.findall(self.table or "")
        return [quoted.replace('""', '"') or plain for quoted, plain in parts]

    @contextmanager
    def open(self, owner: str) -> Iterator[OpenedData]:
        watch = None if self.watch is None else clock.microseconds(self.watch, owner)
        transaction = Transaction(lambda: self._begin(owner))
        try:
            yield OpenedDatabase(transaction, watch)
        finally:
            transaction.end()

    def hide_secrets(self, text: str) -> str:
        return hide_secrets(text, [] if self.password is None else [self.password.reveal(self.location)])

    def refusal(self, owner: str, found: str, remedy: str) -> SourceUnreadable:
        """Return the error that says what a database refuses, without any secret."""
        return SourceUnreadable(owner, self.location, self.hide_secrets(found).strip().rstrip(".! "), remedy)

    def _begin(self, owner: str) -> Session:
        """Begin a transaction.

        Raises:
            SourceUnreadable: it cannot be begun, or the column of `new_by` is not there.
        """
        session = self._connect(owner)
        if self.new_by is not None and self.new_by not in session.columns:
            session.close()
            found = f"there is no column `{self.new_by}`, which `new_by` names"
            raise self.refusal(owner, found, f"It has: {', '.join(session.columns)}.")
        return session

    def _connect(self, owner: str) -> Session:
        """Begin a transaction; the driver of this kind of database is imported here."""
        if self.driver is not None:
            from feature_platform.parts.sources.database.adbc import AdbcSession

            return AdbcSession(self, owner)
        match self.address.scheme:
            case "sqlite":
                from feature_platform.parts.sources.database.sqlite import SqliteSession

                return SqliteSession(self, owner)
            case "postgresql" | "postgres":
                from feature_platform.parts.sources.database.postgres import PostgresSession

                return PostgresSession(self, owner)
            case _:
                from feature_platform.parts.sources.database.alchemy import AlchemySession

                return AlchemySession(self, owner)


def _validate_driver(driver: object) -> str | None:
    if driver is None or (isinstance(driver, str) and driver):
        return driver
    raise InvalidDeclaration(
        _OWNER, f"has driver={driver!r}", 'Write the name of a package, e.g. driver="adbc_driver_duckdb".'
    )


def _validate_password(password: object) -> Secret | None:
    if password is None or isinstance(password, Secret):
        return password
    raise InvalidDeclaration(_OWNER, "has a password that is no fp.Secret", 'Give password=fp.Secret("NAME").')


def _validate_rows(table: object, query: object) -> dict[str, str | None]:
    """Return the table or the query, whichever is given."""
    if (table is None) == (query is None):
        found = "has neither a table nor a query" if table is None else "has a table and a query"
        raise InvalidDeclaration(_OWNER, found, 'Give one of them: table="public.orders", or query="SELECT ...".')
    if table is not None and not (isinstance(table, str) and _TABLE.fullmatch(table)):
        raise InvalidDeclaration(
            _OWNER, f"has table={table!r}", 'Write e.g. "public.orders", or "public.\\"my.table\\"".'
        )
    if query is not None and not (isinstance(query, str) and _SELECT.fullmatch(query)):
        raise InvalidDeclaration(_OWNER, "has a query that is no SELECT", 'Give one: query="SELECT ... FROM ...".')
    return {"table": table, "query": query.strip().rstrip(";") if isinstance(query, str) else None}


def _validate_zone(time_zone: object) -> str | None:
    if time_zone is None:
        return None
    try:
        return ZoneInfo(str(time_zone)).key
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidDeclaration(
            _OWNER, f"has time_zone={time_zone!r}", 'Give a name such as "UTC" or "Europe/Paris".'
        ) from None
