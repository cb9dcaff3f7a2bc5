"""The features of a spine: every kind of view joined as it asks, each spine row once, in order."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.features.service import join_features, selections_of
from feature_platform.compute.transforms.rows import feature_rows, window_rows
from feature_platform.ground.errors import ColumnCollision, MissingColumns, NotUtc, UnknownName

FRAME = fp.sources.Frame(pl.DataFrame({"k": ["a"]}))
orders = fp.Source("orders", FRAME, event_time="at")
lagging = fp.Source("lagging", FRAME, event_time="at", known_at="seen_at")
facts = fp.Source("facts", FRAME)
customer = fp.Entity("customer", ["k"])
route = fp.Entity("route", ["origin", "dest"])


def at(hour):
    return datetime(2013, 3, 1, tzinfo=UTC) + timedelta(hours=hour)


def spine(*rows, keys=("k",), **columns):
    schema = dict.fromkeys(keys, pl.String) | {"event_timestamp": pl.Datetime("us", "UTC")}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(**columns).lazy()


def view(name, *, entity=customer, source=orders, **changes):
    return fp.feature_view(entity=entity, source=source, name=name, **changes)(lambda rows: rows)


def joined(wanted, rows, tables, **service):
    listed = wanted if isinstance(wanted, list) else [wanted]
    return join_features(fp.FeatureService("shop_v1", listed, **service), rows, tables).collect()


last = view("last")
ROWS = pl.LazyFrame({"k": ["a", "a", "b"], "at": [at(1), at(3), at(2)], "x": [1, 2, 3], "y": ["p", "q", None]})
TABLES = {"views/last": ROWS}
ASKED = spine(("a", at(4)), ("b", at(1)), ("a", at(2)), ("c", at(4)), ("a", at(4)))


def test_a_row_view_gives_the_newest_row_of_each_key_in_spine_order():
    found = joined(last, ASKED, TABLES)
    assert_frame_equal(
        found,
        ASKED.collect().with_columns(x=pl.Series([2, None, 1, None, 2]), y=pl.Series(["q", None, "p", None, "q"])),
    )


def test_features_stand_in_the_order_asked_for():
    assert joined(last["y", "x"], ASKED, TABLES).columns == ["k", "event_timestamp", "y", "x"]
    assert joined(last["y"], ASKED, TABLES).columns == ["k", "event_timestamp", "y"]
    other = view("other")
    tables = TABLES | {"views/other": ROWS.rename({"x": "v", "y": "w"})}
    assert joined([last["y"], other["w", "v"], last["x"]], ASKED, tables).columns[2:] == ["y", "w", "v", "x"]


def test_full_names_say_the_view():
    other = view("other")
    found = joined(
        [last["x"], other["x"]], ASKED, TABLES | {"views/other": ROWS.with_columns(x=-pl.col("x"))}, full_names=True
    )
    assert found.columns[2:] == ["last__x", "other__x"]
    assert found.row(0)[2:] == (2, -2)


def test_a_row_is_seen_from_its_known_at_on():
    rows = ROWS.with_columns(seen_at=pl.Series([at(1), at(5), at(2)]))
    found = joined(view("late", source=lagging), spine(("a", at(4)), ("a", at(5))), {"views/late": rows})
    assert found.columns == ["k", "event_timestamp", "x", "y"]
    assert found["x"].to_list() == [1, 2]


def test_a_ttl_makes_old_values_null():
    found = joined(view("last", ttl="1h")["x"], spine(("a", at(4)), ("a", at(4.001))), TABLES)
    assert found["x"].to_list() == [2, None]


def test_facts_hold_at_all_times():
    rows = pl.LazyFrame({"k": ["a", "b"], "seats": [4, None]})
    found = joined(
        view("plane", source=facts), spine(("a", at(-1e6)), ("b", at(0)), ("c", at(0))), {"views/plane": rows}
    )
    assert found["seats"].to_list() == [4, None, None]


def test_a_global_view_is_the_same_for_every_key():
    rate = view("rate", entity=None)
    rows = pl.LazyFrame({"at": [at(1), at(3)], "euro": [1.1, 1.2]})
    assert joined(rate, ASKED, {"views/rate": rows})["euro"].to_list() == [1.2, 1.1, 1.1, 1.2, 1.2]
    assert joined(rate, ASKED.select("event_timestamp"), {"views/rate": rows}).columns == ["event_timestamp", "euro"]


def test_global_facts_are_one_value():
    found = joined(view("shop", entity=None, source=facts), ASKED, {"views/shop": pl.LazyFrame({"city": ["Oslo"]})})
    assert found["city"].to_list() == ["Oslo"] * 5


def test_composite_keys_match_as_a_whole():
    rows = pl.LazyFrame({"dest": ["x", "y"], "origin": ["a", "a"], "at": [at(1)] * 2, "minutes": [10, 20]})
    asked = spine(("a", "y", at(2)), ("y", "a", at(2)), ("a", None, at(2)), keys=route.join_keys)
    assert joined(view("delay", entity=route), asked, {"views/delay": rows})["minutes"].to_list() == [20, None, None]


counts = view(
    "counts", aggregations=[fp.Count(windows=["1d"]), fp.Sum("x", windows=["2d", "1d"])], cadence=fp.Cadence(delay="1h")
)
live = view("live", aggregations=[fp.Count(windows=["1h"]), fp.Sum("x", windows=["2h"])], accuracy="exact")


def test_a_windowed_view_gives_the_newest_instant_that_is_out():
    tables = {"views/counts": window_rows(counts, ROWS, at(0), at(48)).collect().lazy()}
    asked = spine(("a", at(24.9)), ("a", at(25)), ("c", at(25)), ("a", at(49)), (None, at(25)))
    found = joined(counts["x_sum_2d", "count_1d"], asked, tables)
    assert found.columns[2:] == ["x_sum_2d", "count_1d"]
    assert found.select("x_sum_2d", "count_1d").rows() == [(None, None), (3, 2), (0, 0), (3, 0), (None, None)]


def test_an_exact_view_ends_its_windows_at_the_spine_itself():
    assert live.read_from.asset == "sources/orders"
    assert counts.read_from.asset == "views/counts"
    asked = spine(("a", at(2)), ("a", at(3)), ("a", at(3.5)), ("c", at(2)))
    found = joined(live["x_sum_2h", "count_1h"], asked, {"sources/orders": ROWS})
    assert found.select("x_sum_2h", "count_1h").rows() == [(1, 1), (1, 0), (2, 1), (0, 0)]


def test_features_that_are_not_asked_for_collide_with_nothing():
    asked = spine(("a", at(2)), count_1h=pl.lit(7), x=pl.lit(8))
    assert joined(live["x_sum_2h"], asked, {"sources/orders": ROWS}).row(0)[2:] == (7, 8, 1)
    assert joined(live, asked, {"sources/orders": ROWS}, full_names=True).row(0)[2:] == (7, 8, 1, 1)
    assert joined(last["y"], asked, TABLES).row(0)[2:] == (7, 8, "p")


@pytest.mark.parametrize(
    ("wanted", "column"), [(last, "x"), (last["y"], "y"), (counts, "count_1d"), (live["count_1h"], "count_1h")]
)
def test_a_spine_column_with_the_name_of_a_feature_is_one_clear_error(wanted, column):
    tables = TABLES | {"sources/orders": ROWS, "views/counts": window_rows(counts, ROWS, at(0), at(24))}
    with pytest.raises(ColumnCollision) as raised:
        joined(wanted, ASKED.with_columns(pl.lit(1).alias(column)), tables)
    message = str(raised.value)
    assert f"would have the column(s) {column} twice" in message
    assert "full_names=True" in message
    assert "feature view `" in message


def test_two_row_views_with_one_feature_are_one_clear_error():
    with pytest.raises(ColumnCollision, match=r"feature view `other` would have the column.* x, y twice"):
        joined([last, view("other")], ASKED, TABLES | {"views/other": ROWS})


def test_an_unknown_feature_of_a_row_view_is_refused():
    with pytest.raises(UnknownName, match=r"Feature view `last` has no feature `z`. It has: x, y."):
        joined(last["z"], ASKED, TABLES)


def test_a_spine_without_a_join_key_or_its_clock_is_refused():
    with pytest.raises(
        MissingColumns, match=r"The spine of `shop_v1` lacks the column.*`dest`, `origin`. It has: k, event_timestamp"
    ):
        joined([last, view("delay", entity=route)["m"]], ASKED, TABLES)
    with pytest.raises(MissingColumns, match=r"The spine lacks the column.*`event_timestamp`"):
        joined(last, ASKED.drop("event_timestamp"), TABLES)


@pytest.mark.parametrize(
    "change", [pl.col("event_timestamp").dt.replace_time_zone(None), pl.lit("2013-03-01").alias("event_timestamp")]
)
def test_a_spine_whose_clock_is_unclear_is_refused(change):
    with pytest.raises(NotUtc, match="The spine: column `event_timestamp` is"):
        joined(last, ASKED.with_columns(change), TABLES)


def test_the_zone_of_the_spine_stays_and_does_not_matter():
    asked = ASKED.with_columns(pl.col("event_timestamp").dt.convert_time_zone("Asia/Tokyo"))
    found = joined(last["x"], asked, TABLES)
    assert found.schema["event_timestamp"] == pl.Datetime("us", "Asia/Tokyo")
    assert found["x"].to_list() == [2, None, 1, None, 2]


def test_an_empty_spine_has_all_columns_and_no_rows():
    tables = TABLES | {"sources/orders": ROWS, "views/counts": window_rows(counts, ROWS, at(0), at(24))}
    found = joined([last, counts, live], ASKED.clear(), tables)
    assert found.schema == joined([last, counts, live], ASKED, tables).schema
    assert found.height == 0


def test_a_view_without_rows_has_nulls():
    found = joined(last, ASKED, {"views/last": ROWS.clear()})
    assert found.select("x", "y").null_count().row(0) == (5, 5)


def test_gaps_are_filled_from_the_past_of_the_spine():
    asked = spine(("b", at(1)), ("a", at(1)), ("b", at(1.5)))
    found = joined(last["x"], asked, TABLES, impute={"x": fp.Impute.mean()})
    assert found["x"].to_list() == [None, 1.0, 1.0]
    full = joined(last["x"], asked, TABLES, impute={"last__x": fp.Impute.constant(0, flag=True)}, full_names=True)
    assert full.select("last__x", "last__x_was_missing").rows() == [(0, True), (1, False), (0, True)]


@pytest.mark.parametrize("name", ["z", "k", "event_timestamp"])
def test_only_features_of_the_service_are_filled(name):
    with pytest.raises(
        UnknownName, match=f"Feature service `shop_v1` has no feature to impute `{name}`. It has: x, y."
    ):
        joined(last, ASKED, TABLES, impute={name: fp.Impute.constant(0)})


def test_views_selections_and_lists_stand_for_a_service():
    service = fp.FeatureService("s", [last])
    assert selections_of(service) is service
    assert selections_of(last).selections == (last,)
    assert selections_of(last["x"]).selections[0].features == ("x",)
    assert selections_of([last["x"], counts]).views == (last, counts)


def test_a_view_over_a_view_is_joined_as_a_row_view():
    trend = view("trend", source=counts)
    published = window_rows(counts, ROWS, at(0), at(24)).filter(pl.col("k").is_not_null())
    rows = feature_rows(trend, published.with_columns(known_at=pl.lit(at(25))))
    found = joined(trend, spine(("a", at(24.5)), ("a", at(25))), {"views/trend": rows})
    assert found.columns[2:] == ["count_1d", "x_sum_2d", "x_sum_1d"]
    assert found["count_1d"].to_list() == [None, 2]


def test_gaps_are_filled_by_features_that_are_filled_themselves_whatever_is_asked_for():
    rules = {"x": fp.Impute.mean(by="y"), "y": fp.Impute.mode(by="k"), "z": fp.Impute.forward_fill(by="y")}
    other = ROWS.select("k", "at", z=pl.col("x") * 10)
    plan = join_features(
        fp.FeatureService("shop_v1", [view("other"), last], impute=rules), ASKED, {**TABLES, "views/other": other}
    )
    whole = plan.collect()

    assert whole.columns == ["k", "event_timestamp", "z", "x", "y"]
    for names in (["x"], ["z"], ["y", "z"], ["z", "x"]):
        assert_frame_equal(plan.select(names).collect(), whole.select(names))
