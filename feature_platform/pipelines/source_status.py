"""The status of sources: where each reads, what is new there, and whether a run has to read more than it needs.

Nothing is written, and no rows are read but where new files do not tell their columns otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

import polars as pl

from feature_platform.compute.transforms.rows import prepare_rows
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.offline.runs import RUNS
from feature_platform.pipelines.candidates.ledger import UnitChanges, read_events, unit_changes
from feature_platform.pipelines.candidates.looks import look_at_units, settle_and_cut

_ALL = "a run reads all rows"


@dataclass(frozen=True)
class SourceStatus:
    """What is known of a source without reading its rows.

    Attributes:
        units: how many units (files, partitions of a database) its data lies in; None when it lies in one piece.
        young: how many units are left for a later run, since they may still be being written.
        changes: what of them a run would read anew; None where all are one for the run.
        unread: how many messages of its topic were not read yet; None where it has no topic, or nobody looked.
        newest: the newest published partition with rows, or `""` for a table without partitions; None before the first
            run.
        last_run: when it was last run, and for how many seconds.
        remark: what a run reads besides the rows that it takes in, and why, in words; None when it does not.
        error: why it cannot be read now; None when it can.
    """

    source: Source
    units: int | None = None
    young: int = 0
    changes: UnitChanges | None = None
    unread: int | None = None
    newest: str | None = None
    last_run: tuple[datetime, float] | None = None
    remark: str | None = None
    error: FeaturePlatformError | None = field(default=None, compare=False)


def status_of_sources(
    sources: Sequence[Source], store: OfflineStore, grid: Partitions, *, now: datetime | None = None
) -> list[SourceStatus]:
    """Return the status of each source; one that cannot be read has its error in it.

    Args:
        now: the present. Defaults to the moment of the call.
    """
    runs, moment = _last_runs(store), now or datetime.now(timezone.utc)
    return [_status_of(source, store, grid, moment, runs.get(source.asset)) for source in sources]


def _status_of(
    source: Source, store: OfflineStore, grid: Partitions, now: datetime, last_run: tuple[datetime, float] | None
) -> SourceStatus:
    known = SourceStatus(source, newest=_newest_partition(source, store), last_run=last_run)
    try:
        with source.connector.open(source.name) as opened:
            known = replace(known, young=len(opened.young(now)))
            data = settle_and_cut(source, store, grid, now, opened, now) if source.partitioned else opened
            units = data.units()
            if not source.partitioned or units is None:
                why = "its data lies in one piece" if source.partitioned else "it has no partitions"
                count = None if units is None else len(units)
                return replace(known, units=count, remark=f"{_ALL}: {why}")
            events = read_events(store, TableKind.UNITS.of(source.name))
            look = look_at_units(source, grid, events, units, data)
            if look.is_whole:
                return replace(known, units=len(units), remark=f"{_ALL}: `prepare` needs them together")
            whole = f"a run reads whole {source.connector.units_are}"
            computed = f"{whole}: `prepare` computes the event time `{source.event_time}`"
            remark = None if _filter_reaches_the_data(source, look.schema) else computed
            return replace(known, units=len(units), changes=unit_changes(events, units), remark=remark)
    except FeaturePlatformError as error:
        return replace(known, error=error)


def _filter_reaches_the_data(source: Source, schema: pl.Schema) -> bool:
    """Tell whether Polars filters the event time before it prepares rows, so that it can leave parts of files out."""
    plan = prepare_rows(source, pl.LazyFrame(schema=schema), between=(clock.moment_of(0), clock.moment_of(1))).explain()
    above = plan.split("DF [")[0].rstrip().splitlines()
    return len(above) > 1 and above[-1].strip() == "FROM" and above[-2].strip().startswith("FILTER")


def _newest_partition(source: Source, store: OfflineStore) -> str | None:
    """Return the newest partition with rows; of a table without partitions its only key, also without rows."""
    states = store.find_states(source.asset)
    with_rows = (key for key, state in states.items() if state.rows or not source.partitioned)
    return max(with_rows, default=None)


def _last_runs(store: OfflineStore) -> Mapping[str, tuple[datetime, float]]:
    """Return when each asset was last run, and for how many seconds."""
    runs = store.find(RUNS)
    if runs is None:
        return {}
    ordered = runs.select("asset", "started_at", "duration_s").sort("started_at")
    last = ordered.group_by("asset", maintain_order=True).last().collect()
    return {asset: (started, seconds) for asset, started, seconds in last.iter_rows()}
