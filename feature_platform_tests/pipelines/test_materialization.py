"""Materializing literal frames: which partitions, and which rows."""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.windowing import Accuracy
from feature_platform.ground.errors import (
    InvalidDeclaration,
    PartitioningChanged,
    PartitionOutOfRange,
)
from feature_platform_tests.shop import (
    at,
    customer,
    daily,
    hashes,
    last_order,
    orders,
    source,
    spending,
    spine,
    told,
)


def published(store: fp.OfflineStore, table: str = "views/spending") -> list[tuple[object, ...]]:
    """The rows of a view's table, by instant and key."""
    frame = store.read(table).collect()
    time = "as_of" if "as_of" in frame.columns else "at"
    return frame.select("customer", time, pl.exclude("customer", time)).sort(time, "customer").rows()


# ---------------------------------------------------------------- which partitions


def test_without_a_range_all_days_of_the_data_are_published(store: fp.OfflineStore) -> None:
    done = fp.materialize(spending(source(daily())), store)

    assert list(done) == ["sources/orders", "views/spending"]
    days = [f"2024-01-0{day}" for day in range(1, 6)]
    assert list(store.partition_states("sources/orders")) == days
    assert list(store.partition_states("views/spending")) == days


def test_with_a_range_a_view_has_its_partitions_and_its_source_goes_as_far_back_as_windows_do(
    store: fp.OfflineStore,
) -> None:
    fp.materialize(spending(source(daily())), store, at(3), at(4))

    assert list(store.partition_states("views/spending")) == ["2024-01-04"]
    assert list(store.partition_states("sources/orders")) == ["2024-01-02", "2024-01-03", "2024-01-04"]
    assert published(store) == [(None, at(4), 0.0, 0), ("ann", at(4), 20.0, 2), ("bob", at(4), 7.0, 2)]


def test_a_range_inside_a_partition_covers_the_whole_partition(store: fp.OfflineStore) -> None:
    fp.materialize(spending(source(daily())), store, "2024-01-04T10:00:00", "2024-01-04T11:00:00")
    assert list(store.partition_states("views/spending")) == ["2024-01-04"]


def test_every_instant_has_one_default_row_and_rows_of_the_keys_with_events_only(store: fp.OfflineStore) -> None:
    fp.materialize(spending(source(orders(("ann", at(0, 12), 5.0), ("ann", at(3, 12), 7.0)))), store)
    assert published(store) == [
        (None, at(1), 0.0, 0),
        ("ann", at(1), 5.0, 1),
        (None, at(2), 0.0, 0),
        ("ann", at(2), 5.0, 1),
        (None, at(3), 0.0, 0),
        (None, at(4), 0.0, 0),
        ("ann", at(4), 7.0, 1),
    ]


def test_a_repeated_run_makes_no_version_and_the_same_hashes(store: fp.OfflineStore) -> None:
    first = fp.materialize(spending(source(daily())), store)
    again = fp.materialize(spending(source(daily())), store)

    for name in first:
        assert store.latest_version(name) == 0
        assert again[name].commit.changed == ()
        assert again[name].commit.hashes == first[name].commit.hashes


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (at(0), None, "only one of start and end"),
        (None, at(1), "only one of start and end"),
        (at(1), at(1), "not after its start"),
        (at(2), at(1), "not after its start"),
        (datetime(2024, 1, 1), at(1), "a time without a zone"),
        ("the first", at(1), "the first"),
    ],
)
def test_a_range_that_is_none_is_refused(store: fp.OfflineStore, start: Any, end: Any, found: str) -> None:
    with pytest.raises(InvalidDeclaration, match=found):
        fp.materialize(spending(source(daily())), store, start, end)
    assert store.tables() == []


def test_a_range_outside_the_partitions_of_the_project_is_refused(store: fp.OfflineStore) -> None:
    grid = fp.Partitions("daily", start=at(0), end=at(5))
    with pytest.raises(PartitionOutOfRange, match=r"2024-01-11.*daily.*2024-01-01 to before 2024-01-06"):
        fp.materialize(spending(source(daily())), store, at(10), at(11), partitions=grid)
    assert store.tables() == []


def test_a_range_that_reaches_beyond_the_partitions_of_the_project_is_cut(store: fp.OfflineStore) -> None:
    grid = fp.Partitions("daily", start=at(2), end=at(4))
    fp.materialize(spending(source(daily())), store, at(0), at(9), partitions=grid)
    assert list(store.partition_states("sources/orders")) == ["2024-01-03", "2024-01-04"]
    assert list(store.partition_states("views/spending")) == ["2024-01-03", "2024-01-04"]


def test_the_grain_of_a_table_is_kept(store: fp.OfflineStore) -> None:
    fp.materialize(spending(source(daily())), store)
    with pytest.raises(PartitioningChanged, match=r"daily.*monthly"):
        fp.materialize(spending(source(daily())), store, partitions=fp.Partitions("monthly"))


# ---------------------------------------------------------------- rows with something missing


def test_a_day_without_rows_is_published_as_such(store: fp.OfflineStore) -> None:
    rows = daily().filter(pl.col("at").dt.day() != 3)
    fp.materialize(spending(source(rows), windows=["1d"]), store)

    assert store.partition_states("sources/orders")["2024-01-03"].rows == 0
    asked = spine(("ann", at(3, 1)), ("eve", at(3, 1)))
    assert told(spending(source(rows), windows=["1d"]), asked, store)["amount_sum_1d"].to_list() == [0.0, 0.0]


def test_an_empty_source_publishes_an_empty_table_and_features_are_null(store: fp.OfflineStore) -> None:
    for view in (spending(source(orders())), last_order(source(orders()))):
        done = fp.materialize(view, store)
        assert sum(done[view.asset].rows.values()) == 0
        features = told(view, spine(("ann", at(1))), store).drop("customer", "event_timestamp")
        assert features.null_count().row(0) == (1,) * features.width


def test_an_empty_source_in_a_range_publishes_that_nothing_happened(store: fp.OfflineStore) -> None:
    view = spending(source(orders()))
    fp.materialize(view, store, at(0), at(2))
    assert told(view, spine(("ann", at(1))), store).row(0)[2:] == (0.0, 0)


def test_rows_without_event_time_are_counted_and_left_out(store: fp.OfflineStore) -> None:
    rows = orders(("ann", at(0, 12), 1.0), ("ann", None, 2.0), ("bob", None, 3.0))
    done = fp.materialize(spending(source(rows)), store)
    assert done["sources/orders"].candidate.notes == {"rows_without_event_time": 2}
    assert store.read("sources/orders").collect().height == 1


def test_rows_without_event_time_of_an_unpartitioned_source_are_counted_and_kept(store: fp.OfflineStore) -> None:
    rows = orders(("ann", at(0, 12), 1.0), ("ann", None, 2.0))
    done = fp.materialize(spending(source(rows, partitioned=False)), store)
    assert done["sources/orders"].candidate.notes == {"rows_without_event_time": 1}
    assert told(spending(source(rows, partitioned=False)), spine(("ann", at(1))), store)["amount_sum_2d"].to_list() == [
        1.0
    ]


def test_duplicate_events_count_twice_in_windows_and_once_in_a_row_view(store: fp.OfflineStore) -> None:
    rows = orders(("ann", at(0, 12), 5.0), ("ann", at(0, 12), 5.0), ("ann", at(0, 12), 6.0))
    windowed, row = spending(source(rows)), last_order(source(rows))
    fp.materialize(windowed, store)
    fp.materialize(row, store)

    assert told(windowed, spine(("ann", at(1))), store).row(0)[2:] == (16.0, 3)
    assert published(store, "views/last_order") == [("ann", at(0, 12), 6.0)]


def test_rows_with_a_null_key_are_nobodys(store: fp.OfflineStore) -> None:
    rows = orders((None, at(0, 12), 5.0), ("ann", at(0, 12), 1.0))
    windowed, row = spending(source(rows)), last_order(source(rows))
    fp.materialize(windowed, store)
    fp.materialize(row, store)

    asked = spine((None, at(1)), ("ann", at(1)))
    assert told(windowed, asked, store)["amount_sum_2d"].to_list() == [None, 1.0]
    assert told(row, asked, store)["last_amount"].to_list() == [None, 1.0]
    assert (None, at(1), 0.0, 0) in published(store)


def test_a_view_without_entity_has_one_value_at_each_instant_for_everybody(store: fp.OfflineStore) -> None:
    windowed = spending(source(daily()), entity=None)
    row = fp.feature_view(entity=None, source=source(daily()), name="last_order")(
        lambda rows: rows.select("at", last_amount="amount")
    )
    for view in (windowed, row):
        fp.materialize(view, store)
    asked = spine(("ann", at(2, 13)), ("nobody", at(2, 13)), (None, at(2, 13)))
    assert told(windowed, asked, store)["amount_sum_2d"].to_list() == [23.0] * 3
    assert told(row, asked, store)["last_amount"].to_list() == [3.0] * 3
    assert store.read("views/spending").collect().height == 5


# ---------------------------------------------------------------- unpartitioned sources


def test_facts_without_a_date_are_one_table_and_hold_at_all_times(store: fp.OfflineStore) -> None:
    facts = fp.Source("people", fp.sources.Frame(pl.DataFrame({"customer": ["ann"], "born": [1990]})))
    view = fp.feature_view(entity=customer, source=facts, name="person")(lambda people: people)
    fp.materialize(view, store)
    fp.materialize(view, store, at(0), at(1))

    assert list(store.partition_states("views/person")) == [""]
    assert store.latest_version("views/person") == 0
    assert told(view, spine(("ann", at(-9999)), ("bob", at(0))), store)["born"].to_list() == [1990, None]


def test_an_unpartitioned_source_with_windows_says_the_same_as_a_partitioned_one(
    store: fp.OfflineStore, tmp_path: Path
) -> None:
    other = fp.OfflineStore(tmp_path / "other")
    whole, parts = spending(source(daily(), partitioned=False)), spending(source(daily()))
    fp.materialize(whole, store)
    fp.materialize(parts, other)

    asked = spine(*((name, at(day, 1)) for name in ("ann", "bob", "eve") for day in range(1, 6)))
    assert_frame_equal(told(whole, asked, store), told(parts, asked, other))
    assert list(store.partition_states("views/spending")) == [""]


def test_an_unpartitioned_source_is_replaced_whole(store: fp.OfflineStore) -> None:
    fp.materialize(last_order(source(daily(5), partitioned=False)), store)
    fp.materialize(last_order(source(daily(2), partitioned=False)), store, at(4), at(5))
    assert store.read("sources/orders").collect().height == 4
    assert store.read("views/last_order").collect().height == 4


# ---------------------------------------------------------------- views on views


def test_a_row_view_over_a_windowed_view_day_by_day_says_the_same_as_at_once(
    store: fp.OfflineStore, tmp_path: Path
) -> None:
    other = fp.OfflineStore(tmp_path / "other")
    spent = spending(source(daily()), delay="1h")

    @fp.feature_view(entity=customer, source=spent)
    def big(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select("customer", "as_of", "known_at", big=pl.col("amount_sum_2d") > 15)

    fp.materialize(big, store, at(0), at(5))
    for day in (2, 0, 1, 4, 3):
        fp.materialize(big, other, at(day), at(day + 1))

    assert hashes(store, "views/big") == hashes(other, "views/big")
    asked = spine(("ann", at(2, 0)), ("ann", at(2, 1)), ("bob", at(2, 1)), ("ann", at(1, 23)))
    assert told(big, asked, other)["big"].to_list() == [False, True, False, False]


def test_a_windowed_view_over_a_row_view_counts_its_rows(store: fp.OfflineStore) -> None:
    @fp.feature_view(entity=customer, source=source(daily()))
    def dear(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(pl.col("amount") > 2)

    view = spending(dear, windows=["3d"])
    for day in range(5):
        fp.materialize(view, store, at(day), at(day + 1))
    assert told(view, spine(("ann", at(5)), ("bob", at(5)), ("bob", at(3))), store)["count_3d"].to_list() == [3, 3, 1]


@pytest.mark.parametrize("accuracy", ["snapshot", "exact"])
def test_windows_over_a_windowed_view_see_its_values_when_they_were_out(
    store: fp.OfflineStore, accuracy: Accuracy
) -> None:
    spent = spending(source(daily()), windows=["1d"], delay="6h")
    view = fp.feature_view(
        entity=customer,
        source=spent,
        aggregations=[fp.Sum("amount_sum_1d", windows=["3d"])],
        cadence=fp.Cadence(every="12h"),
        accuracy=accuracy,
        name="smooth",
    )(lambda rows: rows)
    for day in range(5):
        fp.materialize(view, store, at(day), at(day + 1))

    asked = spine(("bob", at(2)), ("bob", at(2, 12)), ("nobody", at(2, 12)))
    values = told(view, asked, store)["amount_sum_1d_sum_3d"].to_list()
    assert values == [1.0, 3.0, 0.0]
    frame = store.read("views/spending").collect()
    assert fp.testing.values_at(view, {"spending": frame}, asked).collect().to_series(-1).to_list() == values


def test_the_delay_of_a_windowed_view_is_kept_through_a_row_view_above_it(store: fp.OfflineStore) -> None:
    spent = spending(source(daily()), windows=["1d"], delay="6h")
    echo = fp.feature_view(entity=customer, source=spent, name="echo")(lambda rows: rows)
    view = fp.feature_view(
        entity=customer,
        source=echo,
        aggregations=[fp.Sum("amount_sum_1d", windows=["3d"])],
        cadence=fp.Cadence(every="3h"),
        name="smooth",
    )(lambda rows: rows)
    fp.materialize(view, store)
    asked = spine(("bob", at(1, 3)), ("bob", at(1, 6)))
    assert told(view, asked, store)["amount_sum_1d_sum_3d"].to_list() == [0.0, 1.0]
