"""Historical features from a store: pinned versions, and spines as people have them."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.joins import exact
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import MissingColumns, NotUtc, TableNotFound, UnknownName, VersionNotFound
from feature_platform.offline.opened import OpenedTables
from feature_platform_tests.shop import at, daily, last_order, source, spending, spine, told

EXPECTED = {
    "snapshot": [5.0, 20.0, 5.0, None, None, 0.0, None],  # nothing was published nine days before
    "exact": [5.0, 20.0, 5.0, None, None, 0.0, 0.0],
}
ASKED = spine(("ann", at(3)), ("bob", at(3)), ("eve", at(3)), ("ann", at(9)))


@pytest.mark.parametrize("kind", ["snapshot", "exact", "row"])
def test_a_pinned_version_says_what_it_said_before_a_change(store: fp.OfflineStore, kind: str) -> None:
    def view(rows: pl.DataFrame) -> FeatureView:
        return last_order(source(rows)) if kind == "row" else spending(source(rows), accuracy=kind)

    fp.materialize(view(daily()), store)
    before = told(view(daily()), ASKED, store)
    fp.materialize(view(daily().with_columns(pl.col("amount") * 2)), store)

    pinned = {"sources/orders": 0, "views/spending": 0, "views/last_order": 0}
    assert not told(view(daily()), ASKED, store).equals(before)
    assert_frame_equal(told(view(daily()), ASKED, store, versions=pinned), before)


def test_a_service_joins_its_views_in_the_order_declared(store: fp.OfflineStore) -> None:
    read = source(daily())
    spent, order = spending(read), last_order(read)
    for view in (spent, order):
        fp.materialize(view, store)
    service = fp.FeatureService("both", [order, spent["count_2d"]])

    found = fp.historical_features(service, ASKED, store).collect()

    assert found.columns == ["customer", "event_timestamp", "last_amount", "count_2d"]
    assert found["last_amount"].to_list() == [10.0, 3.0, None, 10.0]
    assert found["count_2d"].to_list() == [2, 2, 0, 2]
    listed = fp.historical_features([order, spent["count_2d"]], ASKED.lazy(), store).collect()
    assert_frame_equal(listed, found)


def test_a_view_that_was_never_materialized_is_named(store: fp.OfflineStore) -> None:
    with pytest.raises(TableNotFound, match=r"views/spending.*Materialize it first"):
        fp.historical_features(spending(source(daily())), ASKED, store)


@pytest.mark.parametrize("version", [7, -1])
def test_a_version_that_is_not_there_is_named_with_those_that_are(store: fp.OfflineStore, version: int) -> None:
    view = spending(source(daily()))
    fp.materialize(view, store)
    with pytest.raises(VersionNotFound, match=f"views/spending` has no version {version}; it keeps 0 to 0"):
        fp.historical_features(view, ASKED, store, versions={"views/spending": version})


def test_a_feature_that_a_row_view_does_not_have_is_named(store: fp.OfflineStore) -> None:
    view = last_order(source(daily()))
    fp.materialize(view, store)
    with pytest.raises(UnknownName, match=r"`last_order` has no feature `first_amount`\. It has: last_amount"):
        fp.historical_features(view["first_amount"], ASKED, store)


@pytest.mark.parametrize("lost", ["customer", "event_timestamp"])
def test_a_spine_without_key_or_time_is_told_what_is_missing(store: fp.OfflineStore, lost: str) -> None:
    view = spending(source(daily()))
    fp.materialize(view, store)
    with pytest.raises(MissingColumns, match=f"lacks the column.*`{lost}`"):
        fp.historical_features(view, ASKED.drop(lost), store)


def test_a_spine_of_naive_times_is_refused(store: fp.OfflineStore) -> None:
    view = spending(source(daily()))
    fp.materialize(view, store)
    naive = ASKED.with_columns(pl.col("event_timestamp").dt.replace_time_zone(None))
    with pytest.raises(NotUtc, match="`event_timestamp`"):
        fp.historical_features(view, naive, store)


@pytest.mark.parametrize("kind", ["snapshot", "exact", "row"])
def test_awkward_spines_come_back_whole_and_in_order(store: fp.OfflineStore, kind: str) -> None:
    view = last_order(source(daily())) if kind == "row" else spending(source(daily()), accuracy=kind)
    fp.materialize(view, store)
    odd = [(None, at(3)), ("ann", None), ("eve", at(3)), ("ann", at(-9))]
    asked = spine(("bob", at(3)), ("ann", at(5)), ("bob", at(3)), *odd).with_columns(extra=pl.int_range(pl.len()))

    found = told(view, asked, store)

    feature = found.columns[3]
    assert_frame_equal(found.select(asked.columns), asked)
    expected = [3.0, 10.0, 3.0, None, None, None, None] if kind == "row" else EXPECTED[kind]
    assert found[feature].to_list() == expected
    elsewhere = asked.with_columns(pl.col("event_timestamp").dt.convert_time_zone("America/New_York"))
    assert_frame_equal(told(view, elsewhere, store)[feature].to_frame(), found[feature].to_frame())
    assert_frame_equal(told(view, elsewhere, store).select(asked.columns), elsewhere)
    assert told(view, asked.clear(), store).schema == found.schema
    assert told(view, asked.clear(), store).is_empty()


def test_windows_end_at_the_newest_instant_that_was_out(store: fp.OfflineStore) -> None:
    view = spending(source(daily()), windows=["1d"], delay="2h", ttl="30h")
    fp.materialize(view, store)
    moments = [at(2, 2) - timedelta(microseconds=1), at(2, 2), at(6, 6), at(6, 6) + timedelta(microseconds=1)]
    asked = spine(*(("bob", moment) for moment in moments))
    assert told(view, asked, store)["amount_sum_1d"].to_list() == [1.0, 2.0, 5.0, None]


def test_a_key_of_another_integer_type_finds_its_rows(store: fp.OfflineStore) -> None:
    rows = daily().with_columns(customer=pl.lit(7, dtype=pl.UInt32))
    view = spending(source(rows), windows=["1d"])
    fp.materialize(view, store)
    asked = pl.DataFrame({"customer": [7], "event_timestamp": [at(1)]})
    assert told(view, asked, store)["count_1d"].to_list() == [2]


def test_gaps_are_filled_from_rows_before_in_the_spine(store: fp.OfflineStore) -> None:
    view = last_order(source(daily()), ttl="1d")
    fp.materialize(view, store)
    service = fp.FeatureService("filled", [view], impute={"last_amount": fp.Impute.mean()})
    asked = spine(("eve", at(1)), ("bob", at(1)), ("eve", at(1)), ("bob", at(2)), ("eve", at(3)))
    found = fp.historical_features(service, asked, store).collect()
    assert found["last_amount"].to_list() == [None, 1.0, None, 2.0, 1.5]


def test_a_global_view_beside_one_of_a_key_answers_every_row(store: fp.OfflineStore) -> None:
    read = source(daily())
    rate = fp.feature_view(entity=None, source=read, name="rate")(lambda rows: rows.select("at", rate="amount"))
    spent = spending(read)
    for view in (rate, spent):
        fp.materialize(view, store)
    found = fp.historical_features([spent, rate], ASKED, store).collect()
    assert found["rate"].to_list() == [3.0, 3.0, 3.0, 5.0]


def test_exact_windows_over_more_events_than_memory_takes_are_the_same(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = spending(source(daily(40)), accuracy="exact", windows=["2d", "9d"])
    fp.materialize(view, store)
    asked = spine(*((name, at(day, 13)) for day in range(40) for name in ("ann", "eve", "bob", None)))
    wanted = told(view, asked, store)

    monkeypatch.setattr(exact, "working_memory", lambda: 0)

    assert_frame_equal(told(view, asked, store), wanted)
    [reading] = fp.explain(view, asked, store).readings
    assert reading.method == "windows that end at the moment, from events, in buckets of keys on disk"


def test_an_explanation_says_what_is_read_and_reads_no_table(store: fp.OfflineStore) -> None:
    read = source(daily())
    views: list[Any] = [last_order(read, ttl="1d"), spending(read)["count_2d"]]
    for view in (last_order(read, ttl="1d"), spending(read)):
        fp.materialize(view, store)

    opened = OpenedTables()
    found = fp.explain(views, ASKED, store.recording(opened))

    assert len(list(opened)) == 2
    assert (found.rows, found.on_disk) == (4, False)
    assert [(each.table, each.method, each.columns) for each in found.readings] == [
        ("views/last_order", "newest row at the moment", ("customer", "at", "last_amount")),
        ("views/spending", "newest published instant", ("customer", "as_of", "count_2d")),
    ]
    assert "views/last_order: newest row at the moment" in str(found)
    assert found.facts()["execution"] == "in memory"


def test_an_explanation_of_an_empty_spine_reads_nothing(store: fp.OfflineStore) -> None:
    view = last_order(source(daily()))
    fp.materialize(view, store)

    [reading] = fp.explain(view, ASKED.clear(), store).readings

    assert (reading.pieces, reading.rows) == (0, 0)
