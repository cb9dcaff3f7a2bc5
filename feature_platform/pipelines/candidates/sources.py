"""Candidates of sources: rows from outside and pushed rows, for the partitions that a run takes in."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from feature_platform.compute.transforms.rows import prepare_rows
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.errors import NoRowsYet
from feature_platform.ground.progress import count_steps
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import OCCURRENCE, PARTITION_START, PREFIX, refuse_working_names
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE
from feature_platform.offline.schema import make_storable
from feature_platform.offline.staging import collect_in_batches
from feature_platform.parts.sources.base import Gone, OpenedData
from feature_platform.pipelines.candidates.deliveries import CHANGED_WHILE_READ, Delivery, delivered_rows
from feature_platform.pipelines.candidates.ledger import keep_news
from feature_platform.pipelines.candidates.looks import delivery_of, refuse_names_of_trials, scan_partitions
from feature_platform.pipelines.candidates.losses import (
    Loss,
    kept_losses,
    losses_of,
    refuse_a_lost_place,
    refuse_losses,
    undecided_losses,
)
from feature_platform.pipelines.candidates.parts import parts_in_words, parts_of, split_into_parts
from feature_platform.pipelines.candidates.pinned import held_partitions
from feature_platform.pipelines.candidates.saturated import refuse_saturated
from feature_platform.pipelines.candidates.shared import Span, candidate_of, reading_source, requested_partitions
from feature_platform.pipelines.candidates.trials import try_prepare
from feature_platform.pipelines.pushes.logged import LoggedPushes, pushes_to, unmerged_partitions
from feature_platform.pipelines.pushes.merging import SourcePart, join_parts
from feature_platform.pipelines.results import Candidate

NO_EVENT_TIME = "rows_without_event_time"
TOO_LATE = "rows_later_than_lateness"
PUSHED_REFUSED = "pushed_rows_refused"
OUTSIDE = "rows_outside_the_partitions"
KEPT = "partitions_kept_though_rows_are_gone"
FUTURE = "rows_in_the_future"
IMPOSSIBLE = "rows_of_no_real_time"


@dataclass(frozen=True)
class SourceLook:
    """One look at a source: by which run, and when.

    Attributes:
        gone: what to do with published rows that are gone. None takes what the connector says.
    """

    run_id: str
    at: datetime
    gone: Gone | None = None


@dataclass(frozen=True)
class SourceRows:
    """The rows of a source for a run; its candidate can be published inside the block of `source_rows`.

    Attributes:
        candidate: what the run takes in; its rows are those that the parts accept.
        parts: its rows, made one part after the other, each with the pushed rows that it leaves out.
        late: rows of earlier, published partitions that came too late to be taken in.
        refused: pushed rows that are left out and in no part, with the expectation that each breaks.
    """

    candidate: Candidate
    parts: Iterable[SourcePart]
    late: pl.DataFrame
    refused: Sequence[pl.DataFrame] = ()


@contextmanager
def source_rows(
    source: Source,
    store: OfflineStore,
    span: Span | None,
    grid: Partitions,
    *,
    late: int,
    needed: Span | None,
    look: SourceLook,
) -> Iterator[SourceRows]:
    """Read the rows of a source for the partitions of a span, and for earlier ones that late rows may change.

    New units of the source are read twice: once to count their rows, once to publish them.

    Args:
        late: how far before the span late rows are taken in, in microseconds.
        needed: what windows downstream read; its partitions are taken in, too, when they never were.
        look: the run, and its moment: later events are left out and counted, see `Partitions.accepted_range`.

    Raises:
        SourceUnreadable: a file is missing or malformed.
        PublishedRowsGone: rows that were published are gone, and the connector refuses that; or most of the source is.
        NotTheSameInParts, NotRepeatable: `prepare` of a partitioned source makes rows that depend on others, or chance.
    """
    held = held_partitions(source, store)
    if WHOLE in held:
        yield SourceRows(candidate_of(source, [], held=[WHOLE]), [], pl.DataFrame())
        return
    with source.connector.open(source.name) as data:
        for uri, version in data.versions().items():
            store.note_opened(uri, version)
        if source.partitioned:
            with _rows_by_partition(source, store, data, span, grid, late=late, needed=needed, look=look) as rows:
                yield rows
        else:
            extra = {"fingerprint": data.fingerprint()}  # first: a change while reading is seen
            yield _whole(source, _scan_whole(source, store, data), extra, pushes_to(source, store))


@contextmanager
def _rows_by_partition(
    source: Source,
    store: OfflineStore,
    data: OpenedData,
    span: Span | None,
    grid: Partitions,
    *,
    late: int,
    needed: Span | None,
    look: SourceLook,
) -> Iterator[SourceRows]:
    """Read the rows of a source with partitions; see `source_rows`."""
    held, pushes = held_partitions(source, store), pushes_to(source, store)
    published = store.partition_states(source.asset) if store.exists(source.asset) else {}
    delivery = delivery_of(source, store, grid, look.at, data)
    if delivery.schema is None and not store.exists(source.asset):
        data.schemas({})  # raises what headers alone lack
    published = {key: state for key, state in published.items() if key in grid}  # a table of another grain is refused
    losses = _check_losses(source, delivery, published, look)
    gone = look.gone or source.connector.gone
    kept, waiting = kept_losses(gone, losses), undecided_losses(gone, losses)
    delivered = delivery.rows
    pushed, left_out_pushed, refused = dict[str, int](), dict[int, int](), list[pl.DataFrame]()
    if pushes is not None:
        possible, impossible = pushes.without_impossible(grid)
        refused += [impossible] if impossible.height else []
        pushed, left_out_pushed = possible.count_by_partition(grid, look.at)
        pushes = possible.within(grid, look.at)
    notes = _count_left_out(delivered.get(None, 0), delivery.left_out, left_out_pushed, grid)
    present = _add_counts(delivered, pushed)
    keys = requested_partitions(span, grid, [*present, *published], look.at)
    before = [] if needed is None else [key for key in grid.overlapping(*needed) if key not in published]
    wanted = sorted({*keys, *before, *_within_lateness(published, keys, grid, late)} - kept.keys())
    keys = held.without(wanted)
    grown = _grown_partitions(published, keys, delivered, unmerged_partitions(source, store, grid) if pushed else ())
    grown = held.without([*grown, *(key for key in kept if delivered.get(key, 0))])
    units = {key: delivery.digest_of(key) for key in keys}
    loaded_keys, _ = grid.divide(keys, look.at)  # a partition that lies ahead has no rows yet, whatever is delivered
    rows = _prepare_partitions(source, store, delivery, data, grid, [*loaded_keys, *grown])
    with _split_rows(
        source, rows, grid, {key: present.get(key, 0) for key in (*loaded_keys, *grown)}
    ) as load_delivered:
        load = _load_alone(load_delivered)
        if pushes is not None:
            load = pushes.load_with_pushes(load_delivered, grid)
        counts, columns = {key: present.get(key, 0) for key in loaded_keys}, len(rows.collect_schema())
        parts = parts_of(counts, columns) or [[]]
        loaded = map(load, count_steps(parts, f"{source.asset}: parts of partitions", len(parts)))
        candidate = candidate_of(
            source,
            [],
            keys=keys,
            grid=grid,
            inputs={} if pushes is None else pushes.inputs,
            rows_in=sum(counts.values()),
            held=[key for key in wanted if key in held],
            notes=notes | ({KEPT: len(waiting)} if waiting else {}),
            # rows of the future enter later, so that the same data makes other rows then
            extra=delivery.extra | {name: str(count) for name, count in notes.items() if name == FUTURE},
            delivered={key: delivered.get(key, 0) for key in keys if key in pushed},
            units=units,
            kept={key: str(loss) for key, loss in waiting.items()},
            execution=parts_in_words(len(keys), len(parts)),
        )
        grown_parts = parts_of({key: present[key] for key in sorted(grown)}, columns)
        late_part = _late_rows(source, store, load, grown_parts)
        keep_news(store, TableKind.UNITS.of(source.name), delivery.inventory, look.run_id)
        marked = _mark_changed_units(source, delivery, units, loaded)
        yield SourceRows(candidate, marked, late_part.accepted, [*refused, *late_part.refused])


def _scan_whole(source: Source, store: OfflineStore, data: OpenedData) -> pl.LazyFrame:
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


def _prepare_partitions(
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


def _check_losses(
    source: Source, delivery: Delivery, published: Mapping[str, PartitionState], look: SourceLook
) -> dict[str, Loss]:
    """Return what published partitions have lost; raise when that stops the run."""
    losses = losses_of(source, delivery, published)
    if look.gone != "taken":
        refuse_a_lost_place(source, delivery)
    if (look.gone or source.connector.gone) == "refuse":
        refuse_losses(source, losses)
    return losses


def _mark_changed_units(
    source: Source, delivery: Delivery, units: dict[str, str], parts: Iterable[SourcePart]
) -> Iterator[SourcePart]:
    """Yield parts of rows; after the last one, mark the partitions whose units changed while they were read."""
    yield from parts
    for key in delivery.changed_since(source) & units.keys():
        units[key] = CHANGED_WHILE_READ


def _load_alone(load: Callable[[Sequence[str]], pl.DataFrame]) -> Callable[[Sequence[str]], SourcePart]:
    return lambda keys: SourcePart(load(keys))


@contextmanager
def _split_rows(
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


def _whole(source: Source, rows: pl.LazyFrame, extra: dict[str, str], pushes: LoggedPushes | None) -> SourceRows:
    """Return the rows of a source without partitions in order, never all of them at once.

    Rows of no real time are left out and counted: a year 1 or 9999 would make windows over thousands of years.
    """
    time = source.event_time
    missing = pl.lit(0) if time is None else pl.col(time).null_count()
    odd = (
        pl.lit(value=False) if time is None else clock.side_of_interval(pl.col(time), clock.EARLIEST, clock.LATEST) != 0
    )
    with reading_source(source):
        counts = rows.select(pl.len(), missing.alias("missing"), odd.sum().alias("odd"))
        rows_in, without_time, impossible = counts.collect(engine="streaming").row(0)
    notes = {name: n for name, n in ((NO_EVENT_TIME, without_time), (IMPOSSIBLE, impossible)) if n}
    if impossible:
        rows = rows.filter(~odd.fill_null(value=False))
    schema = rows.collect_schema()
    batches, inputs = _batches(source, rows), dict[str, int]()
    parts: Iterable[SourcePart] = map(SourcePart, batches)
    if pushes is not None:
        parts, inputs, rows_in = pushes.append_to(batches), pushes.inputs, rows_in + pushes.count()
    candidate = candidate_of(source, [], inputs=inputs, rows_in=rows_in, notes=notes, extra=extra)
    return SourceRows(candidate, parts, pl.DataFrame(schema=schema))


def _batches(source: Source, rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    with reading_source(source):
        for batch in collect_in_batches(rows):
            yield refuse_saturated(source, batch)


def _add_counts(present: Mapping[str | None, int], pushed: Mapping[str, int]) -> dict[str | None, int]:
    """Add up delivered and pushed rows by partition; a row that is both counts twice, so these are upper limits."""
    return {
        key: present.get(key, 0) + pushed.get(key or "", 0) for key in (*present, *(pushed.keys() - present.keys()))
    }


def _count_left_out(
    without_time: int, left_out: Mapping[int, int], left_out_pushed: Mapping[int, int], grid: Partitions
) -> dict[str, int]:
    """Count the rows that no partition takes: without event time, outside the project's range, or in the future."""
    before, after = (left_out.get(side, 0) + left_out_pushed.get(side, 0) for side in (-1, 1))
    outside, future = (before, after) if grid.end is None else (before + after, 0)
    return {name: rows for name, rows in ((NO_EVENT_TIME, without_time), (OUTSIDE, outside), (FUTURE, future)) if rows}


def _within_lateness(published: Iterable[str], keys: Sequence[str], grid: Partitions, late: int) -> Iterable[str]:
    if not late or not keys:
        return ()
    start = grid.bounds(keys[0])[0]
    window = grid.overlapping(clock.shift_moment(start, -late), start)
    return set(window).intersection(published)


def _grown_partitions(
    published: Mapping[str, PartitionState],
    keys: Sequence[str],
    delivered: Mapping[str | None, int],
    unmerged: Container[str],
) -> list[str]:
    """Return the earlier partitions that the run does not take in, although they have more rows now."""
    earlier = [key for key in published if keys and key < keys[-1] and key not in keys]
    return [key for key in earlier if key in unmerged or delivered.get(key, 0) > delivered_rows(published[key])]


def _late_rows(
    source: Source, store: OfflineStore, load: Callable[[Sequence[str]], SourcePart], grown: Sequence[Sequence[str]]
) -> SourcePart:
    """Return the rows of grown parts that are not stored yet, each as often as it was added.

    Rows are compared by the columns that both have; a column that changed its type is refused by the write.
    """
    late = [load([])]
    for keys in grown:
        stored, part = store.read(source.asset, partitions=keys).collect(), load(keys)
        now = make_storable(source.asset, part.accepted, stored.schema)
        columns = [name for name, dtype in now.schema.items() if stored.schema.get(name) == dtype]
        occurrence = pl.int_range(pl.len()).over(columns).alias(OCCURRENCE)
        numbered = [frame.with_columns(occurrence) for frame in (now, stored)]
        added = numbered[0].join(numbered[1], on=[*columns, OCCURRENCE], how="anti", nulls_equal=True)
        late.append(replace(part, accepted=added.drop(OCCURRENCE)))
    return join_parts(late[1:] or late)
