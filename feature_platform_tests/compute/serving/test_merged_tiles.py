"""Tiles of later events are put behind those that are stored, byte for byte as if all had been sorted together."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.serving import tiles
from feature_platform.compute.serving.tile_bytes import append_tile, events_of
from feature_platform.compute.serving.tiles import _one, merge_many_tiles, tiles_of
from feature_platform.ground.clock import EPOCH, UTC
from feature_platform.ground.working_columns import EVENT_TAG
from feature_platform_tests.effort import tries

COLUMNS = {"at": UTC, "amount": pl.Float64(), "item": pl.String(), "count": pl.Int32(), "sizes": pl.List(pl.Int64)}
DAY = 86_400_000_000
Event = tuple[int, float | None, str | None, int | None, list[int] | None]

events = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.text(max_size=3),
        st.none() | st.integers(-5, 5),
        st.none() | st.lists(st.integers(0, 9), max_size=2),
    ),
    min_size=1,
    max_size=5,
)


def tile(rows: list[Event], tag: str | None) -> bytes:
    """The one tile of some events of one key; those of a push have tags."""
    frame = pl.DataFrame(
        [(EPOCH + timedelta(seconds=second), *values) for second, *values in rows], schema=COLUMNS, orient="row"
    )
    tags = [None if tag is None else f"{tag}:{number:09d}" for number in range(len(rows))]
    frame = frame.with_columns(pl.Series(EVENT_TAG, tags, dtype=pl.String))
    return tiles_of(frame, pl.lit(b"k").alias("fp_key"), COLUMNS, "at", DAY)["fp_entry"].item()


def together(stored: bytes | None, incoming: bytes, once: tuple[str, ...] = ()) -> bytes:
    """All events of both sorted, as one tile; what is new is left as it is where nothing is stored."""
    if stored is None:
        return incoming
    return _one([events_of([each], [0], COLUMNS) for each in (stored, incoming)], COLUMNS, once)


def merged_with(stored: bytes, incoming: bytes) -> bytes:
    (found,) = merge_many_tiles([stored], [incoming], COLUMNS)
    return found


@settings(max_examples=tries(60), deadline=None)
@given(stored=events, incoming=events, tag=st.sampled_from([None, "s:1"]), shift=st.sampled_from([0, 20, 41]))
def test_a_merged_tile_is_what_sorting_all_events_together_gives(
    stored: list[Event], incoming: list[Event], tag: str | None, shift: int
) -> None:
    incoming = [(event[0] + shift, *event[1:]) for event in incoming]
    before, pushed = tile(stored, tag), tile(incoming, "s:2")

    merged = merged_with(before, pushed)

    assert merged == together(before, pushed)
    assert merged_with(merged, pushed) == merged  # the same push once more
    later = max(second for second, *_ in stored) < min(second for second, *_ in incoming)
    assert (append_tile(before, pushed, COLUMNS) is not None) == later


@settings(max_examples=tries(30), deadline=None)
@given(
    pairs=st.lists(st.tuples(st.none() | events, events, st.sampled_from([None, "s:1"])), min_size=1, max_size=6),
    once=st.sampled_from([(), ("at",)]),
    portion=st.sampled_from([1, 2**20]),
)
def test_many_tiles_that_are_merged_at_once_are_those_that_are_merged_one_by_one(
    pairs: list[tuple[list[Event] | None, list[Event], str | None]], once: tuple[str, ...], portion: int
) -> None:
    stored = [None if held is None else tile(held, tag) for held, _, tag in pairs]
    incoming = [tile(new, "s:2") for _, new, _ in pairs]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "_BYTES_AT_ONCE", portion)
        found = merge_many_tiles(stored, incoming, COLUMNS, once)

    assert found == [together(held, new, once) for held, new in zip(stored, incoming, strict=True)]


@pytest.mark.parametrize("second", [5, 4], ids=["at_the_same_time", "earlier"])
def test_events_that_are_not_later_are_sorted_in(second: int) -> None:
    before, pushed = tile([(5, 1.0, "a", 1, [1])], None), tile([(second, 2.0, None, None, None)], "s:1")

    found = events_of([merged_with(before, pushed)], [0], COLUMNS)

    assert found["amount"].to_list() == ([1.0, 2.0] if second == 5 else [2.0, 1.0])
