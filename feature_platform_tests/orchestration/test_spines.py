"""Spines through Dagster: an asset between its sources and the training sets that ask by it."""

import dagster as dg
import polars as pl

import feature_platform as fp
from feature_platform.orchestration.code_location import code_location
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import orders, shop

RANGE = ("2024-03-01", "2024-03-05")


def test_one_run_makes_a_spine_between_its_source_and_the_training_set_that_reads_it(bench: Bench) -> None:
    project = shop(orders())
    present = fp.Expect("expect_column_values_to_not_be_null", column="customer")
    words = {"owner": "team:shop", "description": "Each customer, each day."}
    spine = fp.Spine.every_key(
        "daily",
        source=project.orders,
        entity=project.customer,
        every="1d",
        active="2d",
        expectations=[present],
        **words,
    )
    project.__dict__["buying"] = fp.TrainingSet(
        "buying", service=fp.FeatureService("v1", [project.spending]), spine=spine
    )

    result = bench.run(project, *RANGE)

    assert result.success
    graph = code_location(project).resolve_asset_graph()
    asset = graph.get(dg.AssetKey(["spines", "daily"]))
    assert asset.parent_keys == {dg.AssetKey(["sources", "orders"])}
    assert dg.AssetKey(["training_sets", "buying"]) in asset.child_keys
    assert (asset.owners, asset.description, asset.group_name) == (["team:shop"], "Each customer, each day.", "spines")
    [shown] = result.asset_materializations_for_node("spines__daily")
    assert shown.metadata["dagster/row_count"].value == 10
    assert shown.metadata["input_versions"].value == {"sources/orders": 0}
    checks = {
        each.check_name: each.passed for each in result.get_asset_check_evaluations() if each.asset_key == asset.key
    }
    assert checks[present.check_name] is True
    built = bench.store.read("training_sets/buying").collect()
    assert built.select("event_timestamp", "customer").height == 10
    assert built.filter(pl.col("count_2d") < 1).is_empty()
