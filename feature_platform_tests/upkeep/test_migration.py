"""Tables follow declarations that lose, rename and retype columns: one new version each, and nothing else is lost."""

from types import ModuleType
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

import feature_platform as fp
from feature_platform.declarations.project import Project, project_of
from feature_platform.ground.errors import InvalidDeclaration, NotCarriedOver, SchemaChanged, UnknownName
from feature_platform.pipelines.plan import stale_assets
from feature_platform.upkeep.migration import Migration, migrate, plan_migration
from feature_platform_tests.assets import table_asset, training_set
from feature_platform_tests.shop import at, customer, daily, source, spine

ROWS = "views/last_order"
DAYS = [f"2024-01-0{day}" for day in range(1, 6)]


def shop(
    columns: dict[str, pl.Expr], rows: pl.DataFrame | None = None, *, features: tuple[str, ...] = (), **words: Any
) -> Project:
    """A row view with the given columns besides its key and clock, and a service that selects some of them."""
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(5))
    read = source(daily() if rows is None else rows)
    module.view = fp.feature_view(entity=customer, source=read, name="last_order", **words)(
        lambda orders: orders.select("customer", "at", **columns)
    )
    if features:
        module.service = fp.FeatureService("v1", [module.view[features]])
        module.training = fp.TrainingSet("buying", service=module.service, spine=spine(("ann", at(3, 13))))
    return project_of(module)


def published(project: Project, store: fp.OfflineStore) -> None:
    fp.materialize(table_asset(project, ROWS), store, at(0), at(5), partitions=project.partitions)


AMOUNT = pl.col("amount")
BOTH = {"amount": AMOUNT, "twice": AMOUNT * 2}
ONE = {"amount": AMOUNT}


def planned(project: Project, store: fp.OfflineStore, **words: Any) -> Migration:
    return plan_migration(project, store, **words)


def test_a_feature_is_taken_back_in_one_new_version_and_the_old_one_stays(store: fp.OfflineStore) -> None:
    published(shop(BOTH), store)
    fewer = shop(ONE)
    with pytest.raises(SchemaChanged, match="`feature-platform migrate views/last_order` shows what would happen"):
        published(fewer, store)

    [change] = planned(fewer, store).changes
    assert (change.table, change.removed, change.rows, change.partitions) == (ROWS, ("twice",), 10, 5)
    before = store.read(ROWS, version=0).collect()
    [commit] = migrate(planned(fewer, store), store)

    assert (commit.version, store.latest_version(ROWS)) == (1, 1)
    assert store.read(ROWS).collect().columns == ["customer", "at", "amount"]
    assert store.read(ROWS, version=0).collect().equals(before)
    assert store.read(ROWS).collect().sort("at", "customer").equals(before.drop("twice").sort("at", "customer"))
    assert planned(fewer, store).changes == ()
    published(fewer, store)
    assert stale_assets(fewer, store) == []


def test_partitions_keep_who_made_them_from_what_and_when(store: fp.OfflineStore) -> None:
    published(shop(BOTH), store)
    before = store.partition_states(ROWS)
    source_before = store.partition_states("sources/orders")
    fewer = shop(ONE)
    migrate(planned(fewer, store), store)
    after = store.partition_states(ROWS)
    for key in DAYS:
        facts = [(s.code_version, s.inputs, s.extra, s.functions, s.rows) for s in (before[key], after[key])]
        assert facts[0] == facts[1]
        assert (after[key].made, after[key].columns) == (before[key].version, ("customer", "at", "amount"))
    [stale] = stale_assets(fewer, store)
    assert stale.asset == ROWS
    assert all(reason.startswith("its code changed") for reason in stale.reasons.values())
    assert store.partition_states("sources/orders") == source_before
    fp.materialize(table_asset(fewer, ROWS), store)
    assert store.changed_since(ROWS, 1) == set()  # the new code says the same of what was kept


def test_a_source_that_loses_a_column_keeps_what_is_known_of_its_deliveries(store: fp.OfflineStore) -> None:
    published(shop(ONE, daily().with_columns(note=pl.lit("a"))), store)
    before = store.partition_states("sources/orders")
    migrate(planned(shop(ONE), store), store)
    after = store.partition_states("sources/orders")
    facts = [{key: (s.extra, s.units, s.delivered) for key, s in states.items()} for states in (before, after)]
    assert facts[0] == facts[1]
    assert fp.materialize(table_asset(shop(ONE), "sources/orders"), store)["sources/orders"].commit.changed == ()


def test_a_rename_carries_the_values_over_and_needs_a_word(store: fp.OfflineStore) -> None:
    published(shop(BOTH), store)
    named = shop({"amount": AMOUNT, "double": AMOUNT * 2})
    [change] = planned(named, store).changes
    assert (change.removed, change.added, change.renamed) == (("twice",), ("double",), {})
    plan = planned(named, store, renames=[f"{ROWS}.twice=double"])
    assert (plan.changes[0].removed, plan.changes[0].added, plan.changes[0].renamed) == ((), (), {"twice": "double"})
    migrate(plan, store)
    rows = store.read(ROWS).collect()
    assert rows["double"].equals(rows["amount"] * 2, check_names=False)


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("twice=double", "names no column to rename"),
        (f"{ROWS}.twice", "is not a rename"),
        (f"{ROWS}.none=double", "has no column to rename `none`"),
        (f"{ROWS}.twice=none", "does not fit"),
    ],
)
def test_a_word_that_does_not_fit_is_one_error(store: fp.OfflineStore, word: str, error: str) -> None:
    published(shop(BOTH), store)
    with pytest.raises((InvalidDeclaration, UnknownName), match=error):
        planned(shop({"amount": AMOUNT, "double": AMOUNT * 2}), store, renames=[word])


def test_a_new_type_is_cast_where_every_value_stays_the_same(store: fp.OfflineStore) -> None:
    published(shop(ONE), store)
    whole = shop({"amount": AMOUNT.cast(pl.Int64)})
    retyped: dict[str, Any] = {"amount": (pl.Float64, pl.Int64)}
    assert planned(whole, store).changes[0].retyped == retyped
    migrate(planned(whole, store), store)
    assert store.read(ROWS).collect().schema["amount"] == pl.Int64
    published(whole, store)
    assert store.changed_since(ROWS, 1) == set()


def test_a_new_type_that_would_change_a_value_is_refused_by_name_and_row(store: fp.OfflineStore) -> None:
    half = daily().with_columns(
        pl.when((pl.col("at").dt.day() == 3) & (pl.col("customer") == "bob"))
        .then(2.5)
        .otherwise("amount")
        .alias("amount")
    )
    published(shop(ONE, half), store)
    whole = shop({"amount": AMOUNT.cast(pl.Int64)}, half)
    files = sorted(path for path in store.location(ROWS).folder.rglob("*.parquet"))
    with pytest.raises(NotCarriedOver, match=r"`amount` of `views/last_order`.*: 2.5 in row 1 of partition 2024-01-03"):
        migrate(planned(whole, store), store)
    assert store.latest_version(ROWS) == 0
    assert sorted(path for path in store.location(ROWS).folder.rglob("*.parquet")) == files
    migrate(planned(whole, store, recompute=[f"{ROWS}.amount"]), store)
    assert store.read(ROWS).collect()["amount"].null_count() == 10
    view: Any = whole.asset(ROWS)
    assert fp.incomplete_tables(view["amount"], store)[0].unfilled == {"amount": tuple(DAYS)}


def test_what_still_names_a_removed_column_is_told_and_must_let_go_first(store: fp.OfflineStore) -> None:
    published(shop(BOTH, features=("amount", "twice")), store)
    fewer = shop(ONE, features=("amount", "twice"))
    [change] = planned(fewer, store).changes
    assert change.still_named == ("service v1 selects twice",)
    assert change.used_by == ("training_sets/buying", "service v1", "online/last_order")
    with pytest.raises(InvalidDeclaration, match="service v1 selects twice"):
        migrate(planned(fewer, store), store)
    assert store.latest_version(ROWS) == 0


def test_a_training_set_loses_a_feature_by_a_new_version_and_the_old_one_is_built_again(
    store: fp.OfflineStore,
) -> None:
    first, second = shop(BOTH, features=("amount", "twice")), shop(ONE, features=("amount",))
    published(first, store)
    old = fp.build_training_set(training_set(first), store)
    migrate(planned(second, store), store)
    published(second, store)
    new = fp.build_training_set(training_set(second), store)
    assert [list(built.rows.collect_schema()) for built in (old, new)] == [
        ["event_timestamp", "customer", "amount", "twice"],
        ["event_timestamp", "customer", "amount"],
    ]
    again = fp.build_training_set(training_set(first), store, versions=old.versions, stale="ignore")
    assert again.manifest["content_hash"] == old.manifest["content_hash"]


def test_a_table_without_partitions_is_reshaped_in_the_order_of_its_rows(store: fp.OfflineStore) -> None:
    def view(columns: dict[str, pl.Expr]) -> Project:
        module: Any = ModuleType("facts")
        facts = pl.DataFrame({"customer": [f"c{n}" for n in range(5)], "amount": [3.0, 1.0, 2.0, 5.0, 4.0]})
        module.view = fp.feature_view(
            entity=customer, source=fp.Source("facts", fp.sources.Frame(facts)), name="facts"
        )(lambda rows: rows.select("customer", **columns))
        return project_of(module)

    fp.materialize(table_asset(view(BOTH), "views/facts"), store)
    migrate(plan_migration(view(ONE), store), store)
    assert store.read("views/facts").collect()["amount"].to_list() == [3.0, 1.0, 2.0, 5.0, 4.0]
    assert fp.materialize(table_asset(view(ONE), "views/facts"), store)["views/facts"].commit.changed == ()


def test_what_somebody_else_wrote_stays_known_as_such(store: fp.OfflineStore) -> None:
    published(shop(BOTH), store)
    mine = store.read(ROWS, partition_column=True).filter(fp_partition=DAYS[1]).collect()
    write_deltalake(store.location(ROWS).uri, mine, mode="overwrite", predicate=f"fp_partition = '{DAYS[1]}'")
    migrate(planned(shop(ONE), store), store)
    states = store.partition_states(ROWS)
    assert (states[DAYS[1]].hash, states[DAYS[1]].rows) == (None, 2)
    assert all(states[key].hash for key in DAYS if key != DAYS[1])


def test_the_profiles_of_reshaped_partitions_are_kept(store: fp.OfflineStore) -> None:
    published(shop(BOTH), store)
    counted = store.read(f"profiles/{ROWS}").collect().height
    migrate(planned(shop(ONE), store), store)
    assert store.read(f"profiles/{ROWS}").collect().height > counted


def test_a_write_that_comes_between_is_not_lost(store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    published(shop(BOTH), store)
    plan, original = planned(shop(ONE), store), fp.OfflineStore.publish
    more = pl.concat([daily(), daily(1).with_columns(pl.lit("cas").alias("customer"))])

    def publish(self: fp.OfflineStore, staged: Any, *, stamp: Any) -> Any:
        monkeypatch.undo()
        published(shop(BOTH, more), store)
        return original(self, staged, stamp=stamp)

    monkeypatch.setattr(fp.OfflineStore, "publish", publish)
    migrate(plan, store)
    assert store.read(ROWS).collect().shape == (11, 3)
