"""Candidates of sources: rows from outside and pushed rows, for the partitions that a run takes in."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import polars as pl

from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.progress import count_steps
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import OCCURRENCE
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.offline.schema import make_storable
from feature_platform.parts.sources.base import OpenedData
from feature_platform.parts.sources.files import still_written
from feature_platform.pipelines.candidates.comparisons import compares_everything
from feature_platform.pipelines.candidates.deliveries import CHANGED_WHILE_READ, Delivery
from feature_platform.pipelines.candidates.intake import FUTURE, NO_EVENT_TIME, SourceIntake, SourceLook, decide_intake
from feature_platform.pipelines.candidates.ledger import keep_news
from feature_platform.pipelines.candidates.looks import delivery_of, settle_and_cut
from feature_platform.pipelines.candidates.parts import parts_in_words, parts_of
from feature_platform.pipelines.candidates.pinned import HeldPartitions, held_partitions
from feature_platform.pipelines.candidates.reading import prepare_partitions, read_batches, scan_whole, split_rows
from feature_platform.pipelines.candidates.shared import Span, candidate_of, reading_source
from feature_platform.pipelines.pushes.logged import LoggedPushes, pushes_to
from feature_platform.pipelines.pushes.merging import SourcePart, join_parts
from feature_platform.pipelines.results import Candidate

TOO_LATE = "rows_later_than_lateness"
PUSHED_REFUSED = "pushed_rows_refused"
KEPT = "partitions_kept_though_rows_are_gone"
YOUNG = "files_left_for_the_next_run"
IMPOSSIBLE = "rows_of_no_real_time"


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
        PublishedRowsChanged: rows that were published were changed, and the connector refuses that.
        NotTheSameInParts, NotRepeatable: `prepare` of a partitioned source makes rows that depend on others, or chance.
    """
    held = held_partitions(source, store)
    if WHOLE in held:
        yield SourceRows(candidate_of(source, [], held=[WHOLE]), [], pl.DataFrame())
        return
    source.connector.fetch(source.name)
    with source.connector.open(source.name) as data:
        for uri, version in data.versions().items():
            store.note_opened(uri, version)
        if source.partitioned:
            is_whole = span is None or compares_everything(source, store, look.at)
            asked_from = clock.ALWAYS if span is None or is_whole else clock.shift_moment(span[0], -late)
            cut = settle_and_cut(source, store, grid, look.at, data, asked_from)
            looked = replace(look, is_whole=is_whole)
            with _rows_by_partition(
                source, store, cut, span, grid, held, late=late, needed=needed, look=looked
            ) as rows:
                yield rows
        else:
            young = data.young(look.at)
            if young:
                raise still_written(source.name, source.connector.location, young)
            with reading_source(source):
                extra = {"fingerprint": data.fingerprint()}  # first: a change while reading is seen
                every = scan_whole(source, store, data)
            yield _whole(source, every, extra, pushes_to(source, store))


@contextmanager
def _rows_by_partition(
    source: Source,
    store: OfflineStore,
    data: OpenedData,
    span: Span | None,
    grid: Partitions,
    held: HeldPartitions,
    *,
    late: int,
    needed: Span | None,
    look: SourceLook,
) -> Iterator[SourceRows]:
    """Read the rows of a source with partitions; see `source_rows`."""
    delivery = delivery_of(source, store, grid, look.at, data)
    if delivery.schema is None and not store.exists(source.asset):
        data.schemas({})  # raises what headers alone lack
    intake = decide_intake(source, store, delivery, span, grid, held, late=late, needed=needed, look=look)
    read = [*intake.loaded, *intake.grown]
    rows = prepare_partitions(source, store, delivery, data, grid, read)
    with split_rows(source, rows, grid, {key: intake.present.get(key, 0) for key in read}) as load_delivered:
        load = _load_alone(load_delivered)
        if intake.pushes is not None:
            load = intake.pushes.load_with_pushes(load_delivered, grid)
        columns = len(rows.collect_schema())
        parts = parts_of({key: intake.present.get(key, 0) for key in intake.loaded}, columns) or [[]]
        loaded = map(load, count_steps(parts, f"{source.asset}: parts of partitions", len(parts)))
        units = {key: delivery.digest_of(key) for key in intake.keys}
        grown = parts_of({key: intake.present[key] for key in sorted(intake.grown)}, columns)
        late_part = _late_rows(source, store, load, grown)
        compared_at = look.at if look.is_whole and source.connector.watch is not None else None
        keep_news(store, TableKind.UNITS.of(source.name), delivery.inventory, look.run_id, compared_at)
        yield SourceRows(
            replace(
                _candidate(source, delivery, intake, grid),
                units=units,
                execution=parts_in_words(len(intake.keys), len(parts)),
            ),
            _mark_changed_units(source, delivery, units, loaded),
            late_part.accepted,
            [*intake.refused, *late_part.refused],
        )


def _candidate(source: Source, delivery: Delivery, intake: SourceIntake, grid: Partitions) -> Candidate:
    notes = intake.left_out
    return candidate_of(
        source,
        [],
        keys=intake.keys,
        grid=grid,
        inputs={} if intake.pushes is None else intake.pushes.inputs,
        rows_in=sum(intake.present.get(key, 0) for key in intake.loaded),
        held=intake.held,
        notes={
            **notes,
            **({KEPT: len(intake.waiting)} if intake.waiting else {}),
            **({YOUNG: intake.young} if intake.young else {}),
        },
        # rows of the future enter later, so that the same data makes other rows then
        extra=delivery.extra | {name: str(count) for name, count in notes.items() if name == FUTURE},
        delivered={key: delivery.rows.get(key, 0) for key in intake.keys if key in intake.pushed},
        kept={key: str(loss) for key, loss in intake.waiting.items()},
    )


def _mark_changed_units(
    source: Source, delivery: Delivery, units: dict[str, str], parts: Iterable[SourcePart]
) -> Iterator[SourcePart]:
    """Yield parts of rows; after the last one, mark the partitions whose units changed while they were read."""
    yield from parts
    for key in delivery.changed_since(source) & units.keys():
        units[key] = CHANGED_WHILE_READ


def _load_alone(load: Callable[[Sequence[str]], pl.DataFrame]) -> Callable[[Sequence[str]], SourcePart]:
    return lambda keys: SourcePart(load(keys))


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
    batches, inputs = read_batches(source, rows), dict[str, int]()
    parts: Iterable[SourcePart] = map(SourcePart, batches)
    if pushes is not None:
        parts, inputs, rows_in = pushes.append_to(batches), pushes.inputs, rows_in + pushes.count()
    candidate = candidate_of(source, [], inputs=inputs, rows_in=rows_in, notes=notes, extra=extra)
    return SourceRows(candidate, parts, pl.DataFrame(schema=schema))


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
