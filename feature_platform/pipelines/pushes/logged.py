"""Logged pushes: the log `pushes/<source>`, read beside a source's connector, and what of it is not merged yet."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.errors import VersionNotFound
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import ARRIVED_AT, LAST_PUSH, PARTITION_START, PUSH, PUSH_ROW, SPOOL
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.pushes.merging import SourcePart, join_parts, merge_pushes
from feature_platform.quality.refusal import LABEL

_IMPOSSIBLE = "event_time_within_the_calendar"
Load = Callable[[Sequence[str]], pl.DataFrame]


@dataclass(frozen=True)
class LoggedPushes:
    """The pushes to a source at one version of their log.

    Attributes:
        rows: all of them, lazily, with the columns that say where they come from.
        stored: the columns of the source's table, when it has one.
    """

    source: Source
    version: int
    rows: pl.LazyFrame
    stored: pl.Schema | None

    @property
    def inputs(self) -> dict[str, int]:
        """Return the version of the log, as a commit names its inputs."""
        return {TableKind.PUSHES.of(self.source.name): self.version}

    def count(self) -> int:
        """Count all rows."""
        return int(self.rows.select(pl.len()).collect().item())

    def without_impossible(self, grid: Partitions) -> tuple["LoggedPushes", pl.DataFrame]:
        """Return the pushes that some run may take in, and the rows of the others, which are refused.

        The log may have events of the year 1 or 9999 from before such pushes were refused at once.
        """
        low, high = grid.accepted_range()
        limits = min(low, clock.EARLIEST), max(high, clock.LATEST)
        inside = clock.side_of_interval(pl.col(str(self.source.event_time)), *limits) == 0
        impossible = self.rows.filter(~inside).with_columns(pl.lit(_IMPOSSIBLE).alias(LABEL)).collect()
        return replace(self, rows=self.rows.filter(inside)), impossible

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
        low, high = grid.accepted_range(now)
        first, last = clock.microsecond_of(low), clock.microsecond_of(high)
        time, before, after = pl.col(str(self.source.event_time)), _moment(first - 1), _moment(last)
        start = _start(self.source, grid)  # goes round at the ends of what 64 bits can hold
        start = pl.when(time >= after).then(after).when(time <= before).then(before).otherwise(start)
        started = self.rows.select(start.to_physical().alias(PARTITION_START)).drop_nulls()
        counted = started.group_by(PARTITION_START).agg(pl.len()).collect()
        present, outside = dict[str, int](), dict[int, int]()
        for at, count in counted.iter_rows():
            if first <= at < last:
                present[clock.partition_key(clock.moment_of(at), grid.grain)] = count
            else:
                side = 1 if at >= last else -1
                outside[side] = outside.get(side, 0) + count
        return present, outside

    def load_with_pushes(self, load: Load, grid: Partitions) -> Callable[[Sequence[str]], SourcePart]:
        """Return a function that loads the rows of partitions of a connector, and after them the pushed ones."""

        def load_both(keys: Sequence[str]) -> SourcePart:
            return join_parts(merge_pushes(self.source, [load(keys)], self._rows_of(keys, grid), self.stored))

        return load_both

    def append_to(self, batches: Iterable[pl.DataFrame]) -> Iterator[SourcePart]:
        """Yield the rows of a connector in batches, and all pushed ones after them; only these are in memory."""
        pushed = self.rows.sort(ARRIVED_AT, SPOOL, PUSH, PUSH_ROW).collect()
        yield from merge_pushes(self.source, batches, pushed, self.stored)

    def _rows_of(self, keys: Sequence[str], grid: Partitions) -> pl.DataFrame:
        """Return the pushed rows of partitions, in the order in which they arrived."""
        bounds = [clock.partition_bounds(key, grid.grain, "The data") for key in keys]
        if not bounds:
            return self.rows.head(0).collect()
        time = pl.col(str(self.source.event_time))
        near = time.is_between(min(start for start, _ in bounds), max(end for _, end in bounds), "left")
        inside = _start(self.source, grid).is_in([start for start, _ in bounds])
        return self.rows.filter(near).filter(inside).sort(ARRIVED_AT, SPOOL, PUSH, PUSH_ROW).collect()


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


def _moment(microsecond: int) -> pl.Expr:
    return pl.lit(microsecond, dtype=pl.Int64).cast(clock.UTC)
