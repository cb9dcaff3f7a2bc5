"""A view, a spine and on-demand features over them, with the frames and the plain Python of their laws."""

from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.compute.features.service import join_features
from feature_platform_tests.orders import at, source, spine, view

UTC = pl.Datetime("us", "UTC")
EVENTS = pl.DataFrame({"k": ["a", "a", "b"], "at": [at(1), at(3), at(2)], "x": [1, 2, None], "y": ["p", "q", "r"]})
last = view(name="last", ttl="4h")
ASKED = spine(("a", at(4)), ("b", at(3)), ("a", at(2)), ("c", at(4)), ("a", at(8)), (None, at(4))).with_columns(
    amount=pl.Series([10.0, 20.0, 30.0, 40.0, 50.0, None])
)


def declared(function, *inputs, name="risk", **fields):
    request = [fp.Request(fields)] if fields else []
    return fp.on_demand(inputs=[*inputs, *request], name=name)(function)


def asked(*features, spine=ASKED, tables=None, **words):
    service = fp.FeatureService("shop_v1", list(features), **words)
    return join_features(service, spine.lazy(), tables or {"views/last": EVENTS.lazy()})


share = declared(
    lambda row: {"share": row["last.x"] / row["amount"], "twice": row["amount"] * 2}, last, amount=pl.Float64
)
HOURS = st.integers(0, 12)
ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), HOURS, st.integers(0, 3), st.one_of(st.none(), st.integers(-9, 9))), max_size=8
)
SPINES = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), HOURS, st.one_of(st.none(), st.integers(-3, 20))),
    min_size=1,
    max_size=8,
)
TTL = 5
known = view(name="last", ttl=f"{TTL}h", source=source(known_at="seen_at"))
law = declared(
    lambda row: {
        "waited": (row["due"] - row["last.event_time"]).dt.total_minutes(),
        "worth": pl.when(row["last.x"] > 0).then(row["last.x"] + row["n"]).otherwise(row["n"]),
    },
    known,
    due=UTC,
    n=pl.Int64,
)


def drawn_frames(rows, moments):
    events = pl.DataFrame(
        [(key, at(hour), at(hour + lag), x) for key, hour, lag, x in rows],
        schema={"k": pl.String, "at": UTC, "seen_at": UTC, "x": pl.Int64},
        orient="row",
    )
    # one row for a key and event time: ties are the point-in-time join's own law
    events = events.unique(["k", "at"], keep="last", maintain_order=True)
    columns: dict[str, Any] = {"k": pl.String, "event_timestamp": UTC, "due": UTC, "n": pl.Int64}
    due = [(key, at(hour), None if wait is None else at(hour + wait), wait) for key, hour, wait in moments]
    return events, pl.DataFrame(due, schema=columns, orient="row")


def naive(events, key, moment, due, n):
    """The on-demand features of one row, in plain Python."""
    seen = [row for row in events.iter_rows() if row[0] == key and row[1] <= moment and row[2] <= moment]
    newest = max(seen, key=lambda row: row[1], default=None)
    if newest is not None and moment - newest[1] > timedelta(hours=TTL):
        newest = None
    waited = None if newest is None or due is None else int((due - newest[1]).total_seconds()) // 60
    x = None if newest is None else newest[3]
    worth = n if x is None or x <= 0 else None if n is None else x + n
    return waited, worth
