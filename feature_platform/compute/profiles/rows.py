"""Profiles and layouts as rows of tables, in types that Delta keeps; reading gives back what was written."""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from feature_platform.compute.profiles.distinct import HASHED_BY
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.drift.base import Kind

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
    """One row for each different layout."""
    rows = [
        {
            "layout": each.id,
            "kind": each.kind.value,
            "edges": each.edges.tolist(),
            "values": list(each.values),
            "coarse": each.coarse.tolist(),
            "shift": each.shift,
            "complete": each.complete,
            "rare": each.rare,
        }
        for each in {each.id: each for each in layouts}.values()
    ]
    return pl.DataFrame(rows, schema=LAYOUTS, orient="row")


def layouts_from_rows(rows: pl.DataFrame) -> dict[str, Layout]:
    """The layouts by their id."""
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
    """One row for each column; the last four are for readers, they follow from the others.

    >>> profile_as_rows({}).columns[:3]
    ['column', 'layout', 'rows']
    """
    rows = [
        {
            "column": name,
            "layout": each.layout.id,
            "rows": each.rows,
            "nulls": each.nulls,
            "nans": each.nans,
            "infinities": each.infinities,
            "counts": each.counts.tolist(),
            "total": each.total,
            "squares": each.squares,
            "lowest": _told(each.lowest),
            "highest": _told(each.highest),
            "sketch": each.sketch.view(np.int64).tolist(),  # Delta has no unsigned numbers
            "hashed_by": HASHED_BY,
            "unknown": list(each.unknown),
            "mean": _told(each.mean),
            "deviation": _told(each.deviation),
            "median": _told(each.quantile(0.5)),
            "distinct": each.distinct,
        }
        for name, each in profile.items()
    ]
    return pl.DataFrame(rows, schema=PROFILES, orient="row")


def profile_from_rows(rows: pl.DataFrame, layouts: Mapping[str, Layout]) -> dict[str, ColumnProfile]:
    """The profiles of one window by column; a sketch that another hash made is left out, as if there were no values."""
    return {
        each["column"]: ColumnProfile(
            layouts[each["layout"]],
            each["rows"],
            each["nulls"],
            each["nans"],
            each["infinities"],
            np.array(each["counts"], dtype=np.int64),
            each["total"],
            each["squares"],
            _number(each["lowest"]),
            _number(each["highest"]),
            np.array(each["sketch"] if each["hashed_by"] == HASHED_BY else [], dtype=np.int64).view(np.uint64),
            tuple(each["unknown"]),
        )
        for each in rows.iter_rows(named=True)
    }


def _told(value: float) -> float | None:
    return None if np.isnan(value) else value


def _number(value: float | None) -> float:
    return np.nan if value is None else value
