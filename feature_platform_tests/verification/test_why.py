"""Why: its value is the one that the join gives, its source says the same, and the rows it names give the value."""

import copy
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.verification.tracing.traced import Reason, TracedValue
from feature_platform.verification.why import why
from feature_platform_tests.compute import naive
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import at, customer, spine

pytestmark = pytest.mark.usefixtures("unrecorded")

SCHEMA: dict[str, Any] = {
    "customer": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "known": pl.Datetime("us", "UTC"),
    "amount": pl.Float64,
    "kind": pl.String,
}
HALF_DAYS = st.integers(0, 11)  # few, so that events tie
AMOUNTS = st.sampled_from([None, 0.0, 1.5, 2.0, 2.0, 7.25, float("nan"), float("inf"), -1e16])
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "ann", "bob"]), HALF_DAYS, st.integers(0, 5), AMOUNTS, st.sampled_from(["toys", None])
    ),
    min_size=3,
    max_size=14,
)
KEYS = ["ann", "ann", "ann", "bob", "bob", "eve", None]
MOMENTS = st.tuples(st.sampled_from(KEYS), st.integers(-3, 18))
ASKED = st.lists(MOMENTS, min_size=tries(8, fewest=4), max_size=tries(12, fewest=5))
GRID = fp.Partitions("daily", start=at())
AGGREGATIONS = [
    fp.Sum("amount", windows=["36h", "lifetime"]),
    fp.Mean("amount", windows=["2d", "day_to_date"]),
    fp.Count(windows=["1d"], lag="1d"),
    fp.LastN("amount", 2, windows=["3d"], where=pl.col("amount") > 1),
    fp.Count(windows=["3d"], by="kind", categories=["toys"], name="of"),
]
DERIVED = {"trend": fp.ratio("amount_sum_36h", "amount_mean_2d")}


def frame(events: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Events of half days, known some half days later; without a clock the time known is a column like any other."""
    rows = [(who, at(half / 2), at((half + late) / 2), amount, kind) for who, half, late, amount, kind in events]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def views(events: pl.DataFrame, known_at: str | None, delay: str | None, ttl: str | None) -> list[FeatureView]:
    orders = fp.Source("orders", fp.sources.Frame(events), event_time="at", known_at=known_at)
    words: dict[str, Any] = {"entity": customer, "source": orders}
    windows: dict[str, Any] = {"aggregations": AGGREGATIONS, "derive": DERIVED, **words}

    def kept(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(pl.col("amount").is_null() | (pl.col("amount") != 7.25))

    cadence = fp.Cadence(every="1d", delay=delay)
    return [
        fp.feature_view(name="last", ttl=ttl, **words)(kept),
        fp.feature_view(name="daily", ttl=ttl, cadence=cadence, **windows)(kept),
        fp.feature_view(name="exact", accuracy="exact", **windows)(kept),
    ]


def features_of(view: FeatureView) -> list[str]:
    return ["amount", "kind"] if view.declared_features is None else list(view.declared_features)


def by_definition(found: TracedValue, feature: str, inputs: Mapping[str, TracedValue]) -> object:
    """What the rows that were named say by themselves."""
    rows = found.rows
    amounts = [value for value in rows["amount"].to_list() if value is not None] if rows.width else []
    match feature:
        case "amount" | "kind":
            return rows[feature].to_list()[-1] if rows.height else None
        case "amount_sum_36h" | "amount_sum_lifetime":
            return naive.total(amounts)
        case "amount_mean_2d" | "amount_mean_day_to_date":
            return naive.AGGREGATES["Mean"](amounts)
        case "amount_last_2_3d":
            assert all(not value <= 1 for value in amounts)
            return amounts[-2:] or None
        case "trend":
            over, under = inputs["amount_sum_36h"].again, inputs["amount_mean_2d"].again
            return None if not under else over / under  # type: ignore[operator]
        case _:
            return rows.height


def assert_alike(
    view: FeatureView, store: fp.OfflineStore, asked: list[tuple[str | None, datetime]]
) -> Counter[Reason]:
    """Assert that each value is that of the join, and that the rows named make it again."""
    told = fp.historical_features(view, spine(*asked), store, stale="ignore").collect()
    reasons: Counter[Reason] = Counter()
    for place, (who, moment) in enumerate(asked):
        for feature in features_of(view):
            found = why(view, feature, {"customer": who}, moment, store)
            said = str(found)
            assert naive.plain(found.value) == naive.plain(told[feature].to_list()[place]), said
            assert (found.value is not None) == (found.reason is Reason.PRESENT), said
            assert found.agrees is not False, said
            if found.again is not None or found.rows.width:
                inputs = {each.feature.partition(".")[2]: each for each in found.inputs}
                wanted = by_definition(found, feature, inputs)
                assert naive.plain(found.again) == naive.plain(wanted), said
            reasons[found.reason] += 1
    return reasons


@pytest.mark.parametrize("known_at", [None, "known"])
def test_it_tells_the_value_that_the_join_gives(tmp_path_factory: Any, known_at: str | None) -> None:
    reasons: Counter[Reason] = Counter()

    @settings(derandomize=True, deadline=None, max_examples=tries(8, fewest=2), database=None, phases=[Phase.generate])
    @given(
        events=EVENTS,
        corrected=EVENTS,
        delay=st.sampled_from([None, "14h"]),
        ttl=st.sampled_from([None, "36h"]),
        published=st.integers(3, 7),
        asked=ASKED,
    )
    def law(events, corrected, delay, ttl, published, asked) -> None:
        store, fixed = fp.OfflineStore(tmp_path_factory.mktemp("store")), copy.copy(events)
        fixed[: len(corrected) // 2] = corrected[: len(corrected) // 2]
        for rows in (events, fixed):
            made = views(frame(rows), known_at, delay, ttl)
            for view in made:
                fp.materialize(view, store, at(), at(published), partitions=GRID, gone="taken")
        moments = [(who, at(half / 2, 1 if half % 3 == 0 else 0)) for who, half in asked]
        for view in made:
            reasons.update(assert_alike(view, store, moments))

    law()  # few examples need not have every reason, all of them do
    always = {Reason.PRESENT, Reason.NULL_KEY, Reason.NO_ROW, Reason.NOT_YET, Reason.NULL_IN_ROW, Reason.EMPTY_WINDOW}
    late = {Reason.NOT_KNOWN_YET} if known_at else set()
    assert tries(8) < 8 or set(reasons) >= always | late, reasons
