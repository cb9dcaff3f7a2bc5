"""Lifetimes from rows that stand for events: to the last bit what all the events give."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.windows import published_windows
from feature_platform.compute.windows.lifetimes import Lifetimes, plan_lifetimes, published_lifetimes
from feature_platform.compute.windows.standing_rows import EventColumns, fold_rows
from feature_platform.ground.clock import microsecond_of
from feature_platform.parts.aggregations import Aggregation
from feature_platform_tests.effort import tries

FIRST = datetime(2024, 3, 8, tzinfo=timezone.utc)  # clocks in New York go forward on the 10th
DAY = timedelta(days=1)
UTC = pl.Datetime("us", "UTC")
SCHEMA: dict[str, Any] = {
    "key": pl.Int64,
    "at": UTC,
    "known": UTC,
    "x": pl.Float64,
    "small": pl.Float32,
    "n": pl.Int32,
    "holds": pl.Boolean,
    "text": pl.String,
}
EVER = ["lifetime"]
ASKED: list[Aggregation] = [
    fp.Count(windows=["2d", *EVER]),
    fp.Count("x", windows=EVER),
    fp.Sum("x", windows=[*EVER, "3d"]),
    fp.Mean("x", windows=EVER),
    fp.Sum("small", windows=EVER),
    fp.Sum("holds", windows=EVER),
    fp.Sum("n", windows=EVER),
    fp.Mean("n", windows=EVER, where=pl.col("x") > 0, name="positive"),
    fp.Min("x", windows=EVER),
    fp.Max("n", windows=EVER),
    fp.Min("known", windows=EVER),
    fp.Max("holds", windows=EVER),
    fp.First("text", windows=EVER),
    fp.Last("text", windows=[*EVER, "last_day"]),
    fp.Last("x", windows=EVER),
    fp.FirstN("n", 2, windows=EVER),
    fp.LastN("n", 2, windows=EVER),
    fp.TopK("x", 2, windows=EVER),
    fp.BottomK("x", 2, windows=EVER),
    fp.TopK("holds", 2, windows=EVER),
    fp.Rate(pl.col("x") > 0, name="share", windows=EVER),
    fp.Any("holds", windows=EVER),
    fp.Recency(windows=EVER),
    fp.Recency("x", windows=EVER, where=pl.col("n") > 0, name="bought"),
    fp.Sum("x", windows=EVER, by="text", categories=["a"]),
    fp.Quantile("x", 0.5, windows=["2d"]),
]
DERIVED = {"ratio": fp.ratio("x_sum_lifetime", "count_lifetime")}
ORDINARY = [0.1, 0.2, 1e16, -1e16, 1.0, 3e-20, None, -0.0, 0.0]
ODD: list[float | None] = [float("nan"), float("inf"), -float("inf")]


def make_events(chance: random.Random, *, odd: bool) -> pl.DataFrame:
    """Events of nine days with ties, nulls and events that become known up to six days late."""
    rows = []
    for _ in range(chance.randint(0, 40)):
        at = FIRST + chance.randint(0, 9) * DAY + timedelta(hours=chance.choice([0, 0, 6, 12]))
        known = chance.choice([at, at, at + chance.randint(1, 6) * DAY, None])
        x = chance.choice([*ORDINARY, *ODD] if odd else ORDINARY)
        small = chance.choice([None, 0.1, 2.0])
        more = (chance.choice([None, 1, 2, -3]), chance.choice([None, True, False]), chance.choice([None, "a", "b"]))
        rows.append((chance.choice([1, 2, 3, None]), at, known, x, small, *more))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("at", maintain_order=True)


def planned(asked: Sequence[Aggregation] = ASKED) -> Lifetimes:
    made = plan_lifetimes(asked, pl.Schema(SCHEMA))
    assert made is not None
    return made


def state_of(events: pl.DataFrame, lifetimes: Lifetimes, columns: EventColumns, cuts: Sequence[int]) -> pl.DataFrame:
    """The state at the last of some days, each made from the one before."""
    rows, low = lifetimes.add_slots(events).clear(), FIRST
    state = rows.select(*columns.names, *(slot.name for slot in lifetimes.slots))
    for cut in cuts:
        high = FIRST + cut * DAY
        later = lifetimes.add_slots(events).filter(pl.col("at").is_between(low, high, closed="left"))
        folded = fold_rows(pl.concat([state, later.select(state.columns)]), lifetimes, columns, microsecond_of(high))
        assert folded is not None
        state, low = folded, high
    return state


def both_ways(
    events: pl.DataFrame,
    cuts: Sequence[int],
    known_at: str | None,
    tz: str | None,
    asked: Sequence[Aggregation] = ASKED,
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """The rows of all events, and those of a state and the events since."""
    lifetimes, columns = planned(asked), EventColumns(["key"], "at", known_at)
    derived = DERIVED if asked is ASKED else {}
    moment = FIRST + cuts[-1] * DAY
    words: dict[str, Any] = {"on": ["key"], "event_time": "at", "known_at": known_at, "tz": tz, "derived": derived}
    words |= {"every": 86_400_000_000, "start": moment + 3 * DAY + timedelta(hours=1), "end": FIRST + 13 * DAY}
    later = lifetimes.add_slots(events).filter(pl.col("at") >= moment)
    rows = pl.concat([state_of(events, lifetimes, columns, cuts), later], how="diagonal")
    made = published_lifetimes(lifetimes, rows, events.schema, owner="a test", **words)
    return published_windows(events, aggregations=asked, **words).collect(), made


@settings(derandomize=True, deadline=None, max_examples=tries(120, fewest=20), database=None)
@given(seed=st.integers(0, 10**6), odd=st.booleans(), known_at=st.sampled_from([None, "known"]))
def test_a_state_and_later_events_give_what_all_events_give(seed: int, odd: bool, known_at: str | None) -> None:
    chance = random.Random(seed)
    events = make_events(chance, odd=odd)
    cuts = sorted(chance.sample(range(1, 7), chance.randint(1, 3)))
    expected, made = both_ways(events, cuts, known_at, chance.choice([None, "America/New_York"]))
    assert made is not None
    assert_frame_equal(made, expected, check_exact=True)


def test_a_state_has_few_rows_for_each_key_however_many_its_events() -> None:
    count = 500
    events = pl.DataFrame(
        {"key": [1, 2] * count, "at": [FIRST + timedelta(minutes=n) for n in range(2 * count)], "x": [0.1] * 2 * count},
        schema_overrides={"at": UTC},
    )
    asked = [fp.Count(windows=EVER), fp.Mean("x", windows=EVER), fp.LastN("x", 3, windows=EVER)]
    lifetimes = plan_lifetimes(asked, events.schema)
    assert lifetimes is not None
    state = fold_rows(
        lifetimes.add_slots(events), lifetimes, EventColumns(["key"], "at", None), microsecond_of(FIRST + 2 * DAY)
    )
    assert state is not None
    assert 8 <= state.height <= 12


@pytest.mark.parametrize(
    "kept_out",
    [
        fp.Quantile("x", 0.5, windows=EVER),
        fp.CountDistinct("x", windows=EVER),
        fp.Std("x", windows=EVER),
        fp.Mode("text", windows=EVER),
        fp.LastN("x", 2, distinct=True, windows=EVER),
        fp.Skew("x", windows=EVER),
    ],
    ids=repr,
)
def test_a_lifetime_that_no_few_rows_can_keep_is_made_from_all_events(kept_out: Aggregation) -> None:
    assert plan_lifetimes([fp.Count(windows=EVER), kept_out], pl.Schema(SCHEMA)) is None


def test_an_aggregation_of_a_user_is_made_from_all_events() -> None:
    class Own(fp.Last):
        label = "own"

    assert plan_lifetimes([Own("x", windows=EVER)], pl.Schema(SCHEMA)) is None


def test_without_a_lifetime_there_is_nothing_to_keep() -> None:
    assert plan_lifetimes([fp.Count(windows=["7d"])], pl.Schema(SCHEMA)) is None


def some(*rows: tuple[int, float | None, int | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [(1, FIRST + day * DAY, FIRST + day * DAY, x, None, n, None, None) for day, x, n in rows],
        schema=SCHEMA,
        orient="row",
    )


def test_a_sum_beyond_floats_or_64_bits_has_no_state() -> None:
    columns = EventColumns(["key"], "at", None)
    for asked, events in (
        (fp.Sum("x", windows=EVER), some((0, 1.7e308, 1))),
        (fp.Sum("n", windows=EVER), some((0, 1.0, 1))),
    ):
        lifetimes = planned([asked])
        rows = lifetimes.add_slots(events)
        if asked.column == "n":
            rows = rows.with_columns(pl.lit(2**62).alias(lifetimes.slots[0].name))
        assert fold_rows(pl.concat([rows, rows]), lifetimes, columns, microsecond_of(FIRST + 3 * DAY)) is None


def test_a_mean_whose_sum_becomes_too_large_is_left_to_all_events() -> None:
    asked: list[Aggregation] = [fp.Mean("x", windows=EVER)]
    expected, made = both_ways(some((0, 1.7e308, None), (2, 1.7e308, None)), [1], None, None, asked)
    assert expected["x_mean_lifetime"].drop_nulls().to_list()[-1] == 1.7e308
    assert made is None


def test_a_mean_of_values_among_which_one_is_infinite_needs_no_second_look() -> None:
    asked: list[Aggregation] = [fp.Mean("x", windows=EVER)]
    expected, made = both_ways(some((0, float("inf"), None), (2, 1.0, None)), [1], None, None, asked)
    assert made is not None
    assert_frame_equal(made, expected, check_exact=True)


def test_an_event_that_is_not_before_the_moment_has_no_place_in_a_state() -> None:
    lifetimes = planned()
    rows = lifetimes.add_slots(some((4, 1.0, 1)))
    assert fold_rows(rows, lifetimes, EventColumns(["key"], "at", None), microsecond_of(FIRST + 4 * DAY)) is None
