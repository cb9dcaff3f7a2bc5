"""A stored table as pieces of time, by the statistics of its files in the Delta log, without reading a file.

A piece is one partition, or several small neighbours. Partitions whose times overlap (which those of the
platform never do), or whose files do not say their times, are one piece together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from deltalake import DeltaTable

from feature_platform.compute.joins.pieces import Piece, Table
from feature_platform.ground.clock import UTC
from feature_platform.ground.working_columns import PARTITION

_SMALL = 250_000  # rows up to which neighbours are read as one piece
_CUT = 999  # the log keeps milliseconds: a latest time may be that many microseconds later


@dataclass(frozen=True)
class _Part:
    """Some partitions that are one piece."""

    keys: tuple[str, ...]
    first: int
    last: int
    rows: int
    size: int

    def join(self, other: "_Part") -> "_Part":
        return _Part(
            self.keys + other.keys,
            min(self.first, other.first),
            max(self.last, other.last),
            self.rows + other.rows,
            self.size + other.size,
        )


def pieces_of(table: DeltaTable, scan: pl.LazyFrame, event_time: str | None) -> Table:
    """Return the pieces of a table at the version at which it is open.

    Args:
        scan: all its rows, with the partition column.
        event_time: the clock that orders the pieces; without one the table is one piece.
    """
    files = pl.DataFrame(table.get_add_actions(flatten=True))
    rows = scan.drop(PARTITION, strict=False)
    whole = Piece(
        rows,
        height=None if files["num_records"].null_count() else int(files["num_records"].sum()),
        size=int(files["size_bytes"].sum()),
    )
    parts = _parts(files, event_time)
    if len(parts) < 2:
        return (whole,)
    return tuple(
        Piece(
            scan.filter(pl.col(PARTITION).is_in(list(part.keys))).drop(PARTITION),
            part.first,
            part.last,
            part.rows,
            part.size,
            part.keys[0] if len(part.keys) == 1 else f"{part.keys[0]}...{part.keys[-1]}",
        )
        for part in parts
    )


def _parts(files: pl.DataFrame, event_time: str | None) -> Sequence[_Part]:
    """Return the partitions in the order of time, joined where needed; none if that order is not known."""
    columns = [f"partition.{PARTITION}", f"min.{event_time}", f"max.{event_time}", f"null_count.{event_time}"]
    if event_time is None or not set(columns) <= set(files.columns):
        return ()
    key, low, high, nulls = columns
    if files[low].dtype != UTC or files.select(low, high, "num_records", nulls).null_count().sum_horizontal().item():
        return ()
    partitions = (
        files.group_by(key)
        .agg(
            pl.col(low).min().to_physical(),
            pl.col(high).max().to_physical() + _CUT,
            pl.col("num_records").sum(),
            pl.col("size_bytes").sum(),
        )
        .sort(low)
    )
    return list(_merge_neighbours(_Part((row[0],), *row[1:]) for row in partitions.iter_rows()))


def _merge_neighbours(parts: Iterator[_Part]) -> Iterator[_Part]:
    """Merge neighbours that overlap, or are small together."""
    before: _Part | None = None
    for part in parts:
        if before is None:
            before = part
        elif part.first <= before.last or before.rows + part.rows <= _SMALL:
            before = before.join(part)
        else:
            yield before
            before = part
    if before is not None:
        yield before
