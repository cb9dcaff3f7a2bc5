"""A database by an ADBC driver of the user's own. Its SQL is asked, not believed: only what it says right is used.

A driver speaks for any kind of database. Before the transaction begins, questions without a table tell whether names,
times and limits mean there what the standard says. What is not sure is left to Polars.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import polars as pl

from feature_platform.ground import clock
from feature_platform.ground.errors import PackageMissing
from feature_platform.ground.working_columns import SLICE
from feature_platform.parts.sources.database.columns import ZONES_MARGIN_US, Column, Comparison, Literals, times_in_utc
from feature_platform.parts.sources.database.session import Selection, refuse_wrong_values, undo_on_failure
from feature_platform.parts.sources.database.standard import BATCH_ROWS, StandardSession
from feature_platform.parts.sources.typed import holds

if TYPE_CHECKING:
    from feature_platform.parts.sources.database.database import Database

try:
    from adbc_driver_manager import Error as DriverError
    from adbc_driver_manager.dbapi import Connection, connect
except ModuleNotFoundError as error:
    raise PackageMissing("Reading by a driver of ADBC", "adbc-driver-manager", "adbc") from error

_WALL = "TIMESTAMP '2024-05-01 10:00:00'"
_LATER = "TIMESTAMP '2024-05-01 10:00:00.000001'"
_INSTANT = "TIMESTAMP WITH TIME ZONE '2024-05-01 01:00:00+02'"
_SAME = "TIMESTAMP WITH TIME ZONE '2024-04-30 23:00:00+00'"
_NAMES = 'SELECT MAX("fp_v") AS answer FROM (SELECT 1 AS "fp_v") fp_rows'  # questions, whose answers are below
_LIMIT = "SELECT 1 AS answer LIMIT 1"
_WALLS = f"""
    SELECT CASE WHEN {_LATER} > {_WALL} AND DATE '2024-05-01' < DATE '2024-05-02' THEN 1 ELSE 0 END AS answer,
        EXTRACT(YEAR FROM {_WALL}) AS y, EXTRACT(MONTH FROM {_WALL}) AS m, EXTRACT(DAY FROM DATE '2024-05-03') AS d"""
_INSTANTS = f"""
    SELECT CASE WHEN {_INSTANT} = {_SAME} THEN 1 ELSE 0 END AS answer,
        EXTRACT(DAY FROM ({_INSTANT} AT TIME ZONE 'UTC')) AS d"""
_PLAIN = (pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Decimal)
_WHOLE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_READ_ONLY = {"adbc.connection.readonly": "true"}
_ENTRYPOINT = "entrypoint"
_BROUGHT_BY = {"adbc_driver_duckdb": "duckdb"}  # packages of another name than their driver
_ENDLESS = {pl.Date: 2**31 - 1, pl.Datetime: 2**63 - 1}  # how infinite times come, and their negatives


class AdbcSession(StandardSession):
    """A transaction by a driver of ADBC, where the driver has transactions."""

    def __init__(self, words: "Database", owner: str) -> None:
        super().__init__(words, owner)
        self.literals = Literals()
        with self._errors_in_words():
            self._connection = self._connect()
            with undo_on_failure(self.close):
                self._learn_dialect()
                self._begin()
                self._learn_columns()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with self._errors_in_words(), self._lock:
            return self._read(sql).rows()

    def close(self) -> None:
        with suppress(DriverError):
            self._connection.adbc_connection.rollback()
        with suppress(DriverError):
            self._connection.close()

    def _connect(self) -> Connection:
        """Connect without a transaction, since a statement that the database does not know would end it."""
        words, address = self._words, self._words.address
        options = {name: value for name, value in address.options.items() if name != _ENTRYPOINT}
        options["uri"] = address.name if address.is_file else address.place_without_user
        if address.user is not None:
            options["username"] = address.user
        if words.password is not None:
            options["password"] = words.password.reveal(f"Source `{self._owner}`")
        library = _library_of(str(words.driver))
        return connect(library, entrypoint=address.options.get(_ENTRYPOINT), db_kwargs=options, autocommit=True)

    def _learn_dialect(self) -> None:
        """Learn what the database says right."""
        words = self._words
        if not self._answers(_NAMES, 1):
            found = "its SQL does not take names in double quotes, as the standard does"
            remedy = "Read it by its dialect of SQLAlchemy, without `driver`."
            raise words.refusal(self._owner, found, remedy)
        self.has_limit = self._answers(_LIMIT, 1)
        self._knows_walls = self._answers(_WALLS, 1, 2024, 5, 3)
        self._knows_instants = self._knows_walls and self._answers(_INSTANTS, 1, 30)

    def _answers(self, sql: str, *expected: int) -> bool:
        """Tell whether the database answers a question as expected, in whole numbers."""
        try:
            answer = self._read(sql).rows()
        except (DriverError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return False
        return answer == [expected] and all(type(value) is int for value in answer[0])

    def _begin(self) -> None:
        """Begin a transaction that may only read, as far as the driver knows such."""
        connection = self._connection.adbc_connection
        with suppress(DriverError):
            connection.set_options(**_READ_ONLY)
        with suppress(DriverError):
            connection.set_autocommit(False)

    def _learn_columns(self) -> None:
        """Read the columns of the table or query; no row of it is read."""
        self.table = self._name_table()
        self._found = self._read(f"SELECT * FROM {self.table} WHERE 1 = 0").schema
        self.columns = {name: self._column(name, dtype) for name, dtype in self._found.items()}

    def _column(self, name: str, found: pl.DataType) -> Column:
        raw, wanted = self._quote(name), self._words.types.get(name)
        if wanted is None or wanted == found:
            column = self._natural_column(name, raw, found)
            if column is not None:
                return column
        elif holds(wanted, found):
            return Column(name, wanted, raw, raw)
        told = f"column `{name}` is {found}, which cannot be read {f'as {wanted} ' if wanted else ''}without loss"
        raise self._words.refusal(self._owner, told, "Convert it in a `query`, e.g. by CAST, or leave it out there.")

    def _natural_column(self, name: str, raw: str, found: pl.DataType) -> Column | None:
        walls: Comparison | None = "wall" if self._knows_walls else None
        match found:
            case pl.Datetime(time_unit="ns"):
                return None
            case pl.Datetime(time_zone=None) if self._words.time_zone is None:
                return Column(name, pl.Datetime("us"), raw, raw, walls)
            case pl.Datetime(time_zone=None):
                zone = self._words.time_zone
                margin = 0 if zone == "UTC" else ZONES_MARGIN_US
                return Column(name, clock.UTC, raw, raw, "utc wall" if walls else None, zone, margin)
            case pl.Datetime():
                return Column(name, clock.UTC, raw, raw, "instant" if self._knows_instants else None)
            case pl.Date():
                return Column(name, found, raw, raw, "date" if self._knows_walls else None)
            case pl.Categorical() | pl.Enum():
                return Column(name, pl.String(), raw, raw)
        if isinstance(found, _WHOLE):
            return Column(name, found, raw, raw, "whole")
        return Column(name, found, raw, raw) if isinstance(found, _PLAIN) else None

    def _frames(self, selection: Selection) -> Iterator[pl.DataFrame]:
        with self._connection.cursor() as cursor:
            cursor.execute(selection.sql)
            rows = pl.scan_arrow_c_stream(cursor.fetch_arrow())
            for batch in rows.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True, engine="streaming"):
                yield self._in_types(batch, selection)

    def _in_types(self, batch: pl.DataFrame, selection: Selection) -> pl.DataFrame:
        if not selection.columns and not selection.has_slices:
            return pl.DataFrame(height=batch.height)
        columns = [self._in_type(column, batch.schema[column.name]) for column in selection.columns]
        columns += [pl.col(SLICE).cast(pl.String)] if selection.has_slices else []
        return times_in_utc(batch.select(columns), selection.columns)

    def _in_type(self, column: Column, found: pl.DataType) -> pl.Expr:
        """Return a column in its type; a driver that guesses types may give another one than it said."""
        said, given = self._found[column.name], self._words.types.get(column.name)
        if found != said and not (given is not None and (found == given or holds(given, found))):
            told = f"its driver gave {found} in column `{column.name}`, of which it had said {said}"
            remedy = f'Give the type: types={{"{column.name}": pl.String}}.'
            raise self._words.refusal(self._owner, told, remedy)
        value = pl.col(column.name)
        if type(found) in _ENDLESS:
            value = pl.when(value.to_physical().abs() < _ENDLESS[type(found)]).then(value)
        if isinstance(found, pl.Datetime) and found.time_zone is not None:
            value = value.dt.convert_time_zone("UTC")
        return value.cast(column.stored_type)

    def _read(self, sql: str) -> pl.DataFrame:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return pl.scan_arrow_c_stream(cursor.fetch_arrow()).collect()

    def _quote(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def _calendar_time(self, column: Column) -> str:
        return f"({column.raw} AT TIME ZONE 'UTC')" if column.compared == "instant" else column.raw

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        words = self._words
        try:
            with refuse_wrong_values(words, self._owner):
                yield
        except ModuleNotFoundError as error:
            package = _BROUGHT_BY.get(str(error.name), str(error.name).replace("_", "-"))
            remedy = f"Install it: pip install {package}."
            raise words.refusal(self._owner, f"its driver needs {error.name}, which is not installed", remedy) from None
        except DriverError as error:
            remedy = "Check the address, the user, and the names of tables and columns."
            raise words.refusal(self._owner, _reason_of(error), remedy) from None
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            found = f"it has a column that Polars cannot read, {str(error).splitlines()[0]}"
            raise words.refusal(self._owner, found, "Convert the column in a `query`, or leave it out there.") from None


def _library_of(driver: str) -> str:
    """Return the library of a driver that is a Python package; any other name or path is for ADBC itself to find."""
    if not driver.isidentifier():
        return driver
    module: ModuleType = import_module(driver)
    found = vars(module).get("driver_path") or vars(module).get("_driver_path")
    return str(found()) if callable(found) else driver


def _reason_of(error: DriverError) -> str:
    """Return what a driver says, without its class of error."""
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return first.partition(": ")[2] or first
