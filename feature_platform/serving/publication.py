"""Publishing: the newest offline values of views into the online store.

Afterwards the online store has what one version of the offline table says, with the pushed rows that this version does
not hold yet. Publishing again changes nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl

from feature_platform.compute.features.service import tables_and_clocks_of
from feature_platform.compute.joins.pieces import Table, pieces_between, rows_of_table
from feature_platform.compute.joins.prefetch import prefetch
from feature_platform.compute.serving.entries import EVENT, add_pushed_rows
from feature_platform.compute.serving.keys import key_expr
from feature_platform.compute.serving.learnt import learnt_table, served_statistics
from feature_platform.compute.serving.pushed import (
    batches_of_pushes,
    clocks_kept_once,
    entries_of_pushes,
    is_fed_by,
    is_logged,
    merge_function,
)
from feature_platform.compute.serving.tables import Instant, ServedTable
from feature_platform.compute.serving.tiles import add_pushed_events
from feature_platform.compute.serving.view_tables import kind_of_view, servable_instants, served_entries, table_of
from feature_platform.compute.transforms.rows import as_events, feature_rows
from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.naming import AS_OF
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import microsecond_of, moment_of, rfc3339, shift_moment
from feature_platform.ground.errors import OnlineConflict, VersionNotFound
from feature_platform.ground.progress import count_steps
from feature_platform.ground.result_table import BriefResult, ResultTable
from feature_platform.ground.sortable_moments import moment_of_sortable, sortable
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import ENTRY, KEY
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.offline.soundness import convert_damage_errors
from feature_platform.online.base import Carry, Merge, OnlineStore
from feature_platform.pipelines.candidates.merged import MergedPushes
from feature_platform.training.fitted import imputation_statistics, is_fitted

How = Literal["built", "changed", "unchanged"]
ROWS_AT_ONCE = 500_000
MUCH = 0.3  # of the keys: where more may have changed, a new generation is built
_TRIES = 5


@dataclass(frozen=True)
class Publication:
    """The outcome of publishing one view.

    Attributes:
        how: a new generation was built, some entries were changed, or nothing had to be changed.
        written: how many entries were written.
    """

    table: ServedTable
    how: How
    written: int


class PublicationResults(BriefResult, list[Publication]):
    """The outcomes of publishing several views."""

    def summary(self) -> ResultTable:
        """Return one line for each view."""
        rows = [(each.table.view, each.how, each.written) for each in self]
        return ResultTable(f"{len(self)} published online", ("view", "outcome", "entries written"), rows)


def publish(
    wanted: FeatureView | FeatureService, store: OfflineStore, online: OnlineStore, *, now: datetime | None = None
) -> PublicationResults:
    """Publish the newest offline version of views into the online store.

    Args:
        wanted: a view, or a service for all of its views.
        now: values that no moment from then on can see are left out; the current time by default.

    Raises:
        TableNotFound: a view (for an exact view its source) was never materialized.
        OnlineStoreFailed: the online store refused; the values before are still served.
        OnlineConflict: other processes published the same view, again and again.
    """
    require_kind("fp.publish", wanted, (FeatureView, FeatureService), "a feature view or a feature service")
    moment = now or datetime.now(UTC)
    views = wanted.views if isinstance(wanted, FeatureService) else (wanted,)
    done = [_publish_view(view, store, online, moment) for view in count_steps(views, "publishing", len(views))]
    if isinstance(wanted, FeatureService) and (learnt := publish_statistics(wanted, store, online, moment)):
        done.append(learnt)
    return PublicationResults(done)


def publish_statistics(
    service: FeatureService, store: OfflineStore, online: OnlineStore, now: datetime
) -> Publication | None:
    """Publish what the imputations of a service have learnt; None where no training set taught them yet."""
    name = TableKind.IMPUTATION.of(service.name)
    if not is_fitted(service) or not store.exists(name):
        return None
    versions, base = {name: store.latest_version(name)}, online.table(learnt_table(service.name))
    origin = store.table_id(name)
    if base is not None and (base.versions, base.origin) == (versions, origin) and not is_of_another_past(base, store):
        return Publication(base, "unchanged", 0)
    statistics = imputation_statistics(service, store, versions[name])
    table, entries = served_statistics(service.name, statistics, versions=versions, now=now)
    whole = replace(table, origin=origin, commits=_commits_of(store, versions))
    built = online.build(base, whole, [entries] if entries.height else [], _carry_nothing)
    return Publication(built, "built", built.entries)


def _commits_of(store: OfflineStore, versions: Mapping[str, int]) -> dict[str, str]:
    commits = {name: store.commit_id(name, version) for name, version in versions.items()}
    return {name: commit for name, commit in commits.items() if commit is not None}


def _publish_view(view: FeatureView, store: OfflineStore, online: OnlineStore, now: datetime) -> Publication:
    with convert_damage_errors(
        [store.location(name) for name in tables_and_clocks_of(view)], f"Publishing `{view.name}`"
    ):
        for _ in range(_TRIES - 1):
            try:
                return _try_publish(view, store, online, now)
            except OnlineConflict:
                continue  # another process published meanwhile: perhaps nothing is left to do
        return _try_publish(view, store, online, now)


def _try_publish(view: FeatureView, store: OfflineStore, online: OnlineStore, now: datetime) -> Publication:
    """Try once to change what is served into what should be."""
    base, offline = online.table(view.name), _OfflineVersion.of(view, store, now)
    if base is None or not _same_shape(base, offline.table) or is_of_another_past(base, store):
        return offline.build(online, base)
    if base.versions == offline.table.versions:
        return Publication(base, "unchanged", 0)
    changed = store.changed_since(offline.name, base.versions[offline.name])
    if not changed and not offline.may_count_twice:
        table = replace(offline.table, newest=base.newest, instants=base.instants)
        return Publication(online.change(base, table, [], [], offline.carry), "changed", 0)
    affected_keys = offline.affected_keys(base, changed)
    return offline.build(online, base) if affected_keys is None else offline.change(online, base, affected_keys)


def is_of_another_past(base: ServedTable, store: OfflineStore) -> bool:
    """Tell whether a published version is not in the store, or is another one: a backup was restored since.

    A version that the log has forgotten, or that was published before commits were noted, is taken for the same.
    """
    return any(_is_another(name, version, base.commits.get(name), store) for name, version in base.versions.items())


def _is_another(name: str, version: int, commit: str | None, store: OfflineStore) -> bool:
    if not store.exists(name) or version > store.latest_version(name):
        return True
    return commit is not None and store.commit_id(name, version) not in (None, commit)


def _same_shape(base: ServedTable, table: ServedTable) -> bool:
    facts = ("kind", "keys", "features", "code_version", "tile", "origin")
    same = all(getattr(base, name) == getattr(table, name) for name in facts)
    return same and list(base.keys) == list(table.keys) and list(base.features) == list(table.features)


@dataclass(frozen=True)
class _OfflineVersion:
    """One version of the offline store, as a view sees it at a moment.

    Attributes:
        name: the table that its features are read from.
        pieces: that table, in order of time.
        table: the table to be served, without its newest event and its instants.
        merged: which pushed rows that version holds.
    """

    view: FeatureView
    store: OfflineStore
    now: datetime
    name: str
    pieces: Table
    table: ServedTable
    merged: MergedPushes

    @staticmethod
    def of(view: FeatureView, store: OfflineStore, now: datetime) -> "_OfflineVersion":
        """Open the newest version."""
        ((name, clock),) = tables_and_clocks_of(view).items()
        version = store.latest_version(name)
        pieces = store.pieces(name, clock, version=version)
        schema = _rows(view, pieces[:1]).collect_schema()
        table = table_of(view, schema, versions={name: version}, now=now)
        table = replace(table, origin=store.table_id(name), commits=_commits_of(store, {name: version}))
        merged = MergedPushes(view.source if table.kind == "exact" else view, version, store)
        return _OfflineVersion(view, store, now, name, pieces, table, merged)

    @property
    def may_count_twice(self) -> bool:
        """Tell whether pushed events may be kept beside the same ones of the table, also where this stays as it is."""
        return self.table.kind == "exact" and self.store.exists(TableKind.PUSHES.of(self.merged.source.name))

    def build(self, online: OnlineStore, base: ServedTable | None) -> Publication:
        """Build a new generation of all entries."""
        instants, pieces = self._instants()
        rows = self._served_rows(pieces, instants)
        table = replace(self.table, newest=_newest(rows, self._clock), instants=tuple(instants))
        batches = (served_entries(self.view, table, each, self.now) for each in self._batches(rows, pieces))
        fits = base is not None and _same_shape(base, table)
        # Pushes that are not in the log yet wait in a spool, and come again.
        carry = self.carry if fits else _carry_nothing
        whole = self._with_logged(table, (each for each in batches if each.height))
        built = online.build(base, table, prefetch(whole), carry)
        return Publication(built, "built", built.entries)

    def _with_logged(self, table: ServedTable, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Add the logged pushes to entries that this version of the offline store was made without."""
        merge, waiting = merge_function(self.view, table, "", self.now), self._logged_entries(table)
        keys = pl.Series([key for each in waiting for key in each], dtype=pl.Binary)
        for batch in batches:
            here = batch.filter(pl.col(KEY).is_in(keys.implode())) if len(keys) else batch.clear()
            if here.is_empty():
                yield batch
                continue
            stored = dict(here.select(KEY, ENTRY).iter_rows())
            yield pl.concat([batch.join(here, on=KEY, how="anti"), _frame(_all_of(waiting, stored, merge))]).sort(KEY)
        rest = _all_of(waiting, dict.fromkeys(key for each in waiting for key in each), merge)
        if rest:
            yield _frame(rest).sort(KEY)

    def _logged_entries(self, table: ServedTable) -> list[dict[bytes, bytes]]:
        """Return what logged pushes add to each key, batch after batch in order."""
        if not is_fed_by(self.view, self.merged.source):
            return []
        batches = (
            entries_of_pushes(self.view, table, pushes, self.now, merged=self.merged)
            for pushes in batches_of_pushes(self.merged.missing_pushes())
        )
        return [dict(entries) for entries in batches if entries]

    def change(self, online: OnlineStore, base: ServedTable, affected_keys: pl.DataFrame) -> Publication:
        """Change the entries of some keys, going back in time until each has a row that is visible."""
        keys, waiting, parts = list(self.view.join_keys), affected_keys, []
        for piece in reversed(self.pieces):
            rows = _rows(self.view, [piece]).join(waiting.lazy(), on=keys, how="semi").collect()
            parts.append(rows)
            waiting = waiting.join(rows.filter(self._visible()).select(keys), on=keys, how="anti")
            if waiting.is_empty():
                break
        rows = pl.concat(reversed(parts))
        reached = affected_keys.select(key_expr(self.table.keys))
        batches = self._with_logged(self.table, [served_entries(self.view, self.table, rows, self.now)])
        entries = pl.concat([*batches]).join(reached, on=KEY, how="semi")
        gone = reached.join(entries, on=KEY, how="anti")
        newest = max(filter(None, (base.newest, _newest(rows.lazy(), self._clock))), default=None)
        table = replace(self.table, newest=newest)
        changed = online.change(base, table, [entries], gone[KEY].to_list(), self.carry)
        return Publication(changed, "changed", entries.height + gone.height)

    def affected_keys(self, base: ServedTable, changed: Collection[str]) -> pl.DataFrame | None:
        """Return the keys whose rows may have changed; None where they are many, or cannot be known."""
        if self.table.kind != "row" or WHOLE in changed or not self.view.join_keys:
            return None
        keys, partitions = list(self.view.join_keys), sorted(changed)
        try:
            reads = [
                self.store.read(self.name, version=version, partitions=partitions)
                for version in (base.versions[self.name], self.table.versions[self.name])
            ]
        except VersionNotFound:
            return None
        candidates = pl.concat([each.select(keys) for each in reads]).drop_nulls().unique().collect()
        return None if candidates.height > MUCH * base.entries else candidates

    @property
    def carry(self) -> Carry:
        """Return the function that keeps what is still needed of pushed rows."""
        if self.table.kind == "exact":
            once = clocks_kept_once(self.view)
            return lambda published, stored, _: add_pushed_events(
                published, stored, self.merged, self.table.features, once
            )
        moment = sortable(self.now)

        def carry_entry(published: bytes | None, stored: bytes, _: bytes) -> bytes | None:
            newest = published[EVENT] if published else b""

            def is_merged(tag: bytes, event: int) -> bool:
                if is_logged(tag.decode()):
                    return self.merged(tag.decode(), event)
                return sortable(moment_of(event)) <= newest  # a row without a log is needed while it is the newest

            return add_pushed_rows(published, stored, is_merged, moment)

        return carry_entry

    @property
    def _clock(self) -> str | None:
        return self.view.source.event_time if self.table.kind == "exact" else self.view.event_time

    def _visible(self) -> pl.Expr:
        clocks = [name for name in (self._clock, self.view.source.known_at) if name is not None]
        return pl.all_horizontal(pl.lit(value=True), *(pl.col(name) <= self.now for name in clocks))

    def _instants(self) -> tuple[Sequence[Instant], Table]:
        """Return the instants to be served and the pieces that hold them; those of all events for other kinds."""
        if self.table.kind == "exact":
            longest = self.view.windowing.longest_us if self.view.windowing else 0
            return (), pieces_between(self.pieces, microsecond_of(self.now) - longest - self.table.tile, None)
        if self.table.kind == "row":
            return (), self.pieces
        defaults = pl.all_horizontal(pl.lit(value=True), *(pl.col(key).is_null() for key in self.view.join_keys))
        defaults_so_far = _rows(self.view, self.pieces[:1]).clear().collect()
        for number in range(len(self.pieces) - 1, -1, -1):
            defaults_so_far = pl.concat(
                [_rows(self.view, [self.pieces[number]]).filter(defaults).collect(), defaults_so_far]
            )
            instants = servable_instants(self.view, self.table, defaults_so_far, self.now)
            if instants and instants[-1].known <= sortable(self.now).decode():
                return instants, self.pieces[number:]
        return servable_instants(self.view, self.table, defaults_so_far, self.now), self.pieces

    def _served_rows(self, pieces: Table, instants: Sequence[Instant]) -> pl.LazyFrame:
        """Return the rows that are served."""
        rows = _rows(self.view, pieces)
        if self.table.kind == "snapshot":
            return rows.filter(pl.col(AS_OF).is_in([moment_of_sortable(each.as_of.encode()) for each in instants]))
        if self.table.kind == "exact" and self.view.windowing is not None:
            oldest = shift_moment(self.now, -self.view.windowing.longest_us - self.table.tile)
            return rows.filter(pl.col(str(self._clock)) >= oldest)
        return rows

    def _batches(self, rows: pl.LazyFrame, pieces: Table) -> Iterator[pl.DataFrame]:
        """Yield the rows by ranges of their first join key, so that all rows of a key are in one."""
        heights = [piece.height for piece in pieces]
        height = sum(each or 0 for each in heights)
        parts = 1 if None in heights else -(-height // ROWS_AT_ONCE)
        if parts <= 1 or not self.view.join_keys:
            yield rows.collect()
            return
        key = pl.col(self.view.join_keys[0])
        bounds = _bounds(rows.select(key).collect().to_series(), parts)
        spans = list(zip([None, *bounds], [*bounds, None], strict=True))
        for low, high in count_steps(spans, f"{self.view.name}: ranges of keys", len(spans)):
            above = pl.lit(value=True) if low is None else key >= low
            below = pl.lit(value=True) if high is None else key < high
            yield rows.filter(above & below).collect()


def _all_of(
    waiting: Sequence[dict[bytes, bytes]], entries: Mapping[bytes, bytes | None], merge: Merge
) -> dict[bytes, bytes]:
    """Merge into entries what pushes add to them, and take it out of what waits."""
    merged = dict(entries)
    for added in waiting:
        keys = [key for key in merged if key in added]
        merged.update(zip(keys, merge([merged[key] for key in keys], [added.pop(key) for key in keys]), strict=True))
    return {key: entry for key, entry in merged.items() if entry is not None}


def _frame(entries: Mapping[bytes, bytes]) -> pl.DataFrame:
    schema = {KEY: pl.Binary, ENTRY: pl.Binary}
    return pl.DataFrame({KEY: [*entries], ENTRY: [*entries.values()]}, schema=schema)


def _carry_nothing(_published: bytes | None, _stored: bytes, _tag: bytes) -> None:
    """Keep no pushed rows."""


def _rows(view: FeatureView, pieces: Table) -> pl.LazyFrame:
    """Return the rows of some pieces as they are served; of an exact view its events."""
    rows = rows_of_table(pieces)
    return feature_rows(view, as_events(view.source, rows)) if kind_of_view(view) == "exact" else rows


def _bounds(keys: pl.Series, parts: int) -> list[Any]:
    """Return values, of whatever type the column is, that cut it into parts of about one size."""
    ordered = keys.drop_nulls().sort()
    places = [len(ordered) * part // parts for part in range(1, parts)]
    return list(ordered.gather(places).unique(maintain_order=True)) if len(ordered) else []


def _newest(rows: pl.LazyFrame, clock: str | None) -> str | None:
    newest = None if clock is None else rows.select(pl.col(clock).max()).collect().item()
    return None if newest is None else rfc3339(newest)
