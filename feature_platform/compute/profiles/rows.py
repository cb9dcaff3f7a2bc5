"""Profiles and layouts as rows of tables, in types that Delta keeps; reading gives back the same."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np
import polars as pl

from feature_platform.compute.profiles.distinct import HASHED_BY
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.compute.profiles.totals import Total
from feature_platform.parts.drift.base import Counts, Kind

_NEIGHBOURS = 8  # of one length on average, below which each length is not put together by itself

LAYOUTS = pl.Schema(
    {
        "layout": pl.String(),
        "kind": pl.String(),
        "edges": pl.List(pl.Float64),
        "values": pl.List(pl.String),
        "coarse": pl.List(pl.Int64),
        "shift": pl.Float64(),
        "complete": pl.Boolean(),
        "rare": pl.Int64(),
    }
)
PROFILES = pl.Schema(
    {
        "column": pl.String(),
        "layout": pl.String(),
        "rows": pl.Int64(),
        "nulls": pl.Int64(),
        "nans": pl.Int64(),
        "infinities": pl.Int64(),
        "counts": pl.List(pl.Int64),
        "total": pl.Float64(),
        "squares": pl.Float64(),
        "total_exact": pl.String(),  # null where the float is exact, and in logs that were written before
        "squares_exact": pl.String(),
        "lowest": pl.Float64(),
        "highest": pl.Float64(),
        "sketch": pl.List(pl.Int64),
        "hashed_by": pl.Int64(),
        "unknown": pl.List(pl.String),
        "mean": pl.Float64(),
        "deviation": pl.Float64(),
        "median": pl.Float64(),
        "distinct": pl.Int64(),
    }
)


def layouts_as_rows(layouts: Iterable[Layout]) -> pl.DataFrame:
    """Return one row for each different layout."""
    unique_layouts = list({each.id: each for each in layouts}.values())
    columns: dict[str, Sequence[object]] = {
        "layout": [each.id for each in unique_layouts],
        "kind": [each.kind.value for each in unique_layouts],
        "edges": [pl.Series(each.edges, dtype=pl.Float64) for each in unique_layouts],
        "values": [pl.Series(each.values, dtype=pl.String) for each in unique_layouts],
        "coarse": [pl.Series(each.coarse, dtype=pl.Int64) for each in unique_layouts],
        "shift": [each.shift for each in unique_layouts],
        "complete": [each.complete for each in unique_layouts],
        "rare": [each.rare for each in unique_layouts],
    }
    return pl.DataFrame([pl.Series(name, columns[name], dtype=dtype) for name, dtype in LAYOUTS.items()])


def layouts_from_rows(rows: pl.DataFrame) -> dict[str, Layout]:
    """Return the layouts by their id."""
    return {
        each["layout"]: Layout(
            Kind(each["kind"]),
            np.array(each["edges"], dtype=np.float64),
            tuple(each["values"]),
            np.array(each["coarse"], dtype=np.intp),
            each["shift"],
            each["complete"],
            each["rare"],
        )
        for each in rows.iter_rows(named=True)
    }


def profile_as_rows(profile: Mapping[str, ColumnProfile]) -> pl.DataFrame:
    """Return one row for each column. The last four columns follow from the others and are for readers.

    `distinct` is null where there are values without a sketch.

    >>> profile_as_rows({}).columns[:3]
    ['column', 'layout', 'rows']
    """
    return profiles_as_rows(list(profile.items()))


def profiles_as_rows(profiles: Sequence[tuple[str, ColumnProfile]]) -> pl.DataFrame:
    """Return one row for each profile of a column, in their order."""
    each = [profile for _, profile in profiles]
    columns: dict[str, Sequence[object] | pl.Series] = {
        "column": [name for name, _ in profiles],
        "layout": [one.layout.id for one in each],
        "rows": [one.rows for one in each],
        "nulls": [one.nulls for one in each],
        "nans": [one.nans for one in each],
        "infinities": [one.infinities for one in each],
        "counts": as_lists([one.counts for one in each]),
        "total": [float(one.total) for one in each],
        "squares": [float(one.squares) for one in each],
        "total_exact": [one.total.exact for one in each],
        "squares_exact": [one.squares.exact for one in each],
        "lowest": [one.lowest for one in each],
        "highest": [one.highest for one in each],
        "sketch": as_lists([one.sketch.view(np.int64) for one in each]),  # Delta has no unsigned numbers
        "hashed_by": [HASHED_BY] * len(each),
        "unknown": _texts([one.unknown for one in each]),
        "mean": [one.mean for one in each],
        "deviation": [one.deviation for one in each],
        "median": [one.quantile(0.5) for one in each],
        "distinct": [one.distinct if len(one.sketch) or not one.values else None for one in each],
    }
    rows = pl.DataFrame([pl.Series(name, columns[name], dtype=dtype) for name, dtype in PROFILES.items()])
    return rows.with_columns(pl.col("lowest", "highest", "mean", "deviation", "median").fill_nan(None))


def profile_from_rows(rows: pl.DataFrame, layouts: Mapping[str, Layout]) -> dict[str, ColumnProfile]:
    """Return the profiles of one window by column. A sketch that another hash made is left out."""
    return dict(zip(rows["column"], profiles_from_rows(rows, layouts), strict=True))


def profiles_from_rows(rows: pl.DataFrame, layouts: Mapping[str, Layout]) -> list[ColumnProfile]:
    """Return the profile that each row holds, see `profile_from_rows`."""
    plain = rows.select(pl.exclude("counts", "sketch")).iter_rows(named=True)
    return [
        ColumnProfile(
            layouts[each["layout"]],
            each["rows"],
            each["nulls"],
            each["nans"],
            each["infinities"],
            counts,
            Total.read(each["total"], each.get("total_exact")),
            Total.read(each["squares"], each.get("squares_exact")),
            _number(each["lowest"]),
            _number(each["highest"]),
            (sketch if each["hashed_by"] == HASHED_BY else sketch[:0]).view(np.uint64),
            tuple(each["unknown"]),
        )
        for each, counts, sketch in zip(plain, arrays(rows["counts"]), arrays(rows["sketch"]), strict=True)
    ]


def as_lists(arrays: Sequence[Counts]) -> pl.Series:
    """Return arrays of 64-bit integers as lists.

    Neighbours of one length are converted at once, which is many times quicker. Where neighbours differ in length, all
    values are put together, and one query makes the lists.
    """
    lengths = np.array([len(each) for each in arrays], dtype=np.int64)
    if np.count_nonzero(np.diff(lengths)) * _NEIGHBOURS > len(lengths):
        return _cut_lists(arrays, lengths)
    parts = [pl.Series(dtype=pl.List(pl.Int64))]
    for length, some in groupby(arrays, len):
        run = list(some)
        parts += [_empty(pl.Int64(), len(run)) if not length else pl.Series(np.stack(run)).cast(pl.List(pl.Int64))]
    return pl.concat(parts)


def _cut_lists(arrays: Sequence[Counts], lengths: Counts) -> pl.Series:
    whole = pl.DataFrame({"array": np.repeat(np.arange(len(arrays)), lengths), "values": np.concatenate(arrays)})
    some = whole.group_by("array", maintain_order=True).agg("values")["values"]
    lists = pl.concat([some, _empty(pl.Int64(), 1)])  # the last is that of arrays without values
    return lists.gather(np.where(lengths > 0, np.cumsum(lengths > 0) - 1, len(some))).alias("")


def _texts(values: Sequence[tuple[str, ...]]) -> pl.Series:
    """Return texts as lists, most of which are empty."""
    parts = [pl.Series(dtype=pl.List(pl.String))]
    for some, run in groupby(values, bool):
        lists = [list(texts) for texts in run]
        parts += [pl.Series(lists, dtype=pl.List(pl.String)) if some else _empty(pl.String(), len(lists))]
    return pl.concat(parts)


def _empty(inner: pl.DataType, many: int) -> pl.Series:
    return pl.Series([[]], dtype=pl.List(inner)).new_from_index(0, many)


def arrays(lists: pl.Series) -> list[Counts]:
    """Return lists of numbers as arrays of 64-bit integers, many times quicker than item by item."""
    lengths = lists.list.len().fill_null(0).to_list()
    values = lists.filter(lists.list.len() > 0).explode().cast(pl.Int64).to_numpy()
    return np.split(values, np.cumsum(lengths[:-1])) if lengths else []


def _number(value: float | None) -> float:
    return np.nan if value is None else value
