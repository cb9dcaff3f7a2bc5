"""Profiles and their layouts in the store: logs beside the profiled table, by content hash.

`profiles/<asset>` has one row for each column of each partition or window, and one with the column `""` about the rows
as a whole. A profile is true of its content for good: a table that is rolled back has its profiles, and rows that were
published twice have one. Two writers may append the same content at the same time, perhaps in different layouts:
readers take the rows of one of them, always the same one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from feature_platform.compute.profiles.distinct import HASHED_BY
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.log_rows import (
    KEPT,
    ROWS,
    partitions_as_rows,
    partitions_from_rows,
    windows_as_rows,
    windows_from_rows,
)
from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.compute.profiles.rows import LAYOUTS, layouts_as_rows, layouts_from_rows
from feature_platform.compute.profiles.waiting import waiting_layout, waits
from feature_platform.compute.profiles.window_profiles import WindowProfiles
from feature_platform.ground.table_names import TableKind
from feature_platform.offline.commits import CommitStamp
from feature_platform.offline.store import OfflineStore
from feature_platform.parts.drift.base import Kind

FIRST = ""  # the epoch of the layouts that were learnt when a table was first profiled
WHOLE_PARTITION = 0  # how long the windows are of a profile that is of none

KEPT_LAYOUTS = pl.Schema({"since": pl.String(), "column": pl.String(), "number": pl.Int64(), **LAYOUTS})
SUMMARIES = pl.Schema(
    {
        "partition": pl.String(),
        **{name: KEPT[name] for name in ("column", "dtype", "rows", "nulls", "nans", "infinities")},
        **{name: KEPT[name] for name in ("lowest", "highest", "mean", "deviation", "median", "distinct")},
        **{name: KEPT[name] for name in ("duplicates", "top_share", "true_share")},
        "sketch": pl.List(pl.Int64),
    }
)


def keep_profiles(
    store: OfflineStore, asset: str, profiles: Sequence[PartitionProfile], since: str, run_id: str
) -> None:
    """Append the profiles of whole partitions whose content has none yet, in one commit, after their layouts.

    Raises:
        WriteFailed, CommitConflict: storage refuses; the missing profiles may be added later.
    """
    stored_contents = profiled_contents(store, asset, [each.content for each in profiles], since, WHOLE_PARTITION)
    new = {each.content: each for each in profiles if each.content not in stored_contents}
    if not new:
        return
    columns = [(name, each) for profile in new.values() for name, each in profile.columns.items()]
    for layouts in _alternatives(columns):
        keep_layouts(store, asset, since, layouts, run_id)
    _append(store, asset, partitions_as_rows(list(new.values())), since, WHOLE_PARTITION, run_id)


def read_profiles(
    store: OfflineStore, asset: str, contents: Mapping[str, str], since: str = FIRST
) -> dict[str, PartitionProfile]:
    """Return the profiles of whole partitions, by partition; partitions without a stored profile are absent.

    A column whose layout is lost is left out, a sketch that another hash made is empty, and a column without values
    has the newest layout of its kind, so that it adds up with others.

    Args:
        contents: the content hash of each partition.
    """
    rows = _load_rows(store, asset, contents.values(), since, WHOLE_PARTITION)
    if rows.is_empty():
        return {}
    profiles = partitions_from_rows(rows, _layouts(store, asset, rows["layout"]), read_layouts(store, asset, since))
    return {key: replace(profiles[content], partition=key) for key, content in contents.items() if content in profiles}


def read_summaries(store: OfflineStore, asset: str, contents: Mapping[str, str], since: str = FIRST) -> pl.DataFrame:
    """Return the numbers of whole partitions without their distributions: a row for each partition and column.

    In the rows of the column `""`, which comes first, `rows` and `duplicates` count the rows, and `distinct` and
    `sketch` are those of the entity keys; no other column has a sketch. See `SUMMARIES`.
    """
    stored_rows = _rows_of_contents(store, asset, contents.values(), since, WHOLE_PARTITION)
    if stored_rows is None:
        return pl.DataFrame(schema=SUMMARIES)
    plain = _first_run_only(stored_rows.select(pl.exclude("counts", "sketch", "unknown", "keys")).collect())
    keys = stored_rows.filter(pl.col("column") == ROWS, pl.col("hashed_by") == HASHED_BY)
    sketches = keys.select("content", "run_id", "column", pl.col("keys").alias("sketch")).collect()
    sketches = sketches.unique(["content", "run_id"], keep="any")
    partition_contents = pl.DataFrame(
        list(contents.items()), schema={"partition": pl.String, "content": pl.String}, orient="row"
    )
    return (
        plain.drop("partition")
        .join(sketches, on=["content", "run_id", "column"], how="left")
        .join(partition_contents, on="content")
        .sort("partition", "place")
        .select(list(SUMMARIES))
    )


def profiled_contents(
    store: OfflineStore, asset: str, contents: Iterable[str], since: str = FIRST, every: int = WHOLE_PARTITION
) -> set[str]:
    """Return those of some contents of which a profile is stored.

    Args:
        every: the length of the windows in microseconds; without it, whole partitions.
    """
    stored_rows = _rows_of_contents(store, asset, contents, since, every)
    if stored_rows is None:
        return set()
    return set(stored_rows.filter(pl.col("column") == ROWS).select("content").collect().to_series())


def keep_windows(
    store: OfflineStore,
    asset: str,
    windows: Mapping[str, WindowProfiles],
    since: str,
    every: int,
    run_id: str,
    contents: Mapping[str, str],
) -> None:
    """Append the windows of partitions whose content has none of this epoch and length yet, in one commit.

    A partition may have no windows, and is stored all the same. Their layouts are stored by `keep_layouts`.

    Args:
        windows: the windows of each partition.
        every: how long they are, in microseconds.
        contents: the content hash of each of these partitions.
    """
    stored_contents = profiled_contents(store, asset, [contents[key] for key in windows], since, every)
    new = {contents[key]: key for key in windows if contents[key] not in stored_contents}
    if new:
        rows = windows_as_rows({(key, content): windows[key] for content, key in new.items()})
        _append(store, asset, rows, since, every, run_id)


def read_windows(
    store: OfflineStore, asset: str, contents: Mapping[str, str], since: str, every: int
) -> dict[str, dict[datetime, dict[str, ColumnProfile]]]:
    """Return the windows of partitions, by partition, start and column; partitions without any stored are absent.

    A column whose layout is lost is left out.

    Args:
        every: how long they are, in microseconds.
    """
    rows = _load_rows(store, asset, contents.values(), since, every)
    windows = windows_from_rows(rows, _layouts(store, asset, rows["layout"]))
    return {key: windows[content] for key, content in contents.items() if content in windows}


def keep_layouts(store: OfflineStore, asset: str, since: str, layouts: Mapping[str, Layout], run_id: str) -> None:
    """Append the layouts that are not the newest of their column in an epoch, in one commit."""
    newest = _newest(store, asset, since)
    numbers = dict(newest.select("column", "number").iter_rows())
    ids = dict(newest.select("column", "layout").iter_rows())
    new = {name: each for name, each in layouts.items() if each.id != ids.get(name)}
    if not new:
        return
    new_rows = pl.DataFrame(
        {
            "since": since,
            "column": list(new),
            "number": [numbers.get(name, -1) + 1 for name in new],
            "layout": [each.id for each in new.values()],
        }
    )
    rows = new_rows.join(layouts_as_rows(new.values()), on="layout").select(list(KEPT_LAYOUTS))
    store.append(TableKind.LAYOUTS.of(asset), rows, stamp=CommitStamp(run_id, asset, ""))


def read_layouts(store: OfflineStore, asset: str, since: str) -> dict[str, Layout]:
    """Return the newest layout of each column in an epoch."""
    rows = _newest(store, asset, since)
    layouts = layouts_from_rows(rows)
    return {column: layouts[layout] for column, layout in rows.select("column", "layout").iter_rows()}


def _rows_of_contents(
    store: OfflineStore, asset: str, contents: Iterable[str], since: str, every: int
) -> pl.LazyFrame | None:
    """Return the rows of some contents; None when nothing was ever profiled."""
    kept = store.find(TableKind.PROFILES.of(asset))
    is_asked = pl.col("content").is_in(sorted(set(contents)))
    return None if kept is None else kept.filter(is_asked, pl.col("since") == since, pl.col("every") == every)


def _load_rows(store: OfflineStore, asset: str, contents: Iterable[str], since: str, every: int) -> pl.DataFrame:
    rows = _rows_of_contents(store, asset, contents, since, every)
    return pl.DataFrame(schema=KEPT) if rows is None else _first_run_only(rows.collect())


def _first_run_only(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of one run for each content, each row once, in their order.

    A content may have been stored by several runs.
    """
    one = pl.col("run_id") == pl.col("run_id").min().over("content")
    return rows.filter(one).unique(["content", "window", "column"], keep="any").sort("content", "window", "place")


def _append(store: OfflineStore, asset: str, rows: pl.DataFrame, since: str, every: int, run_id: str) -> None:
    labelled = rows.with_columns(since=pl.lit(since), every=pl.lit(every, pl.Int64), run_id=pl.lit(run_id))
    whole = pl.concat([pl.DataFrame(schema=KEPT), labelled], how="diagonal")
    store.append(TableKind.PROFILES.of(asset), whole, stamp=CommitStamp(run_id, asset, ""))


def _newest(store: OfflineStore, asset: str, since: str) -> pl.DataFrame:
    """Return the rows of the newest layouts of an epoch; of two learnt at the same time always the same one."""
    kept = store.find(TableKind.LAYOUTS.of(asset))
    if kept is None:
        return pl.DataFrame(schema=KEPT_LAYOUTS)
    rows = kept.filter(pl.col("since") == since).collect()
    ordered = rows.sort("number", "layout", descending=[True, False])
    return ordered.unique("column", keep="first", maintain_order=True)


def _layouts(store: OfflineStore, asset: str, ids: pl.Series) -> dict[str, Layout]:
    """Return the layouts with some ids, as far as they are stored; those of columns without values always are."""
    name, always = TableKind.LAYOUTS.of(asset), {each.id: each for each in map(waiting_layout, Kind)}
    missing_ids = [each for each in ids.drop_nulls().unique() if each not in always]
    if not missing_ids or not store.exists(name):
        return always
    rows = store.read(name).filter(pl.col("layout").is_in(missing_ids)).collect()
    return always | layouts_from_rows(rows.unique("layout", keep="any"))


def _alternatives(columns: Iterable[tuple[str, ColumnProfile]]) -> list[dict[str, Layout]]:
    """Return the layouts of columns in groups, each column once in a group.

    There is more than one group only when a column has several layouts.
    """
    layouts: dict[str, dict[str, Layout]] = {}
    for name, profile in columns:
        if not waits(profile.layout):
            layouts.setdefault(name, {})[profile.layout.id] = profile.layout
    most = max(map(len, layouts.values()), default=0)
    return [{name: [*by_id.values()][at] for name, by_id in layouts.items() if at < len(by_id)} for at in range(most)]
