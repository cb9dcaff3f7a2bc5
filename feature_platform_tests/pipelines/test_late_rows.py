"""Late rows: taken in within the lateness, kept and counted beyond it."""

from datetime import datetime

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform_tests.shop import (
    at,
    customer,
    daily,
    hashes,
    last_order,
    orders,
    source,
    spending,
)

pytestmark = pytest.mark.usefixtures("unrecorded")


def test_rows_later_than_the_lateness_are_counted_once_a_run_and_kept_once(store: fp.OfflineStore) -> None:
    def arrived(*late: tuple[str, datetime, float]) -> fp.Source:
        return source(pl.concat([daily(), orders(*late)]))

    for day in range(5):
        fp.materialize(spending(arrived(), lateness="1d", windows=["1d"]), store, at(day), at(day + 1))
    before = hashes(store, "views/spending")
    eve = ("eve", at(1, 3), 7.0)
    for _ in range(2):
        done = fp.materialize(spending(arrived(eve), lateness="1d", windows=["1d"]), store, at(4), at(5))
        assert done["sources/orders"].candidate.notes == {"rows_later_than_lateness": 1}

    assert hashes(store, "views/spending") == before
    [kept] = store.read("late/sources/orders").collect().rows(named=True)
    assert kept["event_time"] == at(1, 3)
    assert kept["row"] == '{"customer":"eve","at":"2024-01-02T03:00:00+00:00","amount":7.0}'


def test_the_lateness_is_counted_from_the_range_however_long_the_windows_are(store: fp.OfflineStore) -> None:
    for day in range(5):
        fp.materialize(spending(source(daily()), lateness="1d", windows=["3d"]), store, at(day), at(day + 1))
    late = pl.concat([daily(), orders(("eve", at(2, 3), 7.0), ("eve", at(3, 3), 5.0))])
    done = fp.materialize(spending(source(late), lateness="1d", windows=["3d"]), store, at(4), at(5))

    assert done["sources/orders"].candidate.notes == {"rows_later_than_lateness": 1}
    assert done["sources/orders"].commit.changed == ("2024-01-04",)
    assert done["views/spending"].commit.changed == ("2024-01-04", "2024-01-05")


def test_a_late_row_without_a_view_of_windows_above_goes_to_late(store: fp.OfflineStore) -> None:
    fp.materialize(last_order(source(daily(2))), store)
    late = pl.concat([daily(), orders(("eve", at(0, 3), 7.0))])
    done = fp.materialize(last_order(source(late)), store, at(2), at(3))
    assert done["sources/orders"].candidate.notes == {"rows_later_than_lateness": 1}


def test_new_rows_of_later_days_are_not_late_when_an_early_day_is_filled_in(store: fp.OfflineStore) -> None:
    fp.materialize(spending(source(daily(3)), windows=["1d"]), store, at(2), at(3))
    grown = pl.concat([daily(3), orders(("eve", at(2, 20), 7.0))])
    done = fp.materialize(spending(source(grown), windows=["1d"]), store, at(0), at(1))
    assert done["sources/orders"].candidate.notes == {}
    assert not store.exists("late/sources/orders")


def test_the_lateness_of_a_windowed_view_holds_for_the_source_below_its_source(store: fp.OfflineStore) -> None:
    def view(rows: pl.DataFrame) -> FeatureView:
        return spending(fp.feature_view(entity=customer, source=source(rows), name="all")(lambda r: r), lateness="2d")

    for day in range(5):
        fp.materialize(view(daily()), store, at(day), at(day + 1))
    late = pl.concat([daily(), orders(("eve", at(2, 3), 7.0))])
    done = fp.materialize(view(late), store, at(4), at(5))
    assert done["sources/orders"].candidate.notes == {}
    assert done["views/spending"].commit.changed == ("2024-01-03", "2024-01-04")


@pytest.mark.parametrize(
    "column",
    [
        pl.lit(1, dtype=pl.UInt32),
        pl.lit("x", dtype=pl.Categorical),
        pl.lit(None),
        pl.lit(float("nan")),
        pl.lit(b"\x00\xff"),
        pl.concat_list("amount"),
        pl.struct("amount"),
        pl.col("at").dt.cast_time_unit("ms"),
    ],
    ids=str,
)
def test_late_rows_are_found_whatever_the_type_of_a_column(store: fp.OfflineStore, column: pl.Expr) -> None:
    def read(rows: pl.DataFrame) -> fp.Source:
        return source(rows.with_columns(more=column))

    typed = pl.lit(None, dtype=pl.String) if column.meta.eq(pl.lit(None)) else column
    fp.materialize(last_order(source(daily(3).with_columns(more=typed))), store)
    late = pl.concat([daily(4), orders(("eve", at(0, 3), 7.0))])
    done = fp.materialize(last_order(read(late)), store, at(3), at(4))
    assert done["sources/orders"].candidate.notes == {"rows_later_than_lateness": 1}
    assert store.read("late/sources/orders").collect().height == 1
