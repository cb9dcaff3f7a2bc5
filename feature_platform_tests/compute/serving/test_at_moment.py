"""Windows of a few keys at one moment, from tiles: to the last bit what a spine says of the same events."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.serving.tile_bytes import untagged_events_of
from feature_platform.compute.serving.tiles import entity_key, tiles_of
from feature_platform.compute.serving.values import texts_of
from feature_platform.compute.windows import AtMoment, window_features
from feature_platform.ground.clock import UTC, microsecond_of
from feature_platform.ground.errors import SumTooLarge
from feature_platform.ground.working_columns import ENTRY, EVENT_TAG, KEY
from feature_platform.parts.aggregations import Count, Sum
from feature_platform_tests.compute.drawn import at, drawn, frame
from feature_platform_tests.compute.windows.test_any_cut import END, HOUR, aggregations_for, shuffled, stories

KEYS = ["a", "b", "nobody"]


def from_tiles(events, columns):
    """Of each event in tiles the number of its key, the events, and the numbers of keys that some were pushed to."""
    tiles = tiles_of(events, pl.col("key").cast(pl.Binary).alias(KEY), columns, "event", 2 * HOUR)
    owners = [KEYS.index(entity_key(tile).decode()) for tile in tiles[KEY]]
    return untagged_events_of(tiles[ENTRY].to_list(), owners, columns)


@drawn(60)
@given(
    events=stories(),
    known_at=st.sampled_from([None, "known"]),
    hour=st.sampled_from([half / 2 for half in range(2 * END + 2)]),
    ties_in_order=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_windows_from_tiles_are_to_the_last_bit_what_a_spine_says(events, known_at, hour, ties_in_order, chance):
    clocks: dict[str, Any] = {"event_time": "event", "known_at": known_at, "owner": "a view"}
    asked: dict[str, Any] = {"aggregations": aggregations_for(events, ties_in_order=ties_in_order), **clocks}
    mixed = shuffled(events, chance, ties_in_order=ties_in_order)
    spine = pl.DataFrame({"key": KEYS}).with_columns(now=pl.lit(at(hour), UTC))
    expected = window_features(spine, mixed, on=["key"], spine_time="now", **asked).collect().drop("key", "now")

    columns = {name: events.schema[name] for name in ("event", "known", "x")}
    owners, read, pushed = from_tiles(mixed, columns)
    prepared = AtMoment.of(columns, on="number", **asked)
    found = prepared.values(owners, read, len(KEYS), microsecond_of(at(hour)))

    assert pushed == frozenset()
    assert found.schema == expected.schema
    for name in expected.columns:
        assert texts_of(found[name]) == texts_of(expected[name]), name


def test_events_without_a_clock_are_in_no_window_and_pushed_ones_are_told():
    rows = [("a", 1, 1, 2.0), ("a", 1, None, 4.0), ("b", 2, 2, None), ("b", 3, 3, 8.0)]
    events = frame(rows, key=pl.String, event=UTC, known=UTC, x=pl.Float64)
    events = events.with_columns(pl.Series(EVENT_TAG, [None, "t:000000000", None, None]))
    columns = {name: events.schema[name] for name in ("event", "known", "x")}
    aggregations = [Count(windows=["3h"]), Sum("x", windows=["3h"])]
    asked: dict[str, Any] = {
        "on": "n",
        "event_time": "event",
        "known_at": "known",
        "owner": "v",
        "aggregations": aggregations,
    }

    owners, read, pushed = from_tiles(events, columns)
    found = AtMoment.of(columns, **asked).values(owners, read, 3, microsecond_of(at(3)))

    assert pushed == {0}
    assert found.rows() == [(1, 2.0), (1, 0.0), (0, 0.0)]


def test_a_sum_that_is_too_large_names_the_key():
    events = pl.DataFrame({"event": [at(1), at(1)], "x": [2**62, 2**62]}, schema={"event": UTC, "x": pl.Int64})
    asked: dict[str, Any] = {
        "event_time": "event",
        "known_at": None,
        "owner": "v",
        "aggregations": [Sum("x", windows=["3h"])],
    }
    with pytest.raises(SumTooLarge) as told:
        AtMoment.of(dict(events.schema), on="n", **asked).values(np.array([1, 1]), events, 2, microsecond_of(at(3)))
    assert told.value.key == {"n": 1}


def test_clocks_that_are_not_utc_and_missing_columns_are_left_to_those_who_look_at_them():
    asked: dict[str, Any] = {"on": "n", "event_time": "event", "known_at": None, "owner": "v"}
    sums = [Sum("x", windows=["3h"])]
    assert AtMoment.of({"event": pl.Datetime("ns", "UTC"), "x": pl.Int64()}, aggregations=sums, **asked) is None
    assert AtMoment.of({"event": UTC}, aggregations=sums, **asked) is None
    assert not AtMoment.of({"event": UTC, "x": pl.Int64()}, aggregations=sums, **asked).fits(2**40)
