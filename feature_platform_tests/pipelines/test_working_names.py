"""Views without features, working names, keys of NaN and -0.0: refused, or the same offline and online."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import ColumnCollision, InvalidDeclaration, TableNotFound, WrongColumnName
from feature_platform.offline.staged import StagePlan
from feature_platform.offline.staging import _check_columns
from feature_platform.online import Lmdb
from feature_platform.serving.publication import publish
from feature_platform_tests import shop

NOW = shop.at(3)
ROWS = pl.DataFrame({"customer": ["ann", "bob"], "at": [shop.at(0), shop.at(1)], "amount": [1.0, 2.0]})
WORKING = ["fp_key", "fp_row", "fp_rate"]  # feature_platform_tests/test_working_columns.py has all of them


def view_of(source: fp.Source, *columns: str | pl.Expr) -> FeatureView:
    def chosen(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select("customer", "at", *columns)

    return fp.feature_view(entity=shop.customer, source=source, name="chosen")(chosen)


@pytest.mark.parametrize("name", WORKING)
def test_a_feature_with_a_name_of_the_platforms_own_is_refused_and_nothing_is_written(
    tmp_path: Path, name: str
) -> None:
    store, view = fp.OfflineStore(tmp_path), view_of(shop.source(ROWS), pl.col("amount").alias(name))

    with pytest.raises(WrongColumnName, match=rf"Table `views/chosen`: the column name '{name}' begins with `fp_`"):
        fp.materialize(view, store)
    with pytest.raises(TableNotFound):
        store.read(view.asset)


@pytest.mark.parametrize("event_time", ["at", None], ids=["with a clock", "without"])
@pytest.mark.parametrize("name", WORKING)
def test_a_source_with_such_a_column_is_refused_instead_of_losing_it(
    tmp_path: Path, name: str, event_time: str | None
) -> None:
    rows = ROWS.rename({"amount": name})
    source = fp.Source("orders", fp.sources.Frame(rows), event_time=event_time)

    with pytest.raises(WrongColumnName, match=f"`sources/orders`: the column name '{name}' begins with `fp_`"):
        fp.materialize(source, fp.OfflineStore(tmp_path))


def test_a_table_that_has_such_a_column_already_is_written_on() -> None:
    _check_columns("sources/orders", ["at", "fp_rate"], StagePlan(), table_columns=["at", "fp_rate"])
    with pytest.raises(WrongColumnName, match="fp_other"):
        _check_columns("sources/orders", ["at", "fp_other"], StagePlan(), table_columns=["at", "fp_rate"])


@pytest.mark.parametrize("source", [shop.source(ROWS), fp.Source("names", fp.sources.Frame(ROWS.drop("at")))])
def test_a_view_without_features_is_refused(tmp_path: Path, source: fp.Source) -> None:
    clocks = ["at"] if source.event_time else []

    def nothing(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select("customer", *clocks)

    view, store = (
        fp.feature_view(entity=shop.customer, source=source, name="nothing")(nothing),
        fp.OfflineStore(tmp_path),
    )

    with pytest.raises(InvalidDeclaration, match="Feature view `nothing` has no features: its function returns only"):
        fp.materialize(view, store)
    with pytest.raises(TableNotFound):
        store.read(view.asset)


def test_an_answer_never_has_two_columns_of_one_name(tmp_path: Path) -> None:
    store, online = fp.OfflineStore(tmp_path), Lmdb(tmp_path / "online")
    view = view_of(shop.source(ROWS), "amount", pl.col("amount").alias("amount__status"))
    fp.materialize(view, store)
    publish(view, store, online, now=NOW)

    with pytest.raises(ColumnCollision, match="`online_features` would have the column\\(s\\) amount__status twice"):
        fp.online_features(view, {"customer": ["ann"]}, online, now=NOW)
    with pytest.raises(ColumnCollision, match="amount twice"):
        fp.online_features(view["amount"], {"customer": ["ann"], "amount": [1.0]}, online, now=NOW)
    assert fp.online_features(view["amount"], {"customer": ["ann"]}, online, now=NOW)["amount"].to_list() == [1.0]


KEYS = [0.0, -0.0, 0.05, -0.05, float("nan"), float("-nan"), None, float("inf"), float("-inf"), 1e300, -1e-30]
EVENTS = pl.DataFrame(
    {
        "customer": KEYS * 2,
        "at": [shop.at(0) + timedelta(hours=n) for n in range(2 * len(KEYS))],
        "amount": [float(n) for n in range(2 * len(KEYS))],
    }
)


@pytest.mark.parametrize("dtype", [pl.Float64(), pl.Float32()])
@pytest.mark.parametrize("kind", ["row", "snapshot", "exact"])
def test_zero_has_one_sign_in_a_key_and_nan_is_nobodys_on_both_sides(
    tmp_path: Path, kind: str, dtype: pl.DataType
) -> None:
    store, online = fp.OfflineStore(tmp_path), Lmdb(tmp_path / "online")
    words: dict[str, Any] = {} if kind == "row" else {"aggregations": [fp.Sum("amount", windows=["3d"])]}
    words |= {"cadence": fp.Cadence(every="1d")} if kind == "snapshot" else {}
    words |= {"accuracy": "exact"} if kind == "exact" else {}
    source = fp.Source("orders", fp.sources.Frame(EVENTS.cast({"customer": dtype})), event_time="at")
    view = fp.feature_view(entity=shop.customer, source=source, name="view", **words)(shop.same)
    fp.materialize(view, store)
    publish(view, store, online, now=NOW)
    asked = pl.DataFrame({"customer": pl.Series([0.0, -0.0, *KEYS], dtype=dtype)})

    spine = asked.with_columns(event_timestamp=pl.lit(NOW, pl.Datetime("us", "UTC")))
    offline = fp.historical_features([view], spine, store).collect()
    found = fp.online_features(view, asked, online, now=NOW)

    (feature,) = set(offline.columns) - set(spine.columns)
    assert found[feature].to_list() == offline[feature].to_list()
    by_key = dict(zip(map(repr, asked["customer"]), found[feature], strict=True))
    assert by_key["0.0"] == by_key["-0.0"] is not None
    assert by_key["nan"] is None
    if kind != "row":
        both = EVENTS.filter(pl.col("customer") == 0.0)["amount"].sum()
        assert by_key["0.0"] == both
