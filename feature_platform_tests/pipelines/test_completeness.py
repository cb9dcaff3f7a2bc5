"""Readers are told of tables that are stale or partly filled, from the logs; nulls that are values are none of it."""

import json
import warnings
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import IncompleteTables, IncompleteTablesRefused, InvalidDeclaration
from feature_platform_tests.shop import at, customer, daily, last_order, source, spending, spine

VIEW = "views/spending"
ASKED = spine(("ann", at(2, 1)), ("ann", at(5)))


def more(read: fp.Source, *, windows: tuple[str, ...] = ("2d", "3d")) -> FeatureView:
    """The same view with a longer window besides."""
    return spending(read, windows=windows)


def half_backfilled(store: fp.OfflineStore) -> FeatureView:
    """A view of five days whose new features were computed for the last of them only."""
    fp.materialize(spending(source(daily())), store)
    view = more(source(daily()))
    fp.materialize(view, store, at(4), at(5))
    return view


def training(view: FeatureView, **words: Any) -> fp.TrainingSet:
    return fp.TrainingSet("buying", service=fp.FeatureService("v1", [view]), spine=ASKED, **words)


def test_a_feature_that_was_backfilled_for_one_day_is_told_by_historical_features(store: fp.OfflineStore) -> None:
    view = half_backfilled(store)
    said = r"`views/spending` \(4 of 5 partitions stale: its code changed; 4 of 5 partitions made without `count_3d`\)"
    with pytest.warns(IncompleteTables, match=said):
        rows = fp.historical_features(view["count_3d"], ASKED, store)
    assert rows.collect()["count_3d"].to_list() == [None, 3]
    with pytest.raises(IncompleteTablesRefused, match=said):
        fp.historical_features(view["count_3d"], ASKED, store, stale="refuse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fp.historical_features(view["count_3d"], ASKED, store, stale="ignore")
    fp.materialize(view, store)
    assert fp.historical_features(view, ASKED, store, stale="refuse").collect()["count_3d"].to_list() == [2, 3]


def test_the_manifest_the_record_and_the_run_of_a_training_set_say_what_is_partly_filled(
    store: fp.OfflineStore,
) -> None:
    view = half_backfilled(store)
    with pytest.warns(IncompleteTables, match="Training set `buying` reads tables that are not complete"):
        built = fp.build_training_set(training(view), store)
    facts = {
        "table": VIEW,
        "version": 1,
        "partitions": 5,
        "stale": {"its code changed": 4},
        "unfilled": {"amount_sum_3d": 4, "count_3d": 4},
    }
    assert built.manifest["incomplete"] == [facts]
    assert built.manifest["tables_stale_or_partly_filled"] == 1
    record = store.read("runs").filter(asset="training_sets/buying").collect()["config"].item()
    assert json.loads(record)["incomplete"] == [facts]
    fp.materialize(view, store)
    assert fp.build_training_set(training(view), store).manifest["incomplete"] == []


def test_a_training_set_can_refuse_by_its_declaration_or_by_the_call(store: fp.OfflineStore) -> None:
    view = half_backfilled(store)
    with pytest.raises(IncompleteTablesRefused, match="Training set `buying`"):
        fp.build_training_set(training(view, stale="refuse"), store)
    with pytest.raises(IncompleteTablesRefused):
        fp.build_training_set(training(view), store, stale="refuse")
    assert not store.exists("training_sets/buying")
    assert fp.build_training_set(training(view, stale="refuse"), store, stale="ignore").incomplete != ()
    with pytest.raises(InvalidDeclaration, match="Use one of warn, refuse, ignore"):
        training(view, stale="no")


def test_nulls_that_are_values_are_no_reason_for_a_warning(store: fp.OfflineStore) -> None:
    rows = daily().with_columns(amount=pl.when(pl.col("at") > at(4)).then("amount"))
    view = last_order(source(rows))
    fp.materialize(view, store)
    assert fp.incomplete_tables(view, store) == ()
    assert fp.historical_features(view, ASKED, store).collect()["last_amount"].to_list() == [None, 10.0]


def test_a_changed_source_makes_what_is_read_of_it_stale(store: fp.OfflineStore) -> None:
    view = spending(source(daily()))
    fp.materialize(view, store)
    fp.materialize(source(daily().with_columns(pl.col("amount") + 1)), store, at(2), at(3))
    [table] = fp.incomplete_tables(view, store)
    assert table.stale == {"sources/orders changed": ("2024-01-03", "2024-01-04")}
    assert fp.incomplete_tables(view, store, versions={VIEW: 0}) == ()


def test_a_new_view_that_was_backfilled_for_one_day_is_told_where_it_is_asked(store: fp.OfflineStore) -> None:
    view = last_order(source(daily()))
    fp.materialize(view.source, store)
    fp.materialize(view, store, at(4), at(5))
    never = {"never materialized": ("2024-01-03", "2024-01-04")}
    with pytest.warns(IncompleteTables, match="2 partitions never materialized"):
        fp.historical_features(view, spine(("ann", at(2, 1)), ("ann", at(4, 13))), store)
    assert fp.incomplete_tables(view, store, asked=(at(2, 1), at(4, 13)))[0].stale == never
    assert fp.incomplete_tables(view, store, asked=(at(4, 1), at(4, 13))) == ()
    assert fp.incomplete_tables(view, store) == ()  # the days before may have been read for windows only


@pytest.mark.parametrize(("feature", "told"), [("amount_sum_2d", ()), ("tip_sum_2d", ("2024-01-01", "2024-01-02"))])
def test_a_column_that_a_source_got_later_is_told_of_features_made_from_it_only(
    store: fp.OfflineStore, feature: str, told: tuple[str, ...]
) -> None:
    fp.materialize(source(daily(2)), store)
    tipped = source(daily(3).with_columns(tip=pl.lit(1.0)))
    view = fp.feature_view(
        entity=customer,
        source=tipped,
        aggregations=[fp.Sum("amount", windows=["2d"]), fp.Sum("tip", windows=["2d"])],
        accuracy="exact",
        name="spending",
    )(lambda rows: rows)
    fp.materialize(tipped, store, at(2), at(3))
    found = fp.incomplete_tables(view[feature], store)
    assert [each.unfilled for each in found] == ([{"tip": told}] if told else [])


def test_the_time_of_a_row_that_on_demand_features_read_is_no_column_that_is_missing(store: fp.OfflineStore) -> None:
    view = last_order(source(daily()))
    fp.materialize(view, store)
    age = fp.on_demand(inputs=[view], name="age")(lambda row: {"day": row["last_order.event_time"].dt.day()})
    assert fp.incomplete_tables(age, store) == ()


def test_each_log_is_read_once_however_many_runs_there_were(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening tables is what the question costs, so that it must not grow with what is asked of a log."""
    view = spending(source(daily()))
    fp.materialize(view, store)
    for day in (2, 3, 4):
        fp.materialize(source(daily().with_columns(pl.col("amount") + day)), store, at(day), at(day + 1))
    opened: list[str] = []
    make = DeltaTable.__init__

    def noted(table: DeltaTable, uri: str, **words: Any) -> None:
        opened.append(uri.rpartition("offline/")[2])
        make(table, uri, **words)

    monkeypatch.setattr(DeltaTable, "__init__", noted)
    [table] = fp.incomplete_tables(view, store)
    assert set(table.stale) == {"sources/orders changed"}
    assert sorted(opened) == ["sources/orders", VIEW]


def test_days_between_those_that_changed_together_are_not_called_stale(store: fp.OfflineStore) -> None:
    view = spending(source(daily(9)), windows=("1d",))
    fp.materialize(view, store)
    changed = pl.col("at").is_in([at(0, 12), at(8, 12)])
    fp.materialize(source(daily(9).with_columns(pl.col("amount") + pl.when(changed).then(1.0).otherwise(0.0))), store)
    [table] = fp.incomplete_tables(view, store)
    assert table.stale == {"sources/orders changed": ("2024-01-01", "2024-01-09")}
