"""What sessions share that know a database only by the SQL of the standard: by SQLAlchemy or by ADBC.

Drivers read one result at a time on a connection. A result that is not small is therefore put on disk first, so that
several can be read at once, as in a join of a source with itself, and all see the same rows.
"""

import tempfile
import threading
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from feature_platform.ground import clock
from feature_platform.ground.clock import Grain
from feature_platform.parts.sources.database.columns import Column
from feature_platform.parts.sources.database.session import Selection, Session

if TYPE_CHECKING:
    from feature_platform.parts.sources.database.database import Database

BATCH_ROWS = 50_000
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=timezone.utc), datetime(9999, 1, 1, tzinfo=timezone.utc)


class StandardSession(Session):
    """A transaction of a database by the SQL of the standard.

    Args:
        words: the declaration.
        owner: the source's name, for errors.
    """

    def __init__(self, words: "Database", owner: str) -> None:
        self._words, self._owner = words, owner
        self._lock = threading.Lock()

    def batches(self, selection: Selection) -> Iterator[pl.DataFrame]:
        with tempfile.TemporaryDirectory(prefix="fp-rows-") as folder, self._errors_in_words():
            with self._lock:
                batches = self._within_timeout(self._frames(selection))
                first = next(batches, None)
                files = [_put_aside(frame, Path(folder), number) for number, frame in enumerate(batches)]
            if first is not None:
                yield first
            for file in files:
                yield pl.read_ipc(file)
                file.unlink()

    def _within_timeout(self, batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield batches for as long as `timeout` says, since no setting of a statement is known to all databases.

        Raises:
            SourceUnreadable: it takes longer.
        """
        ends = time.monotonic() + clock.duration_of(self._words.timeout).total_seconds()
        for batch in batches:
            if time.monotonic() > ends:
                found = f"it took longer than {self._words.timeout}"
                raise self._words.refusal(self._owner, found, "Give it more time by `timeout`, or an index.")
            yield batch

    def stamp(self) -> str | None:
        """Return the newest value; None without `new_by`, since no hash of rows is the same in all databases."""
        words = self._words
        return None if words.new_by is None or words.checksum else f"MAX({self._quote(words.new_by)})"

    def slice_key(self, column: Column, grain: Grain) -> str:
        value = self._calendar_time(column)
        year, month, day = (f"EXTRACT({part} FROM {value})" for part in ("YEAR", "MONTH", "DAY"))
        inside = self.between(column, _FIRST, _LAST)
        return f"CASE WHEN {inside} THEN {year} * 10000 + {month} * 100 + {day} END"

    def slice_start(self, key: object) -> datetime:
        return datetime.strptime(f"{key:0>8}", "%Y%m%d").replace(tzinfo=timezone.utc)

    def outside(self, column: Column) -> str:
        return f"{column.raw} IS NULL OR NOT {self.between(column, _FIRST, _LAST)}"

    @abstractmethod
    def _frames(self, selection: Selection) -> Iterator[pl.DataFrame]:
        """Yield the rows of a selection while the connection reads them."""

    @abstractmethod
    def _quote(self, name: str) -> str:
        """Quote an identifier."""

    @abstractmethod
    def _errors_in_words(self) -> AbstractContextManager[None]:
        """Turn what the database or its driver refuses, and values of other types, into one error of the platform."""

    def _calendar_time(self, column: Column) -> str:
        """Return the SQL of a time whose day is that of its slice."""
        return column.raw

    def _name_table(self) -> str:
        """Return the SQL after FROM."""
        words = self._words
        if words.query is not None:
            return f"(\n{words.query}\n) fp_rows"
        return ".".join(self._quote(part) for part in words.table_parts)


def _put_aside(frame: pl.DataFrame, folder: Path, number: int) -> Path:
    file = folder / f"{number}.ipc"
    frame.write_ipc(file)
    return file
