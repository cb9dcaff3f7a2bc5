"""Unions through Dagster: what reads one depends on every member, and there is no asset of it."""

from types import ModuleType

import dagster as dg
import polars as pl

import feature_platform as fp
from feature_platform.orchestration.code_location import code_location
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import orders, shop

RANGE = ("2024-03-02", "2024-03-03")
MADE = 'key:"sources/orders" or key:"sources/web" or key:"views/everywhere"'


def test_one_run_reads_all_members_and_each_is_an_input(bench: Bench) -> None:
    project = shop(orders())
    web = fp.Source("web", fp.sources.Frame(orders(page="home")), event_time="at")
    both = fp.Union("both", {"shop": project.orders, "web": web}, tag="channel")
    spend = fp.feature_view(
        entity=project.customer,
        source=both,
        aggregations=[fp.Sum("amount", windows=["2d"]), fp.Last("channel", windows=["2d"])],
        cadence=fp.Cadence(every="1d", lateness="2d"),
        name="everywhere",
    )(lambda rows: rows)
    spine = fp.Spine.every_key("daily", source=both, entity=project.customer, every="1d", active="2d")
    project.__dict__.update(both=both, everywhere=spend, daily=spine)

    result = bench.run(project, *RANGE, select=f'{MADE} or key:"spines/daily" or key:"views/spending"')

    assert result.success
    graph = code_location(project).resolve_asset_graph()
    members = {dg.AssetKey(["sources", "orders"]), dg.AssetKey(["sources", "web"])}
    view = graph.get(dg.AssetKey(["views", "everywhere"]))
    assert view.parent_keys == members
    assert graph.get(dg.AssetKey(["spines", "daily"])).parent_keys == members
    assert not [key for key in graph.get_all_asset_keys() if "both" in key.to_user_string()]
    for member in members:
        mapping = view.partition_mappings[member]
        assert isinstance(mapping, dg.TimeWindowPartitionMapping)
        assert mapping.start_offset < 0
    shown = result.asset_materializations_for_node("views__everywhere")
    versions = [each.metadata["input_versions"].value for each in shown]
    assert versions == [{"sources/orders": 0, "sources/web": 0}] * 2
    lineage = shown[0].metadata["dagster/column_lineage"].value
    behind = {dep.asset_key for dep in lineage.deps_by_column["amount_sum_2d"] if dep.column_name == "amount"}
    assert behind == members
    found = bench.store.read("views/everywhere").drop_nulls("customer").sort("customer", "as_of").collect()
    assert found["channel_last_2d"].unique().to_list() == ["web"]
    alone = bench.store.read("views/spending").drop_nulls("customer").sort("customer", "as_of").collect()
    assert (found["amount_sum_2d"] == 2 * alone["amount_sum_2d"]).all()


def test_a_member_that_changed_alone_makes_its_days_due(bench: Bench) -> None:
    def declared(web_rows: pl.DataFrame) -> ModuleType:
        project = shop(orders())
        web = fp.Source("web", fp.sources.Frame(web_rows), event_time="at")
        both = fp.Union("both", {"shop": project.orders, "web": web})
        row = fp.feature_view(entity=project.customer, source=both, name="everywhere")(lambda rows: rows)
        project.__dict__.update(both=both, everywhere=row)
        return project

    bench.run(declared(orders()), *RANGE, select=MADE)
    late = orders().with_columns(amount=pl.when(pl.col("at").dt.day() == 3).then(-pl.col("amount")).otherwise("amount"))
    project = declared(late)
    bench.run(project, *RANGE, select='key:"sources/web"')
    due = fp.stale_assets(fp.project_of(project), bench.store)
    reasons = {each.asset: each.due_partitions for each in due}
    days = {key: why for key, why in reasons["views/everywhere"].items() if key in RANGE}
    assert days == {"2024-03-03": "sources/web changed"}
