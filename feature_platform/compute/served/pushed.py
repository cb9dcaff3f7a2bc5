"""Pushed rows of a source as what they change online: entries of row views, events of exact ones.

The functions of views are applied as they are offline. Values that are published at instants wait for the next run.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

import polars as pl

from feature_platform.clock import ticks
from feature_platform.compute.rows import as_events, feature_rows
from feature_platform.compute.served.entries import ENTRY, merged
from feature_platform.compute.served.keys import KEY
from feature_platform.compute.served.tabled import kind_of_view, served_entries, shape_of
from feature_platform.compute.served.tables import ServedTable
from feature_platform.compute.served.tiles import TAG, Merged, merged_tiles
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView
from feature_platform.errors import TransformFailed
from feature_platform.sortable_moments import sortable

_ONLINE = "online-"


def is_fed_by(view: FeatureView, source: Source) -> bool:
    """Whether rows that are pushed to a source change a view at once."""
    return kind_of_view(view) != "snapshot" and _is_above(view.source, source)


def _is_above(read: Source | FeatureView, source: Source) -> bool:
    if isinstance(read, Source):
        return read is source
    return read.windowing is None and _is_above(read.source, source)


def tag_of(spool: str, sequence: int, arrived_at: datetime) -> str:
    """What the rows of a push are known by; tags sort as pushes are merged into tables.

    >>> from feature_platform.clock import EPOCH
    >>> tag_of("4f1c", 7, EPOCH)
    '062135596800000000:4f1c:00000000000000000007'
    """
    return f"{sortable(arrived_at).decode()}:{spool}:{sequence:020d}"


def online_tag(name: str, now: datetime) -> str:
    """The tag of rows that are kept online only.

    Args:
        name: of the push; no two have the same.
    """
    return tag_of(f"{_ONLINE}{name}", 0, now)


def is_logged(tag: str) -> bool:
    """Whether the rows of a push are, or will be, in the log of their source."""
    return bool(tag) and not tag.split(":")[1].startswith(_ONLINE)


def pushed_entries(
    view: FeatureView,
    table: ServedTable,
    rows: pl.DataFrame,
    tag: str,
    now: datetime,
    *,
    merged: Merged | None = None,
) -> Mapping[bytes, bytes] | None:
    """The entries, or tiles, that pushed rows of the source add to a view.

    Args:
        rows: all those of one push, as the source stores them: events are numbered, so that each counts once.
        tag: of the push.
        merged: tells which of them are in the table already.

    Returns:
        None where the view is declared otherwise than when it was published: its next publication holds the rows.

    Raises:
        TransformFailed, MissingColumns, WrongColumnType: the view's function cannot take the rows.
    """
    found = _collected(view, rows)
    if not _is_of(view, table, found.schema):
        return None
    clock = view.event_time
    if table.kind == "exact":
        found, clock = _numbered(found, table, tag), view.source.event_time
    if merged is not None:
        times = found.select(ticks(found.schema, clock, "Events"))[clock] if clock else [0] * found.height
        kept = [time is None or not merged(tag, time) for time in times]
        found = found.filter(pl.Series(kept, dtype=pl.Boolean))
    entries = served_entries(view, table, found, now, pushed=True)
    return dict(zip(entries[KEY].to_list(), entries[ENTRY].to_list(), strict=True))


def merging(view: FeatureView, table: ServedTable, tag: str, now: datetime) -> Callable[[bytes | None, bytes], bytes]:
    """From a stored entry, or tile, and a pushed one to what holds both: the newest row wins, an event counts once."""
    if table.kind == "exact":
        return partial(merged_tiles, columns=table.features, once=clocks_of_one(view))
    return partial(merged, now=sortable(now), tag=tag.encode())


def clocks_of_one(view: FeatureView) -> Sequence[str]:
    """The clocks of an exact view that reads a view of the same keys, which keeps one row for each; none otherwise."""
    read = view.source
    if isinstance(read, Source) or set(read.join_keys) != set(view.join_keys):
        return ()
    return [clock for clock in (read.event_time, read.known_at) if clock is not None]


def _collected(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a view; what Polars says of a failure is not told, since it may show a value."""
    try:
        return _rows_of(view, rows.lazy()).collect()
    except pl.exceptions.PolarsError as error:
        found, remedy = f"failed with {type(error).__name__} on pushed rows", "Push rows that it can take."
        raise TransformFailed(f"Feature view `{view.name}`", "its function", found, remedy) from error


def _is_of(view: FeatureView, table: ServedTable, rows: pl.Schema) -> bool:
    """Whether a table was made from the declaration that now makes such rows, as far as its shape tells."""
    new = shape_of(view, rows)
    return all(getattr(new, name) == getattr(table, name) for name in ("kind", "keys", "features", "tile"))


def _numbered(events: pl.DataFrame, table: ServedTable, tag: str) -> pl.DataFrame:
    """Events with their tags: the numbers do not depend on the order in which a function gives them out."""
    known = [name for name in (*table.keys, *table.features) if not events.schema[name].is_nested()]
    number = pl.int_range(pl.len()).cast(pl.String).str.zfill(9)
    ordered = events.with_row_index("fp_place").sort(known, maintain_order=True)
    tagged = ordered.with_columns(pl.concat_str(pl.lit(f"{tag}:"), number).alias(TAG))
    return tagged.sort("fp_place").drop("fp_place")


def _rows_of(view: FeatureView, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of a view from those of the source below it."""
    read = rows if isinstance(view.source, Source) else _rows_of(view.source, rows)
    return feature_rows(view, as_events(view.source, read))
