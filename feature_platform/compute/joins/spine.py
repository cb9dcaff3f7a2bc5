"""The spine: the rows that want values, as keys and moments."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import polars as pl

from feature_platform.compute.joins.codes import NO_KEY, Codes, KeyCodes, Whole, codes_for
from feature_platform.compute.joins.pieces import Table
from feature_platform.ground.clock import ticks
from feature_platform.ground.working_columns import TICKS

_NEVER = -(2**63)


class SpineRows:
    """The keys and the moments of the rows of a spine.

    Attributes:
        rows: at least the time and the keys that are asked by; none once they are forgotten.
        height: how many rows there are.
        moments: the time of each row in microseconds, meaningless where it is null.
        timed: whether each row has a time.
    """

    def __init__(self, rows: pl.DataFrame, time: str, owner: str) -> None:
        self.rows = rows
        self.height = rows.height
        self.time = time
        moments = rows.select(ticks(rows.schema, time, owner).alias(TICKS)).to_series()
        self.timed = None if not moments.null_count() else moments.is_not_null().to_numpy()
        self.moments: Whole = moments.fill_null(_NEVER).to_numpy()
        self._codes: dict[tuple[tuple[str, str], ...], tuple[KeyCodes, Codes]] = {}

    def codes(self, types: Mapping[str, pl.DataType]) -> tuple[KeyCodes, Codes]:
        """Return a code for the key of each row; `NO_KEY` where a part of the key, or the time, is null."""
        kind = tuple((name, str(dtype)) for name, dtype in types.items())
        if kind not in self._codes:
            coder, codes = codes_for(self.rows, types)
            self._codes[kind] = coder, codes if self.timed is None else np.where(self.timed, codes, np.int32(NO_KEY))
        return self._codes[kind]

    def forget_rows(self) -> None:
        """Forget the rows, once the codes of all keys have been asked for."""
        self.rows = self.rows.clear()

    def span(self) -> tuple[int, int] | None:
        """Return the first and the last moment; `None` when no row has one."""
        moments = self.moments if self.timed is None else self.moments[self.timed]
        return (int(moments.min()), int(moments.max())) if len(moments) else None


def rows_by_piece(table: Table, moments: Whole, codes: Codes) -> Iterator[Whole]:
    """Yield for each piece the rows of a spine whose moment is in it, or after it and before the next one.

    Rows without a key, or earlier than all pieces, are of none.
    """
    firsts = np.array([piece.first for piece in table], dtype=np.int64)
    piece = np.searchsorted(firsts, moments, side="right").astype(np.int16 if len(table) < 2**15 else np.int64)
    piece[codes == NO_KEY] = 0
    if len(table) == 1 and piece.all():
        yield np.arange(len(moments))
        return
    order = np.argsort(piece, kind="stable")
    bounds = np.searchsorted(piece[order], np.arange(1, len(table) + 2))
    for low, high in pairwise(bounds):
        yield order[low:high]
