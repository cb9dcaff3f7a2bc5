"""Candidates of sources: what is found outside, for the partitions that a run takes in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from feature_platform import clock
from feature_platform.candidates.shared import Span, asked, candidate_of
from feature_platform.compute.rows import prepared
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.errors import SourceUnreadable
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.offline.schema import storable
from feature_platform.publishing import Candidate

NO_EVENT_TIME = "rows_without_event_time"
TOO_LATE = "rows_later_than_lateness"
OUTSIDE = "rows_outside_the_partitions"
_KEY = "fp_key"


@dataclass(frozen=True)
class SourceRows:
    """What a run found in a source.

    Attributes:
        candidate: the rows that it takes in.
        late: rows of earlier, published partitions that came too late to be taken in.
    """

    candidate: Candidate
    late: pl.DataFrame


def source_rows(
    source: Source, store: OfflineStore, span: Span | None, grid: Partitions, *, late: int, needed: Span | None
) -> SourceRows:
    """The rows of a source for the partitions of a span, and for earlier ones that late rows may touch.

    Args:
        late: how far before the span late rows are taken in, in microseconds.
        needed: what windows downstream read; its partitions are taken in too where they never were.

    Raises:
        SourceUnreadable: a file is missing or malformed.
    """
    extra = {"fingerprint": source.connector.fingerprint(source.name)}  # first: a change while reading is seen
    rows = prepared(source, source.connector.scan(source.name))
    if not source.partitioned:
        return _whole(source, _collected(rows, source), extra)
    keyed = rows.with_columns(clock.partition_of(pl.col(str(source.event_time)), grid.grain).alias(_KEY))
    present = dict(_collected(keyed.group_by(_KEY).agg(pl.len()), source).iter_rows())
    published = store.partition_states(source.asset) if store.exists(source.asset) else {}
    keys = asked(span, grid, present)
    before = [] if needed is None else [key for key in grid.overlapping(*needed) if key not in published]
    keys = sorted({*keys, *before, *_within_lateness(published, keys, grid, late)})
    grown = _grown(published, keys, present)
    found = _collected(keyed.filter(pl.col(_KEY).is_in([*keys, *grown])), source)
    frame = found.filter(pl.col(_KEY).is_in(keys)).drop(_KEY)
    candidate = candidate_of(
        source, frame, keys=keys, grid=grid, rows_in=frame.height, notes=_notes(present, grid), extra=extra
    )
    return SourceRows(candidate, _beyond(source, store, found.filter(pl.col(_KEY).is_in(grown)).drop(_KEY), grown))


def _whole(source: Source, rows: pl.DataFrame, extra: dict[str, str]) -> SourceRows:
    missing = rows[source.event_time].null_count() if source.event_time else 0
    notes = {NO_EVENT_TIME: missing} if missing else {}
    return SourceRows(candidate_of(source, rows, rows_in=rows.height, notes=notes, extra=extra), rows.clear())


def _notes(present: Mapping[str | None, int], grid: Partitions) -> dict[str, int]:
    """Rows that no partition takes: without event time, or outside the project's range."""
    inside = set(asked(None, grid, present))
    outside = sum(rows for key, rows in present.items() if key is not None and key not in inside)
    return {name: rows for name, rows in ((NO_EVENT_TIME, present.get(None, 0)), (OUTSIDE, outside)) if rows}


def _within_lateness(published: Iterable[str], keys: Sequence[str], grid: Partitions, late: int) -> Iterable[str]:
    if not late or not keys:
        return ()
    start = grid.bounds(keys[0])[0]
    window = grid.overlapping(clock.moved(start, -late), start)
    return set(window).intersection(published)


def _grown(
    published: Mapping[str, PartitionState], keys: Sequence[str], present: Mapping[str | None, int]
) -> list[str]:
    """Earlier partitions that the run does not take in, although there are more rows of them now."""
    earlier = [key for key in published if keys and key < keys[-1] and key not in keys]
    return [key for key in earlier if present.get(key, 0) > published[key].rows]


def _beyond(source: Source, store: OfflineStore, now: pl.DataFrame, grown: Sequence[str]) -> pl.DataFrame:
    """The rows that are not stored yet, each as often as it is there once more.

    Compared by the columns that both have; a column that changed its type is left for the write to refuse.
    """
    if not grown:
        return now
    stored = store.read(source.asset, partitions=grown).collect()
    now = storable(source.asset, now, stored.schema)
    columns = [name for name, dtype in now.schema.items() if stored.schema.get(name) == dtype]
    numbered = [frame.with_columns(pl.int_range(pl.len()).over(columns).alias(_KEY)) for frame in (now, stored)]
    return numbered[0].join(numbered[1], on=[*columns, _KEY], how="anti", nulls_equal=True).drop(_KEY)


def _collected(frame: pl.LazyFrame, source: Source) -> pl.DataFrame:
    try:
        return frame.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        remedy = "Mend the file, or read the column as text (`types`) and parse it in `prepare`."
        raise SourceUnreadable(source.name, source.connector.location, reason, remedy) from error
