"""Up to when a table has all events, as its log tells."""

from datetime import datetime, timezone

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.joins.finality import Coverage
from feature_platform.declarations.label import Label
from feature_platform.ground.clock import microsecond_of, moment_of
from feature_platform.training.coverage import coverage_of
from feature_platform_tests.shop import at, customer, daily, orders, source


def label_of(read: fp.Source) -> Label:
    return fp.label(entity=customer, source=read, name="l", aggregations=[fp.Count(windows=["1d"])])(lambda rows: rows)


def stretches(
    read: fp.Source, store: fp.OfflineStore, known_by: datetime | None = None
) -> list[tuple[datetime, datetime]]:
    label = label_of(read)
    found = coverage_of(label, store, {"sources/orders": store.latest_version("sources/orders")}, known_by)
    return [(moment_of(start), moment_of(end)) for start, end in found.stretches]


def test_partitions_that_follow_one_another_are_one_stretch_empty_ones_too(store: fp.OfflineStore) -> None:
    read = source(daily(9).filter(pl.col("at").dt.day() != 3))
    fp.materialize(read, store, at(0), at(5))
    fp.materialize(read, store, at(6), at(9))

    assert stretches(read, store) == [(at(0), at(5)), (at(6), at(9))]
    assert stretches(read, store, at(7, 12)) == [(at(0), at(5)), (at(6), at(7, 12))]
    assert stretches(read, store, at(5, 12)) == [(at(0), at(5))]


@pytest.mark.parametrize("grain", ["hourly", "weekly", "monthly"])
def test_partitions_are_as_long_as_the_grain_of_the_table_says(store: fp.OfflineStore, grain: str) -> None:
    read = source(orders(("ann", at(0, 12), 1.0)))
    fp.materialize(read, store, partitions=fp.Partitions(grain))  # type: ignore[arg-type]

    ends = {"hourly": (at(0, 12), at(0, 13)), "weekly": (at(0), at(7)), "monthly": (at(0), at(31))}
    assert stretches(read, store) == [ends[grain]]


def test_a_partition_that_has_not_ended_is_covered_up_to_its_commit(store: fp.OfflineStore) -> None:
    now = datetime.now(timezone.utc)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    read = source(orders(("ann", today, 1.0)))
    fp.materialize(read, store)
    written = store.history("sources/orders")["timestamp"].max()

    assert stretches(read, store) == [(today, written)]
    assert now <= stretches(read, store)[0][1] <= datetime.now(timezone.utc)


def test_a_table_without_partitions_goes_from_its_first_event_to_its_last(store: fp.OfflineStore) -> None:
    read = source(orders(("ann", at(3), 1.0), ("bob", at(1), 1.0), ("bob", None, 1.0)), partitioned=False)
    fp.materialize(read, store)

    assert stretches(read, store) == [(at(1), at(3))]


@pytest.mark.parametrize("partitioned", [True, False])
def test_a_table_without_rows_covers_nothing(store: fp.OfflineStore, partitioned: bool) -> None:
    read = source(orders(), partitioned=partitioned)
    fp.materialize(read, store)
    assert stretches(read, store) == []


def test_a_moment_is_covered_to_the_end_of_its_own_stretch() -> None:
    ticks = [microsecond_of(at(day)) for day in range(6)]
    coverage = Coverage("orders@1", ((ticks[0], ticks[2]), (ticks[3], ticks[5])))
    asked = pl.Series([ticks[0] - 1, ticks[0], ticks[2] - 1, ticks[2], ticks[3], ticks[5]]).to_numpy()
    ends = [None if end < 0 else end for end in coverage.until(asked).tolist()]
    assert ends == [None, ticks[2], ticks[2], None, ticks[5], None]
