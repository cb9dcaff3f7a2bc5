"""Materialization: compute what a declaration says for a range of time, and publish it.

A run covers the partitions that overlap `[start, end)`, and also published ones that late data has changed within the
declared lateness.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from warnings import warn

import polars as pl

from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.label import Label
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Declaration, has_table, order_declarations
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground import clock
from feature_platform.ground.errors import InvalidDeclaration, PinnedPartitionsLeft
from feature_platform.ground.progress import count_steps
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.parts.sources.base import Changed, Gone, validate_changed, validate_gone
from feature_platform.pipelines.candidates.derived import derived_candidate
from feature_platform.pipelines.candidates.intake import SourceLook
from feature_platform.pipelines.candidates.shared import Span
from feature_platform.pipelines.candidates.sources import PUSHED_REFUSED, TOO_LATE, SourceRows, source_rows
from feature_platform.pipelines.candidates.spines import spine_candidate
from feature_platform.pipelines.candidates.upstream import reach_us
from feature_platform.pipelines.publishing import Run
from feature_platform.pipelines.results import Candidate, PublishResult, PublishResults
from feature_platform.quality.refusal import rows_as_json

Materializable = Source | FeatureView | Label | Spine


def materialize(
    asset: Materializable | Union,
    store: OfflineStore,
    start: str | datetime | None = None,
    end: str | datetime | None = None,
    *,
    partitions: Partitions | None = None,
    gone: Gone | None = None,
    changed: Changed | None = None,
    now: datetime | None = None,
) -> PublishResults:
    """Compute and commit the partitions of an asset that overlap `[start, end)`, and what it is made from.

    A label over windows has no table of its own, nor has a union: this is done for its source, or for its members.

    Args:
        start: the beginning of the range (UTC). Defaults to the beginning of the data.
        end: the end of the range, not included. Defaults to the end of the data.
        partitions: the project's partitions. Defaults to daily ones.
        gone: what to do with published rows that are not in a source any more: `taken` lets them go, whatever the
            connector says; see docs/how-to/late-and-gone-data.md. What the connector says when None.
        changed: what to do with published rows that others have replaced in a source: `taken` publishes them, whatever
            the connector says. What the connector says when None.
        now: the present, from which on events are still to come and left out, see `Partitions.accepted_range`. Defaults
            to the moment when the run begins.

    Returns:
        What was published, by asset name, upstream first. Partitions of a rolled-back table stay as they are, with a
        `PinnedPartitionsLeft` warning, until it is released.

    Raises:
        ExpectationsFailed: a critical expectation failed; nothing of that asset was published.
        SourceUnreadable: a source cannot be read.
        PublishedRowsGone: published rows are gone from a source that refuses that, or most of a source is.
        PublishedRowsChanged: published rows were changed in a source that refuses that.
        InvalidDeclaration: only one of start and end is given, or end is not after start.
        PartitionOutOfRange: the range has no partition of the project.
    """
    require_kind(
        "fp.materialize",
        asset,
        (Source, Union, FeatureView, Label, Spine),
        "a source, a union, a feature view, a label or a spine",
    )
    assets = asset.members if isinstance(asset, Union) else [asset]
    results = materialize_each(assets, store, start, end, partitions=partitions, gone=gone, changed=changed, now=now)
    return PublishResults({each.candidate.asset: each for each in results})


def materialize_each(
    assets: Sequence[Materializable],
    store: OfflineStore,
    start: str | datetime | None = None,
    end: str | datetime | None = None,
    *,
    partitions: Partitions | None = None,
    gone: Gone | None = None,
    changed: Changed | None = None,
    now: datetime | None = None,
    among: Iterable[Declaration] = (),
) -> Iterator[PublishResult]:
    """Materialize several assets and what they are made from, each once; see `materialize`.

    Args:
        among: other declarations of the project: how late rows of a source may be depends on all that is above it.

    Yields:
        What was published, one asset after the other, upstream first.
    """
    grid = partitions or Partitions()
    gone = None if gone is None else validate_gone("materialize", gone)
    changed = None if changed is None else validate_changed("materialize", changed)
    chain = [each for each in order_declarations(assets) if isinstance(each, Materializable) and has_table(each)]
    span = _requested_span(start, end)
    if span is not None and any(each.partitioned for each in assets) and not grid.overlapping(*span):
        grid.bounds(clock.partition_key(clock.partition_start(span[0], grid.grain), grid.grain))
    needed = _needed_spans(chain, span)
    for each in count_steps(chain, "materializing", len(chain)):
        late = lateness_of(each, [*assets, *chain, *among])
        published = materialize_asset(
            each, store, span, grid, late=late, needed=needed[each], gone=gone, changed=changed, now=now
        )
        yield published.raise_if_refused()
        if published.candidate.held:
            warn(PinnedPartitionsLeft(each.asset, len(published.candidate.held)), stacklevel=3)


def materialize_asset(
    asset: Materializable,
    store: OfflineStore,
    span: Span | None,
    grid: Partitions,
    *,
    late: int = 0,
    needed: Span | None = None,
    gone: Gone | None = None,
    changed: Changed | None = None,
    run_id: str | None = None,
    config: Mapping[str, object] | None = None,
    now: datetime | None = None,
) -> PublishResult:
    """Compute and publish one asset from what is already in the store.

    Args:
        span: the requested range; the whole of the data when None.
        late: how far before the range late rows of a source are still taken in, in microseconds.
        needed: what windows downstream read of it: partitions of a source are taken in, too, when they never were, and
            those of a view or label are made.
        gone: what to do with published rows that are not in a source any more. None takes what its connector says.
        changed: what to do with published rows that others have replaced. None takes what its connector says.
        config: other resolved arguments of this run; they are stored in its record.
        now: the present. Defaults to the start of the run.

    Returns:
        The result; a refused candidate is returned, not raised.
    """
    resolved = {
        "span": None if span is None else [each.isoformat() for each in span],
        "grain": grid.grain,
        "lateness_us": late,
        "root": str(store.root),
        **({} if gone is None else {"gone": gone}),
        **({} if changed is None else {"changed": changed}),
        **(config or {}),
    }
    with Run(store, asset.asset, run_id=run_id, config=resolved) as run:
        moment = now or run.started_at
        if isinstance(asset, Spine):
            return run.publish(spine_candidate(asset, run.input_store))
        if not isinstance(asset, Source):
            return run.publish(derived_candidate(asset, run.input_store, span, grid, moment, needed))
        look = SourceLook(run.run_id, moment, gone, changed)
        with source_rows(asset, run.input_store, span, grid, late=late, needed=needed, look=look) as found:
            return _publish_accepted(_keep_late_rows(asset, found, run), found, run)


def lateness_of(asset: Materializable, among: Iterable[object]) -> int:
    """Return how late rows of a source may be, in microseconds: the longest lateness of what is above it."""
    views = [each for each in among if is_windowed(each) and asset in _bottom_sources(each)]
    labels = [each.look_ahead for each in among if isinstance(each, Label) and asset in each.inputs and each.look_ahead]
    return max(
        (*(view.windows.cadence.lateness_us for view in views), *(label.lateness for label in labels)), default=0
    )


def _bottom_sources(view: FeatureView) -> set[Source]:
    """Return the sources that a view is made from, directly or not, with those of what enriches it."""
    return {each for read in view.inputs for each in ([read] if isinstance(read, Source) else _bottom_sources(read))}


def _keep_late_rows(source: Source, found: SourceRows, run: Run) -> Candidate:
    """Store rows that came too late in `late/<source>`, and return the candidate with their count."""
    candidate, rows = found.candidate, found.late
    if rows.is_empty():
        return candidate
    name = TableKind.LATE.of(source.asset)
    stored = (
        run.input_store.read(name).select("row").collect()["row"]
        if run.store.exists(name)
        else pl.Series([], dtype=pl.String)
    )
    texts = rows_as_json(rows)
    fresh = ~texts.is_in(stored.implode())
    new_rows = pl.DataFrame(
        {
            "run_id": pl.repeat(run.run_id, rows.height, eager=True),
            "seen_at": pl.repeat(run.started_at, rows.height, dtype=clock.UTC, eager=True),
            "event_time": rows[str(source.event_time)],
            "row": texts,
        }
    ).filter(fresh)
    if new_rows.height:
        run.store.append(name, new_rows, stamp=run.stamp(candidate))
    return replace(candidate, notes={**candidate.notes, TOO_LATE: rows.height})


def _publish_accepted(candidate: Candidate, found: SourceRows, run: Run) -> PublishResult:
    """Publish what the parts of a source accept; pushed rows that they refuse go to quarantine before the commit."""
    refused_counts: list[int] = []

    def quarantine(refused: Iterable[pl.DataFrame]) -> None:
        for rows in refused:
            run.quarantine(candidate, rows)
            refused_counts.append(rows.height)

    def accept_parts() -> Iterator[pl.DataFrame]:
        quarantine(found.refused)
        for part in found.parts:
            quarantine(part.refused)
            yield part.accepted

    published = run.publish(replace(candidate, rows=accept_parts()))
    if not refused_counts:
        return published
    notes = {**published.candidate.notes, PUSHED_REFUSED: sum(refused_counts)}
    return replace(published, candidate=replace(published.candidate, notes=notes))


def _requested_span(start: str | datetime | None, end: str | datetime | None) -> Span | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InvalidDeclaration("materialize", "has only one of start and end", "Give both, or neither for all data.")
    span = clock.instant(start, "materialize, start,"), clock.instant(end, "materialize, end,")
    if span[1] <= span[0]:
        raise InvalidDeclaration("materialize", "has an end that is not after its start", "Ranges are [start, end).")
    return span


def _needed_spans(chain: list[Materializable], given: Span | None) -> dict[Materializable, Span | None]:
    """Return the range that each asset of a chain must cover: windows downstream look back."""
    spans: dict[Materializable, Span | None] = dict.fromkeys(chain, given)
    for each in reversed(chain):
        span = spans[each]
        if span is not None and isinstance(each, (FeatureView, Label)):
            for source in each.source.members:
                low, high = spans[source] or span
                spans[source] = min(low, clock.shift_moment(span[0], -reach_us(each))), max(high, span[1])
        for dimension in (by.dimension for by in each.enrichments) if isinstance(each, FeatureView) else ():
            known = spans[dimension]
            if span is not None and known is not None:
                spans[dimension] = clock.ALWAYS, max(known[1], span[1])
    return spans
