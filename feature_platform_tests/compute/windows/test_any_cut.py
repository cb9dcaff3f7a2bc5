"""Any cut of time, of keys and of rows gives the same bits, for every aggregation of the catalogue."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.keys.buckets import bucket_of
from feature_platform.compute.serving.tile_bytes import events_of
from feature_platform.compute.serving.tiles import entity_key, tiles_of
from feature_platform.compute.windows import published_windows, window_features
from feature_platform.compute.windows.bucketed import bucketed_windows
from feature_platform.ground.clock import UTC
from feature_platform.ground.content import rows_hash
from feature_platform.ground.working_columns import ENTITY, ENTRY, KEY
from feature_platform.parts.aggregations import Any as AtLeastOnce
from feature_platform.parts.aggregations import First, FirstN, Histogram, Last, LastN, Mode, Rate
from feature_platform_tests.compute.catalogue import all_of
from feature_platform_tests.compute.drawn import at, drawn, frame

IN_ORDER = (First, FirstN, Histogram, Last, LastN, Mode)  # which know the order of events of one time
HOUR, END, LONGEST = 3_600_000_000, 12, 7
WINDOWS = ["2h", f"{LONGEST}h"]
FLOATS = st.one_of(
    st.floats(-10, 10),
    st.sampled_from([0.1, 0.2, 0.3, 1e9 + 0.1, 1e9 + 0.2, 1e16, -1e16, 1e300, -1e300, 1e-300, 5e-324, -0.0]),
    st.sampled_from([None, float("nan"), float("inf"), -float("inf")]),
    st.floats(),
)
WHOLE = st.one_of(st.none(), st.integers(-100, 100), st.integers(2**53, 2**53 + 9), st.integers(-(2**55), 2**55))
COLUMNS = {
    pl.Float64(): FLOATS,
    pl.Float32(): st.one_of(st.none(), st.floats(width=32)),
    pl.Int64(): WHOLE,
    pl.Int8(): st.one_of(st.none(), st.integers(-128, 127)),
    pl.UInt64(): st.one_of(st.none(), st.integers(0, 9), st.integers(2**54, 2**55)),
    pl.Int128(): WHOLE,
    pl.Boolean(): st.one_of(st.none(), st.booleans()),
    pl.Decimal(20, 3): st.one_of(st.none(), st.decimals(-(10**9), 10**9, places=3)),
}


@st.composite
def stories(draw):
    """Events of a few keys at half hours, some known late, whose values are of one type."""
    dtype = draw(st.sampled_from([pl.Float64(), *COLUMNS]))
    half_hours = st.sampled_from([half / 2 for half in range(2 * END)])
    row = st.tuples(st.sampled_from("aaab"), half_hours, st.sampled_from([0, 0, 0, 1, 5]), COLUMNS[dtype])
    rows = [(key, hour, hour + late, x) for key, hour, late, x in draw(st.lists(row, max_size=25))]
    return frame(rows, key=pl.String, event=UTC, known=UTC, x=dtype).with_row_index("n")


def aggregations_for(events, *, ties_in_order):
    """All of the catalogue that take the type; those that know an order only where equal times are in a known one."""
    left_out = (() if ties_in_order else IN_ORDER) + ((AtLeastOnce, Rate) if events.schema["x"] == pl.Boolean else ())
    return [each for each in all_of(WINDOWS) if not isinstance(each, left_out)]


def shuffled(events, chance, *, ties_in_order):
    """The rows in any order; where that is asked for, those of one key and time in the order they were in."""
    mixed = events[chance.sample(range(events.height), events.height)]
    if not ties_in_order:
        return mixed
    return events[mixed.select(pl.col("n").sort().over("key", "event")).to_series().to_list()]


def published(events, asked, start=0, end=END):
    found = published_windows(events, on=["key"], every=HOUR, start=at(start), end=at(end), **asked)
    return found.collect()


def of_parts(events, asked, cuts, buckets):
    """The rows of parts of time times buckets of keys, each from what a run of it alone reads."""
    found = []
    bucket = bucket_of(events, ["key"], buckets)
    for part in (events.filter(bucket == number) for number in range(buckets)):
        for start, end in zip([0, *cuts], [*cuts, END], strict=True):
            reached = part.filter(pl.col("event").is_between(at(start - LONGEST), at(end), closed="left"))
            found.append(published(reached, asked, start, end))
    return pl.concat(found).unique()  # each bucket has its own default rows


def read_from_tiles(events):
    """Events as a server keeps and reads them, with the key of each."""
    columns = {name: events.schema[name] for name in ("event", "known", "x")}
    key = pl.col("key").cast(pl.Binary).alias(KEY)
    tiles = tiles_of(events, key, columns, "event", 2 * HOUR)
    keys = [entity_key(tile).decode() for tile in tiles[KEY]]
    read = events_of(tiles[ENTRY].to_list(), list(range(len(keys))), columns)
    return read.with_columns(key=pl.Series(keys, dtype=pl.String).gather(read[ENTITY]))


def hashed(rows):
    return rows_hash(rows.filter(pl.col("key").is_not_null()))


@drawn(40)
@given(
    events=stories(),
    cuts=st.sets(st.integers(1, END - 1), max_size=4).map(sorted),
    buckets=st.sampled_from([1, 2, 3]),
    known_at=st.sampled_from([None, "known"]),
    ties_in_order=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_any_cut_of_time_of_keys_and_of_rows_gives_one_hash(events, cuts, buckets, known_at, ties_in_order, chance):
    aggregations = aggregations_for(events, ties_in_order=ties_in_order)
    asked = {"event_time": "event", "known_at": known_at, "aggregations": aggregations}
    mixed = shuffled(events, chance, ties_in_order=ties_in_order)
    whole = published(events, asked)
    assert hashed(of_parts(mixed, asked, cuts, buckets)) == hashed(whole)
    asked |= {"on": ["key"], "spine_time": "as_of"}
    spine = whole.select("key", "as_of").sample(fraction=1.0, shuffle=True, seed=len(cuts))
    assert hashed(window_features(spine, mixed, **asked).collect()) == hashed(whole)
    assert hashed(window_features(spine, read_from_tiles(mixed), **asked).collect()) == hashed(whole)


@drawn(3)
@given(events=stories(), known_at=st.sampled_from([None, "known"]), chance=st.randoms(use_true_random=False))
def test_buckets_on_disk_give_the_same_hash(events, known_at, chance):
    aggregations = aggregations_for(events, ties_in_order=False)
    asked = {"event_time": "event", "known_at": known_at, "aggregations": aggregations}
    whole = published(events, asked)
    mixed = shuffled(events, chance, ties_in_order=False).lazy()
    with TemporaryDirectory() as folder:
        asked |= {"on": ["key"], "spine_time": "as_of", "folder": Path(folder), "buckets": 2}
        found = bucketed_windows(whole.select("key", "as_of").lazy(), mixed, **asked).collect()
    assert hashed(found) == hashed(whole)


@pytest.mark.parametrize("size", [0.2, 1e9])
def test_a_day_published_alone_has_the_hash_it_has_in_a_run_of_all_days(size):
    """One key, 60,000 events, windows of 30 days: more than what is added up in one go."""
    minutes = pl.Series(range(60_000))
    amounts = size + (minutes * 7919 % 10_007) / 1_000
    events = pl.DataFrame({"key": "a", "event": minutes.cast(pl.Int64) * 60_000_000, "x": amounts})
    events = events.with_columns(pl.col("event").cast(UTC))
    every = [each for each in all_of(["30d"]) if each.label in ("sum", "mean", "std", "var", "p50", "rate", "max")]
    asked: dict[str, Any] = {"on": ["key"], "event_time": "event", "aggregations": every, "every": 24 * HOUR}
    days = published_windows(events, start=at(0), end=at(24 * 41), **asked).collect()
    for day in range(31, 41):
        reached = events.filter(pl.col("event").is_between(at(24 * (day - 31)), at(24 * day), closed="left"))
        alone = published_windows(reached, start=at(24 * (day - 1)), end=at(24 * day), **asked).collect()
        assert rows_hash(alone) == rows_hash(days.filter(pl.col("as_of") == at(24 * day)))
