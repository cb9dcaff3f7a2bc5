"""Pushed rows of a source as they change the online store: entries of row views, events of exact ones.

The functions of views are applied as they are offline. Values that are published at instants wait for the next run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

import polars as pl

from feature_platform.compute.plans.functions import works_row_by_row
from feature_platform.compute.serving.entries import merge_entries
from feature_platform.compute.serving.single import single_entry, single_tile
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.serving.tiles import IsMerged, merge_many_tiles
from feature_platform.compute.serving.view_tables import served_entries, shape_of
from feature_platform.compute.transforms.declared_types import require_small_pushes
from feature_platform.compute.transforms.messages import map_messages
from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.compute.transforms.rows import as_events, every_feature_row, feature_rows, single_feature_row
from feature_platform.compute.transforms.unions import (
    PLACE_DIGITS,
    member_columns,
    member_of,
    schema_of_members,
    union_below,
    with_members,
)
from feature_platform.declarations.source import Source
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.clock import ticks
from feature_platform.ground.errors import TransformFailed
from feature_platform.ground.sortable_moments import sortable, sortable_text
from feature_platform.ground.working_columns import (
    ARRIVED_AT,
    ENTRY,
    EVENT_NUMBER,
    EVENT_TAG,
    KEY,
    MEMBER,
    PREFIX,
    PUSH,
    PUSH_ROW,
    PUSHED_BY,
    SPOOL,
)

TaggedRows = tuple[str, pl.DataFrame]
_ONLINE = "online-"
_AFTER_PLACE = "."  # between the place of a member in its union and the tag of a push
_NUMBER = 9  # digits: which event of a push it is
_PUSHES_AT_ONCE, _ROWS_AT_ONCE = 500, 20_000  # bound the plan of a batch, and what it holds in memory


def is_fed_by(view: FeatureView, source: Source) -> bool:
    """Tell whether rows that are pushed to a source change a view at once.

    They do not where instants are published, or where other tables enrich the events: both wait for a run.
    """
    return view.kind is not ViewKind.SNAPSHOT and not view.enrichments and _is_above(view.source, source)


def _is_above(read: Source | Union | FeatureView, source: Source) -> bool:
    if not isinstance(read, FeatureView):
        return source in read.members
    return not is_windowed(read) and not read.enrichments and _is_above(read.source, source)


def pushes_as_read(
    view: FeatureView, source: Source, pushes: Sequence[TaggedRows], schema_of: Callable[[Source], pl.Schema]
) -> Sequence[TaggedRows]:
    """Return pushes of a source as a view reads them: of a member of a union as rows of that, with tags that say so.

    Args:
        pushes: their tags and rows.
        schema_of: returns the columns of the table of a source.
    """
    union = union_below(view)
    if union is None:
        return pushes
    schema = schema_of_members(union, [schema_of(each) for each in union.members])
    return [(member_tag(view, source, tag), _as_member(union, source, rows, schema)) for tag, rows in pushes]


def _as_member(union: Union, source: Source, rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return pushed rows of a member as those of its union; working columns stay."""
    working = [name for name in rows.columns if name.startswith(PREFIX)]
    tag = pl.lit(_place_of(union, source)) + pl.col(PUSHED_BY)
    added = [tag.alias(name) if name == PUSHED_BY else pl.col(name) for name in working]
    return rows.select(*member_columns(union, member_of(union, source), rows.schema, schema), *added)


def member_tag(view: FeatureView, source: Source, tag: str) -> str:
    """Return the tag of a push as the entries of a view have it: over a union it begins with the place of the member.

    Of equal clocks the greater tag stays, so that later members win over earlier ones, as they do in a table.
    """
    union = union_below(view)
    return tag if union is None else f"{_place_of(union, source)}{tag}"


def _place_of(union: Union, source: Source) -> str:
    return f"{union.members.index(source):0{PLACE_DIGITS}d}{_AFTER_PLACE}"


def pushed_source(sources: Sequence[Source], tag: str) -> Source:
    """Return the source of a push of one of the members of a union, from its tag; or the only source."""
    return sources[0] if len(sources) == 1 else sources[int(tag[:PLACE_DIGITS])]


def tag_of(spool: str, sequence: int, arrived_at: datetime) -> str:
    """Return the tag that the rows of a push are known by; tags sort as pushes are merged into tables.

    >>> from feature_platform.ground.clock import EPOCH
    >>> tag_of("4f1c", 7, EPOCH)
    '062135596800000000:4f1c:00000000000000000007'
    """
    return f"{sortable(arrived_at).decode()}:{spool}:{sequence:020d}"


def tag_messages(messages: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    """Return messages of streams, as their log has them, in the order of their tags, each with its own, and the last.

    Each message is a push by itself: its stream stands for the spool, and its place in the stream for the number.
    """
    tag = pl.concat_str(
        sortable_text(pl.col(ARRIVED_AT)), pl.lit(":"), SPOOL, pl.lit(":"), pl.col(PUSH).cast(pl.String).str.zfill(20)
    )
    tagged = messages.with_columns(tag.alias(PUSHED_BY)).sort(PUSHED_BY, PUSH_ROW)
    return tagged[PUSHED_BY][-1], tagged.drop(list(ORIGIN))


def online_tag(name: str, now: datetime) -> str:
    """Return the tag of rows that are kept online only.

    Args:
        name: of the push; no two have the same.
    """
    return tag_of(f"{_ONLINE}{name}", 0, now)


def is_logged(tag: str) -> bool:
    """Tell whether the rows of a push are, or will be, in the log of their source."""
    return bool(tag) and not tag.split(":")[1].startswith(_ONLINE)


def pushed_entries(
    view: FeatureView,
    table: ServedTable,
    rows: pl.DataFrame,
    tag: str,
    now: datetime,
    *,
    merged: IsMerged | None = None,
) -> Mapping[bytes, bytes] | None:
    """Return the entries, or tiles, that pushed rows of the source add to a view.

    Args:
        rows: all those of one push, as the source stores them: events are numbered, so that each counts once.
        tag: of the push.
        merged: whether a row, by its tag and time, is in the table already.

    Returns:
        None where the view is declared otherwise than when it was published: its next publication holds the rows.

    Raises:
        TransformFailed, MissingColumns, WrongColumnType: the view's function cannot take the rows.
    """
    view_rows = rows_of_push(view, table, rows)
    return None if view_rows is None else entries_of_push(view, table, view_rows, tag, now, merged=merged)


def rows_of_push(view: FeatureView, table: ServedTable, rows: pl.DataFrame) -> pl.DataFrame | None:
    """Return what a view makes of pushed rows of the source; None and raises as `pushed_entries`."""
    single = _single_row(view, rows) if rows.height == 1 else None
    view_rows = None if single is None else require_small_pushes(view, _with_members_at_once(view, single))
    if view_rows is None:
        view_rows = _collect(view, with_members(view, _rows_of(view, rows.lazy())))
    return view_rows if _is_made_by(view, table, view_rows.schema) else None


def entries_of_push(
    view: FeatureView,
    table: ServedTable,
    view_rows: pl.DataFrame,
    tag: str,
    now: datetime,
    *,
    merged: IsMerged | None = None,
) -> Mapping[bytes, bytes]:
    """Return the entries, or tiles, of what `rows_of_push` found; see `pushed_entries`."""
    single = _single(view, table, view_rows, tag) if view_rows.height == 1 and merged is None else None
    if single is not None:
        return single
    new_rows = _prepare(view, table, view_rows.with_columns(pl.lit(tag).alias(PUSHED_BY)), merged)
    return _by_key(served_entries(view, table, new_rows, now, pushed=True))


def _single(view: FeatureView, table: ServedTable, row: pl.DataFrame, tag: str) -> Mapping[bytes, bytes] | None:
    """Return the entry or tile of one row, where that needs no query."""
    if table.kind is ViewKind.EXACT:
        event = str(view.source.event_time)
        return single_tile(row, table.keys, table.features, event, table.tile, f"{tag}:{0:0{_NUMBER}d}")
    if view.event_time is None:
        return None
    return single_entry(row, table.keys, table.features, view.event_time, view.known_at)


def entries_of_pushes(
    view: FeatureView,
    table: ServedTable,
    pushes: Sequence[tuple[str, pl.DataFrame]],
    now: datetime,
    *,
    merged: IsMerged | None = None,
) -> Mapping[bytes, bytes] | None:
    """Return what several pushes add to a view, as `pushed_entries` does for one; each row names its push.

    Args:
        pushes: their tags and rows, of one schema; see `batches_of_pushes`. The view's function sees each push by
            itself, as it does when the push is taken, so that the numbers of its events are the same. Rows with a
            column `fp_pushed_by` are messages of a stream: each is a push by itself, and the column has its tag.
    """
    ordered = sorted(pushes, key=lambda push: push[0])
    every = pl.concat([_tagged_rows(view, tag, rows) for tag, rows in ordered])
    view_rows = _collect(view, with_members(view, every))
    if are_messages(pushes):
        view_rows = view_rows.sort(PUSHED_BY, maintain_order=True)
    if not _is_made_by(view, table, view_rows.drop(PUSHED_BY).schema):
        return None
    new_rows = _prepare(view, table, view_rows, merged)
    return _by_key(served_entries(view, table, new_rows, now, pushed=True, tag=PUSHED_BY))


def are_messages(pushes: Iterable[tuple[str, pl.DataFrame]]) -> bool:
    """Tell whether some rows are messages of a stream, which say the tag of their push themselves."""
    return any(PUSHED_BY in rows.columns for _, rows in pushes)


def _tagged_rows(view: FeatureView, tag: str, rows: pl.DataFrame) -> pl.LazyFrame:
    """Return the rows of a view from those of one push, or of many messages, with the tag of each."""
    if PUSHED_BY not in rows.columns:
        return _rows_of(view, rows.lazy()).with_columns(pl.lit(tag).alias(PUSHED_BY))
    tags, messages, function = rows[PUSHED_BY], rows.drop(PUSHED_BY), partial(_rows_of, view, alone=True)
    if not works_row_by_row(function, messages.schema):
        function = partial(_rows_of, view)
    try:
        found = map_messages(function, messages, PUSH_ROW)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _failure_of(view, error) from error
    return found.with_columns(tags.gather(found[PUSH_ROW]).alias(PUSHED_BY)).drop(PUSH_ROW).lazy()


def batches_of_pushes(pushes: Iterable[tuple[str, pl.DataFrame]]) -> Iterator[Sequence[tuple[str, pl.DataFrame]]]:
    """Cut pushes, in their order, into batches of one schema for `entries_of_pushes`."""
    batch, rows = list[tuple[str, pl.DataFrame]](), 0
    for tag, frame in pushes:
        full = len(batch) >= _PUSHES_AT_ONCE or rows >= _ROWS_AT_ONCE
        if batch and (full or batch[0][1].schema != frame.schema):
            yield batch
            batch, rows = [], 0
        batch.append((tag, frame))
        rows += frame.height
    if batch:
        yield batch


def merge_function(
    view: FeatureView, table: ServedTable, tag: str, now: datetime
) -> Callable[[Sequence[bytes | None], Sequence[bytes]], Sequence[bytes]]:
    """Return a function that merges stored and pushed entries, or tiles: the newest row wins, an event counts once.

    Args:
        tag: of the push, where the entries have no tags of their own.
    """
    if table.kind is ViewKind.EXACT:
        order = order_of_events(view, table)
        return partial(merge_many_tiles, columns=table.features, once=clocks_kept_once(view), order=order)
    moment, push = sortable(now), tag.encode()
    return lambda stored, incoming: [
        merge_entries(held, new, moment, push) for held, new in zip(stored, incoming, strict=True)
    ]


def clocks_kept_once(view: FeatureView) -> Sequence[str]:
    """Return the clocks of an exact view over a view of the same keys, which keeps one row for each; else none."""
    read = view.source
    if not isinstance(read, FeatureView) or set(read.join_keys) != set(view.join_keys):
        return ()
    return [clock for clock in (read.event_time, read.known_at) if clock is not None]


def order_of_events(view: FeatureView, table: ServedTable) -> Sequence[str]:
    """Return by which columns the events of a tile are sorted, before the order in which they were pushed.

    Events of one source come by their time, and pushed ones last. Those of a union come by all of their clocks, then by
    the place of their members where that is known.
    """
    time = [next(iter(table.features))]
    if union_below(view) is None:
        return time
    return [*dict.fromkeys([*time, *view.event_clocks]), *([MEMBER] if MEMBER in table.features else [])]


def _with_members_at_once(view: FeatureView, row: pl.DataFrame) -> pl.DataFrame:
    return row if union_below(view) is None else with_members(view, row.lazy()).collect()


def _collect(view: FeatureView, rows: pl.LazyFrame) -> pl.DataFrame:
    """Collect the rows of a view; the message of Polars is left out of errors, since it may show a value."""
    try:
        return require_small_pushes(view, rows.collect())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _failure_of(view, error) from error


def _failure_of(view: FeatureView, error: BaseException) -> TransformFailed:
    failure, remedy = f"failed with {type(error).__name__} on pushed rows", "Push rows that it can take."
    return TransformFailed(f"Feature view `{view.name}`", "its function", failure, remedy)


def _by_key(entries: pl.DataFrame) -> Mapping[bytes, bytes]:
    return dict(zip(entries[KEY].to_list(), entries[ENTRY].to_list(), strict=True))


def _prepare(view: FeatureView, table: ServedTable, rows: pl.DataFrame, merged: IsMerged | None) -> pl.DataFrame:
    """Give the events of an exact view their tags, and leave out the rows that the table was made with."""
    tagged = _number_events(rows, table) if table.kind is ViewKind.EXACT else rows
    return tagged if merged is None else _leave_out_merged(view, tagged, merged)


def _leave_out_merged(view: FeatureView, rows: pl.DataFrame, merged: IsMerged) -> pl.DataFrame:
    clock = view.read_from.event_time
    times = rows.select(ticks(rows.schema, clock, "Events"))[clock] if clock else [0] * rows.height
    stays = [time is None or not merged(tag, time) for tag, time in zip(rows[PUSHED_BY], times, strict=True)]
    return rows.filter(pl.Series(stays, dtype=pl.Boolean))


def _is_made_by(view: FeatureView, table: ServedTable, rows: pl.Schema) -> bool:
    """Tell whether a table was made from the declaration that now makes such rows, as far as its shape shows."""
    new = shape_of(view, rows)
    return all(getattr(new, name) == getattr(table, name) for name in ("kind", "keys", "features", "tile", "histories"))


def _number_events(events: pl.DataFrame, table: ServedTable) -> pl.DataFrame:
    """Give events their tags: the numbers do not depend on the order in which a function gives them out."""
    columns = dict.fromkeys((*table.keys, *table.features))
    known = [name for name in columns if not events.schema[name].is_nested()]
    number = pl.int_range(pl.len()).over(PUSHED_BY).cast(pl.String).str.zfill(_NUMBER)
    ordered = events.with_row_index(EVENT_NUMBER).sort(PUSHED_BY, *known, maintain_order=True)
    tagged = ordered.with_columns(pl.concat_str(PUSHED_BY, pl.lit(":"), number).alias(EVENT_TAG))
    return tagged.sort(EVENT_NUMBER).drop(EVENT_NUMBER)


def _single_row(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame | None:
    """Do as `_rows_of` for one row, where every view on the way has at most one row for it; None elsewhere."""
    read = _single_row(view.source, rows) if isinstance(view.source, FeatureView) else rows
    return None if read is None else single_feature_row(view, read)


def _rows_of(view: FeatureView, rows: pl.LazyFrame, *, alone: bool = False) -> pl.LazyFrame:
    """Return the rows of a view from those of the source below it.

    Args:
        alone: each row is of a push by itself, so that none replaces another one.
    """
    read = _rows_of(view.source, rows, alone=alone) if isinstance(view.source, FeatureView) else rows
    events = as_events(view.source, read)
    return every_feature_row(view, events) if alone else feature_rows(view, events)
