"""Entries: what the online store holds for a key of a row or snapshot view, and which row holds at a moment.

An entry is one row or more, newest first, of which the first that is visible at a moment is the answer. Nearly all
entries are one row; more are kept only while the newest are not visible yet. Behind rows that were pushed stand
their tags, which name the push of each of them, in the place of a row that is never visible.

A row is a header of fixed width and then its values (`packed.row_text`). In the header are, as text that sorts as
time does: the event time as people read it (27 bytes), the event time and the moment it was known (18 digits each,
`sortable`), whether a value is null, whether the row was pushed, and whether the entry has more rows.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import polars as pl

from feature_platform.compute.serving.packed import row_text
from feature_platform.ground.clock import ALWAYS, UTC, rfc3339_text
from feature_platform.ground.sortable_moments import YEAR_ONE, sortable_text
from feature_platform.ground.working_columns import (
    ENTRY,
    EVENT_MOMENT,
    IS_FOLLOWED,
    IS_VISIBLE,
    KEY,
    KNOWN_MOMENT,
    PUSH_TAG,
)

HEADER = 66  # bytes
TEXT, EVENT, KNOWN = slice(0, 27), slice(27, 45), slice(45, 63)
NULLS, ORIGIN, MORE = 63, 64, 65
HAS_NULLS, PUSHED, HAS_MORE = ord("1"), ord("p"), ord("+")
_LAST, _NOT_LAST = b".", b"+"
BETWEEN_ROWS = b"\n\n"
_CLOCK = 18  # bytes
_TAGS = b"~" * HEADER  # later than every moment
_TEXTS_AT_ONCE = 50_000  # rows whose values are texts, column by column, at once: they are larger than the values


def row_at(entry: bytes, now: bytes) -> bytes | None:
    """Return the row of an entry that holds at a moment: the newest event that has happened and is known.

    Rows ahead of the clock are not read one by one: those that have not happened yet are found by halving.

    Args:
        now: the moment as `sortable` writes it.
    """
    if entry[MORE] != HAS_MORE:
        return entry if is_visible(entry, now) else None
    at = _first_happened(entry, now)
    while at < len(entry):
        end = entry.find(BETWEEN_ROWS, at)
        row = entry[at:end] if end >= 0 else entry[at:]
        if is_visible(row, now):
            return row
        at += len(row) + len(BETWEEN_ROWS)
    return None


def _first_happened(entry: bytes, now: bytes) -> int:
    """Find where the first row begins whose event has happened; where the tags or the end are if none has.

    Rows are newest first, so that the event times of those behind it are not later.
    """
    low, high = 0, len(entry)  # the row sought begins at `low`, at `high`, or between them
    while low < high:
        middle = entry.rfind(BETWEEN_ROWS, low, (low + high) // 2)
        begin = low if middle < 0 else middle + len(BETWEEN_ROWS)
        event = entry[begin + EVENT.start : begin + EVENT.stop]
        if event <= now or entry.startswith(_TAGS, begin):
            high = begin
        else:
            end = entry.find(BETWEEN_ROWS, begin)
            low = len(entry) if end < 0 else end + len(BETWEEN_ROWS)
    return low


def is_visible(row: bytes, now: bytes) -> bool:
    """Tell whether a row has happened and is known at a moment."""
    return row[KNOWN] <= now and row[EVENT] <= now


def merge_entries(stored: bytes | None, incoming: bytes, now: bytes, tag: bytes) -> bytes:
    """Merge two entries into one with the rows of both, of which an older never hides a newer.

    Of equal clocks a pushed row stays, as it does where pushes are merged into tables, and of two that of the greater
    tag. What no moment from `now` on can see is left out.

    Args:
        tag: of the push of the incoming rows, where these have no tags of their own; sorts as pushes arrived.
    """
    rows, tags = ({}, {}) if stored is None else _parts(stored)
    new, new_tags = _parts(incoming)
    for clocks, row in new.items():
        new_tag = new_tags.get(clocks, tag)
        if clocks not in rows or tags.get(clocks, b"") <= new_tag:
            rows[clocks], tags[clocks] = row, new_tag
    return _entry(rows, tags, now)


def add_pushed_rows(
    published: bytes | None, stored: bytes, is_merged: Callable[[bytes, int], bool], now: bytes
) -> bytes | None:
    """Return a published entry with the pushed rows that are not published yet; None when there are none.

    Of equal clocks the pushed row stays: where it is merged into the table, it comes after the others, too.

    Args:
        is_merged: whether a pushed row is part of what is published, from its tag and its event time (microseconds
            since 1970).
    """
    stored_rows, stored_tags = _parts(stored)
    rows, tags = ({}, {}) if published is None else _parts(published)
    for clocks, row in stored_rows.items():
        tag = stored_tags.get(clocks, b"")
        if row[ORIGIN] == PUSHED and tags.get(clocks, b"") <= tag and not is_merged(tag, int(row[EVENT]) + YEAR_ONE):
            rows[clocks], tags[clocks] = row, tag
    if not tags:
        return None
    joined = _entry(rows, tags, now)
    return joined if any(row[ORIGIN] == PUSHED for row in joined.split(BETWEEN_ROWS)) else None


def _parts(entry: bytes) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Return the rows of an entry by their clocks, and the tags of those that were pushed."""
    *rows, last = entry.split(BETWEEN_ROWS)
    lines: list[bytes] = []
    if last.startswith(_TAGS):
        lines = last[HEADER:].split(b"\n")
    else:
        rows.append(last)
    size = 2 * _CLOCK
    return {row[EVENT] + row[KNOWN]: row for row in rows}, {line[:size]: line[size:] for line in lines}


def _entry(rows: Mapping[bytes, bytes], tags: Mapping[bytes, bytes], now: bytes) -> bytes:
    """Return the rows, newest first, up to the first that is visible, and their tags, as an entry."""
    entry_rows: list[bytes] = []
    tag_lines: list[bytes] = []
    for clocks in sorted(rows, reverse=True):
        entry_rows.append(rows[clocks])
        if clocks in tags:
            tag_lines.append(clocks + tags[clocks])
        if is_visible(rows[clocks], now):
            break
    tail = [_TAGS + b"\n".join(tag_lines)] if tag_lines else []
    marks = [_NOT_LAST] * (len(entry_rows) + len(tail) - 1) + [_LAST]
    texts = [row[:MORE] + mark + row[HEADER:] for row, mark in zip(entry_rows, marks, strict=False)]
    return BETWEEN_ROWS.join([*texts, *tail])


# ---------------------------------------------------------------- in bulk


def entries_of(
    rows: pl.DataFrame,
    key: pl.Expr,
    features: pl.Schema,
    *,
    event: pl.Expr | None,
    known: pl.Expr | None = None,
    now: datetime,
    pushed: bool = False,
    tag: str | None = None,
) -> pl.DataFrame:
    """Return the entries of some rows, by key: columns `fp_key` and `fp_entry` (both `Binary`), sorted by key.

    Of each key the rows that some moment from `now` on can see are kept. Rows without a whole key or a clock are in
    no entry; of rows with equal clocks the last stays.

    Args:
        event: the event time (UTC); None for facts that hold at all times.
        known: the moment a row was known. Defaults to its event time.
        tag: the column with the push of each row, where they are of several; entries then hold it for each row.
    """
    event = pl.lit(ALWAYS, UTC) if event is None else event
    clocks = [event.alias(EVENT_MOMENT), (event if known is None else known).alias(KNOWN_MOMENT)]
    tags = [] if tag is None else [pl.col(tag).alias(PUSH_TAG)]
    ordered = rows.select(key, *clocks, *features, *tags).drop_nulls([KEY, EVENT_MOMENT, KNOWN_MOMENT])
    ordered = _sort_rows(ordered)
    visible = pl.max_horizontal(EVENT_MOMENT, KNOWN_MOMENT) <= pl.lit(now, UTC)
    visible_rows = _keep_visible(ordered.with_columns(visible.alias(IS_VISIBLE)))
    more = pl.lit(value=True) if tags else (pl.col(KEY) == pl.col(KEY).shift(-1)).fill_null(value=False)
    visible_rows = visible_rows.with_columns(more.alias(IS_FOLLOWED))
    columns = [KEY, _row(features, pushed=pushed), *([_line()] if tags else [])]
    slices = [some.select(columns) for some in visible_rows.iter_slices(_TEXTS_AT_ONCE)] or [
        visible_rows.select(columns)
    ]
    return _by_key(pl.concat(slices, rechunk=False))


def _sort_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort by key, newest first; of equal clocks the last row first."""
    order = [KEY, EVENT_MOMENT, KNOWN_MOMENT]
    newest = rows.reverse().cast(rows.schema)  # Polars forgets what is in lists where all of them are null
    return newest.sort(order, descending=[False, True, True], maintain_order=True)


def _keep_visible(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep of sorted rows of each key the first visible one and all before it; of equal clocks one."""
    clocks = pl.struct(KEY, EVENT_MOMENT, KNOWN_MOMENT)
    rows = rows.filter(clocks.ne_missing(clocks.shift(1)))
    if rows[IS_VISIBLE].all():
        return rows.filter(pl.col(KEY).ne_missing(pl.col(KEY).shift(1)))
    before = pl.col(IS_VISIBLE).cast(pl.UInt32).cum_sum().over(KEY) - pl.col(IS_VISIBLE)
    return rows.filter(before == 0)


def _row(features: pl.Schema, *, pushed: bool) -> pl.Expr:
    nulls = pl.any_horizontal(pl.lit(value=False), *(pl.col(name).is_null() for name in features))
    header = [
        rfc3339_text(pl.col(EVENT_MOMENT)),
        sortable_text(pl.col(EVENT_MOMENT)),
        sortable_text(pl.col(KNOWN_MOMENT)),
        pl.when(nulls).then(pl.lit("1")).otherwise(pl.lit("0")),
        pl.lit("p" if pushed else "d"),
        pl.when(pl.col(IS_FOLLOWED)).then(pl.lit("+")).otherwise(pl.lit(".")),
    ]
    return pl.concat_str(*header, row_text(features)).alias(ENTRY)


def _line() -> pl.Expr:
    """Return what stands behind the rows of an entry for each of them: its clocks, and its push."""
    return pl.concat_str(
        sortable_text(pl.col(EVENT_MOMENT)), sortable_text(pl.col(KNOWN_MOMENT)), pl.col(PUSH_TAG)
    ).alias(PUSH_TAG)


def _by_key(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one entry for each key, from rows in order."""
    if PUSH_TAG in rows.columns:
        between, tail = BETWEEN_ROWS.decode(), (BETWEEN_ROWS + _TAGS).decode()
        together = pl.concat_str(pl.col(ENTRY).str.join(between), pl.lit(tail), pl.col(PUSH_TAG).str.join("\n"))
        return rows.group_by(KEY, maintain_order=True).agg(together.cast(pl.Binary).alias(ENTRY))
    if (rows[KEY] == rows[KEY].shift(1)).any():
        rows = rows.group_by(KEY, maintain_order=True).agg(pl.col(ENTRY).str.join(BETWEEN_ROWS.decode()))
    return rows.with_columns(pl.col(ENTRY).cast(pl.Binary))
