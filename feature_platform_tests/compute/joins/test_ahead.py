"""Labels over windows against their definition: what comes after the moment, and null until it cannot change."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.joins.ahead import ahead_join
from feature_platform.compute.joins.finality import Coverage, KnownFrom
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.pieces import table_of_frame
from feature_platform.declarations.label import Label
from feature_platform.ground.clock import UTC, microsecond_of
from feature_platform_tests.compute.catalogue import NAMES, made, of_a_user
from feature_platform_tests.compute.drawn import HOURS, KEYS, VALUES, at, drawn, drawn_rows, frame
from feature_platform_tests.compute.naive import same

SPINE = {"key": pl.String, "t": UTC}
EVENTS = {"key": pl.String, "event": UTC, "known": UTC, "x": pl.Float64, "kind": pl.String}
KINDS = st.sampled_from(["a", "a", "b", None])
WINDOWS = {"2h": 2, "7h": 7}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "where": {"where": (pl.col("kind") == "a") | (pl.col("x") > 1)},
    "by": {"by": "kind", "categories": ["a"]},
}
STRETCHES = st.sampled_from([[], [(-9, 2)], [(-4, 6)], [(-9, 12)], [(-9, 40)], [(-6, 0), (1, 12)], [(-6, 0), (3, 30)]])


def labelled(
    label: Label, spine: pl.DataFrame, events: pl.DataFrame, stretches: list[tuple[int, int]], *, watch: bool = False
) -> pl.DataFrame:
    """Return a spine with the columns of a label, and with `label_known_at`."""
    covered = tuple((microsecond_of(at(start)), microsecond_of(at(end))) for start, end in stretches)
    join = ahead_join(
        spine.schema,
        table_of_frame(events),
        label,
        Coverage("orders@1", covered),
        watch=watch,
        name="e",
        owner="The label",
    )
    known = KnownFrom.of([join.finality], any_will_do=False)
    return JoinPlan(spine.lazy(), "t", [join, known], "The spine").lazy().collect()


def label_of(aggregations: Any, *, known: bool, start: int = 0, late: int = 0) -> Label:
    """Return a label over events of a key."""
    source = fp.Source("events", fp.sources.Parquet("events"), event_time="event", known_at="known" if known else None)
    entity = fp.Entity("key", join_keys=["key"])
    words: dict[str, Any] = {
        "start": f"{start}h",
        "lateness": f"{late}h",
        "aggregations": aggregations,
        "name": "label",
    }
    return fp.label(entity=entity, source=source, **words)(lambda rows: rows)


def counts(shape: str, category: str | None, x: float | None, kind: str | None) -> bool:
    """Whether an event counts, by what is said of its windows."""
    if shape == "where":
        return kind == "a" or (x is not None and not x <= 1)
    return category is None or kind == category or (category == "other" and kind != "a")


@pytest.mark.parametrize("shape", SHAPES)
@drawn(60)
@given(
    drawn_rows(KEYS, HOURS, max_size=8),
    drawn_rows(KEYS, HOURS, st.sampled_from([0, 0, 1, 3, 9, None]), VALUES, KINDS, max_size=20),
    st.booleans(),
    st.sampled_from([0, 0, 1, 3]),
    st.sampled_from([0, 2]),
    STRETCHES,
    st.booleans(),
)
def test_a_label_is_that_of_the_events_that_come_and_null_until_it_is_final(
    shape, spine, events, bitemporal, start, late, stretches, of_users
):
    aggregations = {name: made(name, list(WINDOWS), **SHAPES[shape]) for name in NAMES}
    if of_users:
        aggregations = {name: of_a_user(aggregation) for name, aggregation in aggregations.items()}
    rows = [
        (key, hour, None if None in (hour, after) else hour + after, x, kind) for key, hour, after, x, kind in events
    ]
    label = label_of(list(aggregations.values()), known=bitemporal, start=start, late=late)
    found = labelled(label, frame(spine, **SPINE), frame(rows, **EVENTS), stretches)
    for (key, t), columns in zip(spine, found.iter_rows(named=True), strict=True):
        every_final = []
        for window, length in WINDOWS.items():
            for category in ["a", "other"] if shape == "by" else [None]:
                names = {
                    name: each.feature(f"{category + '_' if category else ''}next_{window}")
                    for name, each in aggregations.items()
                }
                if key is None or t is None:
                    assert {columns[name] for name in (*names.values(), "label_known_at")} == {None}
                    continue
                low, end = t + start, t + start + length
                inside = sorted(
                    (hour, place, x)
                    for place, (other, hour, known, x, kind) in enumerate(rows)
                    if other == key
                    and hour is not None
                    and low <= hour < end
                    and (not bitemporal or (known is not None and known <= end + late))
                    and counts(shape, category, x, kind)
                    for x in [(x is None, x)]
                )
                final = any(first <= low and end + late <= last for first, last in stretches)
                every_final.append(final)
                values = [x for _, _, (_, x) in inside]
                for name, column in names.items():
                    if final:
                        assert same(name, columns[column], values), (name, window, columns[column], values)
                    else:
                        assert columns[column] is None, (name, window)
        if every_final:
            wanted = at(t + start + max(WINDOWS.values()) + late) if all(every_final) else None
            assert columns["label_known_at"] == wanted


@drawn(100)
@given(
    drawn_rows(KEYS, HOURS, max_size=8),
    drawn_rows(KEYS, HOURS, st.sampled_from([0, 0, 1, 3, 9]), VALUES, KINDS, max_size=20),
    st.booleans(),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([0, 2]),
    STRETCHES,
    st.booleans(),
)
def test_a_time_to_an_event_is_that_which_was_watched_without_one(
    spine, events, bitemporal, start, late, stretches, watch
):
    rows = [(key, hour, None if hour is None else hour + after, x, kind) for key, hour, after, x, kind in events]
    label = label_of([fp.TimeTo("x", windows=["7h"])], known=bitemporal, start=start, late=late)
    found = labelled(label, frame(spine, **SPINE), frame(rows, **EVENTS), stretches, watch=watch)
    newest = stretches[-1] if stretches else (0, 0)
    for (key, t), columns in zip(spine, found.iter_rows(named=True), strict=True):
        value = columns["x_time_to_next_7h"], columns["x_time_to_next_7h_happened"], columns["label_known_at"]
        if key is None or t is None:
            assert value == (None, None, None)
            continue
        low, end = t + start, t + start + 7
        final = any(first <= low and end + late <= last for first, last in stretches)
        watched_so_far = watch and not final and newest[0] <= low and low + late < newest[1]
        if not final and not watched_so_far:
            assert value == (None, None, None)
            continue
        until = end if final else newest[1] - late
        latest = end + late if final else newest[1]
        seen = [
            hour
            for other, hour, known, x, _ in rows
            if other == key and hour is not None and low <= hour < until and x is not None
            if not bitemporal or (known is not None and known <= latest)
        ]
        hours = (min(seen) if seen else until) - t
        assert value == (hours * 3600.0, bool(seen), at(latest))


@drawn(60)
@given(drawn_rows(KEYS, HOURS, VALUES, max_size=20), st.sampled_from(range(-5, 6)))
def test_a_feature_window_and_a_label_window_share_no_event_and_miss_none(events, moment):
    rows = [(key, hour, hour, 1.0 if x is None else x, None) for key, hour, x in events]
    label = label_of([fp.Count(windows=["12h"])], known=False)
    spine = frame([("UA", moment)], **SPINE)
    after = labelled(label, spine, frame(rows, **EVENTS), [(-40, 40)])["count_next_12h"].item()
    before = sum(key == "UA" and hour is not None and hour < moment for key, hour, *_ in rows)
    assert before + after == sum(key == "UA" and hour is not None for key, hour, *_ in rows)


def test_what_becomes_known_after_the_lateness_never_changes_a_label():
    label = label_of([fp.Sum("x", windows=["2h"])], known=True, late=1)
    early = [("UA", 0, 2, 5.0, None)]
    late = [*early, ("UA", 1, 4, 7.0, None), ("UA", 1, 3, 9.0, None)]
    spine = frame([("UA", 0)], **SPINE)
    totals = [labelled(label, spine, frame(rows, **EVENTS), [(-1, end)])["x_sum_next_2h"].item() for rows, end in
              [(early, 2), (early, 3), (late, 3), (late, 9)]]  # fmt: skip
    assert totals == [None, 5.0, 14.0, 14.0]


def test_a_label_over_a_gap_in_the_data_is_not_final():
    label = label_of([fp.Count(windows=["2h"])], known=False)
    spine = frame([("UA", hour) for hour in range(6)], **SPINE)
    found = labelled(label, spine, frame([], **EVENTS), [(0, 3), (4, 9)])
    assert found["count_next_2h"].to_list() == [0, 0, None, None, 0, 0]
    assert found["label_known_at"].to_list() == [at(2), at(3), None, None, at(6), at(7)]
    assert timedelta(hours=2) == found["label_known_at"][0] - found["t"][0]


def test_the_stretch_of_a_label_is_that_in_which_its_window_begins():
    label = label_of([fp.Count(windows=["2h"])], known=False, start=2)
    found = labelled(label, frame([("UA", 0), ("UA", 4)], **SPINE), frame([], **EVENTS), [(2, 5), (7, 9)])
    assert found["count_next_2h"].to_list() == [0, None]  # the second begins in the gap, the first before the data


def test_what_is_watched_so_far_ends_before_events_may_still_come():
    label = label_of([fp.TimeTo(windows=["7h"])], known=True, late=2)
    events = frame([("UA", 3, 3, 1.0, None), ("UB", 5, 5, 1.0, None), ("UC", 3, 9, 1.0, None)], **EVENTS)
    spine = frame([("UA", 0), ("UB", 0), ("UC", 0), ("UA", 4), ("UA", 3)], **SPINE)
    found = labelled(label, spine, events, [(-9, 6)], watch=True)
    hours = [None if seconds is None else seconds / 3600 for seconds in found["time_to_next_7h"]]
    assert hours == [3.0, 4.0, 4.0, None, 0.0]  # up to 4 all is known: UB's event and UC's are not seen yet
    assert found["time_to_next_7h_happened"].to_list() == [True, False, False, None, True]
    assert found["label_known_at"].to_list() == [at(6), at(6), at(6), None, at(6)]


@drawn(100)
@given(
    drawn_rows(KEYS, HOURS, max_size=8),
    drawn_rows(KEYS, HOURS, st.sampled_from([0, 0, 1, 3, 9]), VALUES, KINDS, max_size=20),
    st.sampled_from([0, 1]),
    st.sampled_from([0, 2]),
    st.integers(-2, 12),
)
def test_a_final_label_is_the_same_whatever_is_delivered_later(spine, events, start, late, until):
    rows = [(key, hour, None if hour is None else hour + after, x, kind) for key, hour, after, x, kind in events]
    sums = [fp.Count(windows=["4h"]), fp.LastN("x", 3, windows=["4h"]), fp.TimeTo(windows=["4h"])]
    label = label_of(sums, known=True, start=start, late=late)
    delivered = [row for row in rows if row[2] is None or row[2] <= until]
    asked = frame(spine, **SPINE)
    first = labelled(label, asked, frame(delivered, **EVENTS), [(-20, until)])
    second = labelled(label, asked, frame(rows, **EVENTS), [(-20, 40)])
    final = first["label_known_at"].is_not_null()
    assert all(moment <= at(until) for moment in first["label_known_at"].drop_nulls())
    assert_frame_equal(first.filter(final), second.filter(final))
