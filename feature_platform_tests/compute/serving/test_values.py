"""Values as JSON texts: valid JSON, never a raw newline, and back again without loss."""

import base64
import json
import math
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from feature_platform.compute.serving.packed import row_text
from feature_platform.compute.serving.values import BETWEEN, json_text, series_of, texts_of
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import WrongColumnType
from feature_platform_tests.effort import tries

LAW = settings(max_examples=tries(40), deadline=None)
MOMENTS = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31))
TEXTS = st.text(max_size=10) | st.sampled_from(
    ["NaN", "null", 'a"b', "\\", "\n", ",\n", "\r\n\t\x00\x1f\x7f", "\u2028", "😀"]
)
SCALARS: dict[str, tuple[pl.DataType, st.SearchStrategy[object]]] = {
    "whole": (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "large": (pl.UInt64(), st.integers(0, 2**64 - 1)),
    "huge": (pl.Int128(), st.integers(-(2**120), 2**120)),
    "small": (pl.Int8(), st.integers(-128, 127)),
    "number": (pl.Float64(), st.floats()),
    "half": (pl.Float32(), st.floats(width=32)),
    "flag": (pl.Boolean(), st.booleans()),
    "text": (pl.String(), TEXTS),
    "choice": (pl.Enum(["a", '"', "\n"]), st.sampled_from(["a", '"', "\n"])),
    "category": (pl.Categorical(), TEXTS),
    "day": (pl.Date(), st.dates()),
    "moment": (UTC, MOMENTS.map(lambda moment: moment.replace(tzinfo=timezone.utc))),
    "local": (pl.Datetime("us"), MOMENTS),
    "coarse": (pl.Datetime("ms"), MOMENTS.map(lambda moment: moment.replace(microsecond=7000))),
    "clock": (pl.Time(), st.times()),
    "length": (pl.Duration("us"), st.timedeltas(timedelta(-9999), timedelta(9999))),
    "bytes": (pl.Binary(), st.binary(max_size=9)),
    "money": (pl.Decimal(20, 2), st.integers(-(10**17), 10**17).map(lambda cents: Decimal(cents) / 100)),
}


def nested(
    dtype: pl.DataType, values: st.SearchStrategy[object]
) -> dict[str, tuple[pl.DataType, st.SearchStrategy[object]]]:
    some = values | st.none()
    return {
        "list": (pl.List(dtype), st.lists(some, max_size=3)),
        "array": (pl.Array(dtype, 2), st.lists(some, min_size=2, max_size=2)),
        "struct": (
            pl.Struct({'a "b"\n': dtype, "c": pl.String()}),
            st.fixed_dictionaries({'a "b"\n': some, "c": TEXTS}),
        ),
        "deep": (
            pl.List(pl.Struct({"x": pl.List(dtype)})),
            st.lists(st.fixed_dictionaries({"x": st.none() | st.lists(some, max_size=2)}), max_size=2),
        ),
    }


ALL = SCALARS | {f"{kind} of {name}": made for name, each in SCALARS.items() for kind, made in nested(*each).items()}


@pytest.mark.parametrize("name", SCALARS)
@LAW
@given(data=st.data())
def test_values_come_back_as_they_were(name: str, data: st.DataObject) -> None:
    dtype, values = SCALARS[name]
    round_trip(dtype, data.draw(st.lists(values | st.none(), max_size=5)))


@pytest.mark.parametrize("kind", ["list", "array", "struct", "deep"])
@LAW
@given(data=st.data())
def test_nested_values_come_back_as_they_were(kind: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SCALARS)))
    dtype, values = nested(*SCALARS[name])[kind]
    round_trip(dtype, data.draw(st.lists(values | st.none(), max_size=3)))


@pytest.mark.parametrize("kind", ["list", "array", "struct", "deep"])
def test_nested_decimals_keep_more_digits_than_a_float_has(kind: str) -> None:
    number = Decimal("89863370466708.21")
    dtype, _ = nested(pl.Decimal(38, 2), st.none())[kind]
    value = {
        "list": [number],
        "array": [number] * getattr(dtype, "size", 0),
        "struct": {'a "b"\n': number, "c": "1.5"},
        "deep": [{"x": [number, None]}],
    }[kind]
    round_trip(dtype, [value, None])


def round_trip(dtype: pl.DataType, values: list[object]) -> None:
    series = pl.Series("x", values, dtype)
    texts = texts_of(series)

    assert len(texts) == len(values)
    for text, value in zip(texts, series.is_null(), strict=True):
        assert b"\n" not in text
        assert (text == b"null") == value
        json.loads(text)
        msgspec.json.decode(text)
    assert_series_equal(series_of("x", dtype, texts), series, check_exact=True)
    assert series_of("x", dtype, [None]).to_list() == [None]


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        (pl.Float64(), float("nan"), '"NaN"'),
        (pl.Float64(), float("inf"), '"Infinity"'),
        (pl.Float64(), float("-inf"), '"-Infinity"'),
        (pl.Float64(), 1.0, "1.0"),
        (pl.Float64(), -0.0, "-0.0"),
        (pl.Float64(), 5e-324, "5e-324"),
        (pl.Float32(), 0.1, "0.10000000149011612"),
        (pl.Int64(), -(2**63), "-9223372036854775808"),
        (pl.Boolean(), True, "true"),
        (pl.String(), 'a"\n\x00', '"a\\"\\n\\u0000"'),
        (pl.Date(), datetime(2013, 1, 2).date(), '"2013-01-02"'),
        (UTC, datetime(2013, 1, 2, 3, tzinfo=timezone.utc), '"2013-01-02T03:00:00.000000Z"'),
        (
            pl.Datetime("us", "Europe/Oslo"),
            datetime(2013, 1, 2, 3, tzinfo=timezone.utc),
            '"2013-01-02T03:00:00.000000Z"',
        ),
        (pl.Datetime("us"), datetime(2013, 1, 2, 3), '"2013-01-02T03:00:00.000000"'),
        (pl.Time(), time(3, 4), '"03:04:00.000000"'),
        (pl.Duration("ms"), timedelta(seconds=1), "1000000"),
        (pl.Binary(), b"\xff\x00", f'"{base64.b64encode(bytes([255, 0])).decode()}"'),
        (pl.Decimal(10, 2), Decimal("1.50"), "1.50"),
        (pl.List(pl.Float64()), [1.5, None, math.nan], '[1.5,null,"NaN"]'),
        (pl.List(pl.Int64()), [], "[]"),
        (pl.Struct({"a": pl.Int64(), "b": pl.String()}), {"a": 1, "b": None}, '{"a":1,"b":null}'),
        (pl.Null(), None, "null"),
    ],
)
def test_a_value_is_written_as_readers_of_json_know_it(dtype: pl.DataType, value: object, text: str) -> None:
    assert texts_of(pl.Series("x", [value], dtype)) == [text.encode()]


@LAW
@given(data=st.data(), names=st.lists(st.sampled_from(sorted(SCALARS)), max_size=4, unique=True))
def test_a_row_is_the_inside_of_an_array_and_splits_into_its_values(data: st.DataObject, names: list[str]) -> None:
    height = data.draw(st.integers(0, 3))
    schema = {name: SCALARS[name][0] for name in names}
    columns = {
        name: data.draw(st.lists(SCALARS[name][1] | st.none(), min_size=height, max_size=height)) for name in names
    }
    frame = pl.DataFrame(columns, schema=schema).with_columns(fp_row=pl.lit(0))

    rows = [text.encode() for text in frame.select(fp_text=pl.lit("") + row_text(schema)).to_series() if height]
    expected = list(zip(*(texts_of(frame[name]) for name in names), strict=True)) or [()] * len(rows)
    for row, texts in zip(rows, expected, strict=True):
        assert (row.split(BETWEEN) if names else []) == list(texts)
        assert len(json.loads(b"[" + row + b"]")) == len(names)


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(WrongColumnType, match="x"):
        json_text(pl.col("x"), pl.Object(), "x")


def test_few_values_are_written_as_many_are() -> None:
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    texts = ["".join(characters[start : start + 2_000]) for start in range(0, len(characters), 2_000)]
    odd = [0.0, -0.0, 5e-324, 1e16, -1e-7, 1.7976931348623157e308, math.nan, -math.nan, math.inf, -math.inf, None, 0.1]
    few = [
        pl.Series("x", [*texts, None]),
        pl.Series("x", odd, pl.Float64),
        pl.Series("x", odd, pl.Float64).cast(pl.Float32),
        pl.Series("x", [-(2**63), 2**63 - 1, None]),
        pl.Series("x", [True, False, None]),
    ]
    for values in few:
        written = json_text(pl.col("x"), values.dtype, "x").fill_null("null")
        in_bulk = values.to_frame().select(written).to_series().cast(pl.Binary).to_list()
        assert list(texts_of(values)) == in_bulk
