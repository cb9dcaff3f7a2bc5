"""Statistics of files never hide a row, and let files be skipped."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.offline import OfflineStore
from feature_platform.offline.statistics import statistics
from feature_platform_tests.effort import tries
from feature_platform_tests.offline.conftest import STAMP

NAN, INF = float("nan"), float("inf")


def bounds(*values: object, dtype: pl.DataType | type[pl.DataType] | None = None) -> tuple[object, object, int]:
    found = json.loads(statistics([pl.DataFrame({"x": pl.Series(values, dtype=dtype)})], ["x"])[0])
    assert found["numRecords"] == len(values)
    return found["minValues"].get("x"), found["maxValues"].get("x"), found["nullCount"]["x"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((3, None, 1), (1, 3, 1)),
        ((2**63 - 1, -(2**63)), (-(2**63), 2**63 - 1, 0)),
        ((1.5, -0.5), (-0.5, 1.5, 0)),
        ((1.0, NAN), (None, None, 0)),
        ((1.0, INF), (1.0, None, 0)),
        ((-INF, 1.0, None), (None, 1.0, 1)),
        (("b", "a"), ("a", "b", 0)),
        (("a", "b" * 257), ("a", None, 0)),
        ((date(2013, 1, 2), date(1969, 1, 1)), ("1969-01-01", "2013-01-02", 0)),
        (
            (datetime(2013, 1, 1, 0, 0, 0, 1, tzinfo=UTC),),
            ("2013-01-01T00:00:00.000001Z", "2013-01-01T00:00:00.000001Z", 0),
        ),
        ((datetime(2013, 1, 1),), ("2013-01-01T00:00:00.000000", "2013-01-01T00:00:00.000000", 0)),
    ],
)
def test_bounds_are_exact_or_absent(values: tuple[object, ...], told: tuple[object, object, int]) -> None:
    assert bounds(*values) == told


def test_a_column_that_is_null_throughout_has_only_its_nulls() -> None:
    assert bounds(None, None, dtype=pl.Float64) == (None, None, 2)


def test_times_that_other_readers_cannot_parse_have_no_bound() -> None:
    far = pl.Series([2**62]).cast(pl.Datetime("us", "UTC"))
    assert json.loads(statistics([pl.DataFrame({"x": far})], ["x"])[0])["maxValues"] == {}


def test_types_without_an_order_that_json_has_are_left_out() -> None:
    frame = pl.DataFrame({"a": [[1]], "b": [{"c": 1}], "d": [b"x"], "e": [True]})
    assert json.loads(statistics([frame], frame.columns)[0])["nullCount"] == {}


FLOATS = st.one_of(st.none(), st.floats(width=32), st.sampled_from([NAN, INF, -INF, -0.0, 0.0]))
TEXTS = st.one_of(st.none(), st.text(max_size=4), st.just("é" * 300), st.just("\U0010ffff" * 3))
TIMES = st.one_of(st.none(), st.integers(-(10**15), 10**15))
ROWS = st.lists(st.tuples(st.sampled_from(["d1", "d2", "d3"]), FLOATS, TEXTS, TIMES), min_size=1, max_size=12)


@settings(max_examples=tries(40), deadline=None)
@given(rows=ROWS, data=st.data())
def test_a_filtered_read_is_the_filter_of_a_whole_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]], data: st.DataObject
) -> None:
    """Whatever lies in the files, and whatever the log says of them."""
    store = OfflineStore(tmp_path_factory.mktemp("law"))
    schema = {"day": pl.String, "f": pl.Float64, "s": pl.String, "t": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("t").cast(pl.Datetime("us", "UTC")))
    store.replace("views/x", frame, partition_of="day", stamp=STAMP, sort_by=["s", "t"])
    chosen = data.draw(st.sampled_from(frame.rows()))
    conditions = [pl.col("f").is_nan(), pl.col("f").is_null(), pl.col("s").is_null(), pl.col("t").is_null()]
    for name, value in zip(("f", "s", "t"), chosen[1:], strict=True):
        if value is not None:
            literal = pl.lit(value, dtype=frame.schema[name])
            column = pl.col(name)
            conditions += [column == literal, column >= literal, column > literal, column <= literal, column < literal]
    held = store.read("views/x").collect()
    for condition in conditions:
        found, expected = store.read("views/x").filter(condition).collect(), held.filter(condition)
        assert sorted(map(repr, found.rows())) == sorted(map(repr, expected.rows())), condition


def test_files_are_skipped_by_key_and_by_time(store: OfflineStore) -> None:
    """What makes point reads cheap: a file that its bounds rule out is not opened, so it may even be gone."""
    times = pl.Series([0, 1_000, 2_000, 3_000]).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({"day": ["d1", "d1", "d2", "d2"], "key": ["a", "b", "c", "d"], "t": times})
    store.replace("views/x", frame, partition_of="day", stamp=STAMP, sort_by=["key", "t"])
    for file in Path(store.location("views/x").uri).glob("fp_partition=d2/*.parquet"):
        file.unlink()
    assert store.read("views/x").filter(pl.col("key") == "b").collect().height == 1
    assert store.read("views/x").filter(pl.col("t") < times[1]).collect().height == 1
