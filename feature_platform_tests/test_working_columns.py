"""Working columns have one home, and a column of a user with such a name is refused wherever it enters."""

import ast
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.transforms.rows import feature_rows, outcome_rows
from feature_platform.ground import working_columns
from feature_platform.ground.errors import FeaturePlatformError, WrongColumnName
from feature_platform.ground.working_columns import KEY, MARK, PARTITION, PARTITION_START, PREFIX, UNIT
from feature_platform.online import Lmdb
from feature_platform_tests import shop

PACKAGE = Path(str(fp.__file__)).parent
HOME = PACKAGE / "ground" / "working_columns.py"
COLUMNS = {name: value for name, value in vars(working_columns).items() if name.isupper() and name != "PREFIX"}
NAMES = [*COLUMNS.values(), f"{PREFIX}rate"]  # the last is a name that only has the prefix
REFUSED = re.compile(r".*(is reserved for columns that the platform adds|is not a column of the source).*", re.DOTALL)
NOW = shop.at(9)
ORDERS = shop.source(shop.daily(3))
Enter = Callable[[str, Path], object]


def orders_with(column: str) -> pl.DataFrame:
    return shop.daily(3).with_columns(pl.lit(1.0).alias(column))


def adding(column: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("amount").alias(column))


def enter_by_file(column: str, folder: Path) -> object:
    orders_with(column).write_csv(folder / "orders.csv")
    parsed = pl.col("at").str.to_datetime(time_zone="UTC")
    source = shop.source(
        pl.DataFrame(), connector=fp.sources.Csv(folder / "orders.csv"), prepare=lambda rows: rows.with_columns(parsed)
    )
    return fp.materialize(source, fp.OfflineStore(folder))


def enter_by_facts(column: str, folder: Path) -> object:
    return fp.materialize(fp.Source("facts", fp.sources.Frame(orders_with(column))), fp.OfflineStore(folder))


def enter_by_view(column: str, folder: Path) -> object:
    view = fp.feature_view(entity=shop.customer, source=ORDERS, name="adding")(partial(adding, column))
    return feature_rows(view, shop.daily(3).lazy())


def enter_by_windowed_view(column: str, folder: Path) -> object:
    words: Mapping[str, Any] = {"entity": shop.customer, "source": ORDERS, "name": "adding"}
    view = fp.feature_view(**words, aggregations=[fp.Count(windows=["1d"])])(partial(adding, column))
    return feature_rows(view, shop.daily(3).lazy())


def enter_by_label(column: str, folder: Path) -> object:
    label = fp.label(entity=shop.customer, source=ORDERS, name="adding")(partial(adding, column))
    return outcome_rows(label, shop.daily(3).lazy())


def enter_by_spine(column: str, folder: Path) -> object:
    store, view = fp.OfflineStore(folder), shop.last_order(ORDERS)
    if not store.exists(view.asset):
        fp.materialize(view, store)
    asked = shop.spine(("ann", NOW)).with_columns(pl.lit(1).alias(column))
    return fp.historical_features([view], asked, store)


def enter_by_training_set(column: str, folder: Path) -> object:
    store, view = fp.OfflineStore(folder), shop.last_order(ORDERS)
    if not store.exists(view.asset):
        fp.materialize(view, store)
    asked = shop.spine(("ann", NOW)).with_columns(pl.lit(1).alias(column))
    service = fp.FeatureService("orders", [view])
    return fp.build_training_set(fp.TrainingSet("rows", service=service, spine=asked), store)


def enter_by_testing(column: str, folder: Path) -> object:
    asked = shop.spine(("ann", NOW)).with_columns(pl.lit(1).alias(column))
    view = shop.spending(ORDERS)
    return fp.testing.values_at(view, {"orders": shop.daily(3)}, asked).collect()


def enter_by_tested_rows(column: str, folder: Path) -> object:
    view = shop.spending(ORDERS)
    return fp.testing.values_at(view, {"orders": orders_with(column)}, shop.spine(("ann", NOW))).collect()


def enter_by_entities(column: str, folder: Path) -> object:
    entities = pl.DataFrame({"customer": ["ann"], column: [1]})
    return fp.online_features(shop.last_order(ORDERS), entities, Lmdb(folder / "online"), now=NOW)


def enter_by_push(column: str, folder: Path) -> object:
    store, source = fp.OfflineStore(folder), ORDERS
    if not store.exists(source.asset):
        fp.materialize(source, store)
    target = fp.Target([], fp.Spool(folder / "spool"), store, Lmdb(folder / "online"))
    return fp.push(source, orders_with(column), target, now=NOW)


def enter_by_join(column: str, folder: Path) -> object:
    asked = shop.spine(("ann", NOW)).with_columns(pl.lit(1).alias(column))
    return fp.point_in_time_join(
        asked, shop.daily(3), on=["customer"], spine_time="event_timestamp", event_time="at"
    ).collect()


def enter_by_joined_rows(column: str, folder: Path) -> object:
    return fp.point_in_time_join(
        shop.spine(("ann", NOW)), orders_with(column), on=["customer"], spine_time="event_timestamp", event_time="at"
    ).collect()


def enter_by_on_demand_view(column: str, folder: Path) -> object:
    @fp.on_demand(inputs=[fp.Request({"amount": pl.Float64})])
    def computed(row: fp.Row) -> Mapping[str, pl.Expr]:
        return {column: row["amount"] + 1}

    return computed


def enter_by_aggregation(column: str, folder: Path) -> object:
    return fp.feature_view(
        entity=shop.customer, source=ORDERS, name="sums", aggregations=[fp.Sum(column, windows=["1d"])]
    )(shop.same)


ENTRIES: Mapping[str, Enter] = {
    "the frame of a source": lambda column, folder: fp.materialize(
        shop.source(orders_with(column)), fp.OfflineStore(folder)
    ),
    "the frame of a source without a clock": enter_by_facts,
    "the file of a source": enter_by_file,
    "the function of a row view": enter_by_view,
    "the function of a windowed view": enter_by_windowed_view,
    "the rows of a label": enter_by_label,
    "a spine": enter_by_spine,
    "the spine of a training set": enter_by_training_set,
    "a spine in a test": enter_by_testing,
    "rows in a test": enter_by_tested_rows,
    "entities": enter_by_entities,
    "pushed rows": enter_by_push,
    "the left side of a join": enter_by_join,
    "the right side of a join": enter_by_joined_rows,
    "frames that are compared": lambda column, folder: fp.drift_scores(shop.daily(3), orders_with(column)),
    "the join key of an entity": lambda column, folder: fp.Entity("order", join_keys=["customer", column]),
    "a field of a request": lambda column, folder: fp.Request({column: pl.Float64}),
    "a feature of an on-demand view": enter_by_on_demand_view,
    "a feature of a windowed view": enter_by_aggregation,
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_column_with_the_name_of_a_working_column_is_refused_where_it_enters(entry: str, tmp_path: Path) -> None:
    for name in NAMES:
        with pytest.raises(FeaturePlatformError) as refusal:
            ENTRIES[entry](name, tmp_path)
        assert REFUSED.match(str(refusal.value)), str(refusal.value)
        assert name in str(refusal.value)
        assert not isinstance(refusal.value.__cause__, pl.exceptions.PolarsError)


def test_a_raw_column_with_such_a_name_may_be_renamed_by_prepare(tmp_path: Path) -> None:
    store = fp.OfflineStore(tmp_path)
    for name in (MARK, UNIT, KEY, PARTITION, PARTITION_START, "fp_rate"):
        source = fp.Source(
            f"renamed_{name}",
            fp.sources.Frame(orders_with(name)),
            event_time="at",
            prepare=lambda rows, old=name: rows.rename({old: "weight"}),  # type: ignore[misc]
        )
        if name in (MARK, UNIT):  # the platform itself adds these to raw rows
            with pytest.raises(WrongColumnName, match=name):
                fp.materialize(source, store)
        else:
            fp.materialize(source, store)
            assert store.read(source.asset).select("weight").collect()["weight"].to_list() == [1.0] * 6


@cache
def spelt_and_used() -> tuple[set[str], set[str]]:
    """The texts with the prefix, by module, and all names of variables, in every module but the home."""
    spelt, used = set[str](), set[str]()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())) if path != HOME else ():
            if isinstance(node, ast.Name):
                used.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(PREFIX):
                spelt.add(f"{path.relative_to(PACKAGE)}: {node.value}")
    return spelt, used


def test_no_other_module_spells_the_name_of_a_working_column() -> None:
    assert not spelt_and_used()[0]


def test_every_name_has_the_prefix_and_one_meaning() -> None:
    assert all(re.fullmatch(rf"{PREFIX}[a-z_]+", name) for name in NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_every_working_column_is_used() -> None:
    assert not set(COLUMNS) - spelt_and_used()[1]
