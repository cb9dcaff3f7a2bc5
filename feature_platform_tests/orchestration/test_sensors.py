"""The sensors tick by tick on a Dagster instance: what they launch, once, again after a failure, and never twice."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import dagster as dg
import polars as pl
import pytest

from feature_platform.declarations.project import Asset, Project, is_partitioned, project_of
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.partitions import dagster_partitions
from feature_platform.orchestration.sensors import MONITOR, RECOMPUTE, TRIGGER, monitoring_sensor
from feature_platform.orchestration.triggers import parse_cursor
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.seat import RANGE, TABLES, Seat, day, ranges, said
from feature_platform_tests.orchestration.shop import FIRST, orders, shop


@dataclass
class Watched:
    """A project whose partitions are written by hand and judged by assets that keep count; `broken` ones fail."""

    bench: Bench
    seat: Seat
    days: int = 12
    written: dict[tuple[str, str], str] = field(default_factory=dict)
    judged: dict[tuple[str, str], str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    times: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.project = project_of(shop(orders(1), days=self.days))
        self.keys = self.project.partitions.keys()
        assets = [self._judging(each) for each in self.project.assets]
        self.sensor = monitoring_sensor(self.project, judge_next=self.judge_next, now=lambda: self.seat.now)
        self.definitions = dg.Definitions(
            assets=assets,
            sensors=[self.sensor],
            resources={"offline_store": self.bench.store, "online_store": object()},
            executor=dg.in_process_executor,
        )

    def judge_next(self, asset: Asset, project: Project, store: OfflineStore) -> Mapping[str, str]:
        mine = {key: content for (name, key), content in self.written.items() if name == asset.asset}
        return {key: content for key, content in mine.items() if self.judged.get((asset.asset, key)) != content}

    def write(self, asset: str, keys: list[str], content: str, *, told: bool = True) -> None:
        for key in keys:
            self.written[asset, key] = content
            if told:
                event = dg.AssetMaterialization(dg.AssetKey(asset.split("/")), partition=key or None)
                self.bench.instance.report_runless_asset_event(event)

    def tick(self) -> dg.SensorResult:
        return self.seat.tick(self.definitions, self.sensor)

    def run(self, result: dg.SensorResult) -> list[bool]:
        return self.seat.run(self.definitions, result)

    @property
    def left(self) -> set[tuple[str, str]]:
        return {item for item, content in self.written.items() if self.judged.get(item) != content}

    def _judging(self, asset: Asset) -> dg.AssetsDefinition:
        grid = dagster_partitions(self.project.partitions) if is_partitioned(asset) else None
        key = dg.AssetKey(["monitoring", *asset.asset.split("/")])

        @dg.asset(key=key, partitions_def=grid, backfill_policy=dg.BackfillPolicy.single_run())
        def judge(context: dg.AssetExecutionContext) -> None:
            for each in context.partition_keys:
                if each in self.broken:
                    raise ValueError(each)
            for each in context.partition_keys:
                self.judged[asset.asset, each] = self.written[asset.asset, each]
                self.times[asset.asset, each, self.written[asset.asset, each]] += 1

        return judge


@pytest.fixture
def watched(bench: Bench, seat: Seat) -> Watched:
    return Watched(bench, seat)


@pytest.mark.slow
def test_a_backfill_of_two_hundred_partitions_is_monitored_in_one_run_and_once(bench: Bench, seat: Seat) -> None:
    watched = Watched(bench, seat, days=200)
    watched.write("sources/orders", watched.keys, "a")
    watched.write("views/last_order", watched.keys, "a", told=False)

    result = watched.tick()
    assert ranges(result) == [
        ({"monitoring/sources/orders", "monitoring/views/last_order"}, watched.keys[0], watched.keys[-1])
    ]
    assert watched.run(result) == [True]
    assert said(watched.tick()) == "Nothing is due."

    assert watched.left == set()
    assert set(watched.times.values()) == {1}
    assert len(watched.times) == 400


def test_events_of_several_ticks_are_all_seen_and_each_partition_runs_once(watched: Watched) -> None:
    for first in range(0, 12, 4):
        watched.write("sources/orders", watched.keys[first : first + 4], "a")
        watched.run(watched.tick())
    watched.write("sources/orders", watched.keys[3:5], "b")
    result = watched.tick()

    assert ranges(result) == [({"monitoring/sources/orders"}, watched.keys[3], watched.keys[4])]
    assert watched.run(result) == [True]
    assert watched.left == set()
    assert set(watched.times.values()) == {1}


def test_content_that_comes_back_is_monitored_again(watched: Watched) -> None:
    for content in ("a", "b", "a", "b"):
        watched.write("sources/orders", watched.keys[:1], content)
        assert watched.run(watched.tick()) == [True]
        assert watched.left == set()


def test_after_the_cursor_is_lost_content_that_comes_back_is_monitored_and_what_is_done_is_not(
    watched: Watched,
) -> None:
    for content in ("a", "b", "a"):
        watched.write("sources/orders", watched.keys[:1], content)
        watched.seat.cursor = None
        assert watched.run(watched.tick()) == [True]
    watched.seat.cursor = "of somebody else"
    assert said(watched.tick()) == "Nothing is due."
    assert parse_cursor(watched.seat.cursor) is not None


def test_what_no_event_told_is_found_within_the_hour(watched: Watched) -> None:
    watched.tick()
    watched.write("sources/orders", watched.keys[:1], "a", told=False)
    watched.seat.waited(59)
    assert said(watched.tick()) == "Nothing is due."
    watched.seat.waited(1)
    assert watched.run(watched.tick()) == [True]
    assert watched.left == set()


def test_a_failed_run_is_tried_again_and_nothing_of_it_is_forgotten(watched: Watched) -> None:
    watched.write("sources/orders", watched.keys, "a")
    watched.broken = {watched.keys[7]}
    assert watched.run(watched.tick()) == [False]
    watched.broken = set()
    watched.write("sources/orders", watched.keys[:1], "b")

    assert watched.run(watched.tick()) == [True]  # what is new does not wait
    assert watched.left == {("sources/orders", key) for key in watched.keys[1:]}
    assert said(watched.tick()) == "What failed is tried again from 2025-01-01 00:02:00 UTC on."
    watched.seat.waited(2)
    assert watched.run(watched.tick()) == [True]
    assert watched.left == set()
    assert set(watched.times.values()) == {1}


def test_a_partition_that_always_fails_is_given_up_and_named_and_its_neighbours_are_not(watched: Watched) -> None:
    keys, bad = watched.keys[:7], watched.keys[5]
    watched.write("sources/orders", keys, "a")
    watched.broken = {bad}
    for _ in range(6):
        watched.run(watched.tick())
        watched.seat.waited(5)

    assert watched.left == {("sources/orders", bad)}
    assert said(watched.tick()) == (
        f"Gave up on sources/orders, partition {bad} after 3 failed runs. It is tried again when its data or code "
        "changes, or after `dagster sensor cursor monitor_new_data --delete`."
    )
    watched.write("views/spending", [bad], "a")
    watched.broken = set()
    assert ranges(watched.tick()) == [({"monitoring/views/spending"}, bad, bad)]
    watched.seat.cursor = None
    assert {each[1] for each in ranges(watched.tick())} == {bad}


def test_a_tick_that_is_repeated_after_the_daemon_died_asks_for_the_same_runs(watched: Watched) -> None:
    watched.write("sources/orders", watched.keys[:3], "a")
    watched.write("views/spending", watched.keys[1:2], "a")
    lost = watched.seat.repeated(watched.definitions, watched.sensor)
    again = watched.tick()

    assert [each.run_key for each in lost.run_requests or []] == [each.run_key for each in again.run_requests or []]
    assert len({each.run_key for each in again.run_requests or []}) == 2
    watched.run(lost)
    assert watched.run(again) == []
    assert set(watched.times.values()) == {1}


def test_a_run_that_was_launched_and_never_came_to_be_is_asked_for_again(watched: Watched) -> None:
    watched.write("sources/orders", watched.keys[:3], "a")
    assert len(watched.tick().run_requests or []) == 1
    watched.tick()
    watched.seat.waited(2)
    assert watched.run(watched.tick()) == [True]
    assert watched.left == set()


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_while_a_run_goes_on_the_sensor_waits_and_says_for_which(watched: Watched, status: dg.DagsterRunStatus) -> None:
    watched.write("sources/orders", watched.keys[:3], "a")
    key = dg.AssetKey(["monitoring", "sources", "orders"])
    job = watched.definitions.resolve_implicit_global_asset_job_def()
    run = watched.bench.instance.create_run_for_job(job, asset_selection=frozenset({key}), status=status)

    assert said(watched.tick()) == (
        f"Waits for run {run.run_id[:8]} ({status.value.lower()}), which computes assets of this sensor. "
        "Cancel it if its process is gone."
    )
    watched.bench.instance.report_run_canceled(run)
    assert watched.run(watched.tick()) == [True]


def test_a_run_that_was_created_and_not_launched_is_asked_for_by_its_own_key(watched: Watched) -> None:
    """Dagster launches the run that has the key, instead of another one."""
    watched.write("sources/orders", watched.keys[:3], "a")
    [lost] = watched.seat.repeated(watched.definitions, watched.sensor).run_requests or []
    job = watched.definitions.resolve_implicit_global_asset_job_def()
    chosen = frozenset(lost.asset_selection or [])
    watched.bench.instance.create_run_for_job(job, asset_selection=chosen, tags={**lost.tags})

    assert [each.run_key for each in watched.tick().run_requests or []] == [lost.run_key]


def test_partitions_that_go_on_and_others_than_the_projects_are_left_alone(watched: Watched) -> None:
    watched.seat.now = FIRST + timedelta(days=2, hours=12)
    watched.write("sources/orders", [*watched.keys[:3], "2020-01-01"], "a")
    assert ranges(watched.tick()) == [({"monitoring/sources/orders"}, watched.keys[0], watched.keys[1])]


def test_the_runs_of_a_sensor_say_which_one_launched_them(watched: Watched) -> None:
    watched.write("sources/orders", watched.keys[:1], "a")
    watched.run(watched.tick())
    assert len(watched.bench.instance.get_runs(dg.RunsFilter(tags={TRIGGER: MONITOR}))) == 1


def test_the_sensors_are_off_until_somebody_turns_them_on(bench: Bench) -> None:
    sensors = {each.name: each for each in bench.definitions(shop(orders())).get_repository_def().sensor_defs}
    assert {sensors[name].default_status for name in (RECOMPUTE, MONITOR)} == {dg.DefaultSensorStatus.STOPPED}


def test_what_was_published_is_monitored_once_and_a_changed_day_again(bench: Bench, seat: Seat) -> None:
    def monitored(frame: pl.DataFrame) -> list[tuple[set[str], str | None, str | None]]:
        definitions = bench.definitions(shop(frame))
        sensor = monitoring_sensor(project_of(shop(frame)), now=lambda: seat.now)
        result = seat.tick(definitions, sensor)
        assert all(seat.run(definitions, result))
        assert said(seat.tick(definitions, sensor)) == "Nothing is due."
        return ranges(result)

    bench.run(shop(orders()), *RANGE, select="group:sources or group:views")
    assert monitored(orders()) == [({f"monitoring/{name}" for name in TABLES}, *RANGE)]
    changed = day(orders(), 3, 99.0)
    bench.run(shop(changed), "2024-03-03", select='key:"sources/orders"')
    assert monitored(changed) == [({"monitoring/sources/orders"}, "2024-03-03", "2024-03-03")]
