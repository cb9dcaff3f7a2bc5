"""Profiles of partitions as rows of a log: one for each column, and one with the column `""` that is of the rows.

The rows of a whole partition have no window; those of windows come with one row `""` for each partition, which tells
how many there are, so that a partition without any is known to be kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from feature_platform.compute.profiles.distinct import HASHED_BY, Sketch, distinct
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.compute.profiles.rows import PROFILES, arrays, as_lists, profiles_as_rows, profiles_from_rows
from feature_platform.compute.profiles.shares import top_share, true_share
from feature_platform.compute.profiles.waiting import move_to_layout
from feature_platform.compute.profiles.window_profiles import WindowProfiles
from feature_platform.ground.clock import UTC

ROWS = ""  # the column of the row that tells of the rows as such
KEPT = pl.Schema(
    {
        "partition": pl.String(),
        "content": pl.String(),
        "since": pl.String(),
        "every": pl.Int64(),
        "window": UTC,
        "place": pl.Int64(),
        "dtype": pl.String(),
        "duplicates": pl.Int64(),
        "top_share": pl.Float64(),
        "true_share": pl.Float64(),
        "keys": pl.List(pl.Int64),  # in a column of its own, so that the many sketches of columns are not read for it
        "run_id": pl.String(),
        **PROFILES,
    }
)
_Columns = Mapping[str, Sequence[object] | pl.Series]


def partitions_as_rows(profiles: Sequence[PartitionProfile]) -> pl.DataFrame:
    """Return the rows of whole partitions, without the columns of `KEPT` that the log adds."""
    heads = _heads(
        [(each.partition, each.content) for each in profiles],
        [each.rows for each in profiles],
        [each.duplicates for each in profiles],
        [each.keys for each in profiles],
    )
    columns = [
        (place, each, name, found) for each in profiles for place, (name, found) in enumerate(each.columns.items())
    ]
    columns.sort(key=lambda each: each[0])  # so that those of one layout are neighbours
    values_by_name: _Columns = {
        "partition": [each.partition for _, each, _, _ in columns],
        "content": [each.content for _, each, _, _ in columns],
        "place": [place for place, _, _, _ in columns],
        "dtype": [each.dtypes[name] for _, each, name, _ in columns],
        "top_share": _nullable_shares([top_share(found) for _, _, _, found in columns]),
        "true_share": _nullable_shares([true_share(found, each.dtypes[name]) for _, each, name, found in columns]),
    }
    return _join_heads(heads, values_by_name, [(name, found) for _, _, name, found in columns])


def partitions_from_rows(
    rows: pl.DataFrame, layouts: Mapping[str, Layout], newest: Mapping[str, Layout]
) -> dict[str, PartitionProfile]:
    """Return the profiles of whole partitions by content.

    A column whose layout is not among the layouts is left out; one that waited for its first values has the newest
    layout of its kind.

    Args:
        rows: in the order of their places.
    """
    by_content: dict[str, dict[str, ColumnProfile]] = {}
    for content, _, name, profile in _columns(rows, layouts):
        by_content.setdefault(content, {})[name] = move_to_layout(profile, newest.get(name, profile.layout))
    dtypes: dict[str, dict[str, str]] = {}
    for content, name, dtype in rows.filter(pl.col("column") != ROWS).select("content", "column", "dtype").iter_rows():
        dtypes.setdefault(content, {})[name] = dtype
    heads = rows.filter(pl.col("column") == ROWS)
    plain = heads.select("partition", "content", "rows", "duplicates", "hashed_by").iter_rows()
    return {
        content: PartitionProfile(
            partition,
            content,
            many,
            dtypes.get(content, {}),
            by_content.get(content, {}),
            keys.view(np.uint64) if hashed_by == HASHED_BY else keys[:0].view(np.uint64),
            duplicates,
        )
        for (partition, content, many, duplicates, hashed_by), keys in zip(plain, arrays(heads["keys"]), strict=True)
    }


def windows_as_rows(windows: Mapping[tuple[str, str], WindowProfiles]) -> pl.DataFrame:
    """Return the rows of the windows of partitions, by partition and content, without the columns that the log adds."""
    heads = _heads(list(windows), [len(each) for each in windows.values()])
    columns = [
        (partition, content, start, place, name, profile)
        for (partition, content), each in windows.items()
        for start, profiles in each.items()
        for place, (name, profile) in enumerate(profiles.items())
    ]
    columns.sort(key=lambda each: each[3])
    values_by_name: _Columns = {
        "partition": [each[0] for each in columns],
        "content": [each[1] for each in columns],
        "window": pl.Series([each[2] for each in columns], dtype=UTC),
        "place": [each[3] for each in columns],
    }
    return _join_heads(heads, values_by_name, [(each[4], each[5]) for each in columns])


def windows_from_rows(
    rows: pl.DataFrame, layouts: Mapping[str, Layout]
) -> dict[str, dict[datetime, dict[str, ColumnProfile]]]:
    """Return the windows of partitions by content, start and column. A column whose layout is lost is left out."""
    by_content: dict[str, dict[datetime, dict[str, ColumnProfile]]] = {
        content: {} for content in rows["content"].unique()
    }
    for content, start, name, profile in _columns(rows, layouts):
        by_content[content].setdefault(start, {})[name] = profile
    return by_content


def _columns(rows: pl.DataFrame, layouts: Mapping[str, Layout]) -> Iterator[tuple[str, datetime, str, ColumnProfile]]:
    """Yield the profiles of columns that can be read.

    Each has its content, window (None in whole partitions) and name.
    """
    known = rows.filter(pl.col("column") != ROWS, pl.col("layout").is_in(list(layouts)))
    places = known.select("content", "window", "column").iter_rows()
    for (content, window, name), profile in zip(places, profiles_from_rows(known, layouts), strict=True):
        yield content, window, name, profile


def _heads(
    of: Sequence[tuple[str, str]],
    rows: Sequence[int],
    duplicates: Sequence[int | None] | None = None,
    keys: Sequence[Sketch] | None = None,
) -> pl.DataFrame:
    """Return the rows with the column `""`, one for each partition and content."""
    known = keys or [np.empty(0, dtype=np.uint64)] * len(of)
    values_by_name: _Columns = {
        "partition": [partition for partition, _ in of],
        "content": [content for _, content in of],
        "place": [-1] * len(of),
        "column": [ROWS] * len(of),
        "rows": rows,
        "hashed_by": [HASHED_BY] * len(of),
        "duplicates": duplicates or [None] * len(of),
        "keys": as_lists([each.view(np.int64) for each in known]),
        "distinct": [distinct(each) for each in known],
    }
    return pl.DataFrame([pl.Series(name, values, dtype=KEPT[name]) for name, values in values_by_name.items()])


def _nullable_shares(shares: Sequence[float]) -> pl.Series:
    """Return shares with null where they are not known."""
    return pl.Series(shares, dtype=pl.Float64).fill_nan(None)


def _join_heads(
    heads: pl.DataFrame, values_by_name: _Columns, profiles: Sequence[tuple[str, ColumnProfile]]
) -> pl.DataFrame:
    columns = [pl.Series(name, values, dtype=KEPT[name]) for name, values in values_by_name.items()]
    return pl.concat([heads, profiles_as_rows(profiles).with_columns(columns)], how="diagonal")
