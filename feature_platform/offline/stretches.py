"""Stretches of rows: a table that keeps the order of its rows, read some at a time."""

from collections.abc import Iterator

import polars as pl

from feature_platform.ground.working_columns import ROW
from feature_platform.offline.commits import open_table
from feature_platform.offline.store import OfflineStore


def read_stretches(store: OfflineStore, name: str, version: int, rows: int) -> Iterator[pl.LazyFrame]:
    """Yield the rows of a table that keeps their order, so many at a time, so that never all are in memory.

    Without an order it is one frame. Raises as `OfflineStore.read` does.
    """
    location = store.location(name)
    scan = pl.scan_delta(open_table(location, version), version=version, storage_options=location.storage_options)
    if ROW not in scan.collect_schema():
        yield store.read(name, version=version)
        return
    last = scan.select(pl.col(ROW).max()).collect().item()
    for low in range(0, 0 if last is None else last + 1, rows):
        yield scan.filter(pl.col(ROW) >= low, pl.col(ROW) < low + rows).sort(ROW).drop(ROW)
