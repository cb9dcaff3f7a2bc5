"""Spines through Dagster: an asset between what it is made of and the training sets that ask by it."""

import json
from datetime import timedelta

import dagster as dg
import polars as pl

import feature_platform as fp
from feature_platform.orchestration.code_location import code_location
from feature_platform.serving.request_log import LoggedAnswer, RequestLog
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import FIRST, orders, shop

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


def test_one_run_makes_a_spine_of_what_a_service_was_asked_after_its_views(bench: Bench) -> None:
    project = shop(orders())
    service = fp.FeatureService("v1", [project.spending])
    spine = fp.Spine.requests("asked", service=service)
    project.__dict__["buying"] = fp.TrainingSet("buying", service=service, spine=spine)
    row = json.dumps({"values": [2], "statuses": ["PRESENT"], "event_times": [None]}).encode()
    moment = FIRST + timedelta(days=3)
    with RequestLog(bench.store, sample=1.0) as requests:
        requests.record(LoggedAnswer("r", "v1", moment, b'{"customer": ["bob"]}', ["count_2d"], row, {}))

    result = bench.run(project, *RANGE)

    assert result.success
    graph = code_location(project).resolve_asset_graph()
    asset = graph.get(dg.AssetKey(["spines", "asked"]))
    assert dg.AssetKey(["views", "spending"]) in asset.parent_keys
    assert dg.AssetKey(["training_sets", "buying"]) in asset.child_keys
    assert graph.get(asset.key).description == "Keys and moments that features are asked for, from `v1`."
    [shown] = result.asset_materializations_for_node("spines__asked")
    assert shown.metadata["input_versions"].value == {"requests/v1": 0}
    built = bench.store.read("training_sets/buying").collect()
    assert built.select("event_timestamp", "customer", "count_2d").rows() == [(moment, "bob", 2)]
