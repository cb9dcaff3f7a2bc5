"""Schemas never drift silently, and what Delta cannot hold is said before it is tried."""

import datetime as dt

import polars as pl
import pytest
from polars._typing import TimeUnit

from feature_platform.ground.errors import ColumnCollision, SchemaChanged, WrongColumnName, WrongColumnType
from feature_platform.offline import OfflineStore
from feature_platform.offline.schema import added_columns, make_storable
from feature_platform_tests.offline.conftest import STAMP, days, held, put


@pytest.mark.parametrize(
    ("values", "dtype", "stored"),
    [
        ([1], pl.UInt32, pl.Int64()),
        ([255], pl.UInt8, pl.Int16()),
        ([2**63 - 1], pl.UInt64, pl.Int64()),
        (["a"], pl.Categorical, pl.String()),
        (["a"], pl.Enum(["a"]), pl.String()),
        ([[1, 2]], pl.Array(pl.UInt8, 2), pl.List(pl.Int16)),
        ([{"a": "u"}], pl.Struct({"a": pl.Categorical}), pl.Struct({"a": pl.String})),
        ([dt.datetime(2013, 1, 1)], pl.Datetime("ms"), pl.Datetime("us")),
        ([dt.datetime(2013, 1, 1, 0, 0, 0, 7), None], pl.Datetime("ns"), pl.Datetime("us")),
        ([dt.datetime(2013, 1, 1, tzinfo=dt.UTC)], pl.Datetime("ns", "UTC"), pl.Datetime("us", "UTC")),
        ([[dt.datetime(2013, 1, 1)]], pl.List(pl.Datetime("ns")), pl.List(pl.Datetime("us"))),
        ([dt.datetime(2013, 1, 1)], pl.Datetime("us"), pl.Datetime("us")),
        ([1.5], pl.Float32, pl.Float32()),
        ([b"a"], pl.Binary, pl.Binary()),
        ([float("nan"), float("inf"), None], pl.Float64, pl.Float64()),
    ],
)
def test_a_lossless_type_comes_back_from_delta(
    store: OfflineStore, values: list[object], dtype: pl.DataType, stored: pl.DataType
) -> None:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=dtype)})
    store.replace("views/x", frame, stamp=STAMP)
    back = store.read("views/x").collect()
    assert back.schema == {"x": stored}
    assert back.equals(make_storable("views/x", frame))
    assert store.replace("views/x", frame, stamp=STAMP).changed == ()


@pytest.mark.parametrize(
    "dtype",
    [
        pl.Null, pl.Duration("us"), pl.Time, pl.Object, pl.Int128, pl.Struct({}),
        pl.Datetime("us", "Europe/Paris"), pl.List(pl.Null), pl.Struct({"a": pl.Time}),
    ],
)  # fmt: skip
def test_a_type_that_delta_cannot_hold_is_named_with_the_way_out(dtype: pl.DataType) -> None:
    frame = pl.DataFrame({"x": [], "y": []}, schema={"x": dtype, "y": pl.Int64})
    with pytest.raises(
        WrongColumnType, match=r"`views/x`: column `x` is .* but a type that Delta can hold is needed\. \w"
    ):
        make_storable("views/x", frame)


@pytest.mark.parametrize(("unit", "value"), [("ns", 1_001), ("ns", -(2**63)), ("ns", 2**63 - 1), ("ms", 2**62)])
@pytest.mark.parametrize("nested", [False, True])
def test_a_time_that_microseconds_cannot_hold_is_refused_by_column_and_row(
    unit: TimeUnit, value: int, nested: bool
) -> None:
    times = pl.Series("x", [0, None, value], dtype=pl.Int64).cast(pl.Datetime(unit))
    frame = pl.DataFrame({"x": times.reshape((3, 1)).arr.to_list() if nested else times, "y": [1, 2, 3]})
    with pytest.raises(WrongColumnType, match=r"`views/x`: column `x` is .* and row 2 holds no whole microsecond"):
        make_storable("views/x", frame)


def test_an_unsigned_integer_beyond_int64_is_an_error() -> None:
    with pytest.raises(WrongColumnType, match="beyond the range of Int64"):
        make_storable("views/x", pl.DataFrame({"x": pl.Series([2**63], dtype=pl.UInt64)}))


def test_names_that_differ_in_case_only_are_refused() -> None:
    with pytest.raises(ColumnCollision, match="ignores case"):
        make_storable("views/x", pl.DataFrame({"a": [1], "A": [1]}))


def test_each_vanished_and_retyped_column_is_named() -> None:
    known = pl.Schema({"a": pl.Int64(), "b": pl.Datetime("us", "UTC"), "c": pl.String()})
    with pytest.raises(SchemaChanged) as error:
        added_columns("views/x", known, pl.Schema({"a": pl.Int32(), "b": pl.Datetime("us")}))
    for part in (
        "`c` (String) is missing",
        "`a` is Int32, the table has Int64",
        "time_zone='UTC'",
        "Nothing was written",
    ):
        assert part in str(error.value)


def test_a_changed_type_writes_nothing(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    with pytest.raises(SchemaChanged, match="`x` is Float64, the table has Int64"):
        put(store, days(d1=[2]).cast({"x": pl.Float64}), "d1")
    with pytest.raises(SchemaChanged, match="`x`"):
        store.replace("views/delays", days(d1=[2]).drop("x"), partitions=["d1"], partition_of="day", stamp=STAMP)
    assert held(store) == [("d1", 1)]
    assert store.latest_version("views/delays") == 0


def test_a_new_column_is_null_in_old_rows(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2]), "d1", "d2")
    commit = put(store, days(d2=[2]).with_columns(y=pl.lit(0.5)), "d2")
    assert commit.changed == ("d2",)
    assert sorted(store.read("views/delays").collect().rows()) == [("d1", 1, None), ("d2", 2, 0.5)]


def test_a_column_that_is_null_throughout_takes_the_type_of_the_table(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    put(store, days(d2=[1]).with_columns(x=pl.lit(None)), "d2")
    assert held(store) == [("d1", 1), ("d2", None)]


def test_columns_are_matched_by_name_not_by_place(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    put(store, days(d2=[2]).select("x", "day"), "d2")
    assert held(store) == [("d1", 1), ("d2", 2)]


@pytest.mark.parametrize("name", ["a\0b", "", "a\nb", "\ufeffa", "a\x7f", "a\x85b"])
def test_a_column_name_that_a_table_cannot_hold_is_refused_before_anything_is_written(
    store: OfflineStore, name: str
) -> None:
    frame = pl.DataFrame({"x": [1], name: [2]})
    with pytest.raises(WrongColumnName, match=r"Table `views/x`: the column name .*Rename it in `prepare`"):
        store.replace("views/x", frame, stamp=STAMP)
    assert not store.exists("views/x")
    store.replace("views/x", frame.rename({name: "y"}), stamp=STAMP)
    with pytest.raises(WrongColumnName):
        store.replace("views/x", frame.with_columns(y=3), stamp=STAMP)
    assert store.read("views/x").collect().columns == ["x", "y"]


@pytest.mark.parametrize("shape", [pl.Struct, lambda fields: pl.List(pl.Struct(fields))], ids=["struct", "list"])
@pytest.mark.parametrize(
    ("fields", "error"), [(("a\0b", "c"), WrongColumnName), (("Amount", "amount"), ColumnCollision)]
)
def test_names_of_fields_are_checked_as_those_of_columns_are(
    shape: type[pl.Struct], fields: tuple[str, str], error: type[Exception]
) -> None:
    frame = pl.DataFrame(schema={"x": shape(dict.fromkeys(fields, pl.Int64))})
    with pytest.raises(error, match=r"Table `views/x`, column `x`"):
        make_storable("views/x", frame)


@pytest.mark.parametrize("name", ["a b", "a(b)", "a,b", "a.b", "a/b", "a=b", "Straße", "東京", "#"])
def test_any_other_name_is_written_and_read_back(store: OfflineStore, name: str) -> None:
    store.replace("views/x", pl.DataFrame({name: [1]}), stamp=STAMP)
    assert store.read("views/x").collect().to_dict(as_series=False) == {name: [1]}


def test_a_name_that_a_table_has_already_stays_usable() -> None:
    """Tables that were written before names were checked."""
    frame = pl.DataFrame({"a\nb": [1]})
    assert make_storable("views/x", frame, frame.schema).equals(frame)
