"""What every connector of the catalogue has to hold, from its place to the published table, a day in each unit."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.ground.errors import FeaturePlatformError, PublishedRowsGone, SourceUnreadable
from feature_platform.parts import sources as catalogue
from feature_platform.pipelines.results import PublishResult
from feature_platform_tests.pipelines import daily_places
from feature_platform_tests.pipelines.daily_places import Place, day_of
from feature_platform_tests.shop import at, orders

TABLE = "sources/orders"
PLACES: dict[str, Callable[[Path], Place]] = {
    "Call": daily_places.call_place,
    "Csv": daily_places.csv_place,
    "Database": daily_places.sqlite_place,
    "Delta": daily_places.delta_place,
    "Frame": daily_places.frame_place,
    "Iceberg": daily_places.iceberg_place,
    "Json": daily_places.json_place,
    "Kafka": daily_places.kafka_place,
    "Parquet": daily_places.parquet_place,
}
ELSEWHERE = {"Dlt": "each of its runs starts a process; these laws are in parts/sources/test_dlt.py"}
NO_COLUMN = {
    "Database": "a table has its columns for all rows; see parts/sources/database",
    "Delta": "a table has its columns for all rows; see parts/sources/test_delta.py",
    "Iceberg": "a table has its columns for all rows; see parts/sources/test_iceberg.py",
    "Frame": "a frame has its columns for all rows",
    "Json": "its schema names the columns",
}
NO_TEXT = {"Delta": "the table refuses text", "Iceberg": "the table refuses text"}


@pytest.fixture
def place(name: str, tmp_path: Path) -> Place:
    """A source of four days."""
    (tmp_path / "raw").mkdir()
    made = PLACES[name](tmp_path / "raw")
    for day in range(4):
        made.put(day, day_of(day))
    return made


def run(place: Place, store: fp.OfflineStore, **words: Any) -> PublishResult:
    """A run of everything that is there."""
    return fp.materialize(place.source(), store, **words)[TABLE]


def published(store: fp.OfflineStore) -> pl.DataFrame:
    return store.read(TABLE).sort("at", "customer").collect()


def rows_of(*days: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(days).sort("at", "customer")


def test_every_connector_is_here_or_has_a_reason() -> None:
    every = [name for name in catalogue.__all__ if name not in ("Connector", "ObjectStore")]
    assert sorted([*PLACES, *ELSEWHERE]) == sorted(every)


@pytest.mark.parametrize("name", PLACES)
def test_what_is_new_is_taken_in_and_what_is_known_makes_no_version(place: Place, store: fp.OfflineStore) -> None:
    run(place, store)
    version = store.latest_version(TABLE)
    assert run(place, store).commit.changed == ()
    assert store.latest_version(TABLE) == version
    place.put(1, day_of(1))  # written again
    assert run(place, store).commit.changed == ()
    place.put(4, day_of(4))
    assert run(place, store).commit.changed == ("2024-01-05",)
    assert_frame_equal(published(store), rows_of(*map(day_of, range(5))), check_column_order=False)


@pytest.mark.parametrize("name", PLACES)
def test_what_changed_or_came_late_makes_its_own_days_anew(place: Place, store: fp.OfflineStore) -> None:
    run(place, store)
    late = rows_of(day_of(1), orders(("late", at(1, 20), 1.0)))
    place.put(1, late)
    place.put(2, day_of(2, amount=99.0))
    assert run(place, store).commit.changed == ("2024-01-02", "2024-01-03")
    wanted = rows_of(day_of(0), late, day_of(2, amount=99.0), day_of(3))
    assert_frame_equal(published(store), wanted, check_column_order=False)


@pytest.mark.parametrize("name", PLACES)
def test_what_vanished_stays_until_somebody_says_that_it_goes(place: Place, store: fp.OfflineStore) -> None:
    run(place, store)
    place.drop(0)
    kept = run(place, store)
    assert kept.commit.changed == ()
    assert set(kept.candidate.kept) == {"2024-01-01"}
    assert run(place, store, gone="taken").commit.changed == ("2024-01-01",)
    assert_frame_equal(published(store), rows_of(*map(day_of, range(1, 4))), check_column_order=False)


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_is_suddenly_empty_takes_nothing_away(place: Place, store: fp.OfflineStore) -> None:
    run(place, store)
    before = published(store)
    for day in range(4):
        place.drop(day)
    with suppress(PublishedRowsGone, SourceUnreadable):
        run(place, store)
    assert_frame_equal(published(store), before)


@pytest.mark.parametrize("name", [name for name in PLACES if name not in NO_COLUMN])
def test_a_column_that_newer_rows_have_is_null_in_the_older_ones(place: Place, store: fp.OfflineStore) -> None:
    run(place, store)
    place.put(4, day_of(4).with_columns(note=pl.lit("new")))
    run(place, store)
    assert published(store)["note"].to_list() == [None] * 12 + ["new"] * 3


@pytest.mark.parametrize("name", [name for name in PLACES if name not in NO_TEXT])
def test_values_of_another_type_are_refused_and_nothing_is_written(place: Place, store: fp.OfflineStore) -> None:
    run(place, store)
    before = published(store)
    place.put(3, day_of(3).with_columns(amount=pl.lit("much")))
    with pytest.raises(FeaturePlatformError) as refused:
        run(place, store)
    assert "orders" in str(refused.value)
    assert_frame_equal(published(store), before)


@pytest.mark.parametrize("name", PLACES)
def test_what_changes_while_it_is_read_is_right_after_the_next_run(place: Place, store: fp.OfflineStore) -> None:
    prepare, changed = place.prepare, list[int]()

    def change_while_reading(rows: pl.LazyFrame) -> pl.LazyFrame:
        if not changed:
            changed.append(1)
            place.put(1, day_of(1, amount=77.0))
        return rows if prepare is None else prepare(rows)

    place.prepare = change_while_reading
    with suppress(SourceUnreadable):  # a file that was replaced may be told, too
        run(place, store)
    place.prepare = prepare
    run(place, store)
    wanted = rows_of(day_of(0), day_of(1, amount=77.0), day_of(2), day_of(3))
    assert_frame_equal(published(store), wanted, check_column_order=False)
