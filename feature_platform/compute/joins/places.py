"""From places in a table to values: only the columns that are wanted, only the pieces that hold a winner."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from feature_platform.compute.joins.codes import Codes, Whole
from feature_platform.compute.joins.pieces import Piece, Table, batches_of_pieces
from feature_platform.compute.joins.prefetch import prefetch

_BYTES_AT_ONCE = 96 * 2**20
_BYTES_A_VALUE = 8


def rows_at_once(columns: int) -> int:
    """Return how many rows are read and held at once, from the number of their columns."""
    return max(1, _BYTES_AT_ONCE // (_BYTES_A_VALUE * max(columns, 1)))


class TablePlaces:
    """Places in a table for the rows of a spine, kept in the order of the table.

    Args:
        heights: the rows of each piece of the table.
        places: for each row of the spine a place in the table, -1 for none.
    """

    def __init__(self, table: Table, heights: Sequence[int], places: Whole | Codes) -> None:
        offsets = np.concatenate([[0], np.cumsum(heights)]).astype(places.dtype)
        piece = np.searchsorted(offsets, places, side="right").astype(np.int16 if len(table) < 2**15 else np.int64)
        order = np.argsort(piece, kind="stable")
        self.table = table
        none = int((piece == 0).sum())
        bounds = np.searchsorted(piece[order[none:]], np.arange(1, len(table) + 2))
        own = places[order[none:]]
        ranges = zip(pairwise(bounds), offsets[:-1], strict=True)
        self.inside = [own[low:high] - offset for (low, high), offset in ranges]
        back = np.zeros(len(order), dtype=np.uint32)
        back[order[none:]] = np.arange(len(order) - none, dtype=np.uint32)
        self.back = pl.Series(back).set(pl.Series(places < 0), None) if none else pl.Series(back)

    def values(self, columns: Mapping[str, str]) -> pl.DataFrame:
        """Return some columns of the rows at these places, in the order of the spine; nulls where there is none.

        Args:
            columns: the names of the values, and of the columns they are in.
        """
        wanted = [pl.col(column).alias(name) for name, column in columns.items()]
        if not wanted:
            return pl.DataFrame(height=len(self.back))
        parts = [pl.DataFrame(schema=self.table[0].rows.select(wanted).collect_schema())]
        used = [
            Piece(piece.rows, height=piece.height, name=str(number))
            for number, piece in enumerate(self.table)
            if len(self.inside[number])
        ]
        for number, frame in prefetch(_frames(used, wanted)):
            parts.append(_rows(frame, self.inside[number]))
        return pl.concat(parts).select(pl.all().gather(self.back))


def _frames(pieces: Table, columns: Sequence[pl.Expr]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield some columns of each piece with the number that it is called; several small pieces are read at once."""
    for batch in batches_of_pieces(pieces, rows_at_once(len(columns))):
        frames = pl.collect_all([piece.rows.select(columns) for piece in batch])
        for piece in batch:
            yield int(piece.name), frames.pop(0)


def _rows(frame: pl.DataFrame, places: Whole | Codes) -> pl.DataFrame:
    return frame.select(pl.all().gather(pl.Series(places.astype(np.uint32))))
