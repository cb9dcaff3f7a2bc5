"""A sum of whole numbers is right or refused: offline, in buckets, in exact windows and online."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.windows import published_windows, window_features
from feature_platform.compute.windows.bucketed import bucketed_windows
from feature_platform.ground.errors import SumTooLarge, TableNotFound
from feature_platform.online import Lmdb
from feature_platform.serving import online_features
from feature_platform.serving.publication import publish
from feature_platform_tests.compute.drawn import at
from feature_platform_tests.shop import customer

HALF = 2**62
CUSTOMERS = ["ann", "ann", "bob", "bob"]
HOURS = [at(1), at(2), at(1), at(2)]
SUM = [fp.Sum("x", windows=["1d"])]
LEAST = {pl.Int64: -(2**63), pl.UInt64: 0, pl.Int128: -(2**100), pl.UInt128: 0}
MOST = {pl.Int64: 2**63 - 1, pl.UInt64: 2**64 - 1, pl.Int128: 2**100, pl.UInt128: 2**100}


def events(*values, dtype=pl.Int64):
    """Two amounts of Ann and two of Bob, known at once."""
    return pl.DataFrame({"customer": CUSTOMERS, "at": HOURS, "known": HOURS, "x": pl.Series(values, dtype=dtype)})


def windows(rows, **words):
    spine = pl.DataFrame({"customer": ["bob", "ann"], "t": [at(3), at(3)]})
    asked: dict[str, Any] = {"on": ["customer"], "spine_time": "t", "event_time": "at", "aggregations": SUM, **words}
    return window_features(spine, rows, **asked).collect()["x_sum_1d"].to_list()


def in_buckets(rows, folder):
    spine = pl.LazyFrame({"customer": ["bob", "ann"], "t": [at(3), at(3)]})
    asked: dict[str, Any] = {"on": ["customer"], "spine_time": "t", "event_time": "at", "aggregations": SUM}
    bucketed_windows(spine, rows.lazy(), **asked, folder=folder, buckets=4)


def published(rows):
    clocks: dict[str, Any] = {"event_time": "at", "every": 3_600_000_000, "start": at(2), "end": at(3)}
    return published_windows(rows, on=["customer"], aggregations=SUM, **clocks).collect()


# ---------------------------------------------------------------- right


@pytest.mark.parametrize("dtype", [pl.Boolean, pl.Int8, pl.UInt8, pl.Int32, pl.UInt32, *LEAST])
def test_a_sum_that_fits_64_bits_is_exact_whatever_the_type(dtype):
    low, high = (False, True) if dtype == pl.Boolean else (1, 100)
    assert windows(events(high, low, high, None, dtype=dtype)) == [high, low + high]


def test_what_lies_far_beyond_on_the_way_may_come_back():
    rows = events(2**63 - 1, 2**63 - 1, 1, 1).vstack(events(-(2**63 - 1), -1, 1, 1))
    assert windows(rows) == [4, 2**63 - 2]
    assert windows(events(2**100, 7 - 2**100, 1, 2, dtype=pl.Int128)) == [3, 7]


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize("dtype", LEAST)
@pytest.mark.parametrize("ends", [LEAST, MOST])
def test_a_sum_beyond_64_bits_is_refused_with_its_key_and_instant(dtype, ends):
    if ends[dtype] == 0:
        return
    rows = events(1, 2, ends[dtype], ends[dtype], dtype=dtype)
    for ways in (windows, published):
        with pytest.raises(SumTooLarge, match=r"`x_sum_1d` of customer='bob' at 1970-01-01T03:00:00.*Float64"):
            ways(rows)


@pytest.mark.parametrize("dtype", [pl.UInt64, pl.Int128])
def test_a_single_number_beyond_64_bits_is_no_sum_either(dtype):
    with pytest.raises(SumTooLarge, match="customer='bob'"):
        windows(events(1, 2, 2**63, None, dtype=dtype))


def test_it_is_refused_where_events_are_known_late_and_in_buckets_on_disk(tmp_path):
    late = events(1, 2, HALF, HALF).with_columns(known=pl.Series([at(5), at(2), at(2), at(2)]))
    with pytest.raises(SumTooLarge, match="customer='bob'"):
        windows(late, known_at="known")
    mixed = late.vstack(late.with_columns(at=pl.col("at") - timedelta(minutes=1), known=pl.lit(at(9))))
    with pytest.raises(SumTooLarge, match="customer='bob'"):
        windows(mixed, known_at="known")
    with pytest.raises(SumTooLarge, match="customer='bob'"):
        in_buckets(events(1, 2, HALF, HALF), tmp_path / "answer")


def test_floats_are_the_way_out():
    assert windows(events(1, 2, HALF, HALF).with_columns(pl.col("x").cast(pl.Float64))) == [2.0**63, 3.0]


# ---------------------------------------------------------------- in a store


def view_of(rows, accuracy, window="1d"):
    source = fp.Source("amounts", fp.sources.Frame(rows), event_time="at")

    @fp.feature_view(
        entity=customer, source=source, aggregations=[fp.Sum("x", windows=[window])], accuracy=accuracy, name="spending"
    )
    def spending(amounts: pl.LazyFrame) -> pl.LazyFrame:
        return amounts

    return spending


def test_nothing_is_written_of_a_view_whose_sum_is_refused(tmp_path: Path):
    store = fp.OfflineStore(tmp_path)
    view = view_of(events(1, 2, HALF, HALF), "snapshot")
    with pytest.raises(SumTooLarge, match="Feature view `spending`: feature `x_sum_1d` of customer='bob'"):
        fp.materialize(view, store)
    with pytest.raises(TableNotFound):
        store.read(view.asset)


def test_an_exact_view_refuses_it_offline_and_online_and_answers_other_keys(tmp_path: Path):
    store, online, view = (
        fp.OfflineStore(tmp_path),
        Lmdb(tmp_path / "online"),
        view_of(events(1, 2, HALF, HALF), "exact", "3h"),
    )
    fp.materialize(view, store)
    publish(view, store, online, now=at(3))
    spine = pl.DataFrame({"customer": ["ann", "bob"], "event_timestamp": [at(3), at(3)]})
    with pytest.raises(SumTooLarge, match=r"Feature view `spending`.*customer='bob'"):
        fp.historical_features([view], spine, store).collect()
    with pytest.raises(SumTooLarge, match=r"Feature view `spending`.*of row of the request=2"):
        online_features(view, spine.select("customer"), online, at(3))
    with pytest.raises(SumTooLarge, match=r"of row of the request=3"):
        online_features(view, {"customer": ["ann", "ann", "bob", "bob"]}, online, at(3))
    assert online_features(view, spine.select("customer").head(1), online, at(3))["x_sum_3h"].to_list() == [3]


# ---------------------------------------------------------------- counts


@pytest.mark.parametrize("values", [[None] * 4, ["a", "b", None, None]])
def test_how_many_different_values_there_are_is_0_over_nothing_as_every_count_is(values):
    rows = events(*values, dtype=pl.String)
    asked: dict[str, Any] = {
        "on": ["customer"],
        "event_time": "at",
        "aggregations": [fp.CountDistinct("x", windows=["1h"])],
    }
    found = published_windows(rows, every=3_600_000_000, start=at(1), end=at(9), **asked).collect()
    assert found.filter(pl.col("customer") == "bob")["x_count_distinct_1h"].to_list() == [0, 0]
    assert found.filter(pl.col("customer").is_null())["x_count_distinct_1h"].to_list() == [0] * 8
    spine = pl.DataFrame({"customer": ["bob", "eve", None], "t": [at(3)] * 3})
    exact = window_features(spine, rows, spine_time="t", **asked).collect()
    assert exact["x_count_distinct_1h"].to_list() == [0, 0, None]
    nested = rows.with_columns(pl.concat_list("x"))
    exact = window_features(spine.head(2).with_columns(t=at(9)), nested, spine_time="t", **asked).collect()
    assert exact["x_count_distinct_1h"].to_list() == [0, 0]
