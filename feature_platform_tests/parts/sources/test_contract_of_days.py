"""What runs make of every connector of the catalogue: new, changed, late, moved and vanished rows, and new columns.

A new connector needs a line in `daily_places.PLACES`. Where a law does not hold for a connector, the reason is here.
"""

from contextlib import suppress

import polars as pl
import pytest

import feature_platform as fp
import feature_platform.parts.sources as catalogue
from feature_platform.ground.errors import FeaturePlatformError, PublishedRowsGone, SourceUnreadable
from feature_platform_tests.parts.sources.daily_places import PLACES, REFUSED, DailyPlace, Days, all_rows, day_rows

pytestmark = pytest.mark.usefixtures("unrecorded")

CATALOGUE = vars(catalogue)
CONNECTORS = [name for name in catalogue.__all__ if catalogue.Connector in CATALOGUE[name].__mro__[1:]]
GRID = fp.Partitions("daily", start="2024-05-01", end="2024-05-05")
TWO = {1: day_rows(1, 1, 2), 2: day_rows(2, 3, 4)}
FIRST, SECOND, THIRD = "2024-05-01", "2024-05-02", "2024-05-03"
WITHOUT_DAYS = {"Kafka": "a run reads its history, another connector, and messages, which come as pushes do"}
NEVER_VANISHES = {"Dlt": "what an API deletes is not seen"}
TYPES_ARE_FREE = {
    "Call": "a function may return other types; the table refuses them",
    "Frame": "a frame has its types",
    "Iceberg": "a table refuses to give a column another type",
}
HOLDS_STILL = {"Database": "SQLite lets nobody change a table that is read; Postgres: pipelines/test_databases.py"}
NOTHING_IS_AN_ERROR = {
    "Csv": "a folder without files may be a wrong path",
    "Dlt": "the types of rows are not known before some are brought",
    "Json": "a folder without files may be a wrong path",
    "Parquet": "a folder without files may be a wrong path",
}


class World:
    """A connector with its source and a store."""

    def __init__(self, name: str, folder) -> None:
        self.place: DailyPlace = PLACES[name](folder)
        self.source = fp.Source("orders", self.place.connector, event_time="at", prepare=self.place.prepare)
        self.store = fp.OfflineStore(folder / "store")

    def put(self, days: Days) -> None:
        self.place.put(days)

    def run(self) -> list[str]:
        """Run the source, and return the days that a new version was committed for."""
        [published] = fp.materialize(self.source, self.store, partitions=GRID).values()
        return sorted(key for key in published.commit.changed if key) if published.commit else []

    @property
    def rows(self) -> list[tuple]:
        """Return what is published."""
        found = self.store.read(self.source.asset).collect().sort("at")
        return found.select("k", "x", *(["note"] if "note" in found.columns else [])).rows()

    @property
    def stale(self) -> list[str]:
        """Return the days that a run would change, and those that wait for a decision."""
        found = fp.stale_assets(fp.Project("shop", GRID, (self.source,)), self.store)
        return [key for each in found for key, why in each.reasons.items() if why != "never materialized"]


def wanted(days: Days) -> list[tuple]:
    found = all_rows(days).sort("at")
    return found.drop("at").rows()


@pytest.fixture
def world(name, tmp_path):
    return World(name, tmp_path)


def test_every_connector_has_a_place_here():
    assert sorted(CONNECTORS) == sorted([*PLACES, *WITHOUT_DAYS])


@pytest.mark.parametrize("name", PLACES)
def test_new_changed_late_and_moved_rows_make_their_own_days_stale_and_no_others(world):
    world.put(TWO)
    world.run()
    assert world.rows == wanted(TWO)
    assert (world.stale, world.run()) == ([], [])
    world.place.move()
    assert (world.stale, world.run()) == ([], [])
    changed = {1: day_rows(1, 1, 9), 2: day_rows(2, 3, 4, 5), 3: day_rows(3, 6)}
    world.put(changed)
    assert world.stale == [FIRST, SECOND]
    assert world.run() == [FIRST, SECOND, THIRD]
    assert world.rows == wanted(changed)


@pytest.mark.parametrize("name", [name for name in PLACES if name not in NEVER_VANISHES])
def test_rows_of_a_day_that_vanishes_stay_published_until_somebody_decides(world):
    world.put(TWO)
    world.run()
    world.put({2: TWO[2]})
    assert world.stale == [FIRST]
    assert world.run() == []
    assert world.rows == wanted(TWO)


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_is_suddenly_empty_takes_nothing_away(world):
    world.put(TWO)
    world.run()
    with suppress(PublishedRowsGone, SourceUnreadable):
        put_and_run(world, {})
    assert world.rows == wanted(TWO)


@pytest.mark.parametrize("name", [name for name in PLACES if name not in HOLDS_STILL])
def test_what_changes_while_it_is_read_is_right_after_the_next_run(world):
    prepare, changed = world.source.prepare, {1: TWO[1], 2: day_rows(2, 7, 8)}
    begun: list[int] = []

    def change_while_reading(rows):
        if not begun:
            begun.append(1)
            world.put(changed)
        return rows if prepare is None else prepare(rows)

    world.put(TWO)
    world.source = fp.Source("orders", world.place.connector, event_time="at", prepare=change_while_reading)
    with suppress(SourceUnreadable):  # a file that was replaced may be told, too
        world.run()
    world.source = fp.Source("orders", world.place.connector, event_time="at", prepare=prepare)
    world.run()
    assert begun
    assert world.rows == wanted(changed)


@pytest.mark.parametrize("name", PLACES)
def test_a_new_column_is_null_in_the_days_before(world):
    world.put(TWO)
    world.run()
    grown = {**TWO, 3: day_rows(3, 5).with_columns(note=pl.lit("n"))}
    world.put(grown)
    world.run()
    assert world.rows == wanted(grown)
    assert world.stale == []


@pytest.mark.parametrize("name", [name for name in PLACES if name not in TYPES_ARE_FREE])
def test_a_value_of_another_type_is_an_error_that_names_the_column_and_changes_nothing(world):
    world.put(TWO)
    world.run()
    with pytest.raises((FeaturePlatformError, *REFUSED), match=r"`x`|x: ") as raised:
        put_and_run(world, {1: TWO[1], 2: TWO[2], 3: day_rows(3, "many")})
    assert "\n" not in str(raised.value)
    assert world.rows == wanted(TWO)


def put_and_run(world: World, days: Days) -> None:
    world.put(days)
    world.run()


@pytest.mark.parametrize("name", [name for name in PLACES if name not in NOTHING_IS_AN_ERROR])
def test_a_place_without_rows_makes_an_empty_table(world):
    world.put({})
    world.run()
    assert world.rows == []


@pytest.mark.parametrize("name", NOTHING_IS_AN_ERROR)
def test_a_place_with_nothing_in_it_is_one_error(world):
    world.put({})
    with pytest.raises(SourceUnreadable, match="Source `orders` cannot be read from "):
        world.run()
    assert not world.store.exists(world.source.asset)
