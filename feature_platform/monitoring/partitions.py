"""Monitoring: committed partitions of a table judged against those before, and the answers stored as a table beside it.

`monitoring/<asset>` has a row for each thing that was checked. No notification is sent here: alerts are made from these
tables (`watching`), so that a repeated run notifies nobody twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from uuid import uuid4

import polars as pl

from feature_platform.compute.watches.monitored import MONITORED
from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.findings import FindingKind
from feature_platform.ground.progress import count_steps
from feature_platform.ground.table_names import TableKind
from feature_platform.monitoring.judging.drift import DriftJudgement, judge_drift
from feature_platform.monitoring.judging.segments import locate_alarms
from feature_platform.monitoring.judging.snapshot import TableSnapshot, digest, partition_contents_of
from feature_platform.monitoring.judging.teaching import Teaching
from feature_platform.monitoring.judging.together import judge_together
from feature_platform.monitoring.judging.versions import stamped_alarms
from feature_platform.monitoring.judging.watching import Summaries, partitions_to_read, run_watches
from feature_platform.monitoring.judging.windows import WindowCounts
from feature_platform.offline import Commit, CommitStamp, OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.candidates.profiled import profile_missing

_FORMAT = "1"  # of the rows: what was judged in another one is judged again
_BEFORE = 12  # earlier partitions whose answers matter for a partition's own
_SORTED = ("kind", "window", "column", "metric")


@dataclass(frozen=True)
class MonitoringResult:
    """The result of judging some partitions.

    Attributes:
        rows: their answers, in the schema of `MONITORED`.
        before: the answers about other partitions that mattered for them.
        judgement: with what the newest of them was compared; for pictures.
        commit: None when the table has no partition to judge.
    """

    asset: str
    partitions: tuple[str, ...]
    rows: pl.DataFrame
    before: pl.DataFrame
    judgement: DriftJudgement | None = None
    commit: Commit | None = None


def monitoring_version(asset: Asset) -> str:
    """Return a text that changes when the same rows would be judged in another way."""
    monitor = None if isinstance(asset, TrainingSet) else asset.monitor
    return digest(_FORMAT, repr(monitor))


def monitor_asset(
    asset: Asset, project: Project, store: OfflineStore, keys: Sequence[str], run_id: str | None = None
) -> MonitoringResult:
    """Judge committed partitions, one after the other in order of time, and keep the answers.

    Drift where the declaration has a monitor, and the watches of every table. The same contents give the same answers:
    nothing is committed when all are known.

    Args:
        keys: the partitions asked for; those that are not committed are left out. `[""]` for an unpartitioned table.

    Raises:
        TableNotFound: nothing of the asset was committed.
    """
    snapshot = TableSnapshot.of(asset, project.partitions, store, run_id or uuid4().hex)
    partitions = [key for key in snapshot.contents if key in set(keys)]
    if not partitions:
        return empty_result(asset)
    profile_missing(asset, store, snapshot.run_id, partitions_to_read(snapshot, partitions))
    summaries, before = Summaries.of(snapshot, partitions), _read_answers(snapshot, partitions)
    teaching = Teaching.of(snapshot, TableKind.MONITORING.of(asset.asset), partitions)
    parts: list[pl.DataFrame] = []
    last: DriftJudgement | None = None
    windows = None if snapshot.monitor is None else WindowCounts(snapshot, snapshot.monitor)
    for key in count_steps(partitions, f"{asset.asset}: partitions judged", len(partitions)):
        earlier = pl.concat([before, *parts[-_BEFORE:]]).filter(pl.col("partition").is_in(_earlier(snapshot, key)))
        ordered = earlier.sort("partition", maintain_order=True)
        rows, last = _judge_partition(snapshot, windows, key, summaries, ordered, teaching)
        teaching.learn(rows)
        parts.append(rows)
    if windows is not None:
        windows.flush()
    rows = pl.concat(parts)
    return MonitoringResult(
        asset.asset, tuple(partitions), rows, before, last, _commit_answers(snapshot, rows, partitions)
    )


def empty_result(asset: Asset) -> MonitoringResult:
    """Return the result for an asset of which nothing is committed."""
    return MonitoringResult(asset.asset, (), *(pl.DataFrame(schema=MONITORED),) * 2)


def find_unmonitored(
    asset: Asset, project: Project, store: OfflineStore, now: datetime | None = None
) -> dict[str, str]:
    """Return the committed partitions of a project that were not judged as they are now, and the content of each.

    Read from two logs and two small columns, not from the rows. A partition that lies ahead, which only an older
    version published, is not among them.

    Args:
        now: the present; defaults to the moment of the call.
    """
    if not store.exists(asset.asset):
        return {}
    name, version = TableKind.MONITORING.of(asset.asset), monitoring_version(asset)
    contents = partition_contents_of(store.partition_states(asset.asset))
    if is_partitioned(asset):
        taken_in, _ = project.partitions.divide(contents, now or datetime.now(timezone.utc))
        contents = {key: contents[key] for key in taken_in}
    judged: set[tuple[str, str]] = set()
    if store.exists(name):
        current = {key for key, state in store.partition_states(name).items() if state.code_version == version}
        known = store.read(name).select("partition", "content").unique().collect()
        judged = {(key, content) for key, content in known.iter_rows() if key in current or WHOLE in current}
    return {key: content for key, content in sorted(contents.items()) if (key, content) not in judged}


def _judge_partition(
    snapshot: TableSnapshot,
    windows: WindowCounts | None,
    key: str,
    summaries: Summaries,
    before: pl.DataFrame,
    teaching: Teaching,
) -> tuple[pl.DataFrame, DriftJudgement | None]:
    """Return all answers about one partition, and its drift with the windows, for pictures."""
    drift, parts = None, []
    if windows is not None:
        drift = judge_drift(windows, key, before, teaching, summaries.entities(key))
        parts = [drift.rows, judge_together(snapshot, windows.monitor, key, drift.references, before, teaching)]
    by_window = drift is not None and drift.rows["kind"].eq(FindingKind.VOLUME).any()
    parts.append(
        run_watches(
            snapshot,
            key,
            summaries.observations_of(snapshot, key, teaching),
            leave_out=[FindingKind.VOLUME] if by_window else [],
        )
    )
    content = pl.lit(snapshot.contents[key]).alias("content")
    ordered = pl.concat(parts).sort(_SORTED, nulls_last=True, maintain_order=True)
    rows = locate_alarms(snapshot, key, ordered, summaries.rows.filter(pl.col("partition") == key), teaching)
    return rows.select(pl.lit(key).alias("partition"), content, pl.all()), drift


def _earlier(snapshot: TableSnapshot, key: str) -> list[str]:
    """Return the committed partitions whose answers matter for a partition. They do not depend on the run."""
    return [each for each in snapshot.contents if each < key][-_BEFORE:]


def _read_answers(snapshot: TableSnapshot, partitions: Sequence[str]) -> pl.DataFrame:
    """Read the stored answers of partitions that matter for some others, and are not judged with them."""
    name = TableKind.MONITORING.of(snapshot.asset.asset)
    if WHOLE in partitions or not snapshot.store.exists(name):
        return pl.DataFrame(schema=MONITORED)
    wanted = {each for key in partitions for each in _earlier(snapshot, key)} - {*partitions}
    rows = snapshot.store.read(name, partitions=sorted(wanted)).collect()
    return rows.select(MONITORED.names()).sort("partition", maintain_order=True)


def _commit_answers(snapshot: TableSnapshot, rows: pl.DataFrame, partitions: Sequence[str]) -> Commit:
    name, partitioned = TableKind.MONITORING.of(snapshot.asset.asset), is_partitioned(snapshot.asset)
    stamp = CommitStamp(
        run_id=snapshot.run_id,
        asset=name,
        code_version=monitoring_version(snapshot.asset),
        inputs={snapshot.asset.asset: snapshot.version},
        grain=snapshot.grid.grain if partitioned else None,
        extra={} if partitioned else stamped_alarms(snapshot.contents[WHOLE], rows),
    )
    return snapshot.store.replace(
        name,
        rows,
        partitions=partitions if partitioned else None,
        partition_of="partition" if partitioned else None,
        stamp=stamp,
    )
