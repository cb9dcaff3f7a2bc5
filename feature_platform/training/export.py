"""The export of a built training set: its parts, batches of rows, arrays and files.

Batches are read a stretch of rows at a time, so that memory does not grow with the rows. Files and arrays are made of
the whole part, which is put into its order in memory. Arrays hold numbers only: how text becomes numbers is for others.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.split import PART_COLUMN, PARTS
from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import InvalidDeclaration, UnknownName, WrongColumnType
from feature_platform.parts.executors.base import write_atomically
from feature_platform.pipelines.results import PublishResult

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

BATCH_ROWS = 65_536
STRETCH_ROWS = 262_144  # rows of the table that are read at once
WHOLE_FILE = "rows"


class ExportedRows:
    """Rows of a training set as those who train want them."""

    rows: pl.LazyFrame
    published: PublishResult
    stretches: Callable[[], Iterator[pl.LazyFrame]]

    def part(self, name: str | None = None) -> pl.LazyFrame:
        """Return the rows of a part, in order, without the column `training_part`; all rows, as stored, for None.

        Raises:
            InvalidDeclaration: the training set has no split.
            UnknownName: there is no such part.
        """
        if name is None:
            return self.rows
        if PART_COLUMN not in self.rows.collect_schema():
            raise InvalidDeclaration(
                self._culprit, "has no parts", "Declare split=fp.Split(test_from=...), or ask for all rows."
            )
        if name not in PARTS:
            raise UnknownName(self._culprit, "part", name, PARTS)
        return _part_of(self.rows, name)

    def batches(self, part: str | None = None, *, rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """Yield the rows of a part in order, so many at a time; the last batch may have less, and none is empty.

        The stored rows are read so many at a time that memory does not grow with them.

        Raises:
            InvalidDeclaration, UnknownName: as `part`; or `rows` is less than 1.
        """
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
            raise InvalidDeclaration(self._culprit, f"is asked for batches of {rows!r} rows", "Ask for 1 or more.")
        self.part(part)  # which may be refused before anything is read
        return _batches_of(self.stretches(), part, rows)

    def numpy(self, part: str | None = None, *, columns: Sequence[str] | None = None) -> "dict[str, np.ndarray]":
        """Return the columns of a part as arrays of numbers, by name.

        A column with nulls becomes floats, with NaN for them; a column of `pl.Array` has rows and places.

        Args:
            columns: which ones. Defaults to all but join keys, clocks and `training_part`.

        Raises:
            InvalidDeclaration, UnknownName: as `part`; or there is no such column.
            WrongColumnType: a column holds no numbers; the sentence says what would do.
        """
        chosen = self.part(part).select(self._numbers(columns)).collect()
        return {column.name: _as_array(column) for column in chosen}

    def pandas(self, part: str | None = None, *, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """Return the same as `numpy`, as a frame of pandas; of a column of `pl.Array` each value is an array.

        Raises:
            InvalidDeclaration, UnknownName, WrongColumnType: as `numpy`.
        """
        import pandas as pd

        arrays = self.numpy(part, columns=columns)
        return pd.DataFrame({name: list(values) if values.ndim > 1 else values for name, values in arrays.items()})

    def torch(self, part: str | None = None, *, columns: Sequence[str] | None = None) -> "dict[str, torch.Tensor]":
        """Return the same as `numpy`, as tensors of PyTorch on the CPU.

        Raises:
            InvalidDeclaration: PyTorch is not installed; or as `numpy`.
            UnknownName, WrongColumnType: as `numpy`.
        """
        try:
            import torch
        except ModuleNotFoundError as error:
            found, remedy = "is asked for tensors, and PyTorch is not installed", "Install it: pip install torch."
            raise InvalidDeclaration(self._culprit, found, remedy) from error
        return {name: torch.tensor(values) for name, values in self.numpy(part, columns=columns).items()}

    def write_parquet(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write a file for each part with rows, `<part>.parquet`, or `rows.parquet` without a split; return the files.

        The folder is made when it is missing.

        Raises:
            InvalidDeclaration: the folder has files of an export already; nothing was written.
        """
        return write_parts(self.rows, folder)

    @property
    def _culprit(self) -> str:
        return f"`{self.published.candidate.asset}`"

    def _numbers(self, columns: Sequence[str] | None) -> list[str]:
        schema = self.rows.collect_schema()
        clocks = {SPINE_TIME, "label_known_at", PART_COLUMN, *self.published.candidate.keys}
        wanted = [name for name in schema if name not in clocks] if columns is None else list(columns)
        for name in wanted:
            if name not in schema:
                raise UnknownName(self._culprit, "column", name, schema)
            dtype = schema[name]
            inner = as_dtype(dtype.inner) if isinstance(dtype, pl.Array) else dtype
            if not (inner.is_numeric() or inner == pl.Boolean):
                remedy = "Leave it out by columns=[...], or take `part` and turn it into numbers there."
                raise WrongColumnType(self._culprit, name, str(dtype), "a column of numbers", remedy)
        return wanted


def write_parts(rows: pl.LazyFrame, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the rows of a training set as Parquet, as `ExportedRows.write_parquet` does; return the files.

    A file appears when it is whole.

    Raises:
        InvalidDeclaration: the folder has files of an export already; nothing was written.
    """
    place, parts = Path(folder), {WHOLE_FILE: rows}
    if PART_COLUMN in rows.collect_schema():
        found = set(rows.select(pl.col(PART_COLUMN).unique()).collect(engine="streaming").to_series())
        parts = {name: _part_of(rows, name) for name in PARTS if name in found}
    files = {place / f"{name}.parquet": frame for name, frame in parts.items()}
    names = [f"{name}.parquet" for name in (*PARTS, WHOLE_FILE)]  # an older export must not be mixed with this one
    if there := [name for name in names if Path(place, name).exists()]:
        raise InvalidDeclaration(f"The folder {place}", f"has {', '.join(there)}", "Give another folder.")
    place.mkdir(parents=True, exist_ok=True)
    for file, frame in files.items():
        with write_atomically(file) as unfinished:
            frame.sink_parquet(unfinished, engine="streaming")
    return list(files)


def _part_of(rows: pl.LazyFrame, name: str | None) -> pl.LazyFrame:
    return rows if name is None else rows.filter(pl.col(PART_COLUMN) == name).drop(PART_COLUMN)


def _batches_of(stretches: Iterable[pl.LazyFrame], part: str | None, rows: int) -> Iterator[pl.DataFrame]:
    """Yield frames of exactly so many rows, but for the last."""
    waiting: pl.DataFrame | None = None
    for stretch in stretches:
        whole = stretch.collect(engine="streaming")  # a filter by part would have all files read for each stretch
        block = _part_of(whole.lazy(), part).collect()
        found = block if waiting is None else pl.concat([waiting, block])
        start = 0
        while found.height - start >= rows:
            yield found.slice(start, rows)
            start += rows
        waiting = found.slice(start) if start < found.height else None
    if waiting is not None:
        yield waiting


def _as_array(column: pl.Series) -> "np.ndarray":
    """Return numbers as an array; where there are nulls as floats, NaN for each null."""
    if isinstance(column.dtype, pl.Array):
        return _as_rows(column, column.dtype.size)
    values = column.cast(pl.Float64) if column.null_count() or column.dtype.is_decimal() else column
    return values.to_numpy()


def _as_rows(column: pl.Series, size: int) -> "np.ndarray":
    """Return arrays of numbers as an array with a row for each; a null is a row of NaN."""
    import numpy as np

    numbers = column.drop_nulls().explode()
    if not column.null_count():
        return _as_array(numbers).reshape(-1, size)
    rows = np.full((len(column), size), np.nan)
    rows[column.is_not_null().to_numpy()] = numbers.cast(pl.Float64).to_numpy().reshape(-1, size)
    return rows
