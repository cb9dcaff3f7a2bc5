"""The upkeep of tables as a Dagster asset: what it does is seen, and no asset becomes stale by it."""

import dagster as dg

from feature_platform.orchestration.upkeep import UPKEEP
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import orders, shop

RANGE = ("2024-03-01", "2024-03-05")


def test_upkeep_keeps_every_table_readable_and_says_what_it_did(bench: Bench) -> None:
    bench.run(shop(orders()), *RANGE)
    before = {name: bench.store.read(name).collect().sort(pl_all(name, bench)) for name in bench.store.tables()}
    versions = {name: bench.data_versions(name) for name in ("sources/orders", "views/spending")}

    result = bench.run(shop(orders()), *RANGE, select='key:"maintenance/offline_store"')

    assert result.success
    [done] = result.asset_materializations_for_node("maintenance__offline_store")
    assert done.metadata["tables"].value == len(before)
    assert "sources/orders" in str(done.metadata["by_table"].value)
    [checked] = result.get_asset_check_evaluations()
    assert (checked.check_name, checked.passed) == ("rows_match_their_hashes", True)
    for name, rows in before.items():
        after = bench.store.read(name).collect().sort(pl_all(name, bench))
        assert after.head(rows.height).equals(rows) or name == "runs"
    assert {name: bench.data_versions(name) for name in versions} == versions


def pl_all(name: str, bench: Bench) -> list[str]:
    """Columns that can be sorted by."""
    schema = bench.store.read(name).collect_schema()
    return [column for column, dtype in schema.items() if not dtype.is_nested()]


def test_the_job_for_new_data_leaves_upkeep_out_and_upkeep_has_its_own(bench: Bench) -> None:
    definitions = bench.definitions(shop(orders()))

    refresh = definitions.resolve_job_def("refresh")
    maintain = definitions.resolve_job_def("maintain")
    assert isinstance(definitions.get_repository_def().get_schedule_def("maintain_daily"), dg.ScheduleDefinition)
    assert UPKEEP not in refresh.asset_layer.executable_asset_keys
    assert set(maintain.asset_layer.executable_asset_keys) == {UPKEEP}
