"""Corrected, deleted and vanished data: noticed until it is remade, never emptied without a word."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

import feature_platform as fp
from feature_platform.declarations.project import Project, project_of
from feature_platform.ground.errors import PublishedRowsGone
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform.pipelines.plan import stale_assets
from feature_platform.pipelines.results import PublishResult
from feature_platform_tests.shop import at, daily, orders

pytestmark = pytest.mark.usefixtures("unrecorded")

TABLE = "sources/orders"
DAYS = [f"2024-01-0{day}" for day in range(1, 10)]
KEPT = ", and stay here until you confirm the deletion"


def utc_time(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z"))


@dataclass
class Place:
    """A source of orders by day: `put` replaces the rows of a day, `drop` takes them away."""

    connector: Callable[..., fp.sources.Connector]
    put: Callable[[int, pl.DataFrame], None]
    drop: Callable[[int], None]
    names: bool  # whether a reason names the file
    prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None
    gone: str = "kept"

    def source(self) -> fp.Source:
        return fp.Source("orders", self.connector(gone=self.gone), event_time="at", prepare=self.prepare)

    def taken_as(self, gone: str) -> "Place":
        return replace(self, gone=gone)


def parquet_place(folder: Path) -> Place:
    return Place(
        lambda **words: fp.sources.Parquet(folder, **words),
        lambda day, rows: rows.write_parquet(folder / f"d{day}.parquet"),
        lambda day: (folder / f"d{day}.parquet").unlink(),
        names=True,
    )


def csv_place(folder: Path) -> Place:
    return Place(
        lambda **words: fp.sources.Csv(folder / "*.csv", **words),
        lambda day, rows: rows.write_csv(folder / f"d{day}.csv"),
        lambda day: (folder / f"d{day}.csv").unlink(),
        names=True,
        prepare=utc_time,
    )


def delta_place(folder: Path) -> Place:
    table = str(folder / "table")

    def drop(day: int) -> None:
        DeltaTable(table).delete(f"at >= '{at(day):%Y-%m-%d}' AND at < '{at(day + 1):%Y-%m-%d}'")

    def put(day: int, rows: pl.DataFrame) -> None:
        if (folder / "table").exists():
            drop(day)
        rows.write_delta(table, mode="append")

    return Place(lambda **words: fp.sources.Delta(table, **words), put, drop, names=False)


def frame_place(folder: Path) -> Place:
    held: dict[int, pl.DataFrame] = {}

    def put(day: int, rows: pl.DataFrame) -> None:
        held[day] = rows

    schema = daily().schema
    late = pl.defer(lambda: pl.concat([held[day] for day in sorted(held)]), schema=schema)
    return Place(lambda **words: fp.sources.Frame(late, **words), put, held.__delitem__, names=False)


PLACES = {"parquet": parquet_place, "csv": csv_place, "delta": delta_place, "frame": frame_place}


def day_of(day: int, amount: float = 10.0, count: int = 3) -> pl.DataFrame:
    return orders(*[(f"c{number}", at(day, 12, number), amount + number) for number in range(count)])


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A source of five days."""
    (tmp_path / "raw").mkdir()
    made = PLACES[request.param](tmp_path / "raw")
    for day in range(5):
        made.put(day, day_of(day))
    return made


@pytest.fixture
def files(tmp_path: Path) -> Place:
    """A folder of five days."""
    (tmp_path / "raw").mkdir()
    made = parquet_place(tmp_path / "raw")
    for day in range(5):
        made.put(day, day_of(day))
    return made


def project(place: Place, days: int = 5) -> Project:
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(days))
    module.orders = place.source()
    return project_of(module)


def run(place: Place, store: fp.OfflineStore, first: int, last: int, **words: Any) -> PublishResult:
    done = materialize_asset(place.source(), store, (at(first), at(last)), fp.Partitions("daily"), **words)
    done.raise_if_refused()
    return done


def stale(place: Place, store: fp.OfflineStore, days: int = 5) -> dict[str, str]:
    found = [each for each in stale_assets(project(place, days), store) if each.asset == TABLE]
    return dict(found[0].reasons) if found else {}


def rows_of(store: fp.OfflineStore) -> dict[str, int]:
    return {key: state.rows for key, state in sorted(store.partition_states(TABLE).items())}


def reason(place: Place, day: int, what: str = "changed") -> str:
    """Why a day is stale that one file holds, as far as the connector knows files that people know."""
    return f"its data changed: d{day}.{place.connector().kind} {what}" if place.names else "its data changed"


def test_a_corrected_old_day_stays_stale_after_later_days_are_run_until_it_is_remade(
    place: Place, store: fp.OfflineStore
) -> None:
    run(place, store, 0, 3)
    place.put(0, day_of(0, amount=99.0))  # as many rows
    place.put(1, day_of(1, count=2))  # fewer
    run(place, store, 3, 5)
    assert stale(place, store) == {DAYS[day]: reason(place, day) for day in (0, 1)}
    run(place, store, 0, 2)
    assert stale(place, store) == {}
    assert store.read(TABLE, partitions=[DAYS[0]]).select("amount").collect()["amount"].min() == 99.0


def test_a_run_of_everything_takes_in_what_was_corrected_anywhere(place: Place, store: fp.OfflineStore) -> None:
    run(place, store, 0, 5)
    for day in (0, 2, 4):
        place.put(day, day_of(day, amount=50.0, count=2))
    assert set(stale(place, store)) == {DAYS[0], DAYS[2], DAYS[4]}
    done = fp.materialize(place.source(), store)
    assert done[TABLE].commit.changed == (DAYS[0], DAYS[2], DAYS[4])
    assert stale(place, store) == {}


@pytest.mark.parametrize("day", [0, 4], ids=["first", "last"])
def test_a_deleted_day_is_kept_and_told_until_it_is_said_that_it_goes(
    place: Place, store: fp.OfflineStore, day: int
) -> None:
    run(place, store, 0, 5)
    place.drop(day)
    [found] = stale_assets(project(place), store)
    assert (set(found.undecided), found.due_partitions) == ({DAYS[day]}, {})
    assert found.reasons[DAYS[day]].startswith(reason(place, day, "is gone"))
    assert found.reasons[DAYS[day]].endswith(f"; 3 of 3 published rows are not there any more{KEPT}")

    for done in (fp.materialize(place.source(), store)[TABLE], run(place, store, day, day + 1)):
        assert done.commit.changed == ()
        assert done.candidate.notes == {"partitions_kept_though_rows_are_gone": 1}
        assert set(done.candidate.kept) == {DAYS[day]}
    assert rows_of(store) == dict.fromkeys(DAYS[:5], 3)

    taken = fp.materialize(place.source(), store, gone="taken")
    assert taken[TABLE].commit.changed == (DAYS[day],)
    assert rows_of(store)[DAYS[day]] == 0
    assert stale(place, store) == {}


def test_complete_deliveries_take_a_deleted_day_away(place: Place, store: fp.OfflineStore) -> None:
    place = place.taken_as("taken")
    run(place, store, 0, 5)
    place.drop(4)
    assert set(stale(place, store)) == {DAYS[4]}
    assert fp.materialize(place.source(), store)[TABLE].commit.changed == (DAYS[4],)
    assert stale(place, store) == {}


def test_a_source_that_refuses_losses_stops(place: Place, store: fp.OfflineStore) -> None:
    place = place.taken_as("refuse")
    run(place, store, 0, 5)
    place.drop(1)
    with pytest.raises(PublishedRowsGone, match=r"2024-01-02 .*3 of 3 published rows.*feature-platform confirm orders"):
        run(place, store, 4, 5)
    assert rows_of(store) == dict.fromkeys(DAYS[:5], 3)
    assert run(place, store, 1, 2, gone="taken").commit.changed == (DAYS[1],)


def test_what_vanished_within_the_lateness_stays_published(files: Place, store: fp.OfflineStore) -> None:
    customer = fp.Entity("customer", join_keys=["customer"])
    view = fp.feature_view(
        entity=customer,
        source=files.source(),
        aggregations=[fp.Sum("amount", windows=["2d"])],
        cadence=fp.Cadence(lateness="3d"),
        name="spending",
    )(lambda rows: rows)
    fp.materialize(view, store, at(0), at(4))
    files.drop(3)
    done = fp.materialize(view, store, at(4), at(5))
    assert done[TABLE].commit.changed == (DAYS[4],)
    assert rows_of(store).items() >= dict.fromkeys(DAYS[:5], 3).items()


def test_one_file_of_several_of_a_day_that_vanished_is_a_loss(files: Place, store: fp.OfflineStore) -> None:
    day_of(1, amount=70.0).write_parquet(Path(files.source().connector.location) / "d1b.parquet")
    run(files, store, 0, 5)
    (Path(files.source().connector.location) / "d1b.parquet").unlink()
    assert stale(files, store)[DAYS[1]] == (
        f"its data changed: d1b.parquet is gone; 3 of 6 published rows are not there any more{KEPT}"
    )
    run(files, store, 0, 5)
    assert rows_of(store)[DAYS[1]] == 6


@pytest.mark.parametrize("left", [0, 1])
def test_a_file_with_almost_nothing_left_is_a_loss(files: Place, store: fp.OfflineStore, left: int) -> None:
    files.put(2, day_of(2, count=10))
    run(files, store, 0, 5)
    files.put(2, day_of(2, count=left))
    assert "are not there any more" in stale(files, store)[DAYS[2]]
    run(files, store, 0, 5)
    assert rows_of(store)[DAYS[2]] == 10
    files.put(2, day_of(2, count=2))
    run(files, store, 0, 5)
    assert rows_of(store)[DAYS[2]] == 2


def test_most_of_a_folder_missing_stops_every_run_until_it_is_confirmed(files: Place, store: fp.OfflineStore) -> None:
    files = files.taken_as("taken")
    run(files, store, 0, 5)
    for day in range(3):
        files.drop(day)
    for _ in range(2):
        with pytest.raises(PublishedRowsGone, match="2 of 5 files are left, with 6 of 15 rows"):
            run(files, store, 4, 5)
    assert rows_of(store) == dict.fromkeys(DAYS[:5], 3)
    run(files, store, 0, 5, gone="taken")
    assert rows_of(store) == {**dict.fromkeys(DAYS[:3], 0), **dict.fromkeys(DAYS[3:5], 3)}


def test_a_rolling_window_leaves_what_it_has_dropped_published_and_is_up_to_date(
    files: Place, store: fp.OfflineStore
) -> None:
    files = files.taken_as("rolling")
    run(files, store, 0, 5)
    for day in range(5, 9):
        files.drop(day - 5)
        files.put(day, day_of(day))
        done = run(files, store, day, day + 1)
        assert done.candidate.kept == {}
        assert stale(files, store, day + 1) == {}
    assert rows_of(store) == dict.fromkeys(DAYS, 3)
    files.put(6, day_of(6, count=0))
    assert set(stale(files, store, 9)) == {DAYS[6]}


def test_touched_renamed_recompressed_or_regrouped_files_make_nothing_stale(
    files: Place, store: fp.OfflineStore
) -> None:
    folder = Path(files.source().connector.location)
    run(files, store, 0, 5)
    os.utime(folder / "d0.parquet", (1, 1))
    (folder / "d1.parquet").rename(folder / "x1.parquet")
    day_of(2).reverse().write_parquet(folder / "d2.parquet", compression="gzip")
    shutil.copy(folder / "d3.parquet", folder / "copy")
    (folder / "copy").replace(folder / "d3.parquet")
    assert stale(files, store) == {}
    both = pl.concat([day_of(3), day_of(4)])
    files.drop(3)
    files.put(4, both)
    assert stale(files, store) == {}
    assert run(files, store, 0, 5).commit.changed == ()
    assert stale(files, store) == {}


def test_a_file_of_the_same_size_and_time_is_seen(files: Place, store: fp.OfflineStore) -> None:
    folder = Path(files.source().connector.location)
    run(files, store, 0, 5)
    before = (folder / "d1.parquet").stat()
    files.put(1, day_of(1, amount=20.0))
    os.utime(folder / "d1.parquet", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert set(stale(files, store)) == {DAYS[1]}


def test_a_new_file_makes_only_the_days_stale_that_it_feeds(files: Place, store: fp.OfflineStore) -> None:
    run(files, store, 0, 5)
    folder = Path(files.source().connector.location)
    orders(("eve", at(1, 3), 1.0), ("eve", at(3, 3), 1.0)).write_parquet(folder / "late.parquet")
    assert stale(files, store) == dict.fromkeys([DAYS[1], DAYS[3]], "its data changed: late.parquet is new")


def test_one_file_that_grows_makes_only_its_new_days_stale(tmp_path: Path, store: fp.OfflineStore) -> None:
    def written(rows: pl.DataFrame) -> None:
        rows.write_csv(tmp_path / "all.csv")

    place = Place(
        lambda **words: fp.sources.Csv(tmp_path / "all.csv", **words),
        lambda _day, rows: written(rows),
        print,
        names=True,
        prepare=utc_time,
    )
    written(pl.concat([day_of(day) for day in range(4)]))
    run(place, store, 0, 4)
    written(pl.concat([day_of(0, amount=5.0), *(day_of(day) for day in range(1, 5))]))
    run(place, store, 4, 5)
    assert stale(place, store) == {DAYS[0]: "its data changed: all.csv changed"}


def test_prepare_that_looks_at_other_rows_is_compared_as_a_whole(files: Place, store: fp.OfflineStore) -> None:
    files.prepare = lambda rows: rows.with_columns(pl.col("amount").sum().over("customer", "at").alias("total"))
    run(files, store, 0, 5)
    assert stale(files, store) == {}
    files.put(1, day_of(1, amount=20.0))
    assert set(stale(files, store)) == {DAYS[1]}
    run(files, store, 0, 5)
    assert stale(files, store) == {}


def test_a_file_that_changes_while_it_is_read_leaves_its_days_stale(files: Place, store: fp.OfflineStore) -> None:
    replaced: list[int] = []

    def prepare(rows: pl.LazyFrame) -> pl.LazyFrame:
        def replacing(frame: pl.DataFrame) -> pl.DataFrame:
            replaced.append(1)
            if len(replaced) == 10:  # eight times for a trial, then to know what there is, then for its rows
                files.put(1, day_of(1, amount=20.0))
            return frame

        return rows.map_batches(replacing, schema=rows.collect_schema())

    files.prepare = prepare
    run(files, store, 0, 5)
    assert len(replaced) == 10
    assert set(stale(files, store)) >= {DAYS[1]}


def test_a_lost_ledger_is_read_again_and_changes_nothing(files: Place, store: fp.OfflineStore) -> None:
    run(files, store, 0, 5)
    shutil.rmtree(Path(store.location("units/orders").uri))
    assert stale(files, store) == {}
    files.put(2, day_of(2, amount=20.0))
    assert set(stale(files, store)) == {DAYS[2]}


def test_nothing_new_writes_nothing(files: Place, store: fp.OfflineStore) -> None:
    run(files, store, 0, 5)
    before = {name: store.latest_version(name) for name in (TABLE, "units/orders")}
    run(files, store, 0, 5)
    assert {name: store.latest_version(name) for name in (TABLE, "units/orders")} == before


def test_what_is_undecided_is_not_due_for_a_sensor_and_nothing_downstream_is_stale(
    files: Place, store: fp.OfflineStore
) -> None:
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(5))
    module.latest = fp.feature_view(
        entity=fp.Entity("customer", join_keys=["customer"]), source=files.source(), name="latest"
    )(lambda rows: rows)
    shop = project_of(module)
    fp.materialize(module.latest, store, at(0), at(5))
    assert stale_assets(shop, store) == []
    files.drop(2)
    [found] = stale_assets(shop, store)
    assert (found.asset, found.due_partitions, set(found.undecided)) == (TABLE, {}, {DAYS[2]})
