from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.windows import hot_keys, ragged
from feature_platform.compute.windows.hot_keys import HotKeys
from feature_platform.compute.windows.ranks import ranks_over
from feature_platform.compute.windows.sorted_ranges import sorted_rows
from feature_platform.compute.windows.wavelet import WaveletMatrix
from feature_platform.parts.aggregations import CountDistinct, Quantile, Sum
from feature_platform_tests.compute.catalogue import of_a_user
from feature_platform_tests.compute.drawn import DRAWN
from feature_platform_tests.compute.windows.ranges import ANY_FLOAT, line_of, ranges_of

ANY = ["1d"]
SOME = {
    pl.String(): ["é", "航", None, "é", ""],
    pl.Categorical(): ["é", "航", None, "é", ""],
    pl.Enum(["é", "航"]): ["é", "航", None, "é"],
    pl.Boolean(): [True, False, None, True],
    pl.Int8(): [-128, 127, None, 127, 0],
    pl.UInt64(): [2**64 - 1, 0, None, 2**64 - 1],
    pl.Int128(): [2**100, 0, None, 2**100],
    pl.Decimal(10, 2): [Decimal("1.50"), Decimal("1.5"), None],
    pl.Float32(): [0.0, -0.0, None, float("nan"), -float("nan")],
    pl.Date(): [date(2013, 3, 1), date(2013, 3, 2), None, date(2013, 3, 1)],
}


@pytest.fixture(params=["sorted", "hot", "sorted in chunks of two"])
def way(request, monkeypatch):
    if request.param == "hot":
        monkeypatch.setattr(hot_keys, "LONG", 1)
        monkeypatch.setattr(hot_keys, "WORTH", 0)
    if request.param == "sorted in chunks of two":
        monkeypatch.setattr(ragged, "AT_ONCE", 2)


def compared(aggregation, line, low, high):
    over_ranges = ranks_over(aggregation, line, low, high)
    assert over_ranges is not None
    found = over_ranges(low, high)
    over = aggregation.over(line.events.schema)
    wanted = pl.concat(
        line.events[i:j].select(over).to_series() for i, j in zip(low.tolist(), high.tolist(), strict=True)
    )
    assert found.dtype == wanted.dtype
    assert found.is_null().equals(wanted.is_null())
    for value, other in zip(found.drop_nulls(), wanted.drop_nulls(), strict=True):
        assert value == pytest.approx(other, rel=1e-12, abs=0, nan_ok=True)


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("long", [1, 3, hot_keys.LONG])
@DRAWN
@given(st.lists(st.tuples(st.sampled_from([1, 1, 1, 2, 3]), ANY_FLOAT), max_size=30), st.sampled_from([0, 0.3, 0.5, 1]))
def test_quantiles_and_distinct_counts_are_those_of_the_range_gathered(long, rows, q):
    rows.sort(key=lambda row: row[0])
    line = line_of([value for _, value in rows], keys=[key for key, _ in rows])
    low, high = ranges_of(rows)
    inside = np.array([len({key for key, _ in rows[i:j]}) < 2 for i, j in zip(low, high, strict=True)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hot_keys, "LONG", long)
        patch.setattr(hot_keys, "WORTH", 1 if long > 1 else 0)
        for aggregation in (Quantile("x", q, windows=ANY), CountDistinct("x", windows=ANY)):
            compared(aggregation, line, low[inside], high[inside])


NUMBERS = st.lists(st.integers(0, 70), max_size=150)


@DRAWN
@given(NUMBERS, st.integers(0, 200))
def test_a_wavelet_matrix_answers_as_a_sorted_range_does(numbers, bound):
    matrix, (low, high) = WaveletMatrix(np.array(numbers, dtype=np.int64)), ranges_of(numbers)
    low, high = low[:: max(len(low) // 100, 1)], high[:: max(len(high) // 100, 1)]
    below = matrix.below(low, high, np.full(len(low), bound))
    assert below.tolist() == [sum(n < bound for n in numbers[i:j]) for i, j in zip(low, high, strict=True)]
    low, high = low[high > low], high[high > low]
    for share in (0, 0.5, 1):
        place = ((high - low - 1) * share).astype(np.int64)
        wanted = [sorted(numbers[i:j])[k] for i, j, k in zip(low, high, place, strict=True)]
        assert matrix.smallest(low, high, place).tolist() == wanted


@DRAWN
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 300)), max_size=20), st.sampled_from([2, 1_000_000]))
def test_ranges_are_sorted_each_once_and_in_bounded_chunks(ranges, at_once):
    values = np.random.default_rng(0).permutation(800)
    low = np.array([low for low, _ in ranges], dtype=np.int64)
    sizes = np.array([size for _, size in ranges], dtype=np.int64)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged, "AT_ONCE", at_once)
        for asked, rows, counts in sorted_rows(values, low, low + sizes):
            assert rows.size <= max(2 * at_once, rows.shape[1])
            for place, row, count in zip(asked, rows, counts, strict=True):
                assert row[:count].tolist() == sorted(values[low[place] : low[place] + sizes[place]].tolist())
                assert len(row) <= count * 9 / 8
            seen += asked.tolist()
    assert sorted(seen) == np.flatnonzero(sizes).tolist()


# ---------------------------------------------------------------- literal cases


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", SOME, ids=str)
def test_values_of_any_plain_type_are_told_apart_as_polars_does(dtype):
    line, (low, high) = line_of(SOME[dtype], dtype), ranges_of(SOME[dtype])
    compared(CountDistinct("x", windows=ANY), line, low, high)


def test_one_key_with_most_events_and_long_windows_is_hot_and_others_are_not():
    starts = np.array([0, 10_000, 10_100])
    low, high = np.append(np.zeros(200, np.int64), [10_000]), np.append(np.full(200, 10_000), [10_100])
    hot = HotKeys(starts, low, high)
    assert len(hot.rows) == 10_000
    assert hot.long_ranges(low, high).tolist() == list(range(200))


def test_few_windows_of_a_long_key_are_not_worth_ranks():
    assert not len(HotKeys(np.array([0, 10_000]), np.array([0, 0]), np.array([10_000, 9_000])).rows)


def test_a_hot_key_is_answered_as_its_windows_gathered():
    values = np.random.default_rng(0).integers(0, 300, 5_300).astype(np.float64)
    line = line_of(values, keys=[1] * 200 + [2] * 5_000 + [3] * 100)
    low = np.concatenate([np.arange(0, 100), np.arange(200, 2_200), np.arange(5_200, 5_250)])
    high = np.concatenate([np.arange(100, 200), np.arange(3_200, 5_200), np.full(50, 5_300)])
    some = np.arange(0, len(low), 40)
    for aggregation in (Quantile("x", 0.9, windows=ANY), CountDistinct("x", windows=ANY)):
        over: Any = ranks_over(aggregation, line, low, high)
        assert len(over.__self__.hot.rows) == 5_000
        found, expected = over(low, high), aggregation.over(line.events.schema)
        for i in some.tolist():
            assert found[i] == line.events[int(low[i]) : int(high[i])].select(expected).item()


def test_nested_values_and_users_aggregations_are_left_to_the_gather():
    rows = np.array([0]), np.array([1])
    assert ranks_over(CountDistinct("x", windows=ANY), line_of([[1]], pl.List(pl.Int64)), *rows) is None
    for aggregation in (Quantile("x", 0.5, windows=ANY), CountDistinct("x", windows=ANY)):
        assert ranks_over(of_a_user(aggregation), line_of([1.0]), *rows) is None
    assert ranks_over(Sum("x", windows=ANY), line_of([1.0]), *rows) is None
