"""Row labels that say when they are final, against their definition."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.joins.final_rows import final_rows
from feature_platform.compute.joins.finality import Coverage, KnownFrom
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.pieces import table_of_frame
from feature_platform.declarations.label import Label
from feature_platform.ground.clock import UTC, length_of, microsecond_of
from feature_platform.ground.errors import InvalidDeclaration, UnknownName
from feature_platform_tests.compute.drawn import HOURS, KEYS, PARTS, at, drawn, drawn_rows, frame

SPINE = {"key": pl.String, "part": pl.Int32, "t": UTC}
LABELS = {"key": pl.String, "part": pl.Int64, "event": UTC, "known": UTC, "late": pl.Int64}
STRETCHES = st.sampled_from([[], [(-9, 2)], [(-4, 6)], [(-9, 40)], [(-6, 0), (1, 12)], [(-6, 0), (3, 30)]])
MICROSECOND = 1 / 3_600_000_000  # in hours


def labelled(
    label: Label, spine: pl.DataFrame, labels: pl.DataFrame, stretches: list[tuple[int, float]], horizon: str
) -> pl.DataFrame:
    """Return a spine with the outcomes of a label, and with `label_known_at`."""
    covered = tuple((microsecond_of(at(start)), microsecond_of(at(end))) for start, end in stretches)
    length = length_of(horizon, "horizon")
    coverage, names = Coverage("labels/l@1", covered), {"name": "labels", "owner": "The label"}
    join = final_rows(spine.schema, table_of_frame(labels), label, coverage, length, **names)
    known = KnownFrom.of([join.finality], any_will_do=False)
    return JoinPlan(spine.lazy(), "t", [join, known], "The spine").lazy().collect()


def label_of(keys: list[str], *, known: bool, late: int = 0, otherwise: dict[str, Any] | None = None) -> Label:
    """Return a label of rows that says when it is final."""
    source = fp.Source("events", fp.sources.Parquet("events"), event_time="event", known_at="known" if known else None)
    words: dict[str, Any] = {"lateness": f"{late}h", "otherwise": otherwise, "name": "label"}
    return fp.label(entity=fp.Entity("key", join_keys=keys), source=source, **words)(lambda rows: rows)


@drawn(100)
@given(
    drawn_rows(KEYS, PARTS, HOURS, max_size=8),
    drawn_rows(KEYS, PARTS, HOURS, st.sampled_from([0, 0, 1, 4, None]), st.one_of(st.none(), st.integers(0, 99))),
    st.sampled_from([["key"], ["key", "part"]]),
    st.booleans(),
    st.sampled_from([1, 5]),
    st.sampled_from([0, 2]),
    st.sampled_from([None, -1]),
    STRETCHES,
)
def test_a_row_label_is_the_first_row_in_time_and_null_until_no_other_can_come(
    spine, labels, keys, bitemporal, horizon, late, otherwise, stretches
):
    rows = [(*key, hour, None if None in (hour, after) else hour + after, x) for *key, hour, after, x in labels]
    right = frame(rows, **LABELS).select(*keys, "event", *(["known"] if bitemporal else []), "late")
    values = None if otherwise is None else {"late": otherwise}
    label = label_of(keys, known=bitemporal, late=late, otherwise=values)
    found = labelled(label, frame(spine, **SPINE), right, stretches, f"{horizon}h")
    size = len(keys)
    for asked, columns in zip(spine, found.iter_rows(named=True), strict=True):
        key, t = asked[:2][:size], asked[2]
        latest = None if t is None else t + horizon + late
        final = latest is not None and any(first <= t and latest < last for first, last in stretches)
        if latest is None or None in key or not final:
            assert (columns["late"], columns["label_known_at"]) == (None, None)
            continue
        in_time = [
            (hour, -known if bitemporal else 0, -place, x)
            for place, (*other, hour, known, x) in enumerate(rows)
            if tuple(other[:size]) == key and hour is not None and t <= hour <= t + horizon
            if not bitemporal or (known is not None and known <= latest)
        ]
        first = min(in_time, key=lambda row: row[:3], default=(0, 0, 0, otherwise))
        assert columns["late"] == first[3]
        assert columns["label_known_at"] == at(latest + MICROSECOND)


def test_exactly_the_horizon_counts_and_the_label_is_final_a_microsecond_later():
    label = label_of(["key"], known=False, otherwise={"late": 0})
    rows = frame([("UA", 1, 2, 2, 7)], **LABELS).drop("known", "part")
    spine = frame([("UA", 1, 0), ("UA", 1, -1)], **SPINE)
    assert labelled(label, spine, rows, [(-9, 2)], "2h")["late"].to_list() == [None, 0]
    found = labelled(label, spine, rows, [(-9, 2 + MICROSECOND)], "2h")
    assert found["late"].to_list() == [7, 0]


def test_a_row_that_is_known_too_late_is_no_label_though_it_came_in_time():
    label = label_of(["key"], known=True, late=1, otherwise={"late": 0})
    rows = [("UA", 1, 1, 5, 7), ("UA", 1, 2, 2, 8)]  # the first is known at 5
    found = [
        labelled(label, frame([("UA", 1, 0)], **SPINE), frame(rows, **LABELS).drop("part"), [(-9, 40)], horizon)
        for horizon in ("1h", "2h", "4h")
    ]
    assert [each["late"].item() for each in found] == [0, 8, 7]


@pytest.mark.parametrize(
    ("otherwise", "error", "sentence"),
    [
        ({"lat": 0}, UnknownName, "The label, otherwise, has no column `lat`"),
        ({"late": "no"}, InvalidDeclaration, "The label, otherwise, has 'no' for `late`, which is Int64."),
        ({"late": None}, InvalidDeclaration, "The label, otherwise, has None for `late`, which is Int64."),
        ({"late": 2**70}, InvalidDeclaration, "for `late`, which is Int64."),
    ],
)
def test_a_value_without_a_row_that_does_not_fit_is_refused(otherwise, error, sentence):
    with pytest.raises(error) as refused:
        labelled(
            label_of(["key"], known=False, otherwise=otherwise),
            frame([("UA", 1, 0)], **SPINE),
            frame([], **LABELS).select("key", "event", "late"),
            [],
            "2h",
        )
    assert sentence in str(refused.value)


def test_of_rows_of_one_time_the_newest_known_is_the_label_then_the_last():
    label = label_of(["key"], known=True, late=9)
    corrected = [("UA", 1, 1, 3, 8), ("UA", 1, 1, 2, 7)]
    twice = [("UA", 1, 1, 2, 7), ("UA", 1, 1, 2, 8)]
    for rows in (corrected, twice):
        found = labelled(label, frame([("UA", 1, 0)], **SPINE), frame(rows, **LABELS).drop("part"), [(-9, 40)], "4h")
        assert found["late"].item() == 8


@drawn(100)
@given(
    drawn_rows(KEYS, PARTS, HOURS, max_size=8),
    drawn_rows(KEYS, PARTS, HOURS, st.sampled_from([0, 0, 1, 4, 9]), st.integers(0, 99)),
    st.sampled_from([1, 5]),
    st.sampled_from([0, 2]),
    st.integers(-2, 12),
)
def test_a_final_row_label_is_the_same_whatever_is_delivered_later(spine, labels, horizon, late, until):
    rows = [(*key, hour, None if hour is None else hour + after, x) for *key, hour, after, x in labels]
    label = label_of(["key", "part"], known=True, late=late, otherwise={"late": -1})
    delivered = [row for row in rows if row[3] is None or row[3] <= until]
    asked = frame(spine, **SPINE)
    first = labelled(label, asked, frame(delivered, **LABELS), [(-20, until)], f"{horizon}h")
    second = labelled(label, asked, frame(rows, **LABELS), [(-20, 40)], f"{horizon}h")
    final = first["label_known_at"].is_not_null()
    assert_frame_equal(first.filter(final), second.filter(final))
