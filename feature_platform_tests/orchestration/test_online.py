"""What is served, as Dagster sees it: published after the offline commit, proven equal, quiet when nothing changed."""

from types import ModuleType
from typing import Any

import dagster as dg
import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.serving.keys import key_expr
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import FIRST, orders, shop

RANGE = ("2024-03-01", "2024-03-05")
LAST_ORDER = 'key:"sources/orders" or key:"views/last_order" or key:"online/last_order"'


def served_shop(frame: pl.DataFrame, *, days: int = 5) -> ModuleType:
    """The shop with a service, which has an exact view and an imputation, and a training set that teaches it."""
    module: Any = shop(frame, days=days)

    @fp.feature_view(
        entity=module.customer,
        source=module.orders,
        aggregations=[fp.Mean("amount", windows=["1d"])],
        accuracy="exact",
        owner="team:shop",
    )
    def recent(orders: pl.LazyFrame) -> pl.LazyFrame:
        """What they spend, to the minute."""
        return orders

    module.recent = recent
    module.shop_v1 = fp.FeatureService(
        "shop_v1",
        [module.spending, module.last_order, recent],
        impute={"amount_mean_1d": fp.Impute.mean()},
        owner="team:shop",
    )
    module.training = fp.TrainingSet("training", service=module.shop_v1, spine=module.orders)
    return module


def online(bench: Bench) -> fp.online.Lmdb:
    return fp.online.Lmdb(bench.root / "online")


def versions(bench: Bench) -> dict[str, str]:
    names = ("online/spending", "online/last_order", "online/recent", "online/imputation/shop_v1")
    return {name: bench.data_versions(name)["None"] for name in names}


def test_one_run_computes_publishes_and_proves_everything(bench: Bench) -> None:
    result = bench.run(served_shop(orders()), *RANGE)

    assert result.success
    assert online(bench).views() == ["imputation.shop_v1", "last_order", "recent", "spending"]
    checks = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    assert checks["online_equals_offline"]
    assert checks["serving_equals_training"]
    [proof] = result.asset_materializations_for_node("consistency__shop_v1")
    assert proof.metadata["differences"].value == 0
    values: Any = proof.metadata["values_compared"].value
    assert values >= 4 * 2
    assert "|amount_sum_2d|" in str(proof.metadata["by_feature"].value)
    assert bench.store.read("consistency/shop_v1").collect().height == 4


def test_a_publication_says_how_much_of_what_and_how_fresh(bench: Bench) -> None:
    result = bench.run(served_shop(orders()), *RANGE, select=LAST_ORDER)

    [shown] = result.asset_materializations_for_node("online__last_order")
    told: dict[str, Any] = {name: value.value for name, value in shown.metadata.items()}
    assert (told["how"], told["dagster/row_count"], told["entries_written"]) == ("built", 2, 2)
    assert (told["generation"], told["delta_version/views/last_order"]) == (1, 0)
    assert told["newest_event"] == FIRST.replace(day=5, hour=12).timestamp()
    assert told["freshness_s"] > 0
    assert told["published_at"] == "2024-03-06T00:00:00.000000Z"  # the end of a project that is over


@pytest.mark.slow
def test_a_repeated_run_publishes_nothing_and_tells_the_same_data_versions(bench: Bench) -> None:
    bench.run(served_shop(orders()), *RANGE)
    before = versions(bench)

    result = bench.run(served_shop(orders()), *RANGE)

    assert versions(bench) == before
    [shown] = result.asset_materializations_for_node("online__spending")
    assert (shown.metadata["how"].value, shown.metadata["entries_written"].value) == ("unchanged", 0)
    [proof] = result.asset_materializations_for_node("consistency__shop_v1")
    assert proof.metadata["differences"].value == 0


def test_changed_rows_are_asked_for_published_and_have_another_data_version(bench: Bench) -> None:
    bench.run(served_shop(orders()), *RANGE)
    before = versions(bench)
    changed = orders().with_columns(amount=pl.when(pl.col("at").dt.day() == 5).then(pl.lit(99.0)).otherwise("amount"))
    ticks = [dg.evaluate_automation_conditions(bench.definitions(served_shop(orders())), bench.instance)]
    bench.run(served_shop(changed), "2024-03-05", select='key:"views/last_order" or key:"sources/orders"')

    definitions = bench.definitions(served_shop(changed))
    ticks.append(dg.evaluate_automation_conditions(definitions, bench.instance, cursor=ticks[0].cursor))
    asked = {each.key.to_user_string() for each in ticks[1].results if not each.true_subset.is_empty}
    assert {"online/last_order", "online/recent"} <= asked
    assert not {"online/spending", "consistency/shop_v1"} & asked
    bench.run(served_shop(changed), "2024-03-05", select='key:"online/last_order"')

    after = versions(bench)
    assert {name for name in before if after[name] != before[name]} == {"online/last_order"}
    answer = fp.online_features(
        served_shop(changed).last_order, {"customer": ["ann"]}, online(bench), FIRST.replace(day=6)
    )
    assert answer["last_amount"].to_list() == [99.0]


def test_a_wrong_entry_fails_the_check_and_is_shown(bench: Bench) -> None:
    bench.run(served_shop(orders()), *RANGE)
    store, table = online(bench), online(bench).table("last_order")
    assert table is not None
    gone = pl.DataFrame({"customer": ["ann"]}).select(key_expr(table.keys)).to_series().to_list()
    store.change(table, table, [], gone, lambda *_: None)

    result = bench.run(served_shop(orders()), *RANGE, select='key:"consistency/shop_v1"')

    [check] = result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "last_amount (" in str(check.description)
    assert "missing" in str(check.description)
    [proof] = result.asset_materializations_for_node("consistency__shop_v1")
    assert '"customer": "ann"' in str(proof.metadata["examples"].value)


def test_the_proofs_have_a_job_of_their_own_which_is_off(bench: Bench) -> None:
    definitions = bench.definitions(served_shop(orders()))

    refresh, verify = definitions.resolve_job_def("refresh"), definitions.resolve_job_def("verify")
    proofs = {dg.AssetKey(["consistency", "shop_v1"]), dg.AssetKey(["skew", "shop_v1"])}
    assert set(verify.asset_layer.executable_asset_keys) == proofs
    assert not proofs & set(refresh.asset_layer.executable_asset_keys)
    assert dg.AssetKey(["online", "spending"]) in refresh.asset_layer.executable_asset_keys
    schedule = definitions.get_repository_def().get_schedule_def("verify_daily")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_a_project_without_a_service_has_nothing_to_prove(bench: Bench) -> None:
    names = [each.name for each in bench.definitions(shop(orders())).get_repository_def().schedule_defs]

    assert "verify_daily" not in names
