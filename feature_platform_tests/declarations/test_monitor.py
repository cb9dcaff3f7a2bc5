"""The reference of a monitor: never beyond what it is the reference of, and as long as it was asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp

DAY = timedelta(days=1)
days = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


@given(start=days, length=st.integers(1, 400), reference=st.integers(1, 400))
def test_a_trailing_reference_ends_where_the_partition_begins(start: datetime, length: int, reference: int) -> None:
    low, high = fp.Monitor(reference=f"{reference}d").range_of(start, start + length * DAY)

    assert (low, high) == (start - reference * DAY, start)


@given(start=days, length=st.integers(1, 31), reference=st.integers(1, 100), season=st.integers(50, 800))
def test_a_reference_of_a_season_ago_lies_around_the_same_moment_and_never_beyond_the_start(
    start: datetime, length: int, reference: int, season: int
) -> None:
    end = start + length * DAY

    low, high = fp.Monitor(reference=f"{reference}d", season=f"{season}d").range_of(start, end)

    assert low == start - season * DAY - reference * DAY / 2
    assert high == min(end - season * DAY + reference * DAY / 2, start)
    assert low < high <= start


@pytest.mark.parametrize(("day", "whole"), [(31, False), (32, True), (60, True)])
def test_a_fixed_reference_stays_and_what_lies_in_it_or_before_has_none(day: int, whole: bool) -> None:
    start = datetime(2013, 1, 1, tzinfo=UTC)

    low, high = fp.Monitor(reference=("2013-01-02", "2013-02-02")).range_of(start + day * DAY, start + (day + 1) * DAY)

    assert low == datetime(2013, 1, 2, tzinfo=UTC)
    assert (high == datetime(2013, 2, 2, tzinfo=UTC)) is whole
    assert (high == low) is not whole
