"""Trends: the line is where the numbers are, alarms are marked, gaps stay gaps."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.ground.pictures.embedded import embed, fits_inline
from feature_platform.ground.pictures.trends import Trend, sparkline, trends_sheet
from feature_platform_tests.ground.pictures.reading import paths, points, svg_of, texts

WIDE, FLOOR, TOP = 392, 100, 28


def trend(values: Sequence[float | None], threshold: float | None = 0.2, **changed: object) -> Trend:
    many = len(values)
    told = {
        "places": list(range(many)),
        "thresholds": [threshold] * many,
        "alarms": [value is not None and threshold is not None and value >= threshold for value in values],
        "first": "2013-01-01",
        "last": "2013-03-31",
    }
    return Trend("x", "said", values=values, **(told | changed))  # type: ignore[arg-type]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_the_line_passes_every_number_on_one_scale_with_the_threshold(values: list[float]) -> None:
    found = svg_of(embed(trends_sheet("t", [trend(values)])))

    upper = min(max([*values, 0.2]), 6 * 0.2) * 1.05
    passed = dict(points(paths(found, "curve")[0]))
    for at, value in enumerate(values):
        x, y = round(at / (len(values) - 1) * WIDE), FLOOR - round(min(value / upper, 1) * (FLOOR - TOP))
        assert passed.get(x, y) == y  # points between two of the same height are not said
    [(_, start), (_, end)] = points(paths(found, "limit")[0])
    assert start == end == FLOOR - round(0.2 / upper * (FLOOR - TOP))


def test_alarms_are_marked_where_they_are() -> None:
    found = svg_of(embed(trends_sheet("t", [trend([0.1, 0.4, 0.1, 0.3, None])])))

    marked = points(paths(found, "alarms")[0])[::2]
    assert [x for x, _ in marked] == [98, 294]
    assert set(marked) <= set(points(paths(found, "curve")[0]))


def test_a_gap_stays_a_gap_and_a_lone_number_is_seen() -> None:
    [curve] = paths(svg_of(embed(trends_sheet("t", [trend([0.1, 0.1, None, 0.1, math.nan, 0.1])]))), "curve")

    assert curve.count("M") == 3


def test_both_ends_are_said() -> None:
    assert texts(svg_of(embed(trends_sheet("t", [trend([0.1, 0.3])])))) == [
        "t",
        "x",
        "said",
        "2013-01-01",
        "2013-03-31",
    ]


@pytest.mark.parametrize("values", [[], [0.1], [None], [math.nan, math.inf], [1e308, 1e-308], [-1.0, 5.0], [0.0, 0.0]])
@pytest.mark.parametrize("threshold", [0.2, 0.0, None, math.inf])
def test_any_numbers_have_a_picture(values: list[float | None], threshold: float | None) -> None:
    found = svg_of(embed(trends_sheet("t", [trend(values, threshold)])))

    for kind in ("curve", "limit", "alarms"):
        assert all(0 <= x <= WIDE + 1 and TOP <= y <= FLOOR for each in paths(found, kind) for x, y in points(each))
    assert fits_inline(sparkline(trend(values, threshold)))


@pytest.mark.parametrize("peak", [0, 777, 4999])
def test_thinning_out_keeps_the_alarm(peak: int) -> None:
    values: list[float | None] = [0.01] * 5000
    values[peak] = 0.9
    found = svg_of(embed(trends_sheet("t", [trend(values)])))

    [(x, y), _] = points(paths(found, "alarms")[0])
    assert abs(x - peak / 4999 * WIDE) <= WIDE / 180
    assert y == min(y for _, y in points(paths(found, "curve")[0]))


@given(st.lists(st.floats(0, 1), max_size=400))
def test_a_spark_always_fits_where_it_stands(values: list[float]) -> None:
    assert fits_inline(sparkline(trend(list(values))))


def test_panels_stand_two_beside_each_other_and_say_their_names() -> None:
    found = svg_of(embed(trends_sheet("t", [trend([0.1, 0.2])] * 5)))

    assert int(found.attrib["height"]) == 44 + 3 * 124 + 4
    assert texts(found).count("x") == 5
