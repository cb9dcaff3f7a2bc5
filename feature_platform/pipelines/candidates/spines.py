"""Candidates of spines: the rows of a spine from one version of each table that it is made from."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import polars as pl

from feature_platform.compute.keys.join_keys import require_columns
from feature_platform.compute.spines.choice import choose_rows, hashable_columns, moment_of_rows
from feature_platform.compute.spines.every_key import every_active_key
from feature_platform.compute.spines.negatives import with_negatives
from feature_platform.declarations.cadence import Cadence
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import ActiveKeys, ChosenEvents, LoggedRequests, NegativePairs, Spine
from feature_platform.declarations.union import Union, title_of
from feature_platform.ground import cadences, clock
from feature_platform.ground.errors import ColumnCollision, InvalidDeclaration
from feature_platform.ground.working_columns import CANDIDATE_FROM
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.offline.staging import collect_in_batches
from feature_platform.pipelines.candidates.pinned import held_partitions
from feature_platform.pipelines.candidates.requests import requests_candidate
from feature_platform.pipelines.candidates.shared import candidate_of
from feature_platform.pipelines.results import Candidate
from feature_platform.pipelines.tables import read_rows


def spine_candidate(spine: Spine, store: OfflineStore) -> Candidate:
    """Return the rows of a spine from the newest versions of what it is made from, made when they are written.

    Raises:
        TableNotFound: something that it is made from is not in the store.
        MissingColumns: that lacks a key, or a column that decides on the rows.
    """
    if isinstance(spine.rule, LoggedRequests):
        return requests_candidate(spine, spine.rule, store)
    versions = {each.asset: store.latest_version(each.asset) for each in spine.inputs}
    if WHOLE in held_partitions(spine, store):
        return candidate_of(spine, [], inputs=versions, held=[WHOLE])
    rows_in = sum(
        state.rows for name, version in versions.items() for state in store.partition_states(name, version).values()
    )
    candidate = candidate_of(spine, _rows_of(spine, store, versions), inputs=versions, rows_in=rows_in)
    return replace(candidate, reshapes=True)


def _rows_of(spine: Spine, store: OfflineStore, versions: dict[str, int]) -> Iterator[pl.DataFrame]:
    owner = f"Spine `{spine.name}`"
    match spine.rule:
        case ActiveKeys(source, entity, cadence, _):
            covered = _covered_span(source, cadence, store, versions)
            yield from every_active_key(
                read_rows(source, store, versions),
                on=entity.join_keys,
                event_time=str(source.event_time),
                known_at=source.known_at,
                grid=cadences.instants(*covered, cadence.every_us, cadence.tz),
                active=spine.rule.active_us,
                owner=owner,
            )
        case ChosenEvents():
            yield from _choose_events(spine.name, spine.rule, read_rows(spine.rule.source, store, versions))
        case NegativePairs():
            yield from _make_pairs(spine.name, spine.rule, store, versions)


def _covered_span(
    source: Source | Union, cadence: Cadence, store: OfflineStore, versions: dict[str, int]
) -> tuple[datetime, datetime]:
    """Return the span `(start, end]` of the instants that a source covers; of a union, that all members cover.

    It begins with the first event of any member, and is empty where one has no rows.
    """
    spans = [_span_of_table(each, cadence, store, versions[each.asset]) for each in source.members]
    if any(start == end for start, end in spans):
        return clock.EPOCH, clock.EPOCH
    start = min(start for start, _ in spans)
    return start, max(start, min(end for _, end in spans))


def _span_of_table(source: Source, cadence: Cadence, store: OfflineStore, version: int) -> tuple[datetime, datetime]:
    """Return the span `(start, end]` of the instants that a version of a source's table covers; empty without rows.

    It ends with the newest partition, or, without partitions, with the first instant after the newest event, and not
    after the commit of the version: what lies ahead of that is not known.
    """
    contents = store.contents(source.asset)
    states = contents.states(version)
    filled = sorted(key for key, state in states.items() if state.rows)
    start = end = clock.EPOCH
    if filled == [WHOLE]:
        time = pl.col(str(source.event_time)).pipe(clock.clip_to_calendar)
        rows = store.read(source.asset, version=version)
        first, last = rows.select(time.min().alias("first"), time.max().alias("last")).collect().row(0)
        if first is not None:
            start, end = clock.shift_moment(first, -1), cadences.next_instant(last, cadence.every_us, cadence.tz)
    elif filled:
        grain = contents.grain or "daily"
        start = clock.partition_bounds(filled[0], grain, source.asset)[0]
        end = clock.partition_bounds(max(states), grain, source.asset)[1]
    commits = store.history(source.asset)
    committed = commits.filter(pl.col("version") == version)["timestamp"].max()
    return start, max(start, min(end, committed)) if isinstance(committed, datetime) else end


def _choose_events(name: str, rule: ChosenEvents, rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield the chosen rows of a source, those that were read together sorted by their moment."""
    source, owner, schema = rule.source, f"Spine `{name}`", rows.collect_schema()
    moment = moment_of_rows(schema, str(source.event_time), source.known_at, owner)
    if SPINE_TIME in schema and source.event_time != SPINE_TIME:
        raise ColumnCollision(owner, [SPINE_TIME], f"Rename it in `prepare` of `{title_of(source)}`.")
    by = hashable_columns(schema) if rule.by is None else list(rule.by)
    require_columns(schema, by, f"{owner}, by,")
    decide = [column for column in by if column not in (source.event_time, source.known_at)]
    for batch in collect_in_batches(rows.select(moment.alias(SPINE_TIME), pl.exclude(SPINE_TIME))):
        chosen = choose_rows(batch.filter(pl.col(SPINE_TIME).is_not_null()), rule.share, [*decide, SPINE_TIME], name)
        yield chosen.sort(SPINE_TIME, *decide)


def _make_pairs(
    name: str, rule: NegativePairs, store: OfflineStore, versions: dict[str, int]
) -> Iterator[pl.DataFrame]:
    owner = f"Spine `{name}`"
    positives, candidates = (_dated_rows(each, store, versions) for each in (rule.positives, rule.candidates))
    given = (positives.collect_schema(), candidates.collect_schema())
    if rule.entity is not None:
        on = list(rule.entity.join_keys)
        require_columns(given[0], on, f"{owner}, positives,")
    else:
        clocks = {SPINE_TIME, *_clocks(rule.positives), *_clocks(rule.candidates)}
        on = [column for column in given[0] if column in given[1] and column not in clocks]
    shared = [key for key in on if key in given[1]]
    if not shared:
        raise InvalidDeclaration(
            owner,
            f"finds no key of `{title_of(rule.positives)}` in `{title_of(rule.candidates)}`",
            "Give candidates with a column of the same name.",
        )
    dated = SPINE_TIME in given[1]
    others = candidates.select(*shared, *([pl.col(SPINE_TIME).alias(CANDIDATE_FROM)] if dated else []))
    yield from with_negatives(
        positives.select(SPINE_TIME, *on).unique().collect(engine="streaming"),
        others.unique().collect(engine="streaming"),
        on=on,
        ratio=rule.ratio,
        salt=name,
        available_from=CANDIDATE_FROM if dated else None,
        owner=owner,
    )


def _dated_rows(origin: Source | Union | Spine, store: OfflineStore, versions: dict[str, int]) -> pl.LazyFrame:
    """Return the rows of a table with the moment from which on each counts; without a clock as they are."""
    rows = read_rows(origin, store, versions)
    if origin.event_time is None or isinstance(origin, Spine):
        return rows
    moment = moment_of_rows(rows.collect_schema(), origin.event_time, origin.known_at, f"`{title_of(origin)}`")
    return rows.with_columns(moment.alias(SPINE_TIME))


def _clocks(origin: Source | Union | Spine) -> list[str]:
    return [name for name in (origin.event_time, origin.known_at) if name is not None]
