"""Runs through Dagster: what is computed, told, refused, and computed again."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

import feature_platform as fp
from feature_platform_tests.ground.pictures.reading import svg_of, texts
from feature_platform_tests.orchestration.conftest import Bench, bench_in
from feature_platform_tests.orchestration.shop import FIRST, orders, shop

RANGE = ("2024-03-01", "2024-03-05")
ORDERS, SPENDING = 'key:"sources/orders"', 'key:"sources/orders" or key:"views/spending"'
TABLES = f'{SPENDING} or key:"views/last_order"'


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, dg.ExecuteInProcessResult]]:
    """A run of all days and all assets, for tests that only look at it."""
    with bench_in(tmp_path_factory.mktemp("whole")) as bench:
        yield bench, bench.run(shop(orders()), *RANGE)


def test_a_range_materializes_every_asset_once_and_tells_each_partition(
    whole: tuple[Bench, dg.ExecuteInProcessResult],
) -> None:
    bench, result = whole

    assert result.success
    assert set(bench.data_versions("views/spending")) == {f"2024-03-0{day}" for day in range(1, 6)}
    assert bench.store.latest_version("views/spending") == 0
    assert bench.store.read("sources/orders").collect().height == 10


def test_each_partition_of_a_range_is_told_once_with_what_is_its_own(
    whole: tuple[Bench, dg.ExecuteInProcessResult],
) -> None:
    bench, result = whole

    days = [f"2024-03-0{day}" for day in range(1, 6)]
    for node in ("sources__orders", "views__spending", "monitoring__views__spending"):
        shown = result.asset_materializations_for_node(node)
        assert [each.partition for each in shown] == days
        assert len({(each.tags or {})["dagster/data_version"] for each in shown}) == 5
    shown = result.asset_materializations_for_node("sources__orders")
    assert {each.metadata["dagster/partition_row_count"].value for each in shown} == {2}
    assert {each.metadata["rows_of_this_run"].value for each in shown} == {10}
    lines = {each.user_message for each in bench.instance.all_logs(result.run_id)}
    assert {"sources/orders: begins.", "monitoring/sources/orders: begins."} <= lines


def test_a_range_says_where_it_comes_from_as_a_run_of_one_partition_does(bench: Bench) -> None:
    project = shop(orders())
    [alone] = bench.run(project, "2024-03-01", select=SPENDING).asset_materializations_for_node("views__spending")

    first, *others = bench.run(project, *RANGE, select=SPENDING).asset_materializations_for_node("views__spending")

    newest = bench.instance.fetch_materializations(dg.AssetKey(["sources", "orders"]), limit=1).records[0].storage_id
    tags, pointer = dict(first.tags or {}), "dagster/input_event_pointer/sources/orders"
    assert tags.keys() == (alone.tags or {}).keys()
    assert {name for name, value in tags.items() if value != (alone.tags or {})[name]} == {
        pointer,
        "dagster/input_data_version/sources/orders",  # of five partitions, not of one
    }
    assert {(each.tags or {})[pointer] for each in (first, *others)} == {str(newest)}
    graph = bench.definitions(project).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(bench.instance, graph, LoadingContextForTest(bench.instance))
    spending = dg.AssetKey(["views", "spending"])
    assert {resolver.get_status(spending, f"2024-03-0{day}") for day in range(1, 6)} == {StaleStatus.FRESH}


def test_a_materialization_shows_rows_version_schema_lineage_and_a_preview(bench: Bench) -> None:
    result = bench.run(shop(orders()), "2024-03-01", select=SPENDING)

    [shown] = result.asset_materializations_for_node("views__spending")
    metadata = shown.metadata
    assert metadata["dagster/partition_row_count"].value == 2
    assert metadata["delta_version"].value == 0
    assert [column.name for column in metadata["dagster/column_schema"].value.columns] == [
        "customer",
        "as_of",
        "amount_sum_2d",
        "count_2d",
    ]
    lineage = metadata["dagster/column_lineage"].value.deps_by_column
    assert [dep.column_name for dep in lineage["amount_sum_2d"]] == ["amount"]
    assert "|ann|" in str(metadata["preview"].value)


def test_repeating_a_run_leaves_the_same_data_versions_and_no_new_table_version(bench: Bench) -> None:
    bench.run(shop(orders()), *RANGE, select=TABLES)
    before = {name: bench.data_versions(name) for name in ("sources/orders", "views/spending", "views/last_order")}

    assert bench.run(shop(orders()), *RANGE, select=TABLES).success

    assert {name: bench.data_versions(name) for name in before} == before
    assert bench.store.latest_version("views/spending") == 0


def test_partitions_of_one_range_have_data_versions_of_their_own(bench: Bench) -> None:
    bench.run(shop(orders()), *RANGE, select=ORDERS)
    versions = bench.data_versions("sources/orders")
    assert len(set(versions.values())) == 5

    changed = orders().with_columns(amount=pl.when(pl.col("at").dt.day() == 3).then(pl.lit(99.0)).otherwise("amount"))
    bench.run(shop(changed), *RANGE, select=ORDERS)

    after = bench.data_versions("sources/orders")
    assert {key for key in versions if after[key] != versions[key]} == {"2024-03-03"}


@pytest.mark.slow
def test_one_day_at_a_time_leaves_the_same_rows_as_all_at_once(bench: Bench) -> None:
    bench.run(shop(orders()), *RANGE)
    whole = {name: bench.data_versions(name) for name in ("views/spending", "views/last_order")}
    again = Bench(bench.root.with_name("again"), bench.instance)
    for day in range(1, 6):
        again.run(shop(orders()), f"2024-03-0{day}")

    assert {name: again.data_versions(name) for name in whole} == whole


def test_windows_over_all_time_read_all_days_in_whatever_order_days_are_made(bench: Bench, tmp_path: Path) -> None:
    project = shop(orders())
    declare = fp.feature_view(
        entity=project.customer,
        source=project.orders,
        aggregations=[fp.Sum("amount", windows=["lifetime"]), fp.Sum("amount", windows=["1d"], lag="1d")],
        name="spending",
    )
    vars(project)["spending"] = declare(lambda orders: orders)
    bench.run(project, *RANGE, select=ORDERS)

    for day in (5, 1, 3, 2, 4):
        assert bench.run(project, f"2024-03-0{day}", select='key:"views/spending"').success
    (tmp_path / "whole").mkdir()
    with bench_in(tmp_path / "whole") as whole:
        whole.run(project, *RANGE, select=SPENDING)
        assert bench.data_versions("views/spending") == whole.data_versions("views/spending")
    last = bench.store.read("views/spending").filter(customer="bob").sort("as_of").collect()
    assert last["amount_sum_lifetime"].to_list() == [1.0, 12.0, 33.0, 64.0, 105.0]
    assert last["amount_sum_1d_lag_1d"].to_list() == [0.0, 1.0, 11.0, 21.0, 31.0]


def test_a_failed_critical_expectation_publishes_nothing_blocks_downstream_and_keeps_the_refused_rows(
    bench: Bench,
) -> None:
    bench.run(shop(orders()), "2024-03-01", select=ORDERS)
    bad = orders().with_columns(amount=pl.when(pl.col("customer") == "bob").then(-1.0).otherwise("amount"))

    result = bench.run(shop(bad), "2024-03-01")

    assert not result.success
    [check] = [each for each in result.get_asset_check_evaluations() if not each.passed]
    assert check.check_name == "expect_column_values_to_be_between__amount"
    assert check.severity == dg.AssetCheckSeverity.ERROR
    failed = str(check.metadata["failed_values"].value)
    assert failed.startswith("|partition|")
    assert all(f"|{each}|" in failed for each in ("2024-03-01", "-1", "at"))
    assert "|bob|" in str(check.metadata["refused_rows"].value)
    page = Path(str(check.metadata["data_docs"].value))
    assert page.is_relative_to(str(bench.store.root))
    assert "<html" in page.read_text()
    assert not result.asset_materializations_for_node("sources__orders")
    assert not result.asset_materializations_for_node("views__spending")
    assert bench.store.read("sources/orders").collect()["amount"].to_list() == [0.0, 1.0]
    kept = bench.store.read("quarantine/sources/orders").collect()
    assert kept["row"].str.json_decode(pl.Struct({"customer": pl.String, "amount": pl.Float64})).to_list() == [
        {"customer": "bob", "amount": -1.0}
    ]


def test_data_docs_of_the_newest_run_are_linked_from_the_asset(bench: Bench) -> None:
    bench.run(shop(orders()), "2024-03-01", "2024-03-02", select=ORDERS)

    records = bench.instance.fetch_materializations(dg.AssetKey(["sources", "orders"]), limit=1).records

    assert records[0].asset_materialization is not None
    page = Path(str(records[0].asset_materialization.metadata["data_docs"].value))
    assert (page.name, page.parent.name) == ("newest.html", "orders")
    assert "expect" in page.read_text() or "between" in page.read_text()


def test_a_failed_warning_publishes_and_reports(bench: Bench) -> None:
    bad = orders().with_columns(amount=-pl.col("amount"))

    result = bench.run(shop(bad, severity="warning"), "2024-03-02", select=ORDERS)

    assert result.success
    [check] = [each for each in result.get_asset_check_evaluations() if not each.passed]
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert bench.store.read("sources/orders").collect().height == 2


@pytest.mark.slow
def test_late_rows_rewrite_the_partitions_they_touch_and_no_others(bench: Bench) -> None:
    for day in range(1, 5):
        bench.run(shop(orders(days=day)), f"2024-03-0{day}")
    before = bench.data_versions("views/spending")
    late = pl.DataFrame({"customer": ["eve"], "at": [FIRST.replace(day=3, hour=1)], "amount": [7.0]})

    result = bench.run(shop(pl.concat([orders(), late])), "2024-03-05")

    assert result.success
    after = bench.data_versions("views/spending")
    changed = {key for key in before if after[key] != before[key]}
    assert changed == {"2024-03-03", "2024-03-04"}
    told = {each.partition for each in result.asset_materializations_for_node("sources__orders")}
    assert told == {"2024-03-03", "2024-03-05"}


@pytest.mark.slow
def test_rows_later_than_the_lateness_are_kept_counted_and_reported(bench: Bench) -> None:
    for day in range(1, 5):
        bench.run(shop(orders(days=day)), f"2024-03-0{day}")
    late = pl.DataFrame({"customer": ["eve"], "at": [FIRST.replace(hour=1)], "amount": [7.0]})
    project = shop(pl.concat([orders(), late]))

    for _ in range(2):
        result = bench.run(project, "2024-03-05")
        [check] = [each for each in result.get_asset_check_evaluations() if not each.passed]
        assert (check.check_name, check.metadata["rows"].value) == ("no_rows_later_than_lateness", 1)

    assert bench.store.read("late/sources/orders").collect().height == 1
    assert bench.store.read("sources/orders", partitions=["2024-03-01"]).collect().height == 2


def test_a_day_whose_rows_are_gone_stays_published_and_fails_a_check(bench: Bench) -> None:
    bench.run(shop(orders()), *RANGE, select=ORDERS)
    gone = shop(orders().filter(pl.col("at").dt.day() != 2))

    for days in (RANGE, ["2024-03-02"]):
        result = bench.run(gone, *days, select=ORDERS)
        assert result.success
        [check] = [each for each in result.get_asset_check_evaluations() if not each.passed]
        assert check.check_name == "no_partitions_kept_though_rows_are_gone"
        assert check.severity == dg.AssetCheckSeverity.ERROR
    assert result.asset_materializations_for_node("sources__orders") == []
    assert bench.store.read("sources/orders", partitions=["2024-03-02"]).collect().height == 2


def test_every_run_leaves_one_record(whole: tuple[Bench, dg.ExecuteInProcessResult]) -> None:
    bench, result = whole

    records = bench.store.read("runs").collect()
    assert sorted(records["asset"]) == ["sources/orders", "views/last_order", "views/spending"]
    view = records.row(by_predicate=pl.col("asset") == "views/spending", named=True)
    assert view["run_id"] == result.run_id
    assert (view["outcome"], view["rows_in"], view["rows_out"]) == ("published", 10, 10)
    assert view["inputs_declared"] == [{"table": "sources/orders", "version": 0}]
    assert [each["table"].split("/offline/")[1].strip("/") for each in view["inputs_opened"]] == ["sources/orders"]
    assert view["duration_s"] > 0
    assert view["peak_memory_mb"] > 0
    assert view["python"]


def test_each_partition_has_its_share_of_missing_values_and_the_picture_of_its_profile(bench: Bench) -> None:
    gaps = orders().with_columns(amount=pl.when(pl.col("at").dt.day() == 2).then(None).otherwise("amount"))
    result = bench.run(shop(gaps, severity="warning"), *RANGE, select=ORDERS)

    told = [each for each in result.asset_materializations_for_node("sources__orders") if each.partition]
    newest = {str(each.partition): each.metadata for each in told if "null_share" in each.metadata}
    assert {key: round(float(str(each["null_share"].value)), 3) for key, each in newest.items()} == {
        "2024-03-01": 0.0,
        "2024-03-02": 0.333,
        "2024-03-03": 0.0,
        "2024-03-04": 0.0,
        "2024-03-05": 0.0,
    }
    assert all(texts(svg_of(str(each["profile"].value)))[0] == key for key, each in newest.items())


def test_a_run_of_one_partition_shows_its_profile(bench: Bench) -> None:
    [shown] = bench.run(shop(orders()), "2024-03-02", select=ORDERS).asset_materializations_for_node("sources__orders")

    assert "2 rows, 3 columns" in texts(svg_of(str(shown.metadata["profile"].value)))[1]


def test_of_very_many_partitions_only_the_newest_has_a_picture(bench: Bench) -> None:
    result = bench.run(shop(orders(days=40), days=40), "2024-03-01", "2024-04-05", select="sources/orders")

    told = result.asset_materializations_for_node("sources__orders")
    assert {each.partition for each in told if "profile" in each.metadata} == {"2024-04-05"}
    assert len({each.partition for each in told if "null_share" in each.metadata}) == 36
