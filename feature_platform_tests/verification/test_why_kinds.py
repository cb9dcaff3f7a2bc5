"""Why over every kind of view: each value is the one of the join, at moments that lie around all that happens."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import SumTooLarge
from feature_platform.verification.tracing.traced import Reason
from feature_platform.verification.why import why
from feature_platform_tests.compute import naive
from feature_platform_tests.effort import pick_some
from feature_platform_tests.shop import at, customer, daily, orders, same, source

pytestmark = pytest.mark.usefixtures("unrecorded")

NEW_YORK = "America/New_York"
SUM, MEAN = fp.Sum("amount", windows=["2d"]), fp.Mean("amount", windows=["1d"])
KINDS: dict[str, Callable[[], FeatureView]] = {}


def kind(make: Callable[[], FeatureView]) -> Callable[[], FeatureView]:
    KINDS[make.__name__] = make
    return make


def view(read: Any = None, function: Any = same, **words: Any) -> FeatureView:
    words = {"entity": customer, "name": "made", **words}
    return fp.feature_view(source=source(daily()) if read is None else read, **words)(function)


@kind
def midnights_in_new_york() -> FeatureView:
    return view(aggregations=[SUM, MEAN], cadence=fp.Cadence(every="1d", tz=NEW_YORK, delay="2h"))


@kind
def every_six_hours() -> FeatureView:
    return view(aggregations=[SUM, MEAN], cadence=fp.Cadence(every="6h"), ttl="30h")


@kind
def weeks() -> FeatureView:
    return view(aggregations=[SUM], cadence=fp.Cadence(every="1w"))


@kind
def calendars() -> FeatureView:
    windows = ["day_to_date", "last_day", "month_to_date", "last_week"]
    return view(aggregations=[fp.Sum("amount", windows=windows, tz=NEW_YORK)])


@kind
def calendars_at_the_moment() -> FeatureView:
    windows = ["day_to_date", "last_day"]
    return view(aggregations=[fp.Sum("amount", windows=windows, tz=NEW_YORK)], accuracy="exact")


@kind
def of_everybody() -> FeatureView:
    return view(entity=None, aggregations=[SUM, fp.Recency(windows=["lifetime"])])


@kind
def of_everybody_at_the_moment() -> FeatureView:
    return view(entity=None, aggregations=[SUM], accuracy="exact")


@kind
def rows_of_everybody() -> FeatureView:
    return view(entity=None, function=lambda rows: rows.select("at", "amount"))


@kind
def whole_table() -> FeatureView:
    running = pl.col("amount").cum_sum().over("customer")
    return view(source(daily(), partitioned=False), function=lambda rows: rows.with_columns(so_far=running))


@kind
def whole_windows() -> FeatureView:
    return view(source(daily(), partitioned=False), aggregations=[SUM, MEAN])


@kind
def facts_without_a_date() -> FeatureView:
    facts = pl.DataFrame({"customer": ["ann", "ann", "bob"], "city": ["Rome", "Oslo", None]})
    return view(fp.Source("cities", fp.sources.Frame(facts)))


@kind
def rows_over_windows() -> FeatureView:
    totals = view(aggregations=[SUM], name="totals", cadence=fp.Cadence(delay="3h"))
    return view(
        totals, function=lambda rows: rows.select("customer", "as_of", "known_at", twice=pl.col("amount_sum_2d") * 2)
    )


@kind
def windows_over_rows() -> FeatureView:
    large = view(name="large", function=lambda rows: rows.filter(pl.col("amount") > 2))
    return view(large, aggregations=[SUM, MEAN])


@kind
def windows_over_windows() -> FeatureView:
    totals = view(aggregations=[SUM], name="totals")
    return view(totals, aggregations=[fp.Max("amount_sum_2d", windows=["3d"])], cadence=fp.Cadence(delay="1h"))


@kind
def grouped_within_a_time() -> FeatureView:
    total = pl.col("amount").sum().over("at")
    return view(function=lambda rows: rows.with_columns(share=pl.col("amount") / total))


@kind
def alias_of_a_pair() -> FeatureView:
    rows = daily().with_columns(friend=pl.Series(["bob", "ann"] * 5))
    pair = fp.Entity("pair", join_keys=["customer", "friend"])
    made = view(source(rows), entity=pair, aggregations=[SUM], accuracy="exact")
    return made.alias("turned", keys={"customer": "friend", "friend": "customer"})


@pytest.mark.parametrize("name", KINDS)
def test_each_value_is_the_joins_and_its_source_agrees(tmp_path: Path, name: str) -> None:
    store, made = fp.OfflineStore(tmp_path), KINDS[name]()
    grid = fp.Partitions("daily", start=at(-7))
    fp.materialize(made.original, store, at(-7), at(9), partitions=grid)
    moments = pick_some(
        [at(-9), at(-1, 5), at(0, 12), at(0, 13), at(1), at(1, 2), at(3, 6), at(4), at(4, 13), at(5, 5), at(8)],
    )
    for who, friend in (("ann", "bob"), ("bob", "ann"), ("eve", "ann")):
        key = {name: part for name, part in (("customer", who), ("friend", friend)) if name in made.join_keys}
        spine = pl.DataFrame({**key, "event_timestamp": moments})
        told = fp.historical_features(made, spine, store, stale="ignore").collect()
        for column in told.columns[spine.width :]:
            feature = column.removeprefix("turned__")
            for moment, value in zip(moments, told[column].to_list(), strict=True):
                found = why(made, feature, key, moment, store)
                assert naive.plain(found.value) == naive.plain(value), str(found)
                assert (found.value is None) == (found.reason is not Reason.PRESENT), str(found)
                assert found.agrees is not False, str(found)


def test_all_that_a_row_depends_on_is_named(tmp_path: Path) -> None:
    whole, grouped = KINDS["whole_table"](), KINDS["grouped_within_a_time"]()
    for made in (whole, grouped):
        store = fp.OfflineStore(tmp_path / made.source.name / str(made.partitioned))
        fp.materialize(made, store, at(), at(5), partitions=fp.Partitions("daily", start=at()))
        found = why(made, "share" if made is grouped else "so_far", {"customer": "ann"}, at(2, 13), store)
        assert found.rows["at"].to_list() == ([at(2, 12)] * 2 if made is grouped else [at(0, 12), at(1, 12), at(2, 12)])


def test_instants_of_an_earlier_cadence_are_not_looked_at(tmp_path: Path) -> None:
    store = fp.OfflineStore(tmp_path)
    often, daily_now = (view(aggregations=[SUM], cadence=fp.Cadence(every=every)) for every in ("6h", "1d"))
    fp.materialize(often, store, at(), at(5), partitions=fp.Partitions("daily", start=at()))
    for made, time in ((often, at(2, 12)), (daily_now, at(2))):
        found = why(made, "amount_sum_2d", {"customer": "bob"}, at(2, 17), store)
        spine = pl.DataFrame({"customer": ["bob"], "event_timestamp": [at(2, 17)]})
        told = fp.historical_features(made, spine, store, stale="ignore").collect()["amount_sum_2d"].item()
        assert (found.value, found.time) == (told, time)


def test_what_is_rounded_otherwise_beside_other_rows_is_the_same(tmp_path: Path) -> None:
    """A row alone is divided by 49, and in company multiplied by its rounded inverse."""
    store, rows = fp.OfflineStore(tmp_path), daily().with_columns(amount=pl.lit(49.0))
    part = pl.col("amount") / 49
    made = view(source(rows), function=lambda rows: rows.with_columns(part))
    sums = view(source(rows), function=lambda rows: rows.with_columns(part), aggregations=[SUM], name="sums")
    for each in (made, sums):
        fp.materialize(each, store, at(), at(5), partitions=fp.Partitions("daily", start=at()))
    steps = []
    for day in range(1, 5):
        for each, feature in ((made, "amount"), (sums, "amount_sum_2d")):
            for who in ("ann", "bob"):
                found = why(each, feature, {"customer": who}, at(day), store)
                assert found.agrees
                steps.append(found.steps[-1][1])
    assert any("but for rounding" in step for step in steps)


def test_the_last_of_two_rows_of_one_time_is_named(tmp_path: Path) -> None:
    store, twice = fp.OfflineStore(tmp_path), orders(("ann", at(), 1.0), ("ann", at(), 2.0), ("bob", at(), 3.0))
    made = view(source(twice))
    fp.materialize(made, store, at(), at(1), partitions=fp.Partitions("daily", start=at()))
    found = why(made, "amount", {"customer": "ann"}, at(1), store)
    assert (found.value, found.rows["amount"].to_list(), found.agrees) == (2.0, [2.0], True)


def test_keys_meet_as_they_do_in_a_join(tmp_path: Path) -> None:
    rows = pl.DataFrame({"card": [0.0, float("nan"), None, 2.5], "at": [at()] * 4, "amount": [1.0, 2.0, 3.0, 4.0]})
    made = view(fp.Source("cards", fp.sources.Frame(rows), event_time="at"), entity=fp.Entity("card", ["card"]))
    store = fp.OfflineStore(tmp_path)
    fp.materialize(made, store, at(), at(1), partitions=fp.Partitions("daily", start=at()))
    for card, value in ((-0.0, 1.0), (0.0, 1.0), (2.5, 4.0), (float("nan"), None), (None, None), (9.0, None)):
        assert why(made, "amount", {"card": card}, at(1), store).value == value
    assert why(made, "amount", {"card": float("nan")}, at(1), store).reason is Reason.NULL_KEY


def test_the_ends_of_time_and_of_windows_are_those_of_the_join(tmp_path: Path) -> None:
    store, made = fp.OfflineStore(tmp_path), view(aggregations=[SUM], accuracy="exact")
    fp.materialize(made.source, store, at(), at(5), partitions=fp.Partitions("daily", start=at()))
    second = timedelta(microseconds=1)
    for moment, value in (
        (at(0, 12), 0.0),
        (at(0, 12) + second, 10.0),
        (at(2, 12), 20.0),
        (at(2, 12) + second, 20.0),
        (datetime.max.replace(tzinfo=at().tzinfo), 0.0),
        (datetime.min.replace(tzinfo=at().tzinfo), 0.0),
    ):
        assert why(made, "amount_sum_2d", {"customer": "ann"}, moment, store).value == value, moment


def test_a_sum_that_does_not_fit_is_told(tmp_path: Path) -> None:
    big = daily(2).with_columns(amount=pl.lit(2**62))
    store, made = fp.OfflineStore(tmp_path), view(source(big), aggregations=[SUM], accuracy="exact")
    fp.materialize(made.source, store, at(), at(2), partitions=fp.Partitions("daily", start=at()))
    with pytest.raises(SumTooLarge):
        why(made, "amount_sum_2d", {"customer": "ann"}, at(2), store)
