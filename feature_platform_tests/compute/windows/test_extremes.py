from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.windows import blocks
from feature_platform.compute.windows.blocks import Blocks
from feature_platform.compute.windows.extremes import extremes_over
from feature_platform.parts.aggregations import Max, Min, Sum
from feature_platform_tests.compute.catalogue import of_a_user
from feature_platform_tests.compute.drawn import DRAWN
from feature_platform_tests.compute.windows.ranges import ANY_FLOAT, line_of, ranges_of

ANY = ["1d"]
SOME = {
    pl.Boolean(): [True, False, None, True],
    pl.Int8(): [-128, 127, None, 0],
    pl.UInt64(): [2**64 - 1, 0, None, 1],
    pl.Int64(): [-(2**63), 2**63 - 1, None, 2**53 + 1],
    pl.Float32(): [1.5, float("nan"), None, float("-inf")],
    pl.Date(): [date(1969, 1, 1), date(2013, 3, 1), None, date(9999, 12, 31)],
    pl.Time(): [time(1), time(23), None, time(2)],
    pl.Duration("ms"): [timedelta(days=-1), timedelta(0), None, timedelta(days=1)],
    pl.Datetime("ns", "UTC"): [datetime(2013, 3, n, tzinfo=timezone.utc) for n in (1, 2)] + [None] * 2,
}


def compared(aggregation, line, low, high):
    over_ranges = extremes_over(aggregation, line)
    assert over_ranges is not None
    found = over_ranges(low, high)
    over = aggregation.over(line.events.schema)
    wanted = pl.concat(
        line.events[i:j].select(over).to_series() for i, j in zip(low.tolist(), high.tolist(), strict=True)
    )
    assert found.dtype == wanted.dtype
    assert found.equals(wanted.rename(found.name), null_equal=True), (found, wanted)


@pytest.mark.parametrize("block", [2, 3, blocks.BLOCK])
@DRAWN
@given(st.lists(ANY_FLOAT, max_size=30))
def test_extremes_are_those_of_the_range_gathered(block, values):
    line, (low, high) = line_of(values), ranges_of(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        patch.setattr(blocks, "SHORT", 1 if block < 128 else 4096)
        for kind in (Min, Max):
            compared(kind("x", windows=ANY), line, low, high)


@pytest.mark.parametrize("dtype", SOME, ids=str)
def test_extremes_keep_the_type_of_their_column_and_its_largest_values(dtype):
    line, (low, high) = line_of(SOME[dtype], dtype), ranges_of(SOME[dtype])
    for kind in (Min, Max):
        compared(kind("x", windows=ANY), line, low, high)


@pytest.mark.parametrize("size", [1, 127, 128, 129, 16_384, 40_000])
def test_blocks_of_every_level_and_ranges_in_any_order(size):
    values = np.random.default_rng(size).permutation(size)
    low = np.random.default_rng(1).integers(0, size + 1, 200)
    high = np.minimum(low + np.random.default_rng(2).integers(0, size + 1, 200), size)
    for reduction, plain, empty in ((np.add, sum, 0), (np.minimum, min, size), (np.maximum, max, -1)):
        found = Blocks(values, reduction, empty=empty).over(low, high)
        wanted = [plain(values[i:j].tolist()) if j > i else empty for i, j in zip(low, high, strict=True)]
        assert found.tolist() == wanted


def test_types_numpy_does_not_know_and_users_aggregations_are_left_to_the_gather():
    for dtype, value in ((pl.Decimal(10, 2), Decimal(1)), (pl.Int128(), 1), (pl.Null(), None)):
        assert extremes_over(Min("x", windows=ANY), line_of([value], dtype)) is None
    for aggregation in (of_a_user(Min("x", windows=ANY)), Sum("x", windows=ANY)):
        assert extremes_over(aggregation, line_of([1.0])) is None
