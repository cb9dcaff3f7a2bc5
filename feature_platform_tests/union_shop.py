"""Orders of two or three shops, each a source, and what is declared over their union or over one source of all rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

import feature_platform as fp
from feature_platform.declarations.label import Label
from feature_platform.declarations.view import FeatureView
from feature_platform_tests.shop import at, customer, same

UTC = pl.Datetime("us", "UTC")
NAMES = ("web", "shop", "call")
OWN = {"web": "page", "shop": "till", "call": "agent"}  # a column that only this member has
GRID = fp.Partitions("daily", start=at(), end=at(6))
Row = tuple[str | None, datetime, datetime, float | None]
Held = Mapping[str, Sequence[Row]]


def frame(name: str, rows: Sequence[Row], *, known: bool) -> pl.DataFrame:
    """The rows of one member: who, when, known when, how much, and its own column."""
    schema: dict[str, Any] = {"customer": pl.String, "at": UTC, "known": UTC, "amount": pl.Float64}
    made = pl.DataFrame(list(rows), schema=schema, orient="row").with_columns(pl.lit(name[0]).alias(OWN[name]))
    return made if known else made.drop("known")


def clocks(*, known: bool, event_time: str | None = "at") -> dict[str, Any]:
    return {"event_time": event_time, "known_at": "known" if known else None}


def union_of(held: Held, *, known: bool = False, tag: str | None = "channel", **words: Any) -> fp.Union:
    """The union of some members, in the order in which they are given."""
    members = {
        name: fp.Source(
            f"{name}_orders", fp.sources.Frame(frame(name, rows, known=known)), **clocks(known=known) | words
        )
        for name, rows in held.items()
    }
    return fp.Union("orders", members, tag=tag)


def by_hand(held: Held, *, known: bool = False, **words: Any) -> fp.Source:
    """One source with the same rows: those of the first member first."""
    frames = [frame(name, rows, known=known).with_columns(pl.lit(name).alias("channel")) for name, rows in held.items()]
    columns = [*dict.fromkeys(column for each in frames for column in each.columns if column != "channel"), "channel"]
    rows = pl.concat(frames, how="diagonal").select(columns)
    return fp.Source("all_orders", fp.sources.Frame(rows), **clocks(known=known) | words)


AGGREGATIONS = [
    fp.Sum("amount", windows=["1d", "2d"]),
    fp.Count(windows=["2d"]),
    fp.Count("till", windows=["2d"]),
    fp.First("channel", windows=["2d"]),
    fp.LastN("channel", 3, windows=["2d"]),
    fp.Mode("channel", windows=["2d"]),
]


def view_of(read: fp.Source | fp.Union | FeatureView, name: str, **words: Any) -> FeatureView:
    """A view of customers that leaves rows as they are."""
    return fp.feature_view(entity=customer, source=read, name=name, **words)(same)


def views_of(read: fp.Source | fp.Union) -> dict[str, FeatureView]:
    """Views of each kind."""
    row = view_of(read, "row")
    return {
        "row": row,
        "again": view_of(row, "again"),
        "snapshot": view_of(read, "snapshot", aggregations=AGGREGATIONS),
        "exact": view_of(read, "exact", aggregations=AGGREGATIONS, accuracy="exact"),
    }


def labels_of(read: fp.Source | fp.Union) -> dict[str, Label]:
    """Labels over windows and of rows."""
    windows = [fp.Sum("amount", windows=["1d"]), fp.Last("channel", windows=["1d"])]
    ahead = fp.label(entity=customer, source=read, aggregations=windows, lateness="6h", name="ahead")(same)
    rows = fp.label(entity=customer, source=read, name="rows")(
        lambda rows: rows.select(pl.exclude("page", "till", "agent"))
    )
    return {"ahead": ahead, "rows": rows}


def spines_of(read: fp.Source | fp.Union) -> dict[str, fp.Spine]:
    """Spines of each kind."""
    return {
        "every": fp.Spine.every_key("every", source=read, entity=customer, every="1d", active="2d"),
        "some": fp.Spine.events("some", source=read, share=0.5, by=["customer", "amount"]),
        "pairs": fp.Spine.negatives("pairs", positives=read, candidates=read, ratio=2, entity=customer),
    }
