"""The sensor that recomputes what is not up to date, tick by tick on a Dagster instance."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import dagster as dg
import polars as pl
import pytest
from deltalake import DeltaTable

import feature_platform as fp
from feature_platform.compute.transforms.pushed import convert_push
from feature_platform.declarations.project import project_of
from feature_platform.online.spool import Spool
from feature_platform.orchestration.sensors import recompute_sensor
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.seat import RANGE, TABLES, Seat, day, ranges, said
from feature_platform_tests.orchestration.shop import FIRST, orders, shop


@dataclass
class Kept:
    """A shop on the bench that the recomputing sensor keeps up to date."""

    bench: Bench
    seat: Seat

    def tick(self, project: ModuleType) -> dg.SensorResult:
        sensor = recompute_sensor(project_of(project), now=lambda: self.seat.now)
        return self.seat.tick(self.bench.definitions(project), sensor)

    def run(self, project: ModuleType, result: dg.SensorResult) -> list[bool]:
        return self.seat.run(self.bench.definitions(project), result)

    def done(self, project: ModuleType) -> list[tuple[set[str], str | None, str | None]]:
        """What a tick asks for and then runs; nothing is left."""
        result = self.tick(project)
        assert all(self.run(project, result))
        assert said(self.tick(project)) == "Nothing is due."
        return ranges(result)

    def push(self, project: ModuleType, rows: pl.DataFrame, tmp_path: Path) -> None:
        source, store = project.orders, self.bench.store
        spool = Spool(tmp_path / "spool", map_size=64 * 2**20)
        stored = store.read(source.asset).collect_schema()
        taken = spool.append(source.name, convert_push(source, stored, rows, self.seat.now), self.seat.now)
        spool.mark_applied([taken.sequence])
        flush(spool, store)


@pytest.fixture
def kept(bench: Bench, seat: Seat) -> Kept:
    return Kept(bench, seat)


SERVED = {"online/last_order", "online/spending"}


def test_all_that_is_not_up_to_date_is_computed_and_served_in_one_run(kept: Kept) -> None:
    assert kept.done(shop(orders())) == [(TABLES | SERVED, *RANGE)]
    assert kept.done(shop(day(orders(), 3, 99.0))) == [(TABLES | SERVED, "2024-03-03", "2024-03-04")]


def test_pushed_rows_changed_code_and_foreign_writes_are_found_without_an_event(kept: Kept, tmp_path: Path) -> None:
    kept.done(shop(orders()))
    kept.push(shop(orders()), orders(3).tail(1).with_columns(customer=pl.lit("eve")), tmp_path)
    assert kept.done(shop(orders())) == [(TABLES | SERVED, "2024-03-03", "2024-03-04")]

    DeltaTable(str(kept.bench.root / "offline" / "views/last_order")).delete("fp_partition = '2024-03-02'")
    assert kept.done(shop(orders())) == [({"views/last_order", "online/last_order"}, "2024-03-02", "2024-03-02")]

    changed = shop(orders(), lateness="1d")
    assert kept.done(changed) == [({"views/spending", "online/spending"}, *RANGE)]


@pytest.mark.slow
def test_refused_data_is_tried_three_times_given_up_and_taken_up_when_it_is_mended(kept: Kept) -> None:
    kept.done(shop(orders()))
    bad, tried = shop(day(orders(), 3, -1.0)), []
    for _ in range(8):
        tried += kept.run(bad, kept.tick(bad))
        kept.seat.waited(3)

    assert tried == [False] * 3
    assert "Gave up on sources/orders, partition 2024-03-03 after 3" in said(kept.tick(bad))
    assert kept.done(shop(day(orders(), 3, 9.0))) == [(TABLES | SERVED, "2024-03-03", "2024-03-04")]


def test_a_project_without_an_end_is_kept_up_to_date_up_to_the_last_partition_that_has_ended(
    kept: Kept, tmp_path: Path
) -> None:
    project = shop(orders())
    vars(project)["partitions"] = fp.Partitions("daily", start=FIRST)
    kept.seat.now = FIRST + timedelta(days=4, hours=12)
    assert said(kept.tick(project)) == ""  # what is served was never published
    kept.bench.run(project, "2024-03-01", "2024-03-04")
    assert said(kept.tick(project)) == "Nothing is due."
    kept.push(project, orders(5).tail(1).with_columns(customer=pl.lit("eve")), tmp_path)
    assert said(kept.tick(project)) == "Nothing is due."
    kept.seat.waited(24 * 60)
    assert {each[1:] for each in ranges(kept.tick(project))} == {("2024-03-05", "2024-03-05")}


def test_it_waits_for_a_run_of_somebody_else_on_the_same_tables(kept: Kept) -> None:
    project = shop(orders())
    job = kept.bench.definitions(project).resolve_job_def("refresh")
    run = kept.bench.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert said(kept.tick(project)).startswith(f"Waits for run {run.run_id[:8]} (started)")
