"""Keys of the online store: bulk loads and requests make the same bytes, and different keys make different ones."""

import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.serving.keys import LONGEST, decode_keys, encode_keys, key_expr
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import InvalidKey, WrongColumnType
from feature_platform.ground.working_columns import KEY
from feature_platform_tests.effort import tries

LAW = settings(max_examples=tries(40), deadline=None)
TEXTS = (
    st.text(max_size=8)
    | st.sampled_from(["", "\x00", "\x00\x01", "\x00\x02", "k", "k\x00\x03", "1", "ø€😀"])
    | st.integers(100, 900).map(lambda length: "é" * length)
)
MOMENTS = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31))
WHOLE = st.integers(-(2**63), 2**63 - 1)
PARTS: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "text": (pl.String(), TEXTS),
    "category": (pl.Categorical(), st.text(max_size=8)),
    "choice": (pl.Enum(["AA", "ø", ""]), st.sampled_from(["AA", "ø", ""])),
    "whole": (pl.Int64(), WHOLE),
    "small": (pl.Int8(), st.integers(-128, 127)),
    "large": (pl.UInt64(), st.integers(0, 2**64 - 1)),
    "huge": (pl.Int128(), st.integers(-(2**100), 2**100)),
    "number": (pl.Float64(), st.floats()),
    "half": (pl.Float32(), st.floats(width=32)),
    "flag": (pl.Boolean(), st.booleans()),
    "day": (pl.Date(), st.dates()),
    "moment": (UTC, MOMENTS.map(lambda moment: moment.replace(tzinfo=timezone.utc))),
    "local": (pl.Datetime("us"), MOMENTS),
    "coarse": (pl.Datetime("ms", "UTC"), MOMENTS.map(lambda m: m.replace(microsecond=5000, tzinfo=timezone.utc))),
}


def in_bulk(types: dict[str, pl.DataType], columns: dict[str, list[Any]]) -> list[bytes | None]:
    return pl.DataFrame(columns, schema=types).select(key_expr(types)).to_series().to_list()


def in_a_request(types: dict[str, pl.DataType], columns: dict[str, list[Any]]) -> list[bytes | None]:
    return encode_keys(types, list(columns.values()))


def is_missing(value: object) -> bool:
    """Whether a value is nobody's key."""
    return value is None or (isinstance(value, float) and math.isnan(value))


@pytest.mark.parametrize("name", PARTS)
@LAW
@given(data=st.data())
def test_bulk_loads_and_requests_make_the_same_key(name: str, data: st.DataObject) -> None:
    dtype, values = PARTS[name]
    column = {name: data.draw(st.lists(values | st.none(), max_size=6))}

    keys = in_bulk({name: dtype}, column)
    assert keys == in_a_request({name: dtype}, column)
    assert [key is None for key in keys] == [is_missing(value) for value in column[name]]
    assert all(key is None or (key.startswith(b"k") and len(key) <= LONGEST) for key in keys)


@LAW
@given(data=st.data(), names=st.lists(st.sampled_from(sorted(PARTS)), min_size=2, max_size=4, unique=True))
def test_composite_keys_are_the_same_in_bulk_and_in_a_request(data: st.DataObject, names: list[str]) -> None:
    height = data.draw(st.integers(0, 4))
    types = {name: PARTS[name][0] for name in names}
    columns = {
        name: data.draw(st.lists(PARTS[name][1] | st.none(), min_size=height, max_size=height)) for name in names
    }

    keys = in_bulk(types, columns)
    assert keys == in_a_request(types, columns)
    assert [key is None for key in keys] == [any(map(is_missing, row)) for row in zip(*columns.values(), strict=True)]


@LAW
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), unique=True))
def test_different_keys_are_different_bytes(rows: list[tuple[str, str]]) -> None:
    types: dict[str, pl.DataType] = {"a": pl.String(), "b": pl.String()}
    keys = encode_keys(types, [[row[0] for row in rows], [row[1] for row in rows]])

    assert len(set(keys)) == len(rows)


def test_parts_that_look_like_separators_stay_apart() -> None:
    parts = ["", "\x00", "\x01", "\x02", "\x00\x01", "\x00\x02", "\x02\x00", "a", "a\x00", "\x00a"]
    rows = list(product(parts, parts))
    types: dict[str, pl.DataType] = {"a": pl.String(), "b": pl.String()}
    columns: dict[str, list[Any]] = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}

    keys = in_bulk(types, columns)
    assert len(set(keys)) == len(rows)
    assert keys == in_a_request(types, columns)


def test_a_long_text_never_meets_the_hash_of_another() -> None:
    texts = ["x" * length for length in range(395, 405)]
    (hashed,) = encode_keys({"a": pl.String()}, [["x" * 500]])
    assert hashed is not None
    pretended = hashed[1:].decode("latin-1")
    keys = encode_keys({"a": pl.String()}, [[*texts, "x" * 500, pretended]])

    assert len(set(keys)) == len(keys)
    assert [len(key) for key in keys if key is not None][:5] == [396, 397, 398, 399, 400]
    assert all(len(key) <= LONGEST for key in keys if key is not None)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (pl.Int64(), [1001, "1001", 1001.0, "+1001", "01001"]),
        (pl.String(), ["7", 7, 7.0]),
        (pl.Boolean(), [True, "true", "TRUE"]),
        (pl.Float64(), [2, "2", 2.0, "2.0", "2e0"]),
        (pl.Date(), [date(2013, 1, 1), "2013-01-01"]),
        (
            UTC,
            [
                datetime(2013, 1, 1, tzinfo=timezone.utc),
                "2013-01-01",
                "2013-01-01T00:00:00Z",
                "2013-01-01T01:00:00+01:00",
                1356998400,
                datetime(2013, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            ],
        ),
    ],
)
def test_a_value_is_found_however_it_is_written(dtype: pl.DataType, values: list[object]) -> None:
    keys = encode_keys({"a": dtype}, [values])

    assert len(set(keys)) == 1
    assert keys[:1] == in_bulk({"a": dtype}, {"a": values[:1]})


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (pl.Int64(), "hunter2"),
        (pl.Int64(), 1.5),
        (pl.Int64(), True),
        (pl.Int64(), float("nan")),
        (pl.Int64(), [1]),
        (pl.Float64(), "hunter2"),
        (pl.Float64(), True),
        (pl.Boolean(), 1),
        (pl.Boolean(), "hunter2"),
        (pl.Date(), "hunter2"),
        (pl.Date(), datetime(2013, 1, 1)),
        (UTC, "hunter2"),
        (UTC, 10**20),
        (UTC, True),
        (pl.String(), 1.5),
        (pl.String(), {"hunter2": 1}),
        (pl.String(), "\ud800"),
    ],
)
def test_a_value_of_another_type_is_refused_without_being_shown(dtype: pl.DataType, value: object) -> None:
    with pytest.raises(InvalidKey, match="join key `a`") as found:
        encode_keys({"a": dtype}, [[None, value]])
    assert "hunter2" not in str(found.value)


@pytest.mark.parametrize("name", ["whole", "small", "large", "day", "moment", "coarse"])
@LAW
@given(data=st.data())
def test_keys_sort_as_their_values_do(name: str, data: st.DataObject) -> None:
    dtype, values = PARTS[name]
    column = sorted(data.draw(st.lists(values, max_size=6)))

    keys = in_bulk({name: dtype}, {name: column})
    assert None not in keys
    assert keys == sorted(key for key in keys if key is not None)


@pytest.mark.parametrize("name", sorted(set(PARTS) - {"category", "choice"}))
@LAW
@given(data=st.data())
def test_keys_can_be_read_again(name: str, data: st.DataObject) -> None:
    dtype, values = PARTS[name]
    types = {"a": pl.String(), name: dtype}
    rows = data.draw(st.lists(st.tuples(st.sampled_from(["", "x", "\x00\x01", "ø"]), values), max_size=4))
    columns: dict[str, list[Any]] = {"a": [row[0] for row in rows], name: [row[1] for row in rows]}
    keys = [key for key in in_bulk(types, columns) if key is not None]

    found = decode_keys(types, keys)
    assert found.schema == types
    short = [key for key in dict.fromkeys(keys) if b"\x00\x03" not in key]
    assert found.select(key_expr(types)).to_series().to_list() == short


def test_a_global_view_has_one_key() -> None:
    assert pl.DataFrame({"x": [1, 2]}).select("x", key_expr({})).to_series(1).to_list() == [b"k", b"k"]


def test_a_list_is_no_key() -> None:
    with pytest.raises(WrongColumnType):
        key_expr({"a": pl.List(pl.Int64())})


def test_the_key_column_has_its_name_and_type() -> None:
    frame = pl.DataFrame({"a": ["x", None]}).select(key_expr({"a": pl.String()}))

    assert frame.schema == {KEY: pl.Binary}


def test_both_zeros_are_one_key_as_they_are_in_joins() -> None:
    types = {"at": pl.Float64()}
    rows = pl.DataFrame({"at": [-0.0, 0.0]}).select(key_expr(types)).to_series().to_list()
    assert set(rows) == set(encode_keys(types, [[-0.0, 0.0, "-0.0", 0]])) == {b"k0.0"}


@pytest.mark.parametrize("asked", [1.5, "1.5", "1.50", Decimal("1.5")])
def test_a_decimal_key_is_found_however_many_places_are_sent(asked: object) -> None:
    types = {"price": pl.Decimal(10, 2)}
    stored = pl.DataFrame({"price": pl.Series([Decimal("1.50")], dtype=types["price"])})

    assert encode_keys(types, [[asked]]) == stored.select(key_expr(types)).to_series().to_list()


@pytest.mark.parametrize("asked", ["x", 1.005, True, float("nan"), float("inf")])
def test_what_a_decimal_key_cannot_be_is_refused(asked: object) -> None:
    with pytest.raises(InvalidKey):
        encode_keys({"price": pl.Decimal(10, 2)}, [[asked]])
