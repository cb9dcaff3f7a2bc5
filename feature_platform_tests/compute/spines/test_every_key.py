"""Every active key at each instant: what a plain loop over events, keys and instants says."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.spines import every_key
from feature_platform.compute.spines.every_key import every_active_key
from feature_platform.ground.cadences import instants
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import MissingColumns, NotUtc
from feature_platform_tests.compute.drawn import HOURS, KEYS, PARTS, at, drawn, drawn_rows, frame
from feature_platform_tests.compute.test_drawn import share
from feature_platform_tests.zones import CHANGES, Change

HOUR = 3_600_000_000
LAGS = st.sampled_from([0, 0, 0, 1, 3, 8, -2, None])
Row = tuple[str | None, int | None, int | None, int | None]


def spine_of(
    events: pl.DataFrame,
    grid: Sequence[datetime],
    active: int,
    *,
    on: Sequence[str] = ("key",),
    known: str | None = None,
) -> pl.DataFrame:
    found = every_active_key(
        events.lazy(),
        on=list(on),
        event_time="at",
        known_at=known,
        grid=pl.Series(grid, dtype=UTC),
        active=active * HOUR,
        owner="Spine `weekly`",
    )
    return pl.concat(found)


def naive(
    rows: Sequence[Row], grid: Sequence[datetime], active: int, *, known: bool
) -> list[tuple[datetime, str, int]]:
    """The definition: an event in `[a - active, a)`, known by `a`."""
    wanted = set()
    for instant in grid:
        for key, part, hour, lag in rows:
            if key is None or part is None or hour is None or (known and lag is None):
                continue
            happened = at(hour)
            seen = not known or happened + timedelta(hours=lag or 0) <= instant
            if instant - timedelta(hours=active) <= happened < instant and seen:
                wanted.add((instant, key, part))
    return sorted(wanted)


def drawn_events(rows: Sequence[Row]) -> pl.DataFrame:
    events = frame([row[:3] for row in rows], key=pl.String, part=pl.Int64, at=UTC)
    times = [None if hour is None or lag is None else at(hour + lag) for _, _, hour, lag in rows]
    return events.with_columns(pl.Series("known", times, dtype=UTC))


@drawn(400)
@given(
    drawn_rows(KEYS, PARTS, HOURS, LAGS),
    st.integers(1, 9),
    st.sampled_from([1, 2, 3, 5]),
    st.booleans(),
    st.sampled_from([1, 3, 1_000_000]),
)
def test_each_key_is_asked_at_each_instant_at_which_the_definition_says(
    rows: list[Row], active: int, step: int, known: bool, at_once: int
) -> None:
    grid = [at(hour) for hour in range(-6, 16, step)]
    wanted = naive(rows, grid, active, known=known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(every_key, "ROWS_AT_ONCE", at_once)
        found = spine_of(drawn_events(rows), grid, active, on=["key", "part"], known="known" if known else None)

    assert found.select("event_timestamp", "key", "part").rows() == wanted


def test_often_an_event_is_late_and_a_key_leaves() -> None:
    grid = [at(hour) for hour in range(-6, 16)]
    stories = st.tuples(drawn_rows(KEYS, PARTS, HOURS, LAGS), st.integers(1, 9))

    def is_late(rows: list[Row], active: int) -> bool:
        return naive(rows, grid, active, known=True) != naive(rows, grid, active, known=False)

    def leaves(rows: list[Row], active: int) -> bool:
        asked = naive(rows, grid, active, known=False)
        return 0 < len({key for moment, key, _ in asked if moment == grid[11]}) < len({key for _, key, _ in asked})

    assert share(stories, is_late) > 0.5
    assert share(stories, leaves) > 0.1


@drawn(100)
@given(drawn_rows(KEYS, PARTS, HOURS, LAGS), drawn_rows(KEYS, PARTS, HOURS, LAGS), st.integers(1, 9), st.booleans())
def test_late_events_add_rows_and_take_none_away(first: list[Row], late: list[Row], active: int, known: bool) -> None:
    grid = [at(hour) for hour in range(-6, 16, 2)]
    words: dict[str, Any] = {"on": ["key", "part"], "known": "known" if known else None}
    before = set(spine_of(drawn_events(first), grid, active, **words).rows())
    after = set(spine_of(drawn_events([*first, *late]), grid, active, **words).rows())

    assert before <= after


@pytest.mark.parametrize("change", list(CHANGES.values()), ids=list(CHANGES))
def test_instants_in_a_zone_are_its_midnights_also_where_clocks_change(change: Change) -> None:
    events = pl.DataFrame({"key": ["a"], "at": [change.first]}, schema_overrides={"at": UTC})
    grid = instants(change.first, change.last, 24 * HOUR, change.tz)
    found = spine_of(events, grid.to_list(), 72)

    walked = [each for each in change.midnights() if change.first < each <= change.first + timedelta(hours=72)]
    assert found["event_timestamp"].to_list() == walked


def test_the_event_at_an_instant_is_not_yet_seen_and_the_one_a_whole_active_time_before_still_is() -> None:
    events = pl.DataFrame({"key": ["now", "old", "gone"], "at": [at(8), at(0), at(-1)]}, schema_overrides={"at": UTC})

    assert spine_of(events, [at(8)], 8)["key"].to_list() == ["old"]


def test_keys_that_are_nan_are_none_and_both_zeros_are_one() -> None:
    keys = [float("nan"), 0.0, -0.0, 1.5]
    events = pl.DataFrame({"key": keys, "at": [at(0)] * 4}, schema_overrides={"at": UTC})

    assert spine_of(events, [at(1)], 8)["key"].to_list() == [0.0, 1.5]


def test_no_instant_and_no_event_are_no_row_of_the_same_columns() -> None:
    events = pl.DataFrame({"key": ["a"], "at": [at(0)]}, schema_overrides={"at": UTC})
    for found in (spine_of(events, [], 8), spine_of(events.clear(), [at(1)], 8)):
        assert found.schema == {"event_timestamp": UTC, "key": pl.String}
        assert found.is_empty()


def test_a_missing_key_and_a_clock_without_a_zone_are_refused_by_name() -> None:
    events = pl.DataFrame({"key": ["a"], "at": [at(0)]}, schema_overrides={"at": UTC})
    with pytest.raises(MissingColumns, match="Spine `weekly`"):
        spine_of(events, [at(1)], 8, on=["customer"])
    with pytest.raises(NotUtc, match="Spine `weekly`"):
        spine_of(events.with_columns(pl.col("at").dt.replace_time_zone(None)), [at(1)], 8)


def test_rows_come_in_blocks_that_do_not_cut_an_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(every_key, "ROWS_AT_ONCE", 3)
    keys = ["a", "b", "c", "d"]
    events = pl.DataFrame({"key": keys, "at": [at(0)] * 4}, schema_overrides={"at": UTC})
    grid = pl.Series([at(1), at(2)], dtype=UTC)
    blocks: Iterator[pl.DataFrame] = every_active_key(
        events.lazy(), on=["key"], event_time="at", grid=grid, active=8 * HOUR
    )

    assert [block.height for block in blocks] == [0, 4, 4]
