"""Reading the prepared rows of a source: all of them in batches, or those of partitions, a part at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import polars as pl

from feature_platform.compute.transforms.rows import prepare_rows
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.errors import NoRowsYet
from feature_platform.ground.working_columns import PARTITION_START, PREFIX, refuse_working_names
from feature_platform.offline import OfflineStore
from feature_platform.offline.staging import collect_in_batches
from feature_platform.parts.sources.base import OpenedData
from feature_platform.pipelines.candidates.deliveries import Delivery
from feature_platform.pipelines.candidates.looks import refuse_names_of_trials, scan_partitions
from feature_platform.pipelines.candidates.parts import parts_of, split_into_parts
from feature_platform.pipelines.candidates.saturated import refuse_saturated
from feature_platform.pipelines.candidates.shared import Span, reading_source
from feature_platform.pipelines.candidates.trials import try_prepare


def scan_whole(source: Source, store: OfflineStore, data: OpenedData) -> pl.LazyFrame:
    """Scan all rows of a source, prepared; when there are headers and no rows yet, none, with the types of its table.

    Raises:
        NoRowsYet: there is no row and no table that gives the types.
        WrongColumnName: a new column has the name of one that the platform adds.
    """
    try:
        raw = data.scan()
    except NoRowsYet:
        if not store.exists(source.asset):
            raise
        return _no_rows(source, store)
    refuse_names_of_trials(source, raw.collect_schema())
    return _prepare(source, store, raw)


def _no_rows(source: Source, store: OfflineStore) -> pl.LazyFrame:
    return pl.LazyFrame(schema=store.read(source.asset).collect_schema())


def prepare_partitions(
    source: Source, store: OfflineStore, delivery: Delivery, data: OpenedData, grid: Partitions, keys: Sequence[str]
) -> pl.LazyFrame:
    """Scan the prepared rows of partitions lazily, and of other times where they lie in the same units."""
    if delivery.schema is None:
        return _no_rows(source, store)
    bounds = [clock.partition_bounds(key, grid.grain, "The data") for key in keys]
    raw = scan_partitions(delivery, data, [start for start, _ in bounds])
    with reading_source(source):
        refuse_names_of_trials(source, raw.collect_schema())
        try_prepare(source, raw, grid)
    between = (min(start for start, _ in bounds), max(end for _, end in bounds)) if bounds else None
    return _prepare(source, store, raw, between)


def _prepare(source: Source, store: OfflineStore, raw: pl.LazyFrame, between: Span | None = None) -> pl.LazyFrame:
    """Return prepared rows.

    Raises:
        WrongColumnName: a new column has the name of one that the platform adds.
    """
    rows = prepare_rows(source, raw, between=between)
    if any(name.startswith(PREFIX) for name in rows.collect_schema()):
        known = store.read(source.asset).collect_schema() if store.exists(source.asset) else ()
        refuse_working_names(f"Table `{source.asset}`", rows.collect_schema(), known)
    return rows


@contextmanager
def split_rows(
    source: Source, rows: pl.LazyFrame, grid: Partitions, counts: Mapping[str, int]
) -> Iterator[Callable[[Sequence[str]], pl.DataFrame]]:
    """Split rows into parts, and yield a function that loads the rows of partitions of one part by their keys."""
    bounds = {key: clock.partition_bounds(key, grid.grain, "The data") for key in counts}
    starts = {key: start for key, (start, _) in bounds.items()}
    parts = parts_of(counts, len(rows.collect_schema()))
    time = pl.col(str(source.event_time))
    keyed = rows.with_columns(clock.partition_start_of(time, grid.grain).alias(PARTITION_START))
    with ExitStack() as stack:
        with reading_source(source):
            load = stack.enter_context(
                split_into_parts(keyed, PARTITION_START, [[starts[key] for key in part] for part in parts])
            )
        yield lambda keys: refuse_saturated(source, load([starts[key] for key in keys]))


def read_batches(source: Source, rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Read rows in order, never all of them at once."""
    with reading_source(source):
        for batch in collect_in_batches(rows):
            yield refuse_saturated(source, batch)
