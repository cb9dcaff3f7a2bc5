"""The kernels of what gives lists, modes and shapes: over every range they say what `over` says of its events."""

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.windows import hot_keys, list_values, ragged
from feature_platform.compute.windows.ends_of_ranges import BlocksOfLargest, ends_over
from feature_platform.compute.windows.frequencies import frequencies_over
from feature_platform.compute.windows.largest import largest_over
from feature_platform.compute.windows.list_values import cut_into_lists, replace_at
from feature_platform.compute.windows.skewness import shapes_over
from feature_platform.parts.aggregations import BottomK, FirstN, Histogram, Kurtosis, LastN, Mode, Skew, Sum, TopK
from feature_platform_tests.compute.catalogue import of_a_user
from feature_platform_tests.compute.drawn import DRAWN, drawn
from feature_platform_tests.compute.windows.ranges import ANY_FLOAT, line_of, ranges_of

ANY = ["1d"]
ENDS = [LastN("x", 2, windows=ANY), FirstN("x", 2, windows=ANY)]
DISTINCT = [LastN("x", 2, distinct=True, windows=ANY), FirstN("x", 2, distinct=True, windows=ANY)]
FREQUENT = [Mode("x", windows=ANY), Histogram("x", 2, windows=ANY)]
RANKED = [TopK("x", 2, windows=ANY), BottomK("x", 2, windows=ANY)]
SHAPES = [Skew("x", windows=ANY), Kurtosis("x", windows=ANY)]
PLAIN = {
    pl.Boolean(): [True, False, None, True],
    pl.Int8(): [-128, 127, None, 127, 0],
    pl.UInt64(): [2**64 - 1, 0, None, 2**64 - 1, 2**63],
    pl.Int64(): [-(2**63), 2**63 - 1, None, 2**53 + 1, 2**53],
    pl.Int128(): [2**100, 0, None, 2**100, -1],
    pl.Decimal(10, 2): [Decimal("1.50"), Decimal("1.5"), None, Decimal("-2.25")],
    pl.Float32(): [0.0, -0.0, None, float("nan"), -float("nan"), 1.5],
    pl.Date(): [date(2013, 3, 1), date(1969, 3, 2), None, date(2013, 3, 1)],
    pl.Time(): [time(1), time(23), None, time(1)],
    pl.Duration("ms"): [timedelta(days=-1), timedelta(0), None, timedelta(days=1)],
    pl.Datetime("ns", "UTC"): [datetime(2013, 3, n, tzinfo=timezone.utc) for n in (1, 2)] + [None] * 2,
    pl.Datetime("us", "UTC"): [datetime(2013, 3, n, tzinfo=timezone.utc) for n in (2, 1, 2)] + [None],
}
NAMED = {
    pl.String(): ["é", "航", None, "é", ""],
    pl.Categorical(): ["é", "航", None, "é", ""],
    pl.Enum(["é", "航"]): ["é", "航", None, "é"],
}
NESTED = {
    pl.List(pl.Int64()): [[1], None, [], [None, 2]],
    pl.Struct({"a": pl.Int64(), "b": pl.String()}): [{"a": 1, "b": "x"}, None, {"a": None, "b": None}],
    pl.Binary(): [b"\x00\xff", None, b""],
}
CASES = [
    *((each, dtype, values) for each in [*ENDS, *DISTINCT, *FREQUENT] for dtype, values in (PLAIN | NAMED).items()),
    *((each, dtype, values) for each in ENDS for dtype, values in NESTED.items()),
    *((each, dtype, values) for each in RANKED for dtype, values in PLAIN.items()),
]


@pytest.fixture(params=["as it comes", "hot", "in chunks of two", "many lists"])
def way(request, monkeypatch):
    if request.param == "hot":
        monkeypatch.setattr(hot_keys, "LONG", 1)
        monkeypatch.setattr(hot_keys, "WORTH", 0)
    if request.param == "in chunks of two":
        monkeypatch.setattr(ragged, "AT_ONCE", 2)
    if request.param == "many lists":
        monkeypatch.setattr(list_values, "_FEW", 0)


def over_ranges(aggregation, line, low, high) -> Any:
    return (
        ends_over(aggregation, line)
        or largest_over(aggregation, line, low, high)
        or frequencies_over(aggregation, line)
        or shapes_over(aggregation, line)
    )


def compared(aggregation, line, low, high):
    """The kernel says what `over` says, signs of zeros too; shapes within what rounding does."""
    over = over_ranges(aggregation, line, low, high)
    assert over is not None
    found, wanted = over(low, high), defined(aggregation, line, low, high)
    assert found.dtype == wanted.dtype
    if isinstance(aggregation, (Skew, Kurtosis)):
        assert found.is_null().equals(wanted.is_null())
        assert found.drop_nulls().to_list() == pytest.approx(wanted.drop_nulls().to_list(), 1e-9, 1e-9, nan_ok=True)
    else:
        assert str(found.to_list()) == str(wanted.to_list()), aggregation


def defined(aggregation, line, low, high):
    over = aggregation.over(line.events.schema)
    pairs = zip(low.tolist(), high.tolist(), strict=True)
    return pl.concat(line.events[i:j].select(over).to_series() for i, j in pairs)


# ---------------------------------------------------------------- laws


@pytest.mark.usefixtures("way")
@drawn(30)
@given(st.lists(st.tuples(st.sampled_from([1, 1, 1, 2, 3]), ANY_FLOAT), max_size=20))
def test_every_kernel_says_what_the_definition_says_of_the_range(rows):
    rows.sort(key=lambda row: row[0])
    line = line_of([value for _, value in rows], keys=[key for key, _ in rows])
    low, high = ranges_of(rows)
    inside = np.array([len({key for key, _ in rows[i:j]}) < 2 for i, j in zip(low, high, strict=True)])
    for aggregation in (*ENDS, *DISTINCT, *FREQUENT, *RANKED, *SHAPES):
        compared(aggregation, line, low[inside], high[inside])


NUMBERS = st.lists(st.integers(0, 30), max_size=700)


@DRAWN
@given(NUMBERS, st.integers(1, 5), st.lists(st.tuples(st.integers(0, 700), st.integers(0, 700)), max_size=20))
def test_blocks_find_the_last_numbers_that_reach_the_end_of_a_range(numbers, most, ranges):
    low = np.array([min(low, len(numbers)) for low, _ in ranges], dtype=np.int64)
    high = np.array([min(start + size, len(numbers)) for start, (_, size) in zip(low, ranges, strict=True)], dtype=int)
    scaled = [number * 25 for number in numbers]
    owners, places = BlocksOfLargest(np.array(scaled, dtype=np.int64)).last_reaching(low, high, most)
    for owner, (i, j) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        wanted = [place for place in reversed(range(i, j)) if scaled[place] >= j][:most]
        assert places[owners == owner].tolist() == wanted


# ---------------------------------------------------------------- literal cases


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("aggregation", "dtype", "values"), CASES, ids=lambda each: str(each)[:40])
def test_lists_and_modes_are_of_any_type_that_the_definition_takes(aggregation, dtype, values):
    line, (low, high) = line_of(values, dtype), ranges_of(values)
    compared(aggregation, line, low, high)


def test_a_hot_key_is_answered_as_its_windows_gathered():
    values = np.random.default_rng(0).integers(0, 300, 5_300).astype(np.float64)
    line = line_of(values, keys=[1] * 200 + [2] * 5_000 + [3] * 100)
    low = np.concatenate([np.arange(0, 100), np.arange(200, 2_200), np.arange(5_200, 5_250)])
    high = np.concatenate([np.arange(100, 200), np.arange(3_200, 5_200), np.full(50, 5_300)])
    some = np.arange(0, len(low), 40)
    for aggregation in (*ENDS, *DISTINCT, *FREQUENT, *RANKED, LastN("x", 1000, distinct=True, windows=ANY)):
        over = over_ranges(aggregation, line, low, high)
        assert str(over(low, high)[some].to_list()) == str(defined(aggregation, line, low[some], high[some]).to_list())
    ranked: Any = largest_over(RANKED[0], line, low, high)
    assert len(ranked.__self__.hot.rows) == 5_000


@pytest.mark.parametrize("size", [3, 4, 7, 8, 9, 31, 33, 129, 1_000])
def test_a_shape_has_the_bits_that_it_has_alone_whatever_lies_beside_its_range(size):
    values = np.random.default_rng(size).lognormal(3, 1, 3_000)
    line = line_of(values)
    low = np.append(np.arange(0, 1_000, 7), [0, 5, 9])
    high = np.append(low[:-3] + size, [3_000, 2_500, 9])
    for aggregation in SHAPES:
        together = over_ranges(aggregation, line, low, high)(low, high)
        for i, (start, end) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
            mixed = np.random.default_rng(i).permutation(values[start:end])
            ends = np.array([0]), np.array([end - start])
            alone = over_ranges(aggregation, line_of(mixed), *ends)(*ends)
            assert alone.to_list() == [together[i]]


def test_shapes_at_the_ends_of_what_floats_hold():
    for values in ([0.0, 0.0, 5e-324, 0.0], [-1.7e308, 1.7e308, 1.7e308, 1.7e308], [1e16, 1e16 + 2, 1e16, 1e16]):
        line, ends = line_of(values), (np.array([0]), np.array([4]))
        for aggregation, wanted in zip(SHAPES, (2 / 3**0.5, -2 / 3), strict=True):
            found = over_ranges(aggregation, line, *ends)(*ends)[0]
            assert abs(found) == pytest.approx(abs(wanted), 1e-12)
            compared(aggregation, line, *ends)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_shape_is_nan_where_a_value_is_no_finite_number_also_where_all_are_equal(value):
    ends = np.array([0, 0, 3]), np.array([2, 4, 7])
    line = line_of([value] * 4 + [1.0] * 3)
    for aggregation in SHAPES:
        found = over_ranges(aggregation, line, *ends)(*ends).to_list()
        assert str(found) == "[None, nan, nan]"
        compared(aggregation, line, *ends)


def test_many_values_are_asked_of_tiny_ranges_without_room_for_them_all():
    line, ends = line_of([float(n) for n in range(50_000)]), np.arange(50_000)
    distinct = [kind("x", 1000, distinct=True, windows=ANY) for kind in (LastN, FirstN)]
    for aggregation in (LastN("x", 1000, windows=ANY), *distinct, TopK("x", 1000, windows=ANY)):
        found = over_ranges(aggregation, line, ends, ends + 1)(ends, ends + 1)
        assert found.list.len().unique().to_list() == [1]


@pytest.mark.parametrize("few", [0, 200])
def test_values_are_cut_into_lists_and_lists_are_replaced(few, monkeypatch):
    monkeypatch.setattr(list_values, "_FEW", few)
    cases: dict[Any, Any] = PLAIN | NAMED | NESTED
    for dtype, values in cases.items():
        flat = pl.Series(values[:3], dtype=dtype)
        lists = cut_into_lists(flat, np.array([0, 2, 0, 1, 0]))
        assert lists.dtype == pl.List(dtype)
        assert lists.to_list() == [None, flat.to_list()[:2], None, flat.to_list()[2:], None]
        replaced = replace_at(lists, np.array([0, 3]), lists[[1, 2]])
        assert replaced.to_list() == [*lists.to_list()[1:2], *lists.to_list()[1:3], None, None]
        assert cut_into_lists(flat[:0], np.zeros(0, dtype=np.int64)).dtype == pl.List(dtype)


def test_nested_values_and_users_aggregations_are_left_to_the_gather():
    rows = np.array([0]), np.array([1])
    for aggregation in (*DISTINCT, *FREQUENT):
        assert over_ranges(aggregation, line_of([b""], pl.Binary), *rows) is None
    for aggregation in (*ENDS, *DISTINCT, *FREQUENT, *RANKED, *SHAPES):
        assert (
            over_ranges(of_a_user(aggregation.__class__(*arguments(aggregation), windows=ANY)), line_of([1.0]), *rows)
            is None
        )
    assert over_ranges(Sum("x", windows=ANY), line_of([1.0]), *rows) is None
    assert largest_over(RANKED[0], line_of([None], pl.Null), *rows) is None


def arguments(aggregation):
    return aggregation.arguments()[:2]
