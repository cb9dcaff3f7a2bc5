"""What stops a run: one clear error, and what was published stays."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import (
    NotUtc,
    SchemaChanged,
    SourceUnreadable,
    TransformFailed,
)
from feature_platform_tests.shop import (
    at,
    customer,
    daily,
    last_order,
    orders,
    source,
    spending,
)


def read_back(store: fp.OfflineStore) -> list[tuple[object, ...]]:
    return store.read("sources/orders").collect().sort("at", "customer").rows()


def test_naive_times_are_refused_by_name(store: fp.OfflineStore) -> None:
    naive = daily().with_columns(pl.col("at").dt.replace_time_zone(None))
    with pytest.raises(NotUtc, match="Source `orders`: column `at`"):
        fp.materialize(spending(source(naive)), store)


def test_other_zones_become_utc(store: fp.OfflineStore) -> None:
    rows = daily().with_columns(pl.col("at").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ns"))
    fp.materialize(spending(source(rows)), store)
    assert read_back(store) == daily().sort("at", "customer").rows()


def test_a_file_that_vanishes_while_it_is_read_is_one_clear_error(store: fp.OfflineStore, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    daily().with_columns(pl.col("at").dt.strftime("%FT%TZ")).write_csv(file)

    def prepare(raw: pl.LazyFrame) -> pl.LazyFrame:
        file.unlink(missing_ok=True)
        return raw.with_columns(pl.col("at").str.to_datetime("%FT%TZ", time_unit="us", time_zone="UTC"))

    read = fp.Source("orders", fp.sources.Csv(file), event_time="at", prepare=prepare)
    with pytest.raises(SourceUnreadable, match=r"Source `orders` cannot be read from .*orders.csv"):
        fp.materialize(spending(read), store)
    assert store.read("runs").collect()["outcome"].to_list() == ["failed"]


def test_text_that_prepare_cannot_parse_is_one_clear_error(store: fp.OfflineStore) -> None:
    texts = daily().with_columns(pl.col("amount").cast(pl.String).replace("10.0", "ten"))
    read = source(texts, prepare=lambda raw: raw.with_columns(pl.col("amount").cast(pl.Float64)))
    with pytest.raises(SourceUnreadable, match=r"Source `orders` cannot be read.*ten.*prepare") as caught:
        fp.materialize(spending(read), store)
    assert "\n" not in str(caught.value)


def test_a_view_that_fails_on_values_is_one_clear_error_and_its_source_stays(store: fp.OfflineStore) -> None:
    @fp.feature_view(entity=customer, source=source(daily()))
    def wrong(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.with_columns(number=pl.col("customer").cast(pl.Int64))

    with pytest.raises(TransformFailed, match="`views/wrong`") as caught:
        fp.materialize(wrong, store)
    assert "\n" not in str(caught.value)
    assert store.exists("sources/orders")
    assert not store.exists("views/wrong")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.drop("amount"), "column `amount` .* is missing"),
        (lambda rows: rows.with_columns(pl.col("amount").cast(pl.String)), "column `amount` is String"),
    ],
)
@pytest.mark.parametrize("grown", [False, True])
def test_a_column_that_vanishes_or_changes_its_type_writes_nothing(
    store: fp.OfflineStore, change: Callable[[pl.DataFrame], pl.DataFrame], found: str, grown: bool
) -> None:
    fp.materialize(last_order(source(daily(3))), store)
    before, version = read_back(store), store.latest_version("sources/orders")
    rows = pl.concat([daily(4), orders(("eve", at(0, 3), 7.0))]) if grown else daily(4)
    with pytest.raises(SchemaChanged, match=found):
        fp.materialize(last_order(source(change(rows))), store, at(3), at(4))
    assert (read_back(store), store.latest_version("sources/orders")) == (before, version)


@pytest.mark.parametrize("grown", [False, True])
def test_a_column_that_is_added_is_null_in_older_rows(store: fp.OfflineStore, grown: bool) -> None:
    fp.materialize(last_order(source(daily(2))), store)
    rows = pl.concat([daily(3), orders(("eve", at(0, 3), 7.0))]) if grown else daily(3)
    done = fp.materialize(last_order(source(rows.with_columns(shop=pl.lit("north")))), store, at(2), at(3))

    found = store.read("sources/orders").group_by("at").agg(pl.col("shop").first()).sort("at").collect()
    assert found["shop"].to_list() == [None, None, "north"]
    assert done["sources/orders"].candidate.notes == ({"rows_later_than_lateness": 1} if grown else {})
