"""Monitoring: committed partitions of a table judged against those before, and the answers kept as a table beside it.

`monitoring/<asset>` has a row for each thing that was looked at. Nobody is told anything here: alerts are made from
these tables (`watching`), so that a run that is repeated tells nothing twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from uuid import uuid4

import polars as pl

from feature_platform.compute.watches.monitored import MONITORED
from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.progress import count_steps
from feature_platform.monitoring.judging.drift import Judged, judged
from feature_platform.monitoring.judging.segments import locate_alarms
from feature_platform.monitoring.judging.subject import Subject, contents_of, digest
from feature_platform.monitoring.judging.teaching import Teaching
from feature_platform.monitoring.judging.together import judged_together
from feature_platform.monitoring.judging.versions import stamped_alarms
from feature_platform.monitoring.judging.volume import VOLUME
from feature_platform.monitoring.judging.watching import Summaries, looked_at, watched
from feature_platform.monitoring.judging.windows import Counted
from feature_platform.offline import Commit, CommitStamp, OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.candidates.profiled import profile_missing

_FORMAT = "1"  # of the rows: what was judged in another one is judged again
_BEFORE = 12  # earlier partitions whose answers matter for a partition's own
_SORTED = ("kind", "window", "column", "metric")


@dataclass(frozen=True)
class Monitored:
    """What became of some partitions.

    Attributes:
        rows: their answers, in the schema of `MONITORED`.
        before: the answers about other partitions that mattered for them.
        judged: with what the newest of them was compared; for pictures.
        commit: None when the table has no partition to judge.
    """

    asset: str
    partitions: tuple[str, ...]
    rows: pl.DataFrame
    before: pl.DataFrame
    judged: Judged | None = None
    commit: Commit | None = None


def monitoring_table(asset: Asset) -> str:
    """The table with the answers about an asset, and the key of its Dagster asset."""
    return f"monitoring/{asset.asset}"


def monitoring_version(asset: Asset) -> str:
    """Changes when the same rows would be judged otherwise."""
    monitor = None if isinstance(asset, TrainingSet) else asset.monitor
    return digest(_FORMAT, repr(monitor))


def monitor_asset(
    asset: Asset, project: Project, store: OfflineStore, keys: Sequence[str], run_id: str | None = None
) -> Monitored:
    """Judge committed partitions, one after the other in order of time, and keep the answers.

    Drift where the declaration has a monitor, and the watches of every table. The same contents give the same answers:
    nothing is committed when all are known.

    Args:
        keys: the partitions asked for; those that are not committed are left out. `[""]` for an unpartitioned table.

    Raises:
        TableNotFound: nothing of the asset was committed.
    """
    subject = Subject.of(asset, project.partitions, store, run_id or uuid4().hex)
    partitions = [key for key in subject.contents if key in set(keys)]
    if not partitions:
        return nothing_monitored(asset)
    profile_missing(asset, store, subject.run_id, looked_at(subject, partitions))
    summaries, before = Summaries.of(subject, partitions), _answers(subject, partitions)
    teaching = Teaching.of(subject, monitoring_table(asset), partitions)
    parts: list[pl.DataFrame] = []
    last: Judged | None = None
    windows = None if subject.monitor is None else Counted(subject, subject.monitor)
    for key in count_steps(partitions, f"{asset.asset}: partitions judged", len(partitions)):
        earlier = pl.concat([before, *parts[-_BEFORE:]]).filter(pl.col("partition").is_in(_earlier(subject, key)))
        ordered = earlier.sort("partition", maintain_order=True)
        rows, last = _judged(subject, windows, key, summaries, ordered, teaching)
        teaching.learn(rows)
        parts.append(rows)
    if windows is not None:
        windows.keep()
    rows = pl.concat(parts)
    return Monitored(asset.asset, tuple(partitions), rows, before, last, _kept(subject, rows, partitions))


def nothing_monitored(asset: Asset) -> Monitored:
    """What became of an asset of which nothing is committed."""
    return Monitored(asset.asset, (), *(pl.DataFrame(schema=MONITORED),) * 2)


def unmonitored(asset: Asset, project: Project, store: OfflineStore, now: datetime | None = None) -> dict[str, str]:
    """Return the committed partitions of a project that were not judged as they are now, and the content of each.

    Read from two logs and two small columns, not from the rows. A partition that lies ahead, which only an older
    version published, is not among them.

    Args:
        now: the present; defaults to the moment of the call.
    """
    if not store.exists(asset.asset):
        return {}
    name, version = monitoring_table(asset), monitoring_version(asset)
    contents = contents_of(store.partition_states(asset.asset))
    if is_partitioned(asset):
        taken_in, _ = project.partitions.divide(contents, now or datetime.now(timezone.utc))
        contents = {key: contents[key] for key in taken_in}
    seen: set[tuple[str, str]] = set()
    if store.exists(name):
        current = {key for key, state in store.partition_states(name).items() if state.code_version == version}
        known = store.read(name).select("partition", "content").unique().collect()
        seen = {(key, content) for key, content in known.iter_rows() if key in current or WHOLE in current}
    return {key: content for key, content in sorted(contents.items()) if (key, content) not in seen}


def _judged(
    subject: Subject,
    windows: Counted | None,
    key: str,
    summaries: Summaries,
    before: pl.DataFrame,
    teaching: Teaching,
) -> tuple[pl.DataFrame, Judged | None]:
    """All answers about one partition."""
    drift, parts = None, []
    if windows is not None:
        drift = judged(windows, key, before, teaching, summaries.entities(key))
        parts = [drift.rows, judged_together(subject, windows.monitor, key, drift.references, before, teaching)]
    by_window = drift is not None and drift.rows["kind"].eq(VOLUME).any()
    parts.append(
        watched(subject, key, summaries.looked(subject, key, teaching), leave_out=[VOLUME] if by_window else [])
    )
    content = pl.lit(subject.contents[key]).alias("content")
    ordered = pl.concat(parts).sort(_SORTED, nulls_last=True, maintain_order=True)
    rows = locate_alarms(subject, key, ordered, summaries.rows.filter(pl.col("partition") == key), teaching)
    return rows.select(pl.lit(key).alias("partition"), content, pl.all()), drift


def _earlier(subject: Subject, key: str) -> list[str]:
    """The committed partitions whose answers matter for a partition: the same ones, whatever else a run is about."""
    return [each for each in subject.contents if each < key][-_BEFORE:]


def _answers(subject: Subject, partitions: Sequence[str]) -> pl.DataFrame:
    """What is kept of the partitions that matter for some others, and that are not judged with them."""
    name = monitoring_table(subject.asset)
    if WHOLE in partitions or not subject.store.exists(name):
        return pl.DataFrame(schema=MONITORED)
    wanted = {each for key in partitions for each in _earlier(subject, key)} - {*partitions}
    rows = subject.store.read(name, partitions=sorted(wanted)).collect()
    return rows.select(MONITORED.names()).sort("partition", maintain_order=True)


def _kept(subject: Subject, rows: pl.DataFrame, partitions: Sequence[str]) -> Commit:
    partitioned = is_partitioned(subject.asset)
    stamp = CommitStamp(
        run_id=subject.run_id,
        asset=monitoring_table(subject.asset),
        code_version=monitoring_version(subject.asset),
        inputs={subject.asset.asset: subject.version},
        grain=subject.grid.grain if partitioned else None,
        extra={} if partitioned else stamped_alarms(subject.contents[WHOLE], rows),
    )
    return subject.store.replace(
        monitoring_table(subject.asset),
        rows,
        partitions=partitions if partitioned else None,
        partition_of="partition" if partitioned else None,
        stamp=stamp,
    )
