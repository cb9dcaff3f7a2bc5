from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import ColumnCollision, MissingColumns, NotUtc
from feature_platform_tests.compute.drawn import DRAWN, HOURS, KEYS, PARTS, at, day, drawn_rows, frame
from feature_platform_tests.compute.frame_joins import label_join
from feature_platform_tests.compute.naive import outcome

CLOCKS: dict[str, Any] = {"spine_time": "t", "event_time": "event"}
SPINE = {"key": pl.String, "part": pl.Int32, "t": UTC}
LABELS = {"key": pl.String, "part": pl.Int64, "event": UTC, "known": UTC, "late": pl.Int64}


def labelled(spine, labels, **options):
    return label_join(spine, labels, on=["flight"], **CLOCKS, **options).collect()


def spine_of(*times, flight=1):
    return pl.DataFrame({"flight": pl.Series([flight] * len(times), dtype=pl.Int64), "t": pl.Series(times, dtype=UTC)})


def labels_of(*rows):
    return pl.DataFrame(rows, schema={"flight": pl.Int64, "event": UTC, "known": UTC, "late": pl.Boolean}, orient="row")


@DRAWN
@given(
    drawn_rows(KEYS, PARTS, HOURS),
    drawn_rows(KEYS, PARTS, HOURS, HOURS, st.one_of(st.none(), st.integers(0, 99))),
    st.sampled_from([[], ["key"], ["key", "part"]]),
    st.booleans(),
    st.one_of(st.none(), st.integers(-12, 12)),
    st.sampled_from([None, 1, 5]),
)
def test_every_spine_row_gets_the_first_known_label_at_or_after_it(spine, labels, on, bitemporal, by, horizon):
    left, right = frame(spine, **SPINE), frame(labels, **LABELS)
    found = label_join(
        left,
        right.select(*on, "event", *(["known"] if bitemporal else []), "late"),
        on=on,
        **CLOCKS,
        known_at="known" if bitemporal else None,
        known_by=None if by is None else at(by),
        horizon=None if horizon is None else f"{horizon}h",
    ).collect()
    size = len(on)
    known = [(row[:2][:size], row[2], row[3] if bitemporal else row[2], row[4]) for row in labels]
    wanted = [outcome(row[:2][:size], row[2], known, by, horizon) for row in spine]
    assert_frame_equal(found.select(*SPINE), left)
    assert found["late"].to_list() == [first and first[2] for first in wanted]


def test_a_label_of_the_same_instant_counts_and_an_earlier_one_does_not():
    labels = labels_of((1, day(1), day(1), False), (1, day(2), day(2), True))
    assert labelled(spine_of(day(2), day(1), day(3)), labels.drop("known"))["late"].to_list() == [
        True,
        False,
        None,
    ]


def test_exactly_the_horizon_counts_and_a_microsecond_more_does_not():
    early = day(1) - timedelta(microseconds=1)
    found = labelled(spine_of(day(1), early), labels_of((1, day(2), day(2), True)).drop("known"), horizon="1d")
    assert found["late"].to_list() == [True, None]


def test_a_label_is_unknown_until_its_known_at_and_for_ever_without_one():
    labels = labels_of((1, day(2), day(5), True), (1, day(2), None, False))
    for known_by, wanted in ((day(4), None), (day(5), True), (None, True)):
        assert labelled(spine_of(day(1)), labels, known_at="known", known_by=known_by)["late"].to_list() == [wanted]


def test_a_correction_wins_once_it_is_known():
    labels = labels_of((1, day(2), day(5), True), (1, day(2), day(3), False))
    for known_by, wanted in ((day(4), False), (day(5), True)):
        assert labelled(spine_of(day(1)), labels, known_at="known", known_by=known_by)["late"].to_list() == [wanted]


def test_null_keys_and_times_get_no_label_and_duplicates_stay():
    spine = pl.concat([spine_of(day(1), None, day(1)), spine_of(day(1), flight=None)])
    labels = labels_of((1, day(2), day(2), True), (None, day(2), day(2), True)).drop("known")
    assert labelled(spine, labels)["late"].to_list() == [True, None, True, None]
    everyone = labels.drop("flight")
    found = label_join(spine, everyone, on=[], **CLOCKS).collect()
    assert found["late"].to_list() == [True, None, True, True]


def test_labels_without_rows_leave_gaps():
    found = labelled(spine_of(day(1)), labels_of(), known_at="known", known_by=day(9), horizon="1d")
    assert_frame_equal(found, spine_of(day(1)).with_columns(late=pl.lit(None, dtype=pl.Boolean)))


def test_mistakes_are_named():
    labels = labels_of((1, day(2), day(2), True))
    with pytest.raises(NotUtc, match="`event`"):
        labelled(spine_of(day(1)), labels.with_columns(pl.col("event").dt.replace_time_zone(None)))
    with pytest.raises(ColumnCollision, match="late"):
        labelled(spine_of(day(1)).with_columns(late=True), labels, known_at="known")
    with pytest.raises(MissingColumns, match="`known_on`"):
        labelled(spine_of(day(1)), labels, known_at="known_on")
