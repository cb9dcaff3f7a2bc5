"""A table as pieces of time: what is read, and held in memory, at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

_BEFORE_ALL, _AFTER_ALL = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Piece:
    """Some rows of a table.

    Attributes:
        rows: a scan; collected twice it gives the same rows in the same order.
        first, last: bounds of their event times, in microseconds; both are included.
        height: how many rows there are, `None` when that is not known before they are read.
        size: their bytes in storage, as far as that is known.
        name: what people call it, such as a partition key.
    """

    rows: pl.LazyFrame
    first: int = _BEFORE_ALL
    last: int = _AFTER_ALL
    height: int | None = None
    size: int | None = None
    name: str = ""


Table = Sequence[Piece]
"""Pieces in order of time: all rows of a piece are later than those of the pieces before it."""


def table_of_frame(rows: pl.LazyFrame | pl.DataFrame) -> Table:
    """Return a frame as a table of one piece."""
    height = rows.height if isinstance(rows, pl.DataFrame) else None
    return (Piece(rows.lazy(), height=height),)


def rows_of_table(table: Table) -> pl.LazyFrame:
    """Return all rows of a table as one frame."""
    return table[0].rows if len(table) == 1 else pl.concat([piece.rows for piece in table])


def pieces_between(table: Table, low: int | None, high: int | None) -> Table:
    """Return the pieces that may hold rows with event times in `[low, high]`; one, if none does, for its columns."""
    pieces = [piece for piece in table if (low is None or piece.last >= low) and (high is None or piece.first <= high)]
    return pieces or table[:1]


def batches_of_pieces(table: Table, rows_at_once: int) -> Iterator[Table]:
    """Yield runs of pieces with at most `rows_at_once` rows together; a larger piece is alone."""
    batch: list[Piece] = []
    rows = 0
    for piece in table:
        height = rows_at_once if piece.height is None else piece.height
        if batch and rows + height > rows_at_once:
            yield batch
            batch, rows = [], 0
        batch.append(piece)
        rows += height
    yield batch
