"""Columns of one height, collected group by group and given out again as blocks of rows.

In memory, or in a temporary file that has no name, so that nothing is left behind even by a killed process.
"""

import io
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import polars as pl

from feature_platform.ground.errors import SpillFailed

ROWS_IN_A_BLOCK = 250_000


class ColumnGroups(ABC):
    """Groups of columns that become the rows of one frame."""

    @abstractmethod
    def add(self, columns: pl.DataFrame) -> None:
        """Keep some columns; all have the same height."""

    @abstractmethod
    def blocks(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield the rows in order, with the columns in the order of `names`; at least one block, for the types."""


class InMemory(ColumnGroups):
    """Columns that are all held in memory."""

    def __init__(self) -> None:
        self._groups: list[pl.DataFrame] = []

    def add(self, columns: pl.DataFrame) -> None:
        self._groups.append(columns)

    def blocks(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        rows = pl.concat(self._groups, how="horizontal") if len(self._groups) > 1 else self._groups[0]
        yield _select(rows, names)


class Spilled(ColumnGroups):
    """Columns on disk; memory holds one group while it is written, and one block of rows while it is read."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="feature_platform-")  # noqa: SIM115 (closed with this object)
        self._blocks: list[list[tuple[int, int]]] = []

    def add(self, columns: pl.DataFrame) -> None:
        spans = []
        for start_row in range(0, max(columns.height, 1), ROWS_IN_A_BLOCK):
            block = columns.slice(start_row, ROWS_IN_A_BLOCK)
            start = self._file.tell()
            try:
                block.write_ipc(self._file, compression="uncompressed")
            except OSError as error:
                raise SpillFailed(tempfile.gettempdir(), str(error)) from error
            spans.append((start, self._file.tell() - start))
        self._blocks.append(spans)

    def blocks(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        with self._file:  # closed also when the rest is not read
            for spans in zip(*self._blocks, strict=True):
                rows = pl.concat([self._read(*span) for span in spans], how="horizontal")
                yield _select(rows, names)

    def _read(self, start: int, size: int) -> pl.DataFrame:
        self._file.seek(start)
        return pl.read_ipc(io.BytesIO(self._file.read(size)))


def _select(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return some columns; without any there are still as many rows."""
    return rows.select(names) if names else pl.DataFrame(height=rows.height)
