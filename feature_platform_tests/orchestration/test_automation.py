"""When assets run by themselves: changed data triggers what reads it, repeated data nothing."""

from typing import Any

import dagster as dg
import polars as pl
import pytest

from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import orders, shop

RANGE = ("2024-03-01", "2024-03-05")


def requested(bench: Bench, frame: pl.DataFrame, cursor: object = None) -> tuple[dict[str, set[str]], object]:
    """The partitions that the conditions ask for at one tick of the sensor, by asset."""
    definitions = bench.definitions(shop(frame))
    result = dg.evaluate_automation_conditions(definitions, bench.instance, cursor=cursor)  # type: ignore[arg-type]
    found: dict[str, set[str]] = {}
    for each in result.results:
        subset = each.true_subset.expensively_compute_asset_partitions()
        if subset:
            found[each.key.to_user_string()] = {str(part.partition_key) for part in subset}
    return found, result.cursor


def test_changed_data_recomputes_the_windows_it_reaches_and_repeated_data_nothing(bench: Bench) -> None:
    bench.run(shop(orders()), *RANGE)
    _, cursor = requested(bench, orders())

    bench.run(shop(orders()), "2024-03-03", select="key:sources/orders")
    repeated, cursor = requested(bench, orders(), cursor)
    changed = orders().with_columns(amount=pl.when(pl.col("at").dt.day() == 3).then(pl.lit(99.0)).otherwise("amount"))
    bench.run(shop(changed), "2024-03-03", select="key:sources/orders")
    after, _ = requested(bench, changed, cursor)

    assert repeated == {}
    assert after == {
        "views/spending": {"2024-03-03", "2024-03-04", "2024-03-05"},
        "views/last_order": {"2024-03-03"},
    }


@pytest.mark.slow
def test_nothing_is_asked_for_while_a_blocking_check_of_its_input_has_failed(bench: Bench) -> None:
    bench.run(shop(orders()), *RANGE)
    _, cursor = requested(bench, orders())
    bad = orders().with_columns(amount=pl.lit(-1.0))

    bench.run(shop(bad), "2024-03-03", select="key:sources/orders")

    assert requested(bench, bad, cursor)[0] == {}


def test_the_schedule_asks_for_the_partition_that_has_just_ended(bench: Bench) -> None:
    definitions = bench.definitions(shop(orders()))
    schedule = definitions.resolve_schedule_def("refresh_daily")
    context = dg.build_schedule_context(
        instance=bench.instance,
        scheduled_execution_time=min(orders()["at"].to_list()).replace(day=4, hour=0, minute=15),
        repository_def=definitions.get_repository_def(),
    )

    [request] = schedule.evaluate_tick(context).run_requests or []

    assert request.partition_key == "2024-03-03"
    assert request.tags["dagster/partition"] == "2024-03-03"


@pytest.mark.slow
def test_the_refresh_job_runs_partitioned_and_unpartitioned_assets_together(bench: Bench) -> None:
    project: Any = shop(orders())
    project.register = shop_register()
    definitions = bench.definitions(project)

    result = definitions.resolve_job_def("refresh").execute_in_process(
        instance=bench.instance, partition_key="2024-03-02"
    )

    assert result.success
    assert bench.store.read("sources/register").collect().height == 2
    assert bench.store.read("sources/orders").collect().height == 2


def shop_register() -> object:
    import feature_platform as fp

    return fp.Source("register", fp.sources.Frame(pl.DataFrame({"customer": ["ann", "bob"], "town": ["Ulm", "Rom"]})))


def test_observing_the_raw_data_tells_a_data_version_that_changes_when_it_does(bench: Bench) -> None:
    versions = []
    for frame in (orders(), orders(), orders(days=4)):
        job = bench.definitions(shop(frame)).resolve_job_def("observe_raw")
        assert job.execute_in_process(instance=bench.instance).success
        [record] = bench.instance.fetch_observations(dg.AssetKey(["raw", "orders"]), limit=1).records
        assert record.asset_observation is not None
        versions.append(record.asset_observation.tags["dagster/data_version"])

    assert versions[0] == versions[1] != versions[2]
