"""Events are made from the records of runs, are valid by the published schemas, and hold no secret."""

import copy
import json
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from openlineage.client.serde import Serde

import feature_platform as fp
from feature_platform.compute.transforms.lineage import lineage_by_table
from feature_platform.declarations.project import project_of
from feature_platform.lineage import datasets
from feature_platform.lineage.datasets import StoredTables
from feature_platform.lineage.events import EventMaker, parent_uuid, run_uuid
from feature_platform.lineage.records import read_runs_since
from feature_platform_tests.lineage.published import facets_in, faults_of
from feature_platform_tests.lineage.recorded import BETWEEN, NOT_NULL, Event, events, run, run_all, shop
from feature_platform_tests.pipelines.former_shop import STORE
from feature_platform_tests.pipelines.former_shop import shop as former_shop
from feature_platform_tests.shop import at, customer, daily, last_order, source, spine

FACETS = """
    columnLineage dataQualityAssertions dataSource datasetType documentation errorMessage jobType nominalTime
    outputStatistics ownership parent processing_engine schema storage symlinks tags version
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> fp.OfflineStore:
    store = fp.OfflineStore(tmp_path_factory.mktemp("recorded"))
    run_all(shop(), store)
    return store


@pytest.fixture(scope="module")
def sent(store: fp.OfflineStore) -> list[Event]:
    return events(shop(), store)


def ends(sent: list[Event], asset: str) -> list[Event]:
    return [each for each in sent if each["job"]["name"] == asset and each["eventType"] != "START"]


def facet(event: Event, name: str, of: str = "outputs") -> Any:
    return (event[of][0] if of == "outputs" else event[of])["facets"][name]


def test_every_event_is_valid_with_every_facet(sent: list[Event]) -> None:
    assert [faults_of(each) for each in sent] == [[]] * 10
    assert {name for each in sent for name, _ in facets_in(each)} == set(FACETS.split())


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (lambda event: event.update(eventTime="yesterday"), "event: 'yesterday' is not a 'date-time'"),
        (lambda event: event.update(eventType="DONE"), "event: 'DONE' is not one of"),
        (lambda event: event.update(producer="no address"), "event: 'no address' is not a 'uri'"),
        (lambda event: event["run"].update(runId="7"), "event: '7' is not a 'uuid'"),
        (lambda event: event.pop("run"), "event: 'run' is a required property"),
        (lambda event: event["outputs"][0].pop("namespace"), "event: 'namespace' is a required property"),
        (lambda event: facet(event, "schema").pop("_producer"), "schema: '_producer' is a required property"),
        (lambda event: facet(event, "schema")["fields"][0].pop("name"), "schema: 'name' is a required property"),
        (lambda event: facet(event, "version").update(datasetVersion=3), "version: 3 is not of type 'string'"),
        (lambda event: facet(event, "parent", "run")["run"].update(runId="7"), "parent: '7' is not a 'uuid'"),
    ],
)
def test_a_broken_event_is_refused_by_the_same_schemas(
    sent: list[Event], broken: Callable[[Event], object], fault: str
) -> None:
    event = copy.deepcopy(ends(sent, "views/spending")[0])
    broken(event)

    assert any(each.startswith(fault) for each in faults_of(event)), faults_of(event)


def test_a_run_has_a_start_and_an_end_by_its_outcome(sent: list[Event]) -> None:
    told = [(each["job"]["name"], each["eventType"]) for each in sent]

    assert told == [
        ("sources/orders", "START"), ("sources/orders", "COMPLETE"),
        ("views/spending", "START"), ("views/spending", "COMPLETE"),
        ("views/spending", "START"), ("views/spending", "COMPLETE"),
        ("views/broken", "START"), ("views/broken", "FAIL"),
        ("sources/orders", "START"), ("sources/orders", "FAIL"),
    ]  # fmt: skip
    assert [each["run"]["runId"] for each in sent[::2]] == [each["run"]["runId"] for each in sent[1::2]]
    assert len({each["run"]["runId"] for each in sent}) == 5
    assert all(start["eventTime"] <= end["eventTime"] for start, end in zip(sent[::2], sent[1::2], strict=True))
    assert {each["job"]["namespace"] for each in sent} == {"feature_platform.shop"}


def test_a_published_view_says_what_it_was_made_of(sent: list[Event], store: fp.OfflineStore) -> None:
    published, unchanged = ends(sent, "views/spending")
    [read], [written] = published["inputs"], published["outputs"]
    place = f"{store.root}/offline"

    assert (read["namespace"], read["name"]) == ("file", f"{place}/sources/orders")
    assert (written["namespace"], written["name"]) == ("file", f"{place}/views/spending")
    assert read["facets"]["version"]["datasetVersion"] == facet(published, "version")["datasetVersion"] == "0"
    assert [each["name"] for each in facet(published, "schema")["fields"]] == [
        "customer", "as_of", "amount_sum_2d", "count_2d",
    ]  # fmt: skip
    behind = facet(published, "columnLineage")["fields"]["amount_sum_2d"]["inputFields"]
    assert [(each["name"], each["field"]) for each in behind] == [(f"{place}/sources/orders", "amount")]
    assert facet(published, "ownership")["owners"][0]["name"] == "ann@shop.no"
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 4
    tags = [(each["key"], each["value"], each.get("field")) for each in facet(published, "tags")["tags"]]
    assert tags == [
        ("kind", "feature view", None), ("role", "join key", "customer"), ("role", "event time", "as_of"),
    ]  # fmt: skip
    nominal = facet(published, "nominalTime", "run")
    assert nominal["nominalStartTime"] == "2024-01-01T00:00:00.000000Z"
    assert nominal["nominalEndTime"] == "2024-01-03T00:00:00.000000Z"
    assert facet(unchanged, "tags", "run")["tags"][0]["value"] == "unchanged"


def test_results_of_expectations_are_told_without_the_values_that_they_found(sent: list[Event]) -> None:
    published, refused = ends(sent, "sources/orders")
    results = facet(published, "dataQualityAssertions")["assertions"]

    assert [(each["assertion"], each["column"], each["success"], each["severity"]) for each in results] == [
        (NOT_NULL, "customer", True, "error"),
        (BETWEEN, "amount", False, "warn"),
    ]
    assert facet(refused, "errorMessage", "run")["message"] == f"refused: {BETWEEN}__amount"
    assert "10.0" not in json.dumps([published, refused])
    assert "version" not in refused["outputs"][0]["facets"]


def test_a_failed_run_says_why_and_what_it_reads(sent: list[Event]) -> None:
    [failed] = ends(sent, "views/broken")

    assert "its function failed with ComputeError" in facet(failed, "errorMessage", "run")["message"]
    assert [each["name"].rpartition("offline/")[2] for each in failed["inputs"]] == ["sources/orders"]
    assert "outputStatistics" not in failed["outputs"][0]["outputFacets"]
    assert facet(failed, "nominalTime", "run")["nominalEndTime"] == "2024-01-03T00:00:00.000000Z"


def test_made_again_from_the_same_records_they_are_the_same(sent: list[Event], store: fp.OfflineStore) -> None:
    assert events(shop(), store) == sent


def test_a_run_that_is_tried_again_is_another_run_of_the_same_parent(tmp_path) -> None:
    store, project, dagsters = fp.OfflineStore(tmp_path), shop(), "0b7e4b52-6d0e-4a5c-9b0e-0f0f5ad1c3f1"
    run(project, store, "views/spending", "sources/orders", "views/spending", run_id=dagsters)
    ended = ends(events(project, store), "views/spending")

    assert [each["eventType"] for each in ended] == ["FAIL", "COMPLETE"]
    assert len({each["run"]["runId"] for each in ended}) == 2
    assert {facet(each, "parent", "run")["run"]["runId"] for each in ended} == {dagsters}
    assert parent_uuid("not-a-uuid") == parent_uuid("not-a-uuid")
    noon = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
    assert run_uuid("a", "views/x", noon) != run_uuid("a", "views/y", noon)


def test_the_record_of_a_declaration_that_is_gone_is_told_by_itself(store: fp.OfflineStore) -> None:
    module: Any = ModuleType("other")
    module.other = fp.Source("other", fp.sources.Frame(daily(1)), event_time="at")
    maker = EventMaker(project_of(module), StoredTables("s3://lake/offline", "shop", {}))
    for record in read_runs_since(store, None):
        for event in maker.events_of(record):
            told = Serde.to_dict(event)
            assert faults_of(told) == []
            assert told["outputs"][0]["namespace"] == "s3://lake"
            assert told["outputs"][0]["name"] == f"offline/{record['asset']}"


def test_the_function_of_a_view_is_looked_at_once_for_all_of_its_runs(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, looks = fp.OfflineStore(tmp_path), list[str]()
    run(shop(), store, "sources/orders", *["views/spending"] * 3)

    def counting(asset: Any, schemas: Mapping[str, pl.Schema]) -> Mapping[str, tuple[tuple[str, str], ...]]:
        looks.append(asset.asset)
        return lineage_by_table(asset, schemas)

    monkeypatch.setattr(datasets, "lineage_by_table", counting)
    told = ends(events(shop(), store), "views/spending")
    assert ["columnLineage" in each["outputs"][0]["facets"] for each in told] == [True] * 3
    assert looks == ["views/spending"]


def test_the_runs_of_a_store_that_an_earlier_release_wrote_are_told(tmp_path) -> None:
    shutil.unpack_archive(STORE, tmp_path)
    told = events(former_shop(), fp.OfflineStore(tmp_path))

    assert len(told) > 10
    assert [faults_of(each) for each in told] == [[]] * len(told)
    assert {each["eventType"] for each in told} >= {"START", "COMPLETE"}


def test_columns_of_other_code_have_no_lineage(store: fp.OfflineStore, sent: list[Event]) -> None:
    changed = shop()
    changed = type(changed)(
        changed.name, changed.partitions, tuple(each for each in changed.declarations if each.name != "spending")
    )
    view = fp.feature_view(
        entity=customer,
        source=next(each for each in changed.assets if isinstance(each, fp.Source)),
        aggregations=[fp.Max("price", windows=["2d"])],
        name="spending",
    )(lambda rows: rows.select("customer", "at", price=pl.col("cost")))
    told = ends(
        events(type(changed)(changed.name, changed.partitions, (*changed.declarations, view)), store), "views/spending"
    )

    assert "columnLineage" in sent[3]["outputs"][0]["facets"]
    assert all("columnLineage" not in each["outputs"][0]["facets"] for each in told)


def test_a_training_set_is_told_with_all_that_it_was_made_of(tmp_path) -> None:
    module: Any = ModuleType("training")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(10))
    read = source(daily(3))
    module.view = last_order(read)
    module.service = fp.FeatureService("both", [module.view])
    module.set = fp.TrainingSet("orders_set", service=module.service, spine=spine(("ann", at(2)), ("bob", at(2))))
    store, project = fp.OfflineStore(tmp_path), project_of(module)
    fp.materialize(module.view, store, at(0), at(2), partitions=module.partitions)
    fp.materialize(module.set.spine, store, at(0), at(3))
    fp.build_training_set(module.set, store)
    told = events(project, store)
    [built] = ends(told, "training_sets/orders_set")

    assert [faults_of(each) for each in told] == [[]] * len(told)
    assert {each["name"].rpartition("offline/")[2] for each in built["inputs"]} >= {
        "views/last_order", "sources/orders_set_spine",
    }  # fmt: skip


def test_no_secret_of_a_source_is_in_an_event(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DB_PASSWORD", "hunter2")
    connector = fp.sources.Database(
        "postgresql://reader@127.0.0.1:1/shop?application_name=hidden",
        password=fp.Secret("SHOP_DB_PASSWORD"),
        table="orders",
    )
    store = fp.OfflineStore(tmp_path, storage_options={"AWS_SECRET_ACCESS_KEY": "hunter2"})
    project = shop(connector=connector)
    run(project, store, "sources/orders")
    told = events(project, store)
    [failed] = ends(told, "sources/orders")

    assert [faults_of(each) for each in told] == [[], []]
    assert (failed["eventType"], failed["inputs"][0]["namespace"]) == ("FAIL", "postgres://127.0.0.1:1")
    assert failed["inputs"][0]["name"] == "shop.public.orders"
    assert failed["inputs"][0]["facets"]["dataSource"]["uri"] == "postgres://127.0.0.1:1/shop.public.orders"
    assert not any(word in json.dumps(told) for word in ("hunter2", "hidden"))
    assert "reader" not in json.dumps(failed["inputs"])
