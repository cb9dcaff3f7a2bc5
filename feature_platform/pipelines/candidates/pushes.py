"""Pushes in a source: rows of the log `pushes/<source>` beside those of its connector, and which are merged.

Pushed rows come after the connector's, so that a pushed one wins when two rows tie. Those that break a critical
expectation about rows are left out and put into quarantine: nobody can take a push back, and it must not stop the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from feature_platform.compute.transforms.pushed import ORIGIN, convert_push, rows_also_pushed, undelivered_rows
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.errors import PushRefused, VersionNotFound
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import ARRIVED_AT, LAST_PUSH, PARTITION_START, PUSH, PUSH_ROW, SPOOL
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.offline.schema import added_columns, make_storable
from feature_platform.pipelines.candidates.shared import present_rows
from feature_platform.quality.refusal import LABEL, refused_rows
from feature_platform.quality.row_rules import argument_columns, row_rule
from feature_platform.quality.target import NotComputable

_IMPOSSIBLE = "event_time_within_the_calendar"
Load = Callable[[Sequence[str]], pl.DataFrame]


@dataclass(frozen=True)
class LoggedPushes:
    """The pushes to a source at one version of their log.

    Attributes:
        rows: all of them, lazily, with the columns that say where they come from.
        stored: the columns of the source's table, when it has one.
        refused: those that were left out so far, with the expectation that each breaks; who stores them empties the
            list.
    """

    source: Source
    version: int
    rows: pl.LazyFrame
    stored: pl.Schema | None
    refused: list[pl.DataFrame] = field(default_factory=list)

    @property
    def inputs(self) -> dict[str, int]:
        """Return the version of the log, as a commit names its inputs."""
        return {TableKind.PUSHES.of(self.source.name): self.version}

    def count(self) -> int:
        """Count all rows."""
        return int(self.rows.select(pl.len()).collect().item())

    def without_impossible(self, grid: Partitions) -> "LoggedPushes":
        """Return the pushes that some run may take in; the others are refused.

        The log may have events of the year 1 or 9999 from before such pushes were refused at once.
        """
        if not self.source.partitioned:
            return self
        low, high = grid.accepted_range()
        limits = min(low, clock.EARLIEST), max(high, clock.LATEST)
        inside = clock.side_of_interval(pl.col(str(self.source.event_time)), *limits) == 0
        impossible = self.rows.filter(~inside).collect()
        if impossible.height:
            self.refused.append(impossible.with_columns(pl.lit(_IMPOSSIBLE).alias(LABEL)))
        return replace(self, rows=self.rows.filter(inside))

    def within(self, grid: Partitions, now: datetime | None = None) -> "LoggedPushes":
        """Return the pushes that the project takes in at a moment, see `Partitions.accepted_range`."""
        if not self.source.partitioned:
            return self
        inside = clock.side_of_interval(pl.col(str(self.source.event_time)), *grid.accepted_range(now)) == 0
        return replace(self, rows=self.rows.filter(inside))

    def count_by_partition(
        self, grid: Partitions, now: datetime | None = None
    ) -> tuple[dict[str, int], dict[int, int]]:
        """Count the rows of each partition, and those before (-1) and after (1) what is taken in."""
        counted, outside = present_rows(self.rows, str(self.source.event_time), grid, now, "auto")
        return {key: rows for key, rows in counted.items() if key is not None}, outside

    def load_with_pushes(self, load: Load, grid: Partitions) -> Load:
        """Return a function that loads the rows of partitions of a connector, and after them the pushed ones."""

        def both(keys: Sequence[str]) -> pl.DataFrame:
            return pl.concat(self._append_to([load(keys)], self._rows_of(keys, grid)), rechunk=False)

        return both

    def append_to(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield the rows of a connector in batches, and all pushed ones after them; only these are in memory."""
        yield from self._append_to(batches, self.rows.sort(ARRIVED_AT, SPOOL, PUSH, PUSH_ROW).collect())

    def _append_to(self, batches: Iterable[pl.DataFrame], pushed: pl.DataFrame) -> Iterator[pl.DataFrame]:
        beside: _WaitingPushes | None = None
        for batch in batches:
            delivered = make_storable(self.source.asset, batch, self.stored)
            if beside is None:
                beside = _WaitingPushes(self.source, _conform(self.source, pushed, delivered.schema))
            beside.see(delivered)
            yield delivered
        if beside is not None:
            kept, refused = beside.remaining_rows()
            if refused.height:
                self.refused.append(refused)
            if kept.height:
                yield kept.drop(list(ORIGIN))

    def _rows_of(self, keys: Sequence[str], grid: Partitions) -> pl.DataFrame:
        """Return the pushed rows of partitions, in the order in which they arrived."""
        bounds = [clock.partition_bounds(key, grid.grain, "The data") for key in keys]
        if not bounds:
            return self.rows.head(0).collect()
        time = pl.col(str(self.source.event_time))
        near = time.is_between(min(start for start, _ in bounds), max(end for _, end in bounds), "left")
        inside = _start(self.source, grid).is_in([start for start, _ in bounds])
        return self.rows.filter(near).filter(inside).sort(ARRIVED_AT, SPOOL, PUSH, PUSH_ROW).collect()


def accept_push(
    source: Source, stored: pl.Schema, rows: pl.DataFrame, arrived_at: datetime, grid: Partitions | None = None
) -> pl.DataFrame:
    """Accept pushed rows that no critical expectation about single rows refuses, and return them as the table has them.

    A row that the next run of the source would refuse must not be served before. Expectations about several rows, such
    as uniqueness, are only checked in that run.

    Raises:
        PushRefused: see `convert_push`; or names the expectation and the row.
    """
    checked = convert_push(source, stored, rows, arrived_at, grid)
    alone = [expect for expect in _row_expectations(source) if not _compares_rows(expect)]
    if not alone:
        return checked
    numbered = checked.with_row_index(PUSH_ROW).with_columns(pl.lit(0).alias(PUSH))
    for expect in alone:
        broken = _broken_rows(numbered, expect)
        if broken.height:
            found = f"it breaks the expectation `{expect.check_name}`"
            raise PushRefused(source.name, found, "Send rows that meet it.", row=broken[PUSH_ROW][0])
    return checked


def pushes_to(source: Source, store: OfflineStore) -> LoggedPushes | None:
    """Return the pushes to a source at the newest version of their log; None when nothing was ever pushed."""
    name = TableKind.PUSHES.of(source.name)
    if not store.exists(name):
        return None
    version = store.latest_version(name)
    stored = store.read(source.asset).collect_schema() if store.exists(source.asset) else None
    return LoggedPushes(source, version, store.read(name, version=version), stored)


def unmerged_pushes(
    source: Source, store: OfflineStore, grid: Partitions, *, version: int | None = None
) -> pl.LazyFrame | None:
    """Return the pushed rows, with their origin, that were not there when their partition was last made.

    Rows that came later than the lateness of the source, so that no run took them in, are among them; rows that an
    expectation refused are not.

    Args:
        version: the version of the source's table. Defaults to the newest.

    Returns:
        None when nothing was ever pushed.
    """
    pushes = pushes_to(source, store)
    if pushes is None:
        return None
    pushes = pushes.within(grid)  # no run will take in the others
    log, states = TableKind.PUSHES.of(source.name), {}
    present = {WHOLE} if not source.partitioned else pushes.count_by_partition(grid)[0].keys()
    if store.exists(source.asset):
        states = store.partition_states(source.asset, version)
    merged = {key: state.inputs[log] for key, state in states.items() if key in present and log in state.inputs}
    known = _last_pushes(pushes, store, set(merged.values()))
    if not source.partitioned:
        marks = known[merged[WHOLE]] if WHOLE in merged else pl.DataFrame(schema=_MARKS)
        marked = pushes.rows.join(marks.lazy(), on=SPOOL, how="left")
    else:
        start, at = _start(source, grid), [pl.DataFrame(schema={PARTITION_START: clock.UTC, **_MARKS})]
        for key, read in merged.items():
            begin, _ = clock.partition_bounds(key, grid.grain, "The data")
            at.append(known[read].select(pl.lit(begin, dtype=clock.UTC).alias(PARTITION_START), SPOOL, LAST_PUSH))
        marked = pushes.rows.with_columns(start.alias(PARTITION_START)).join(
            pl.concat(at).lazy(), on=[PARTITION_START, SPOOL], how="left"
        )
    return marked.filter((pl.col(PUSH) > pl.col(LAST_PUSH)).fill_null(value=True)).drop(
        PARTITION_START, LAST_PUSH, strict=False
    )


def unmerged_partitions(source: Source, store: OfflineStore, grid: Partitions) -> set[str]:
    """Return the partitions of a source that wait for pushed rows; `""` for a source without partitions."""
    rows = unmerged_pushes(source, store, grid)
    if rows is None:
        return set()
    if not source.partitioned:
        return {WHOLE} if rows.head(1).collect().height else set()
    starts = rows.select(_start(source, grid).alias(PARTITION_START)).unique().collect()[PARTITION_START]
    return {clock.partition_key(at, grid.grain) for at in starts}


_MARKS = {SPOOL: pl.String(), LAST_PUSH: pl.Int64()}


def _last_pushes(pushes: LoggedPushes, store: OfflineStore, versions: Iterable[int]) -> dict[int, pl.DataFrame]:
    """Return the last push of each spool at some versions of a log; none at a version that the log has removed."""
    log, spools = TableKind.PUSHES.of(pushes.source.name), pushes.rows.select(SPOOL).unique().collect()[SPOOL].to_list()
    marks = {}
    for version in versions:
        try:
            upto = store.appended_upto(log, *spools, version=version)
        except VersionNotFound:
            upto = {}
        marks[version] = pl.DataFrame([*upto.items()], schema=_MARKS, orient="row")
    return marks


def _start(source: Source, grid: Partitions) -> pl.Expr:
    return clock.partition_start_of(pl.col(str(source.event_time)), grid.grain)


def _conform(source: Source, pushed: pl.DataFrame, wanted: pl.Schema) -> pl.DataFrame:
    """Return pushed rows with the columns of a connector; columns that the source got later are null.

    Raises:
        SchemaChanged: a column has another type than when it was pushed.
    """
    known = pl.Schema({name: dtype for name, dtype in pushed.schema.items() if name in wanted})
    added = added_columns(TableKind.PUSHES.of(source.name), known, wanted)
    nulls = [pl.lit(None, dtype=wanted[name]).alias(name) for name in added]
    return pushed.with_columns(nulls).select(*wanted, *ORIGIN)


class _WaitingPushes:
    """Pushed rows that wait until all rows of their connector were seen."""

    def __init__(self, source: Source, pushed: pl.DataFrame) -> None:
        self.pushed = pushed
        self.columns = tuple(name for name in pushed.columns if name not in ORIGIN)
        self.alone = [each for each in _row_expectations(source) if not _compares_rows(each)]
        self.among = [each for each in _row_expectations(source) if _compares_rows(each)]
        sets = {self.columns, *(argument_columns(each.kwargs) for each in self.among)}
        self.seen: dict[tuple[str, ...], list[pl.DataFrame]] = {
            columns: [] for columns in sets if set(columns) <= set(self.columns)
        }

    def see(self, delivered: pl.DataFrame) -> None:
        """Keep those delivered rows that a pushed one may equal, in all columns or in those that must be unique."""
        if self.pushed.height:
            for columns, kept in self.seen.items():
                kept.append(rows_also_pushed(delivered, self.pushed, columns))

    def remaining_rows(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the pushed rows that were not delivered, and those of them that an expectation refuses."""
        if not self.pushed.height:
            return self.pushed, _no_refused_rows(self.pushed)
        accepted = undelivered_rows(self.pushed, pl.concat(self.seen[self.columns]), self.columns)
        refused = [_no_refused_rows(accepted)]
        for expect in (*self.alone, *self.among):
            columns = argument_columns(expect.kwargs)
            others = self.seen.get(columns, []) if expect in self.among else []
            broken = _broken_rows(pl.concat([*others, accepted], how="diagonal"), expect)
            accepted = accepted.join(broken, on=[SPOOL, PUSH, PUSH_ROW], how="anti", maintain_order="left")
            refused.append(broken)
        return accepted, pl.concat(refused)


def _row_expectations(source: Source) -> list[Expect]:
    """Return the critical expectations that can point at rows, whatever the order of the rows is."""
    critical = [each for each in source.expectations if each.severity == "critical"]
    return [each for each in critical if (rule := row_rule(each.type)) and (rule.alone or rule.groups)]


def _compares_rows(expect: Expect) -> bool:
    """Tell whether an expectation compares rows with one another, as uniqueness does."""
    rule = row_rule(expect.type)
    return rule is not None and rule.groups


def _broken_rows(rows: pl.DataFrame, expect: Expect) -> pl.DataFrame:
    """Return the pushed rows that break an expectation; none when it cannot be computed here: the audit does it."""
    if LABEL in rows.columns:
        return _no_refused_rows(rows)
    try:
        return refused_rows(rows.lazy(), [expect], []).filter(pl.col(PUSH).is_not_null()).collect()
    except NotComputable:
        return _no_refused_rows(rows)


def _no_refused_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Return no row, with the columns of refused rows."""
    return rows.clear().with_columns(pl.lit(None, dtype=pl.String).alias(LABEL))
