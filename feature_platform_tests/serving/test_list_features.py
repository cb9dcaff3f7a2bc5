"""Features that are lists, of every type: offline and online say the same, and what watches a table takes them."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.content import rows_hash
from feature_platform.online import Lmdb
from feature_platform.serving import online_features
from feature_platform.serving.publication import publish
from feature_platform_tests.shop import at, customer, same

pytestmark = pytest.mark.usefixtures("unrecorded")

UTC = pl.Datetime("us", "UTC")
NAN = float("nan")
COLUMNS: dict[str, tuple[Any, list[Any]]] = {
    "amount": (pl.Float64, [1.5, NAN, None, -0.0, 0.0, 1.5]),
    "small": (pl.Float32, [0.1, NAN, None, 0.1, float("inf"), 2.0]),
    "many": (pl.Int64, [2**60, 1, None, 1, -5, 2**60 + 1]),
    "flag": (pl.Boolean, [True, False, None, True, True, False]),
    "moment": (UTC, [at(0, 1), at(0, 2), None, at(0, 1), at(0, 0, 1), at(0)]),
    "day": (
        pl.Date,
        [date(1969, 12, 31), date(2024, 1, 1), None, date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 1)],
    ),
    "money": (pl.Decimal(20, 2), [Decimal("1.50"), Decimal(-2), None, Decimal("1.50"), Decimal(0), Decimal(7)]),
    "text": (pl.String, ['"\n,\\é ', "", None, "a", "a", "航空"]),
    "kind": (pl.Categorical, ["b", "a", None, "a", "c", "b"]),
    "choice": (pl.Enum(["z", "a"]), ["z", "a", None, "a", "z", "z"]),
}
ORDERED = ("amount", "small", "many", "flag", "moment", "day", "money")
ASKED = pl.DataFrame({"customer": ["ann", "bob", "eve", "nobody", None]})


def events() -> pl.DataFrame:
    """Ann has every value at hours of three days, two at one time; Bob has one order, Eve one without any value."""
    hours = [6, 6, 30, 31, 50, 51]
    columns = {name: pl.Series(values, dtype=dtype) for name, (dtype, values) in COLUMNS.items()}
    ann = pl.DataFrame({"customer": ["ann"] * 6, "at": [at(0, hour) for hour in hours], **columns})
    bob = ann.head(1).with_columns(customer=pl.lit("bob"))
    eve = ann[2:3].with_columns(*(pl.lit(None, dtype=ann.schema[name]).alias(name) for name in COLUMNS))
    return pl.concat([ann, bob, eve.with_columns(customer=pl.lit("eve"))])


def view_of(rows: pl.DataFrame, **words: Any) -> FeatureView:
    """A view with every aggregation to lists over every column."""
    windows = ["1d", "3d"]
    of_all = [
        aggregation
        for name in COLUMNS
        for aggregation in (
            fp.LastN(name, 3, windows=windows),
            fp.LastN(name, 2, distinct=True, windows=windows),
            fp.FirstN(name, 2, windows=windows),
            fp.FirstN(name, 3, distinct=True, windows=windows),
            fp.Histogram(name, 3, windows=windows),
            fp.Mode(name, windows=windows),
        )
    ]
    ranked = [kind(name, 2, windows=windows) for name in ORDERED for kind in (fp.TopK, fp.BottomK)]
    numbers = [fp.Skew("many", windows=windows), fp.Kurtosis("small", windows=windows), fp.Any("flag", windows=windows)]
    return fp.feature_view(
        entity=customer,
        source=fp.Source("orders", fp.sources.Frame(rows), event_time="at"),
        aggregations=[fp.Count(windows=windows), *of_all, *ranked, *numbers],
        cadence=fp.Cadence(every="1d"),
        name="lists",
        **words,
    )(same)


def materialize(view: FeatureView, store: fp.OfflineStore) -> None:
    fp.materialize(view, store, at(0), at(5))


@pytest.mark.parametrize("accuracy", ["snapshot", "exact"])
def test_lists_of_every_type_are_online_what_they_are_offline(tmp_path: Path, accuracy: str) -> None:
    store, online = fp.OfflineStore(tmp_path), Lmdb(tmp_path / "online")
    view = view_of(events(), accuracy=accuracy)
    materialize(view, store)
    for now in (at(1, 6), at(1, 7), at(2), at(3, 12), at(4, 3)):
        publish(view, store, online, now=now)
        spine = ASKED.with_columns(event_timestamp=pl.lit(now, UTC))
        expected = fp.historical_features(view, spine, store).collect().drop("event_timestamp")
        answer = online_features(view, ASKED, online, now)
        assert_frame_equal(answer.select(expected.columns), expected, check_exact=True)
        assert expected["amount_last_3_3d"].dtype == pl.List(pl.Float64)
        assert expected["moment_histogram_3_1d"].dtype == pl.List(pl.Struct({"value": UTC, "count": pl.Int64}))


def test_the_values_are_what_the_table_says(tmp_path: Path) -> None:
    store = fp.OfflineStore(tmp_path)
    view = view_of(events(), accuracy="exact")
    materialize(view, store)
    spine = ASKED.with_columns(event_timestamp=pl.lit(at(3), UTC))
    found = fp.historical_features(view, spine, store).collect()
    ann, bob, eve, nobody, unknown = found.rows(named=True)
    assert ann["text_last_3_3d"] == ["a", "a", "航空"]
    assert ann["text_last_2_distinct_3d"] == ["a", "航空"]
    assert ann["kind_first_3_distinct_3d"] == ["b", "a", "c"]
    assert str(ann["amount_top_2_3d"]) == "[nan, 1.5]"
    assert ann["amount_bottom_2_3d"] == [0.0, 0.0]
    assert ann["choice_mode_3d"] == "z"
    assert ann["kind_histogram_3_3d"] == [
        {"value": "b", "count": 2},
        {"value": "a", "count": 2},
        {"value": "c", "count": 1},
    ]
    assert ann["flag_any_3d"] is True
    assert bob["money_first_2_3d"] == [Decimal("1.50")]
    assert [eve["count_3d"], eve["text_last_3_3d"], eve["kind_mode_3d"], eve["flag_any_3d"]] == [1, None, None, False]
    assert [nobody["count_3d"], nobody["flag_histogram_3_3d"], nobody["flag_any_3d"]] == [0, None, False]
    assert [unknown["count_3d"], unknown["flag_any_3d"]] == [None, None]


def test_a_table_of_lists_comes_back_from_delta_as_it_was_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    store = fp.OfflineStore(tmp_path)
    view = view_of(events())
    materialize(view, store)
    stored, version = store.read(view.asset).collect(), store.latest_version(view.asset)
    materialize(view, store)
    assert store.latest_version(view.asset) == version
    assert rows_hash(store.read(view.asset).collect()) == rows_hash(stored)
    ann = stored.filter(customer="ann", as_of=at(3)).row(0, named=True)
    exact = view_of(events(), accuracy="exact")
    spine = pl.DataFrame({"customer": ["ann"], "event_timestamp": [at(3)]})
    expected = fp.historical_features(exact, spine, store).collect().row(0, named=True)
    assert {name: str(ann[name]) for name in view.windows.features} == {
        name: str(expected[name]) for name in view.windows.features
    }


def test_explain_tells_how_lists_are_read(tmp_path: Path) -> None:
    store = fp.OfflineStore(tmp_path)
    view = view_of(events())
    materialize(view, store)
    spine = ASKED.with_columns(event_timestamp=pl.lit(at(3), UTC))
    assert "views/lists" in str(fp.explain(view, spine, store))


def test_lists_in_training_sets_and_on_demand_features(tmp_path: Path) -> None:
    store = fp.OfflineStore(tmp_path)
    view = view_of(events(), accuracy="exact")

    @fp.on_demand(inputs=[view])
    def derived(row: fp.Row) -> dict[str, pl.Expr]:
        return {"of_three": row["lists.text_last_3_3d"].list.len()}

    materialize(view, store)
    spine = ASKED.with_columns(event_timestamp=pl.lit(at(3), UTC))
    service = fp.FeatureService("both", [view["text_last_3_3d"], derived])
    found = fp.historical_features(service, spine, store).collect()
    assert found["of_three"].to_list() == [3, 1, None, None, None]
    built = fp.build_training_set(fp.TrainingSet("t", service=service, spine=spine), store)
    assert_frame_equal(built.rows.collect().select(found.columns), found, check_dtypes=False)  # Delta has no UInt32


def test_values_at_gives_lists() -> None:
    view = view_of(events(), accuracy="exact")
    spine = ASKED.with_columns(event_timestamp=pl.lit(at(3), UTC))
    found = fp.testing.values_at(view, {"orders": events()}, spine).collect()
    assert found["text_last_3_3d"].to_list() == [["a", "a", "航空"], ['"\n,\\é '], None, None, None]
    assert isinstance(found.schema["day_top_2_1d"], pl.List)


@pytest.mark.parametrize("accuracy", ["snapshot", "exact"])
def test_lists_of_lists_and_features_derived_of_lists_are_the_same_online(tmp_path: Path, accuracy: Any) -> None:
    rows = events().select("customer", "at", "text", tags=pl.concat_list("text", "text"), row=pl.struct("many", "day"))
    store, online = fp.OfflineStore(tmp_path), Lmdb(tmp_path / "online")
    view = fp.feature_view(
        entity=customer,
        source=fp.Source("orders", fp.sources.Frame(rows), event_time="at"),
        aggregations=[
            fp.LastN("tags", 2, windows=["3d"]),
            fp.FirstN("row", 2, windows=["3d"]),
            fp.Histogram("text", 2, windows=["3d"]),
        ],
        derive={
            "shown": pl.col("tags_last_2_3d").list.len(),
            "most": pl.col("text_histogram_2_3d").list.first().struct.field("count"),
        },
        cadence=fp.Cadence(every="1d"),
        accuracy=accuracy,
        name="nested",
    )(same)
    materialize(view, store)
    publish(view, store, online, now=at(3))
    spine = ASKED.with_columns(event_timestamp=pl.lit(at(3), UTC))
    expected = fp.historical_features(view, spine, store).collect().drop("event_timestamp")
    answer = online_features(view, ASKED, online, at(3))
    assert_frame_equal(answer.select(expected.columns), expected, check_exact=True)
    ann = expected.row(0, named=True)
    assert ann["tags_last_2_3d"] == [["a", "a"], ["航空", "航空"]]
    assert ann["row_first_2_3d"][0] == {"many": 2**60, "day": date(1969, 12, 31)}
    assert expected["shown"].to_list() == [2, 1, 1, None, None]
    assert expected["most"].to_list() == [2, 1, None, None, None]
