"""Pushed rows: wholly what the source stores or refused, and the same as a delivered row when equal in all columns."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.pushed import convert_push, rows_also_pushed, undelivered_rows
from feature_platform.ground.errors import PushRefused

TIME = pl.Datetime("us", "UTC")
NOW = datetime(2024, 1, 2, tzinfo=UTC)
STORED = pl.Schema({"k": pl.String(), "at": TIME, "x": pl.Int32()})
SOURCE = fp.Source("orders", fp.sources.Frame(pl.DataFrame()), event_time="at")
KNOWN = fp.Source("orders", fp.sources.Frame(pl.DataFrame()), event_time="at", known_at="seen")


def checked(stored=STORED, source=SOURCE, **columns):
    return convert_push(source, pl.Schema(stored), pl.DataFrame(columns), NOW)


def one(value, dtype):
    """A value as it is stored in a column of a type."""
    stored = {"at": TIME, "v": dtype}
    return checked(stored, at=[NOW], v=value if isinstance(value, pl.Series) else [value])["v"]


def test_rows_are_put_as_they_are_stored() -> None:
    rows = checked(x=[1, None], at=["2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.5Z"], k=["a", None])
    half = datetime(2024, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    wanted = [("a", datetime(2024, 1, 1, tzinfo=UTC), 1), (None, half, None)]
    assert_frame_equal(rows, pl.DataFrame(wanted, schema=STORED, orient="row"))


@pytest.mark.parametrize(
    ("given_", "dtype", "kept"),
    [
        (4, pl.Float64(), 4.0),
        (4.0, pl.Int64(), 4),
        (4, pl.Int8(), 4),
        (0.1, pl.Float32(), 0.10000000149011612),
        (float("inf"), pl.Float32(), float("inf")),
        (1, pl.Decimal(10, 2), Decimal(1)),
        ("2024-01-01", pl.Date(), date(2024, 1, 1)),
        ("2024-01-01T09:00:00", pl.Datetime("us"), datetime(2024, 1, 1, 9)),
        (datetime(2024, 1, 1, 9), pl.Datetime("us"), datetime(2024, 1, 1, 9)),
        (datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), TIME, datetime(2024, 1, 1, tzinfo=UTC)),
        (pl.Series(["a"], dtype=pl.Categorical), pl.String(), "a"),
        (None, pl.List(pl.Int64), None),
        ([1, None], pl.List(pl.Float64), [1.0, None]),
        ([0.1], pl.List(pl.Float32), [0.10000000149011612]),
        ([], pl.List(pl.String), []),
        ({"b": 1, "a": None}, pl.Struct({"a": pl.String, "b": pl.Float64}), {"a": None, "b": 1.0}),
    ],
    ids=str,
)
def test_values_are_converted_where_nothing_is_lost(given_, dtype, kept) -> None:
    found = one(given_, dtype)
    assert found.dtype == dtype
    assert found.to_list() == [kept]


@pytest.mark.parametrize(
    ("given_", "dtype"),
    [
        (1.5, pl.Int64()),
        (float("nan"), pl.Int64()),
        (300, pl.Int8()),
        (2**53 + 1, pl.Float64()),
        (2**63 - 1, pl.Float64()),
        (1e300, pl.Float32()),
        (0.125, pl.Decimal(10, 2)),
        (True, pl.Int64()),
        (1, pl.Boolean()),
        ("1", pl.Int64()),
        (1, pl.String()),
        ("a", pl.Binary()),
        ("yesterday", TIME),
        ("2024-01-01T00:00:00", TIME),
        ("2024-01-01", TIME),
        (datetime(2024, 1, 1), TIME),
        (date(2024, 1, 1), TIME),
        (0, TIME),
        ("2024-01-01T00:00:00Z", pl.Datetime("us")),
        ("2024-02-30", pl.Date()),
        ([1.5], pl.List(pl.Int64)),
        (["1"], pl.List(pl.Int64)),
        (1, pl.List(pl.Int64)),
        ({"a": 1}, pl.Struct({"a": pl.Int64, "b": pl.Int64})),
        ({"a": 1, "c": 1}, pl.Struct({"a": pl.Int64, "b": pl.Int64})),
    ],
    ids=str,
)
def test_a_value_that_would_change_is_refused_and_not_shown(given_, dtype) -> None:
    with pytest.raises(PushRefused, match="A push to source `orders` is refused: column `v`") as error:
        one(given_, dtype)
    assert "yesterday" not in str(error.value)
    assert "300" not in str(error.value)


def test_the_row_that_is_refused_is_named() -> None:
    with pytest.raises(PushRefused, match=r"column `x` cannot be stored as it is in row 2 \(the first is row 0\)"):
        checked(k=["a", "b", "c"], at=[NOW] * 3, x=[1, 2, 2**40])


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (
            {"k": ["a"], "at": [NOW], "x": [1], "y": [1]},
            "column `y` is not a column of the source. Send `k`, `at`, `x`",
        ),
        ({"at": [NOW]}, r"it lacks the column\(s\) `k`, `x`. Send null where there is no value"),
        ({"k": ["a", "b"], "at": [NOW, None], "x": [1, 2]}, "column `at` is null in row 1"),
        ({"k": [], "at": [], "x": []}, "it has no rows"),
    ],
)
def test_a_push_of_other_columns_is_refused(columns, found) -> None:
    with pytest.raises(PushRefused, match=found):
        checked(**columns)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (None, NOW),
        (NOW - timedelta(days=1), NOW),
        (NOW, NOW),
        (NOW + timedelta(days=1), NOW + timedelta(days=1)),
    ],
)
def test_a_row_is_known_when_it_arrived_or_later_when_it_says_so(said, kept) -> None:
    stored = {"at": TIME, "seen": TIME}
    assert checked(stored, KNOWN, at=[NOW], seen=[said])["seen"].to_list() == [kept]


def test_a_known_at_that_is_left_out_is_the_arrival() -> None:
    rows = checked({"seen": TIME, "at": TIME}, KNOWN, at=[NOW - timedelta(days=3)])
    assert rows.columns == ["seen", "at"]
    assert rows["seen"].to_list() == [NOW]


def test_a_source_without_event_time_takes_any_row() -> None:
    facts = fp.Source("facts", fp.sources.Frame(pl.DataFrame()))
    assert checked({"k": pl.String(), "x": pl.Int64()}, facts, x=[None], k=["a"]).rows() == [("a", None)]


# ---------------------------------------------------------------- what was delivered

VALUES = st.one_of(st.none(), st.sampled_from([float("nan"), 0.0, -0.0, 1.5]))
LISTS = st.one_of(st.none(), st.lists(st.sampled_from([None, 1, 2]), max_size=2))
FRAMES = st.lists(st.tuples(VALUES, st.sampled_from([None, "a"]), LISTS), max_size=8)


def frame(rows) -> pl.DataFrame:
    schema: dict[str, Any] = {"v": pl.Float64, "k": pl.String, "l": pl.List(pl.Int64)}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(id=pl.int_range(pl.len()))


def counted(rows) -> Counter:
    """How often each row is there, by a text in which null is null, NaN is NaN and minus zero is zero."""
    return Counter(repr((v if v is None or v != v else v + 0.0, k, lst)) for v, k, lst in rows)


@given(FRAMES, FRAMES)
def test_together_there_are_as_many_of_a_row_as_on_the_side_that_has_more(pushed, delivered) -> None:
    columns = ["v", "k", "l"]
    rest = undelivered_rows(frame(pushed), frame(delivered), columns)
    assert counted([*delivered, *rest.select(columns).rows()]) == counted(pushed) | counted(delivered)
    assert rest["id"].is_sorted()
    seen = rows_also_pushed(frame(delivered), frame(pushed), columns)
    assert_frame_equal(undelivered_rows(frame(pushed), seen, columns), rest)
