"""What is stale and why, and that a run of exactly that brings all up to date."""

from datetime import datetime
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

import feature_platform as fp
from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.project import Project, project_of
from feature_platform.offline import CommitStamp
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform.pipelines.plan import stale_assets
from feature_platform_tests.assets import table_asset
from feature_platform_tests.shop import at, customer, daily, last_order, orders, source, spending, spine

pytestmark = pytest.mark.usefixtures("unrecorded")

DAYS = [f"2024-01-0{day}" for day in range(1, 6)]


def shop(rows: pl.DataFrame, *, service: bool = False, **windowed: Any) -> Project:
    """Orders, what is spent, an echo of it, the last order, and perhaps a training set."""
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(5))
    read = source(rows)
    module.spending = spending(read, **{"windows": ["2d"], **windowed})
    module.echo = fp.feature_view(entity=customer, source=module.spending, name="echo")(lambda spent: spent)
    module.last_order = last_order(read)
    if service:
        features = fp.FeatureService("v1", [module.spending, module.last_order])
        module.training = fp.TrainingSet("buying", service=features, spine=spine(("ann", at(3))))
    return project_of(module)


def run(project: Project, store: fp.OfflineStore, start: datetime | None = None, end: datetime | None = None) -> None:
    """All that is partitioned, and then what is not, upstream first."""
    for asset in project.assets:
        if isinstance(asset, fp.TrainingSet):
            fp.build_training_set(asset, store)
        else:
            span = (start or at(0), end or at(5)) if asset.partitioned else None
            materialize_asset(asset, store, span, project.partitions).raise_if_refused()


def found(project: Project, store: fp.OfflineStore) -> dict[str, dict[str, str]]:
    return {each.asset: dict(each.reasons) for each in stale_assets(project, store)}


def all_days(reason: str) -> dict[str, str]:
    return dict.fromkeys(DAYS, reason)


def changed_on(day: int, rows: pl.DataFrame | None = None) -> pl.DataFrame:
    frame = daily() if rows is None else rows
    return frame.with_columns(amount=pl.when(pl.col("at").dt.day() == day).then(99.0).otherwise("amount"))


def test_nothing_was_materialized(store: fp.OfflineStore) -> None:
    never = all_days("never materialized")
    assert found(shop(daily(), service=True), store) == {
        "sources/orders": never,
        "sources/buying_spine": {"": "never materialized"},
        "views/spending": never,
        "views/echo": never,
        "views/last_order": never,
        "training_sets/buying": {"": "never materialized"},
    }
    assert store.tables() == []


def test_what_was_materialized_is_up_to_date(store: fp.OfflineStore) -> None:
    run(shop(daily(), service=True), store)
    assert found(shop(daily(), service=True), store) == {}


def test_days_that_were_not_materialized_are_named(store: fp.OfflineStore) -> None:
    run(shop(daily()), store, at(1), at(3))
    assert found(shop(daily()), store)["views/last_order"] == dict.fromkeys(
        ["2024-01-01", "2024-01-04", "2024-01-05"], "never materialized"
    )
    assert stale_assets(shop(daily()), store, keys=["2024-01-02", "2024-01-03"]) == []


def test_changed_code_makes_a_view_stale_and_what_is_made_from_it(store: fp.OfflineStore) -> None:
    run(shop(daily()), store)
    assert found(shop(daily(), windows=["3d"]), store) == {
        "views/spending": all_days("its code changed"),
        "views/echo": all_days("views/spending is not up to date"),
    }


def test_changed_data_makes_the_source_stale_and_all_that_is_made_from_it(store: fp.OfflineStore) -> None:
    run(shop(daily(), service=True), store)
    stale = found(shop(changed_on(3), service=True), store)
    assert stale["sources/orders"] == {"2024-01-03": "its data changed"}
    assert stale["views/spending"] == dict.fromkeys(DAYS[2:4], "sources/orders is not up to date")
    assert stale["views/echo"] == dict.fromkeys(DAYS[2:4], "views/spending is not up to date")
    assert set(stale["training_sets/buying"]) == {""}


def test_a_changed_input_reaches_the_windows_that_it_touches_and_no_others(store: fp.OfflineStore) -> None:
    project = shop(daily())
    run(project, store)
    changed = shop(changed_on(3))
    materialize_asset(table_asset(changed, "sources/orders"), store, (at(0), at(5)), changed.partitions)

    stale = found(changed, store)
    for view, days in (("views/spending", DAYS[2:4]), ("views/last_order", DAYS[2:3])):
        assert [key for key, why in stale[view].items() if why == "sources/orders changed"] == days


def test_after_data_changed_on_one_day_a_run_of_all_brings_all_up_to_date(store: fp.OfflineStore) -> None:
    run(shop(daily()), store)
    run(shop(changed_on(3)), store)
    assert found(shop(changed_on(3)), store) == {}


def test_a_view_that_a_change_of_its_input_does_not_change_is_up_to_date_after_a_run(store: fp.OfflineStore) -> None:
    first = daily().with_columns(note=pl.lit("a"))
    run(shop(first, entity=customer), store)
    noted = shop(daily().with_columns(note=pl.lit("b")))
    run(noted, store)
    assert "views/spending" not in found(noted, store)


def test_after_a_rollback_what_is_made_from_the_table_is_stale(store: fp.OfflineStore) -> None:
    run(shop(daily()), store)
    project = shop(changed_on(3))
    run(project, store)
    store.rollback("views/spending", 0, stamp=CommitStamp("undo", "views/spending", ""))

    assert found(project, store) == {"views/echo": dict.fromkeys(DAYS[2:4], "views/spending changed")}


def test_after_a_foreign_write_the_table_is_stale_and_what_is_made_from_it(store: fp.OfflineStore) -> None:
    project = shop(daily())
    run(project, store)
    mine = store.read("views/spending", partition_column=True).filter(pl.col("fp_partition") == DAYS[1]).collect()
    location = store.location("views/spending").uri
    write_deltalake(location, mine, mode="overwrite", predicate=f"fp_partition = '{DAYS[1]}'")

    assert found(project, store) == {
        "views/spending": {DAYS[1]: "somebody else wrote it"},
        "views/echo": {DAYS[1]: "views/spending changed"},
    }


def test_an_exact_view_makes_a_training_set_stale_by_its_events(store: fp.OfflineStore) -> None:
    def project(rows: pl.DataFrame) -> Project:
        module: Any = ModuleType("shop")
        module.partitions = fp.Partitions("daily", start=at(0), end=at(5))
        features = fp.FeatureService("v1", [spending(source(rows), accuracy="exact")])
        module.training = fp.TrainingSet("buying", service=features, spine=spine(("ann", at(3))))
        return project_of(module)

    run(project(daily()), store)
    assert found(project(daily()), store) == {}
    more = project(pl.concat([daily(), orders(("ann", at(2, 1), 5.0))]))
    materialize_asset(table_asset(more, "sources/orders"), store, (at(0), at(5)), more.partitions)
    assert "training_sets/buying" in found(more, store)


def test_a_project_without_an_end_is_looked_at_as_far_as_its_tables_go(store: fp.OfflineStore) -> None:
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0))
    module.spending = spending(source(daily(3)))
    project = project_of(module)
    run(project, store, at(0), at(2))
    assert found(project, store) == {}
    materialize_asset(table_asset(project, "sources/orders"), store, (at(2), at(3)), project.partitions)
    assert found(project, store) == {"views/spending": {"2024-01-03": "never materialized"}}


def tidied(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col("amount") > 0)


def tidied_otherwise(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col("amount") > 1)


def with_helper() -> Project:
    """A view whose own function never changes."""
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(5))
    view = fp.feature_view(entity=customer, source=source(daily()), name="tidy")
    module.tidy = view(lambda rows: tidied(rows))
    return project_of(module)


HELPER_CHANGED = f"its code changed: {__name__}.tidied, {__name__}.tidied_otherwise"


def test_a_changed_helper_makes_a_view_stale_and_is_named(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(with_helper(), store)
    assert found(with_helper(), store) == {}
    monkeypatch.setitem(globals(), "tidied", tidied_otherwise)
    assert found(with_helper(), store) == {"views/tidy": all_days(HELPER_CHANGED)}
    run(with_helper(), store)
    assert found(with_helper(), store) == {}


def test_what_was_written_before_helpers_were_followed_stays_fresh_until_one_changes(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = with_helper()
    run(project, store)
    view = project.asset("views/tidy")
    rows, version = store.read("views/tidy").collect(), store.latest_version("sources/orders")
    before = CommitStamp("old", "views/tidy", code_of(view).declared, inputs={"sources/orders": version}, grain="daily")
    days = pl.col("at").dt.strftime("%Y-%m-%d")
    store.replace("views/tidy", rows, partitions=DAYS, partition_of=days, stamp=before)
    assert found(project, store) == {}, "the upgrade alone makes nothing stale"
    run(project, store, at(4), at(5))  # one day is made by code whose helpers are known
    assert found(project, store) == {}
    monkeypatch.setitem(globals(), "tidied", tidied_otherwise)
    assert found(with_helper(), store) == {"views/tidy": all_days(HELPER_CHANGED)}
    run(with_helper(), store, at(4), at(5))
    assert found(with_helper(), store) == {"views/tidy": dict.fromkeys(DAYS[:4], HELPER_CHANGED)}
