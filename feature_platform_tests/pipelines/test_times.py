"""Times that no event can have: left out and counted where rows are found, refused where they are pushed."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.serving.request_values import request_column
from feature_platform.compute.transforms.pushed import convert_push
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Project, project_of
from feature_platform.ground.clock import SKEW, UTC, Grain, microsecond_of
from feature_platform.ground.errors import InvalidDeclaration, PushRefused, WrongColumnType
from feature_platform.offline.names import WHOLE
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.orchestration.outdated import find_outdated
from feature_platform.orchestration.partitions import dagster_partitions
from feature_platform.pipelines.candidates.shared import Span
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform.pipelines.plan import known_partitions, stale_assets
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.pipelines.pushes.logged import unmerged_partitions
from feature_platform.serving.publication import publish
from feature_platform_tests.assets import source_of, table_asset
from feature_platform_tests.shop import at, daily, last_order, orders, source, spending, spine, told

pytestmark = pytest.mark.usefixtures("unrecorded")

NOW = at(3)
MICROSECOND = timedelta(microseconds=1)
YEAR = {year: datetime(year, 1, 1, tzinfo=timezone.utc) for year in (1, 999, 1677, 2099, 2262)}
LAST = datetime.max.replace(tzinfo=timezone.utc)
OUTSIDE, FUTURE = "rows_outside_the_partitions", "rows_in_the_future"


def odd(*times: datetime | int) -> pl.DataFrame:
    """Orders of three days, and one at each of some times; whole numbers are microseconds since 1970."""
    ticks = [time if isinstance(time, int) else microsecond_of(time) for time in times]
    more = pl.DataFrame({"customer": "eve", "at": pl.Series(ticks, dtype=pl.Int64).cast(UTC), "amount": 1.0})
    return pl.concat([daily(3), more])


@pytest.mark.parametrize(
    ("time", "note"),
    [
        (YEAR[1], OUTSIDE),
        (YEAR[999], OUTSIDE),
        (YEAR[1677], OUTSIDE),
        (-(2**63), OUTSIDE),
        (at(4), FUTURE),
        (YEAR[2099], FUTURE),
        (YEAR[2262], FUTURE),
        (LAST, FUTURE),
        (2**63 - 1, FUTURE),
    ],
)
def test_a_row_of_an_impossible_or_future_time_is_left_out_and_counted(
    store: fp.OfflineStore, time: datetime | int, note: str
) -> None:
    done = fp.materialize(spending(source(odd(time))), store, now=NOW)["sources/orders"]
    assert done.candidate.notes == {note: 1}
    assert list(store.partition_states("sources/orders")) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert store.read("sources/orders").collect().height == 6


def test_the_partition_of_the_present_is_taken_in_whole_and_a_clock_may_be_ahead_a_little(
    store: fp.OfflineStore,
) -> None:
    fp.materialize(source(odd(at(4) - MICROSECOND)), store, now=at(3) - SKEW)
    assert store.read("sources/orders").filter(customer="eve").collect().height == 1


def test_what_was_in_the_future_is_taken_in_when_it_has_happened(store: fp.OfflineStore) -> None:
    rows = source(odd(at(4, 12)))
    assert fp.materialize(rows, store, now=NOW)["sources/orders"].candidate.notes == {FUTURE: 1}
    assert fp.materialize(rows, store, now=at(5))["sources/orders"].candidate.notes == {}
    assert store.read("sources/orders").filter(customer="eve").collect().height == 1


def test_a_run_of_a_day_that_lies_ahead_takes_nothing_in(store: fp.OfflineStore) -> None:
    rows = source(odd(YEAR[2099]))
    span = YEAR[2099], YEAR[2099] + timedelta(days=1)
    assert fp.materialize(rows, store, *span, now=NOW)["sources/orders"].candidate.notes == {FUTURE: 1}
    assert store.read("sources/orders").collect().is_empty()
    then = fp.materialize(rows, store, *span, now=span[1])["sources/orders"]
    assert (then.candidate.notes, then.commit and then.commit.changed) == ({}, ("2099-01-01",))  # not "unrepeatable"


def test_a_project_with_an_end_may_hold_what_is_still_to_come(store: fp.OfflineStore) -> None:
    """A timetable, say: its declared end is taken at its word."""
    grid = Partitions(start=at(0), end=at(30))
    done = fp.materialize(source(odd(at(20), at(30), YEAR[999])), store, partitions=grid, now=NOW)
    assert done["sources/orders"].candidate.notes == {OUTSIDE: 2}
    assert store.read("sources/orders").filter(customer="eve").collect()["at"].to_list() == [at(20)]


def test_a_project_that_says_so_may_begin_before_1678(store: fp.OfflineStore) -> None:
    old = datetime(1066, 10, 14, 9, tzinfo=timezone.utc)
    grid = Partitions("monthly", start="1066-01-01", end="1067-01-01")
    fp.materialize(source(orders(("harold", old, 1.0))), store, partitions=grid)
    assert [key for key, state in store.partition_states("sources/orders").items() if state.rows] == ["1066-10-01"]


def test_the_years_of_partition_keys_have_four_digits() -> None:
    assert Partitions("monthly", start="0999-11-01", end="1000-02-01").keys() == [
        "0999-11-01",
        "0999-12-01",
        "1000-01-01",
    ]


@pytest.mark.parametrize("grain", ["hourly", "daily", "weekly", "monthly"])
def test_a_partition_that_ends_after_the_calendar_is_refused_by_its_key(grain: Grain) -> None:
    key = {"hourly": "9999-12-31-23:00", "weekly": "9999-12-27", "monthly": "9999-12-01"}.get(grain, "9999-12-31")
    with pytest.raises(InvalidDeclaration, match=f"has the partition key '{key}'"):
        Partitions(grain).bounds(key)


@pytest.mark.parametrize("text", ["9999-12-31T23:30:00-01:00", "0001-01-01T00:30:00+01:00"])
def test_a_moment_that_utc_has_no_year_for_is_refused(store: fp.OfflineStore, text: str) -> None:
    with pytest.raises(InvalidDeclaration, match="in UTC beyond the years 1 to 9999"):
        fp.materialize(source(daily()), store, text, at(3))


def test_a_spine_may_ask_about_any_time(store: fp.OfflineStore) -> None:
    view = spending(source(daily(3)))
    fp.materialize(view, store)
    times = [YEAR[1], YEAR[999], at(2), YEAR[2099], LAST]
    asked = pl.DataFrame({"customer": "ann", "event_timestamp": times}, schema_overrides={"event_timestamp": UTC})
    assert told(view, asked, store)["amount_sum_2d"].to_list()[:3] == [None, None, 20.0]


# ---------------------------------------------------------------- pushes


STORED = orders().schema


def pushed(time: datetime | int | str) -> pl.DataFrame:
    return (
        pl.DataFrame({"customer": ["eve"], "at": [time], "amount": [1.0]}, strict=False)
        if isinstance(time, str)
        else odd(time).tail(1)
    )


@pytest.mark.parametrize(
    ("time", "found"),
    [
        (YEAR[1], "lies before the year 1678"),
        (-(2**63), "lies before the year 1678"),
        (NOW + SKEW, "lies in the future"),
        (LAST, "lies in the future"),
        (2**63 - 1, "lies in the future"),
        ("2099-01-01T00:00:00Z", "lies in the future"),
        ("9999-12-31T23:59:59-05:00", "cannot be stored as it is"),
        ("0001-01-01T00:00:00+05:00", "cannot be stored as it is"),
    ],
)
def test_a_push_of_an_impossible_or_future_time_is_refused_by_row(time: datetime | int | str, found: str) -> None:
    with pytest.raises(PushRefused, match=rf"column `at` {found} in row 0"):
        convert_push(source(daily()), STORED, pushed(time), NOW)


def test_a_push_may_be_ahead_a_little_or_up_to_the_end_of_the_project() -> None:
    assert convert_push(source(daily()), STORED, pushed(NOW + SKEW - MICROSECOND), NOW).height == 1
    assert convert_push(source(daily()), STORED, pushed(at(20)), NOW, Partitions(end=at(30))).height == 1
    with pytest.raises(PushRefused, match="lies in the future"):
        convert_push(source(daily()), STORED, pushed(at(30)), NOW, Partitions(end=at(30)))


def test_a_push_that_is_known_after_the_calendar_is_refused() -> None:
    known = source(daily().with_columns(known=pl.col("at")), known_at="known")
    rows = odd(at(1)).tail(1).with_columns(known=pl.lit(2**63 - 1, dtype=pl.Int64).cast(UTC))
    with pytest.raises(PushRefused, match="column `known` lies in the future"):
        convert_push(known, pl.Schema({**STORED, "known": UTC}), rows, NOW)


def test_impossible_pushes_of_before_stop_no_run_and_are_kept_in_quarantine(
    store: fp.OfflineStore, tmp_path: Path
) -> None:
    """They were taken by older servers, which answered 200."""
    spool, view = Spool(tmp_path / "spool", map_size=2**24), spending(source(daily(3)))
    fp.materialize(view, store, now=NOW)
    bad = odd(YEAR[1], 2**63 - 1, YEAR[2099], at(1, 3)).tail(4)
    spool.mark_applied([spool.append("orders", bad, NOW).sequence])
    flush(spool, store)
    assert store.read("pushes/orders").collect().height == 4

    for _ in range(2):
        notes = fp.materialize(view, store, now=NOW)["sources/orders"].candidate.notes
        assert notes == {FUTURE: 1, "pushed_rows_refused": 2}
    kept = store.read("quarantine/sources/orders").collect()
    assert kept["expectation"].to_list() == ["event_time_within_the_calendar"] * 2
    assert store.read("sources/orders").filter(customer="eve").collect()["at"].to_list() == [at(1, 3)]
    assert unmerged_partitions(source_of(view), store, Partitions()) == {"2099-01-01"}


# ---------------------------------------------------------------- what an older version wrote


def open_shop(read: fp.Source) -> Project:
    """A project that goes on: orders, what is spent, and the last order."""
    module: Any = ModuleType("shop")
    module.partitions = Partitions(start=at(0))
    module.spending, module.last_order = spending(read), last_order(read)
    return project_of(module)


def run_all(project: Project, store: fp.OfflineStore, now: datetime, span: Span | None = None) -> set[str]:
    """Materialize all assets of a project; the partitions that a run changed."""
    changed: set[str] = set()
    for asset in project.assets:
        done = materialize_asset(
            table_asset(project, asset.asset), store, span, project.partitions, now=now
        ).raise_if_refused()
        changed.update(done.commit.changed if done.commit else ())
    return changed


@pytest.fixture
def former(store: fp.OfflineStore) -> fp.OfflineStore:
    """A store in which an order of 2099 was published when nothing refused it, and the days before today."""
    project = open_shop(source(odd(YEAR[2099])))
    later = YEAR[2099] + timedelta(days=3)
    run_all(project, store, later, (YEAR[2099], YEAR[2099] + timedelta(days=2)))
    run_all(project, store, later, (at(0), at(3)))
    assert "2099-01-01" in store.partition_states("sources/orders")
    return store


def test_a_published_row_of_2099_makes_no_partitions_up_to_then(former: fp.OfflineStore, tmp_path: Path) -> None:
    project, days = open_shop(source(odd(YEAR[2099]))), ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert known_partitions(project, former, NOW) == days
    [stale] = stale_assets(project, former, now=NOW)
    assert (stale.asset, stale.due_partitions) == ("sources/orders", {})
    assert "stay here until you confirm the deletion" in stale.reasons["2099-01-01"]
    due = find_outdated(project, former, Lmdb(tmp_path / "online"), microsecond_of(NOW))
    assert {key for of in due.values() for key in of} == {WHOLE}  # what is served; no partition


def test_a_run_of_everything_makes_nothing_between_today_and_a_published_row_of_2099(former: fp.OfflineStore) -> None:
    fresh = open_shop(source(pl.concat([odd(YEAR[2099]), orders(("ann", at(3, 1), 5.0))])))
    assert run_all(fresh, former, at(3, 2)) == {"2024-01-04"}
    assert len(former.partition_states("views/spending")) == 6


def test_a_published_row_of_2099_goes_when_that_is_confirmed(former: fp.OfflineStore) -> None:
    project = open_shop(source(odd(YEAR[2099])))
    orders_source = project.assets[0]
    assert isinstance(orders_source, fp.Source)
    span = YEAR[2099], YEAR[2099] + timedelta(days=1)
    materialize_asset(orders_source, former, span, project.partitions, gone="taken", now=NOW).raise_if_refused()
    behind = {each.asset: [*each.due_partitions] for each in stale_assets(project, former, now=NOW)}
    assert behind == {"views/spending": ["2099-01-01", "2099-01-02"], "views/last_order": ["2099-01-01"]}
    run_all(project, former, NOW)
    assert stale_assets(project, former, now=NOW) == []
    assert all(
        former.read(name).filter(customer="eve").collect().is_empty() for name in ("sources/orders", "views/last_order")
    )


def test_a_push_of_2099_that_an_older_server_took_makes_no_partitions_known(
    store: fp.OfflineStore, tmp_path: Path
) -> None:
    spool, project = Spool(tmp_path / "spool", map_size=2**24), open_shop(source(daily(3)))
    run_all(project, store, NOW)
    spool.mark_applied([spool.append("orders", odd(YEAR[2099]).tail(1), NOW).sequence])
    flush(spool, store)
    assert stale_assets(project, store, now=NOW) == []
    assert known_partitions(project, store, YEAR[2099])[-1] == "2099-01-01"


def test_a_table_from_before_the_start_of_the_project_stops_no_look(store: fp.OfflineStore) -> None:
    run_all(open_shop(source(daily(3))), store, NOW)
    moved = open_shop(source(daily(3)))
    object.__setattr__(moved, "partitions", Partitions(start=at(1)))
    assert known_partitions(moved, store, NOW) == ["2024-01-02", "2024-01-03"]


def test_dagster_has_no_partitions_of_the_future() -> None:
    keys = dagster_partitions(Partitions(start=at(0))).get_partition_keys(current_time=NOW)
    assert keys == ["2024-01-01", "2024-01-02", "2024-01-03"]


# ---------------------------------------------------------------- when a row was known, and what is asked


@pytest.mark.parametrize(
    ("known", "seen"),
    [(-(2**63), True), (YEAR[1], True), (YEAR[999], True), (YEAR[2099], False), (LAST, False), (2**63 - 1, False)],
)
@pytest.mark.parametrize("accuracy", ["snapshot", "exact"])
def test_a_row_is_seen_from_when_it_was_known_on_however_far_away_that_is(
    store: fp.OfflineStore, tmp_path: Path, known: datetime | int, seen: bool, accuracy: str
) -> None:
    """It stops no run and is in no window, no join and nothing that is served before that."""
    ticks = known if isinstance(known, int) else microsecond_of(known)
    is_odd = (pl.col("customer") == "bob") & (pl.col("at") == at(2, 12))
    clock = pl.when(is_odd).then(pl.lit(ticks, dtype=pl.Int64)).otherwise(pl.col("at").to_physical())
    read = source(daily(3).with_columns(known=clock.cast(UTC)), known_at="known")
    views, online = (spending(read, accuracy=accuracy), last_order(read)), Lmdb(tmp_path / "online", map_size=2**24)
    for view in views:
        fp.materialize(view, store, now=NOW)
        publish(view, store, online, now=NOW)
    asked = spine(("bob", at(3)))
    assert told(views[0], asked, store)["amount_sum_2d"].to_list() == [5.0 if seen else 2.0]
    assert told(views[1], asked, store)["last_amount"].to_list() == [3.0 if seen else 2.0]


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "10000-01-01T00:00:00Z", "x"]
)
def test_a_time_of_a_request_that_utc_has_no_year_for_is_refused(text: str) -> None:
    with pytest.raises(WrongColumnType, match="Write times as 2013-03-01T12:00:00Z"):
        request_column("fresh", "asked_at", UTC, [text])


def test_a_source_without_partitions_leaves_out_what_no_event_can_have_and_makes_no_windows_for_it(
    store: fp.OfflineStore,
) -> None:
    rows = odd(YEAR[1], YEAR[999], YEAR[1677], at(9), YEAR[2262], LAST, -(2**63), 2**63 - 1)
    view = spending(source(rows, partitioned=False))
    published = fp.materialize(view, store, now=NOW)
    assert published["sources/orders"].candidate.notes["rows_of_no_real_time"] == 7
    assert store.read("sources/orders").collect().equals(odd(at(9)))
    assert 0 < sum(published["views/spending"].rows.values()) < 40
