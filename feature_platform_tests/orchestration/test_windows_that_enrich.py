"""Windows that enrich another view, through Dagster: all are read, and a change makes due what it reaches."""

from types import ModuleType

import dagster as dg
import polars as pl

import feature_platform as fp
from feature_platform.orchestration.code_location import code_location
from feature_platform.pipelines.plan import stale_assets
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import FIRST, orders, shop

RANGE = ("2024-03-01", "2024-03-05")
MADE = 'key:"sources/orders" or key:"sources/visits" or key:"views/spending" or key:"views/visited"'


def declared(rows: pl.DataFrame) -> ModuleType:
    """A shop whose visits are seen with what their customer had spent; that is known an hour after midnight."""
    project = shop(rows)
    visits = fp.Source("visits", fp.sources.Frame(orders().select("customer", "at")), event_time="at")
    slow = fp.feature_view(
        entity=project.customer,
        source=project.orders,
        aggregations=[fp.Sum("amount", windows=["2d"])],
        cadence=fp.Cadence(every="1d", delay="13h", lateness="2d"),
        name="spending",
    )(lambda rows: rows)
    visited = fp.feature_view(entity=project.customer, source=visits, enrich=[slow["amount_sum_2d"]], name="visited")(
        lambda rows: rows
    )
    project.__dict__.update(visits=visits, spending=slow, visited=visited)
    return project


def test_a_run_reads_all_instants_and_recomputes_what_a_changed_one_reaches(bench: Bench) -> None:
    project = declared(orders())
    result = bench.run(project, *RANGE, select=MADE)
    assert result.success
    view = code_location(project).resolve_asset_graph().get(dg.AssetKey(["views", "visited"]))
    assert isinstance(view.partition_mappings[dg.AssetKey(["views", "spending"])], dg.AllPartitionMapping)
    shown = result.asset_materializations_for_node("views__visited")
    assert shown[0].metadata["input_versions"].value == {"sources/visits": 0, "views/spending": 0}
    lineage = shown[0].metadata["dagster/column_lineage"].value.deps_by_column["amount_sum_2d"]
    assert {(each.asset_key.to_user_string(), each.column_name) for each in lineage} >= {
        ("views/spending", "amount_sum_2d"),
        ("views/spending", "as_of"),
        ("sources/visits", "customer"),
    }
    ann = bench.store.read("views/visited").filter(pl.col("customer") == "ann").sort("at", "known_at").collect()
    assert ann["amount_sum_2d"].to_list() == [None, None, 0.0, 0.0, 10.0, 10.0, 30.0, 30.0, 50.0]
    assert (ann["known_at"] > ann["at"]).sum() == 4  # at one o'clock each visit is seen anew

    changed = declared(orders().with_columns(amount=pl.col("amount") + (pl.col("at").dt.day() == 2)))
    fp.materialize(changed.spending, bench.store, FIRST, "2024-03-06", partitions=changed.partitions)
    whole = fp.Project("shop", changed.partitions, (changed.orders, changed.visits, changed.spending, changed.visited))
    due = {each.asset: list(each.due_partitions) for each in stale_assets(whole, bench.store)}
    assert due == {"views/visited": ["2024-03-03", "2024-03-04", "2024-03-05"]}
