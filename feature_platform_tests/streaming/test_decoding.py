"""JSON messages: each value as it was sent, or the message refused with the place of the fault, and no value."""

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.streaming.decoding import JsonDecoder

MOMENT = pl.Datetime("us", "UTC")


def decode(dtype: pl.DataType, text: str, extra: str = "ignore") -> tuple[object, str | None]:
    """What a field `a` of one message becomes."""
    rows, reasons = JsonDecoder({"a": dtype}, extra).decode([text.encode()])  # type: ignore[arg-type]
    return rows["a"][0], reasons[0]


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        (pl.Int64(), "9223372036854775807", 2**63 - 1),
        (pl.UInt64(), "18446744073709551615", 2**64 - 1),
        (pl.Int8(), "-128", -128),
        (pl.Float64(), "3", 3.0),
        (pl.Float64(), "1e-3", 0.001),
        (pl.String(), '"\\u00f8"', "ø"),
        (pl.Boolean(), "true", True),
        (pl.Date(), '"2024-02-29"', date(2024, 2, 29)),
        (MOMENT, '"2024-05-01T10:00:00.5+02:00"', datetime(2024, 5, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        (pl.Datetime("ms", "UTC"), '"2024-05-01T10:00:00Z"', datetime(2024, 5, 1, 10, tzinfo=UTC)),
        (pl.Struct({"id": pl.Int64}), '{"id": 3, "more": 1}', {"id": 3}),
        (pl.Struct({"id": pl.Int64}), "{}", {"id": None}),
        (pl.List(pl.Date()), '["2024-02-29", null]', [date(2024, 2, 29), None]),
        (pl.List(pl.Struct({"b c": pl.String})), '[{"b c": "x"}]', [{"b c": "x"}]),
        (pl.String(), "null", None),
    ],
    ids=str,
)
def test_a_value_is_what_was_sent(dtype: pl.DataType, text: str, value: object) -> None:
    found, reason = decode(dtype, f'{{"a": {text}}}')
    assert reason is None
    assert (found.to_list() if isinstance(found, pl.Series) else found) == value


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        (pl.Int64(), "9223372036854775808"),
        (pl.Int64(), "1.5"),
        (pl.Int64(), '"1"'),
        (pl.Int8(), "128"),
        (pl.UInt8(), "-1"),
        (pl.Float64(), "NaN"),
        (pl.Float64(), "1e400"),
        (pl.Boolean(), "1"),
        (pl.String(), "5"),
        (pl.Date(), '"2023-02-29"'),
        (MOMENT, '"2024-05-01T10:00:00"'),
        (MOMENT, "1714557600"),
        (pl.Struct({"id": pl.Int64}), '{"id": "x"}'),
        (pl.List(pl.Int64()), "3"),
    ],
    ids=str,
)
def test_a_value_that_would_change_is_refused(dtype: pl.DataType, text: str) -> None:
    found, reason = decode(dtype, f'{{"a": {text}}}')
    assert found is None
    assert reason is not None


@pytest.mark.parametrize("text", ["", "[1]", "5", "{", '{"a": 1} x'])
def test_what_is_no_object_is_refused(text: str) -> None:
    assert decode(pl.Int64(), text)[1] is not None


def test_fields_without_a_name_in_the_schema_are_left_out_or_refused() -> None:
    assert decode(pl.Int64(), '{"a": 1, "b": 2}') == (1, None)
    assert decode(pl.Int64(), '{"a": 1, "b": 2}', "refuse") == (None, "Object contains unknown field `b`")
    inner = pl.Struct({"x": pl.Int64})
    assert decode(inner, '{"a": {"x": 1, "y": 2}}', "refuse")[1] == "Object contains unknown field `y` - at `$.a`"


def test_very_deep_messages_are_refused() -> None:
    assert decode(pl.Int64(), '{"b": ' + "[" * 100_000 + "]" * 100_000 + ', "a": 1}')[1] is not None


VALUES: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "n": (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "x": (pl.Float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "s": (pl.String(), st.text(st.characters(codec="utf-8"))),
    "b": (pl.Boolean(), st.booleans()),
    "l": (pl.List(pl.Int64()), st.lists(st.integers(-9, 9))),
}


@given(st.lists(st.fixed_dictionaries({}, optional={name: st.none() | values for name, (_, values) in VALUES.items()})))
def test_any_objects_come_back(objects: list[dict[str, Any]]) -> None:
    decoder = JsonDecoder({name: dtype for name, (dtype, _) in VALUES.items()}, "refuse")
    rows, reasons = decoder.decode([json.dumps(each).encode() for each in objects])
    assert reasons == [None] * len(objects)
    assert rows.to_dicts() == [{name: each.get(name) for name in VALUES} for each in objects]
