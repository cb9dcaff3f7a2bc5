"""Fitted statistics: what a gap would be filled with after the last row, in types that survive as text."""

import math
from datetime import UTC as ZONE
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

from feature_platform.compute.transforms.fitted import SCHEMA, fitted_statistics, values_of
from feature_platform.compute.transforms.impute import impute
from feature_platform.compute.transforms.typed_text import as_text, from_text, type_of, type_text
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import MissingColumns, UnknownName, WrongColumnType
from feature_platform.parts.imputation import Impute
from feature_platform_tests.compute.drawn import DRAWN, HOURS, KEYS, VALUES, day, drawn_rows, frame

ROWS = {"by": pl.String, "t": UTC, "x": pl.Float64}
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize("by", [None, "by"])
@pytest.mark.parametrize("kind", ["forward_fill", "mean", "median", "mode"])
@DRAWN
@given(rows=drawn_rows(KEYS, HOURS, VALUES, max_size=20))
def test_statistics_are_what_fills_a_gap_one_microsecond_after_the_last_row(kind, by, rows):
    given_frame, rules = frame(rows, **ROWS), {"x": getattr(Impute, kind)(by=by)}
    statistics = fitted_statistics(given_frame, rules, time="t")
    last = given_frame.select(pl.col("t").max()).item()
    if last is None:
        assert statistics.is_empty()
        return
    groups = given_frame["by"].unique().to_list() if by else [None]
    gaps = frame([(group, None, None) for group in groups], **ROWS).with_columns(t=pl.lit(last + MICROSECOND))
    filled = impute(pl.concat([given_frame, gaps]), rules, time="t").collect().tail(len(groups))
    wanted = {group: x for group, x in filled.select("by", "x").rows() if x is not None}
    found = values_of(statistics, "x").select(pl.col(by) if by else pl.lit(None), "value") if len(statistics) else None
    learnt = dict(found.rows()) if found is not None else {}
    assert set(learnt) == set(wanted)
    assert all(learnt[group] == x or (math.isnan(learnt[group]) and math.isnan(x)) for group, x in wanted.items())
    assert statistics["as_of"].unique().to_list() in ([], [last])


def test_statistics_say_by_which_rule_and_from_how_many_values_they_were_learnt():
    rows = pl.DataFrame({"t": [day(1), day(2), day(3)], "g": ["A", "B", "A"], "x": [4, None, 7], "y": ["a", "a", None]})
    rules = {"x": Impute.mean(by="g"), "y": Impute.mode(), "t": Impute.constant(day(1))}

    found = fitted_statistics(rows, rules, time="t")

    assert found.schema == SCHEMA
    assert found.rows() == [
        ("x", "Mean(flag=False, by='g')", "g", "String", "A", "Float64", "5.5", 2, day(3)),
        ("y", "Mode(flag=False, by=None)", None, None, None, "String", "a", 2, day(3)),
    ]


def test_a_null_group_is_told_apart_from_no_groups():
    rows = pl.DataFrame({"t": [day(1)], "g": pl.Series([None], dtype=pl.String), "x": [4.0]})
    found = fitted_statistics(rows, {"x": Impute.mean(by="g")}, time="t")
    assert values_of(found, "x").to_dict(as_series=False) == {"g": [None], "value": [4.0]}


def test_nothing_learnt_is_no_row():
    rows = pl.DataFrame({"t": pl.Series([None, day(1)], dtype=UTC), "x": [4.0, None]})
    for given_frame in (rows, rows.clear()):
        assert fitted_statistics(given_frame, {"x": Impute.mean()}, time="t").is_empty()
    with pytest.raises(UnknownName, match="`x`"):
        values_of(fitted_statistics(rows, {"x": Impute.mean()}, time="t"), "x")


def test_mistakes_are_named():
    with pytest.raises(MissingColumns, match="`x`"):
        fitted_statistics(pl.DataFrame({"t": [day(1)]}), {"x": Impute.mean()}, time="t")


# ---------------------------------------------------------------- text

SERIES = [
    pl.Series([0.1, math.nan, -math.inf, None, 5e-324, 1.7976931348623157e308]),
    pl.Series([0.1, 3.4e38, math.nan], dtype=pl.Float32),
    pl.Series([-(2**63), 2**63 - 1, None]),
    pl.Series([2**64 - 1], dtype=pl.UInt64),
    pl.Series([2**100], dtype=pl.Int128),
    pl.Series([True, False, None]),
    pl.Series(["", '\n"{é}', None]),
    pl.Series([b"\x00\xff", b"", None]),
    pl.Series([date(1, 1, 1), date(2013, 3, 1), None]),
    pl.Series([time(23, 59, 59, 999_999)]),
    pl.Series([datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=ZONE), None]),
    pl.Series([datetime(2013, 3, 1)], dtype=pl.Datetime("ns")),
    pl.Series([timedelta(days=-1, microseconds=1)]),
    pl.Series([Decimal("-99999999999999999999.01"), None], dtype=pl.Decimal(30, 2)),
    pl.Series([None], dtype=pl.Null),
    pl.Series([[1.5, math.nan, None], [], None]),
    pl.Series([[datetime(2013, 3, 1, tzinfo=ZONE)], None]),
    pl.Series([{"a": 1, "b, c: d": ["x", None]}, None, {"a": None, "b, c: d": None}]),
]


@pytest.mark.parametrize("values", SERIES, ids=lambda values: str(values.dtype))
def test_values_of_any_type_survive_as_text(values):
    found = from_text(as_text(values), type_of(type_text(values.dtype)))
    assert_series_equal(found, values, check_exact=True)
    assert as_text(values).null_count() == values.null_count()


@DRAWN
@given(st.lists(st.one_of(st.none(), st.floats()), max_size=20), st.sampled_from([pl.Float64(), pl.Float32()]))
def test_every_float_survives_as_text(values, dtype):
    series = pl.Series(values, dtype=pl.Float64).cast(dtype)
    assert_series_equal(from_text(as_text(series), dtype), series, check_exact=True)


def test_categories_come_back_as_their_text_and_arrays_as_lists():
    for dtype in (pl.Categorical(), pl.Enum(["a"])):
        assert type_of(type_text(dtype)) == pl.String
        assert as_text(pl.Series(["a", None], dtype=dtype)).to_list() == ["a", None]
    array = pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2))
    found = from_text(as_text(array), type_of(type_text(array.dtype)))
    assert_series_equal(found, array.cast(pl.List(pl.Int64)))


@pytest.mark.parametrize("dtype", [pl.List(pl.Binary), pl.Struct({"a": pl.Binary}), pl.Object()])
def test_what_has_no_text_is_refused(dtype):
    with pytest.raises(WrongColumnType, match="Cast it"):
        type_text(dtype)


@pytest.mark.parametrize("groups", [each for each in SERIES if each.dtype != pl.Null], ids=lambda each: str(each.dtype))
def test_groups_of_any_type_survive(groups):
    rows = pl.DataFrame({"t": [day(1)] * len(groups), "g": groups, "x": [float(n) for n in range(len(groups))]})
    found = values_of(fitted_statistics(rows, {"x": Impute.forward_fill(by="g")}, time="t"), "x")
    assert_frame_equal(found.sort("value"), rows.select("g", value="x"))
