"""A source in a database: late commits, updates and deletes are found by counts, and only what differs is stale."""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import NotRepeatable, NotTheSameInParts, PublishedRowsGone, SourceUnreadable
from feature_platform.parts.sources.database.opened import Transaction
from feature_platform.parts.sources.database.session import Selection
from feature_platform.parts.sources.database.slices import Slices
from feature_platform_tests.databases import Server

GRID = fp.Partitions("daily", start="2024-05-01")
START, END = datetime(2024, 5, 1, tzinfo=timezone.utc), datetime(2024, 5, 4, tzinfo=timezone.utc)
NOW = datetime(2024, 5, 5, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Place:
    """A table of 72 hourly rows, three days of 24, and how to run statements on it."""

    url: str
    table: str
    run: Callable[..., object]

    def source(self, prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None, **words: object) -> fp.Source:
        database = fp.sources.Database(self.url, table=self.table, time_zone="UTC", **words)  # type: ignore[arg-type]
        return fp.Source("ev", database, event_time="at", prepare=prepare)


def sqlite_place(folder: Path) -> Place:
    def run(*statements: str) -> None:
        with closing(sqlite3.connect(folder / "shop.db", isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return Place(f"sqlite:///{folder}/shop.db", "ev", run)


@pytest.fixture(params=["SQLite", "Postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    found = sqlite_place(tmp_path)
    if request.param == "Postgres":
        server: Server = request.getfixturevalue("postgres")
        found = Place(server.url, f"ev_{uuid.uuid4().hex}", server.run)
    kind = "TIMESTAMP" if request.param == "Postgres" else "DATETIME"
    rows = (f"({i}, '{day} {hour:02}:00:00', {i}, 0)" for i, day, hour in hours())
    columns = f"id INTEGER, at {kind}, v INTEGER, changed INTEGER"
    found.run(
        f"DROP TABLE IF EXISTS {found.table}",
        f"CREATE TABLE {found.table} ({columns})",
        f"INSERT INTO {found.table} VALUES {', '.join(rows)}",
    )
    yield found
    found.run(f"DROP TABLE {found.table}")


def hours() -> Iterator[tuple[int, str, int]]:
    for i in range(72):
        yield i, f"2024-05-0{1 + i // 24}", i % 24


def stale(source: fp.Source, store: fp.OfflineStore, now: datetime | None = None) -> dict[str, str]:
    project = fp.Project("shop", GRID, (source,))
    found = fp.stale_assets(project, store, now=now)
    return dict(found[0].due_partitions) if found else {}


def change_two_days(place: Place) -> None:
    """Add a row to the first day and take one away; change two rows of the third, one of them without a trace."""
    place.run(
        f"INSERT INTO {place.table} VALUES (100, '2024-05-01 05:00:00', 7, 5)",
        f"DELETE FROM {place.table} WHERE id = 10",
        f"UPDATE {place.table} SET v = 99 WHERE id = 50",
        f"UPDATE {place.table} SET v = 98, changed = 6 WHERE id = 51",
    )


@pytest.mark.parametrize("words", [{}, {"new_by": "changed"}, {"new_by": "changed", "checksum": True}], ids=str)
@pytest.mark.parametrize(
    "prepare", [None, lambda rows: rows.with_columns(pl.col("v") * 2)], ids=["as it is", "prepared"]
)
def test_only_the_days_that_differ_are_stale_and_a_run_makes_them_right(
    place: Place,
    store: fp.OfflineStore,
    words: dict[str, object],
    prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None,
) -> None:
    source = place.source(prepare, **words)
    fp.materialize(source, store, START, END, partitions=GRID)
    assert stale(source, store) == {}

    change_two_days(place)

    assert stale(source, store) == {
        day: f"its data changed: rows of {day} changed" for day in ("2024-05-01", "2024-05-03")
    }
    fp.materialize(source, store, START, END, partitions=GRID)
    assert stale(source, store) == {}
    stored = store.read(source.asset).collect().sort("id")
    raw = source.connector.scan("ev").collect().sort("id")
    assert stored["v"].to_list() == (raw["v"] * (1 if prepare is None else 2)).to_list()


def test_a_row_that_was_committed_late_is_found(postgres: Server, store: fp.OfflineStore) -> None:
    from adbc_driver_postgresql.dbapi import connect

    table = f"ev_{uuid.uuid4().hex}"
    postgres.run(f"CREATE TABLE {table} (id int, at timestamptz)", f"INSERT INTO {table} VALUES (1, '2024-05-01Z')")
    source = fp.Source("ev", fp.sources.Database(postgres.url, table=table), event_time="at")
    with connect(postgres.url) as late, late.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (2, '2024-05-01 01:00Z')")
        postgres.run(f"INSERT INTO {table} VALUES (3, '2024-05-02Z')")
        fp.materialize(source, store, START, END, partitions=GRID)
        late.commit()

    assert list(stale(source, store)) == ["2024-05-01"]
    postgres.run(f"DROP TABLE {table}")


def test_what_did_not_change_is_not_read_again(place: Place, store: fp.OfflineStore, asked: list[str]) -> None:
    source = place.source(new_by="changed")
    fp.materialize(source, store, START, END, partitions=GRID)
    asked.clear()

    assert stale(source, store) == {}
    assert asked == []
    place.run(f"INSERT INTO {place.table} VALUES (100, '2024-05-02 05:00:00', 7, 5)")
    assert list(stale(source, store)) == ["2024-05-02"]
    assert len(asked) == 1
    assert "2024-05-02" in asked[0]
    assert "2024-05-01" not in asked[0].replace("0001-01-01", "")


def test_days_that_are_not_watched_are_compared_when_a_run_takes_them_in(place: Place, store: fp.OfflineStore) -> None:
    source = place.source(new_by="changed", watch="2d")
    fp.materialize(source, store, START, END, partitions=GRID)
    place.run(f"UPDATE {place.table} SET v = -1, changed = 9 WHERE id IN (3, 70)")

    assert list(stale(source, store, NOW)) == ["2024-05-03"]
    fp.materialize(source, store, datetime(2024, 5, 3, tzinfo=timezone.utc), END, partitions=GRID)
    assert stale(source, store, NOW) == {}
    fp.materialize(source, store, START, END, partitions=GRID)
    assert store.read(source.asset).filter(pl.col("v") == -1).collect().height == 2


def days_of_a_year(place: Place) -> None:
    """One row a day of the 210 days before the first of May, and nothing else."""
    days = [f"({i}, '{(START - timedelta(days=i)).date()} 12:00:00', 1, 0)" for i in range(210)]
    place.run(f"DELETE FROM {place.table}", f"INSERT INTO {place.table} VALUES {', '.join(days)}")


def test_a_row_that_is_committed_two_hundred_days_late_is_found_within_a_week(
    place: Place, store: fp.OfflineStore, asked: list[str]
) -> None:
    days_of_a_year(place)
    source, grid = place.source(new_by="changed", watch="90d"), fp.Partitions("daily")
    project = fp.Project("shop", grid, (source,))
    fp.materialize(source, store, partitions=grid, now=START)
    late = START - timedelta(days=200)
    place.run(f"INSERT INTO {place.table} VALUES (1000, '{late.date()} 08:00:00', 7, 5)")
    told = dict[int, dict[str, str]]()

    for day in range(1, 10):  # as a sensor does it: what is stale is run
        while found := fp.stale_assets(project, store, now=START + timedelta(days=day)):
            told[day] = told.get(day, {}) | found[0].due_partitions
            for key in found[0].due_partitions:
                fp.materialize(source, store, *grid.bounds(key), partitions=grid, now=START + timedelta(days=day))

    newest, key = str(START.date()), str(late.date())
    ended = list(store.partition_states(source.asset))[:-1]  # as the sensor asks
    overdue = fp.stale_assets(project, store, ended, now=START + timedelta(days=20))
    assert [list(each.due_partitions) for each in overdue] == [[max(ended)]]
    assert told == {
        7: {
            newest: f"rows older than 90d were last compared on {newest}",
            key: f"its data changed: rows of {key} changed",
        }
    }
    stored = store.read(source.asset, partitions=[key]).select("id").collect()
    assert sorted(stored["id"].to_list()) == [200, 1000]


def test_a_run_of_any_day_compares_what_is_not_watched_once_a_week(
    place: Place, store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = list[str]()
    rows = Slices._read
    monkeypatch.setattr(Slices, "_read", lambda self: counted.append(str(self._since)) or rows(self))
    days_of_a_year(place)
    source, grid = place.source(new_by="changed", watch="30d"), fp.Partitions("daily")
    for day in (0, 1, 6, 7, 8):
        fp.materialize(source, store, START, END, partitions=grid, now=START + timedelta(days=day))

    assert [since == "None" for since in counted] == [True, False, False, True, False]


@pytest.mark.parametrize(("watch", "prepare"), [("300d", None), ("1d", lambda rows: rows.sort("v"))])
def test_what_is_all_watched_or_lies_in_one_piece_is_never_due_for_a_comparison(
    place: Place, store: fp.OfflineStore, watch: str, prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None
) -> None:
    days_of_a_year(place)
    source = place.source(prepare, new_by="changed", watch=watch)
    fp.materialize(source, store, now=START)

    assert stale(source, store, START + timedelta(days=30)) == {}


def test_a_day_that_is_gone_is_kept_until_somebody_decides(place: Place, store: fp.OfflineStore) -> None:
    source = place.source()
    fp.materialize(source, store, START, END, partitions=GRID)
    place.run(f"DELETE FROM {place.table} WHERE id < 24")

    fp.materialize(source, store, START, END, partitions=GRID)

    assert store.read(source.asset).collect().height == 72
    with pytest.raises(PublishedRowsGone, match="2024-05-01"):
        fp.materialize(place.source(gone="refuse"), store, START, END, partitions=GRID)
    fp.materialize(place.source(gone="taken"), store, START, END, partitions=GRID)
    assert store.read(source.asset).collect().height == 48


def test_where_prepare_makes_the_clock_the_rows_lie_in_one_piece(place: Place, store: fp.OfflineStore) -> None:
    database = fp.sources.Database(place.url, table=place.table, time_zone="UTC")
    source = fp.Source(
        "ev", database, event_time="then", prepare=lambda rows: rows.with_columns(then=pl.col("at").dt.offset_by("1h"))
    )
    fp.materialize(source, store, START, END, partitions=GRID)
    assert stale(source, store) == {}

    change_two_days(place)

    assert list(stale(source, store)) == ["2024-05-01", "2024-05-03"]
    fp.materialize(source, store, START, END, partitions=GRID)
    assert stale(source, store) == {}


@pytest.mark.parametrize("grain", ["hourly", "weekly", "monthly"])
def test_partitions_of_any_length_find_what_differs(place: Place, store: fp.OfflineStore, grain: str) -> None:
    grid, source = fp.Partitions(grain, start="2024-04-29" if grain == "weekly" else "2024-05-01"), place.source()  # type: ignore[arg-type]
    fp.materialize(source, store, START, datetime(2024, 6, 3, tzinfo=timezone.utc), partitions=grid)
    project = fp.Project("shop", grid, (source,))
    assert not any(
        "changed" in why for each in fp.stale_assets(project, store, now=NOW) for why in each.reasons.values()
    )

    place.run(f"UPDATE {place.table} SET v = -1 WHERE id = 30")

    changed = [key for each in fp.stale_assets(project, store, now=NOW) for key in each.due_partitions]
    assert changed == {"hourly": ["2024-05-02-06:00"], "weekly": ["2024-04-29"], "monthly": ["2024-05-01"]}[grain]


def test_nothing_is_written_when_the_database_fails_in_a_run(place: Place, store: fp.OfflineStore) -> None:
    source = place.source()
    fp.materialize(source, store, START, END, partitions=GRID)
    version = store.latest_version(source.asset)
    place.run(f"ALTER TABLE {place.table} RENAME TO elsewhere")
    try:
        with pytest.raises(SourceUnreadable, match="there is no table"):
            fp.materialize(source, store, START, END, partitions=GRID)
    finally:
        place.run(f"ALTER TABLE elsewhere RENAME TO {place.table}")

    assert store.latest_version(source.asset) == version


def test_a_source_without_event_time_is_stale_when_any_row_changed(place: Place, store: fp.OfflineStore) -> None:
    source = fp.Source("ev", fp.sources.Database(place.url, table=place.table, time_zone="UTC"))
    fp.materialize(source, store, partitions=GRID)
    project = fp.Project("shop", GRID, (source,))
    assert fp.stale_assets(project, store, now=NOW) == []

    place.run(f"UPDATE {place.table} SET v = -1 WHERE id = 30")

    assert [dict(each.reasons) for each in fp.stale_assets(project, store, now=NOW)] == [{"": "its data changed"}]


def test_functions_that_need_other_rows_are_refused_as_with_files(place: Place, store: fp.OfflineStore) -> None:
    source = place.source(lambda rows: rows.with_columns(pl.col("v").shift()))

    with pytest.raises((NotTheSameInParts, NotRepeatable)):
        fp.materialize(source, store, START, END, partitions=GRID)


@pytest.mark.parametrize("prepare", [None, lambda rows: rows.sort("v")], ids=["by day", "in one piece"])
def test_a_table_without_rows_is_a_source_without_rows(
    place: Place, store: fp.OfflineStore, prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None
) -> None:
    place.run(f"DELETE FROM {place.table}")
    source = place.source(prepare)

    fp.materialize(source, store, START, END, partitions=GRID)

    assert store.read(source.asset).collect().height == 0
    assert stale(source, store) == {}


def test_a_run_publishes_one_moment_although_rows_are_written_meanwhile(
    place: Place, store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches, written = Transaction.batches, list[str]()
    if place.url.startswith("sqlite"):
        place.run("PRAGMA journal_mode = WAL")

    def writing(self: Transaction, selection: Selection) -> Iterator[pl.DataFrame]:
        yield from batches(self, selection)
        if not written:
            written.append(f"INSERT INTO {place.table} VALUES (100, '2024-05-02 05:00:00', 7, 5)")
            place.run(*written)

    monkeypatch.setattr(Transaction, "batches", writing)
    source = place.source()
    fp.materialize(source, store, START, END, partitions=GRID)

    assert written
    assert store.read(source.asset).collect().height == 72
    assert list(stale(source, store)) == ["2024-05-02"]


def test_a_server_that_dies_in_a_run_leaves_the_store_as_it_was(
    postgres: Server, store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = f"ev_{uuid.uuid4().hex}"
    days = "timestamptz '2024-05-01Z' + i * interval '1 second'"
    postgres.run(f"CREATE TABLE {table} AS SELECT i, {days} AS at FROM generate_series(0, 200) i")
    source = fp.Source("ev", fp.sources.Database(postgres.url, table=table), event_time="at")
    killing = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    batches, begun = Transaction.batches, list[str]()

    def dying(self: Transaction, selection: Selection) -> Iterator[pl.DataFrame]:
        begun.append(selection.sql)
        if len(begun) > 1:
            postgres.run(killing)
        yield from batches(self, selection)

    monkeypatch.setattr(Transaction, "batches", dying)
    with pytest.raises(SourceUnreadable, match="Source `ev` cannot be read from postgresql:"):
        fp.materialize(source, store, START, END, partitions=GRID)

    assert not store.exists(source.asset)
    postgres.run(f"DROP TABLE {table}")
