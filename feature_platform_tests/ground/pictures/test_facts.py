"""The picture of a table's columns: one row each, as tall as the data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.ground.pictures.embedded import embed
from feature_platform.ground.pictures.facts import BINS, ROWS, ColumnFacts, cut_to_room, facts_sheet, share_text
from feature_platform_tests.ground.pictures.reading import heights, paths, svg_of, texts

PITCH, TALL = 7, 23
shares = st.lists(st.floats(0, 1), min_size=BINS, max_size=BINS)


def facts(name: str = "x", **changed: object) -> ColumnFacts:
    told = {"kind": "Float64", "shares": (), "rest": None, "absent": 0.0, "different": 3, "values": ("1", "2", "3")}
    return ColumnFacts(name=name, **(told | changed))  # type: ignore[arg-type]


@given(shares)
def test_bins_are_as_tall_as_their_shares_and_what_is_there_is_seen(found: list[float]) -> None:
    drawn = paths(svg_of(embed(facts_sheet("t", "s", [facts(shares=found)]))), "bars")

    if max(found) <= 0:
        assert drawn == []
        return
    tall = heights(drawn[0], PITCH)
    assert len(tall) == BINS
    for height, share in zip(tall, found, strict=True):
        assert abs(height - share / max(found) * TALL) <= (1 if share > 0 else 0)
        assert (height > 0) == (share > 0)


def test_categories_are_bars_with_gaps_and_the_rest_is_grey() -> None:
    found = svg_of(embed(facts_sheet("t", "s", [facts(shares=[0.5, 0.25], rest=0.25, values="a 50%")])))

    assert heights(paths(found, "bars")[0], PITCH) == [23, 23, 0, 12, 12, 0]
    assert heights(paths(found, "rest")[0], PITCH) == [12, 12]


@pytest.mark.parametrize(("absent", "long"), [(1.0, 44), (0.5, 22), (1e-9, 1)])
def test_the_bar_of_missing_values_is_as_long_as_their_share(absent: float, long: int) -> None:
    [bar] = paths(svg_of(embed(facts_sheet("t", "s", [facts(absent=absent)]))), "absent")

    assert f"h{long}v" in bar


def test_nothing_missing_has_no_bar() -> None:
    assert paths(svg_of(embed(facts_sheet("t", "s", [facts()]))), "absent") == []


def test_a_row_says_name_type_missing_different_and_values() -> None:
    said = texts(svg_of(embed(facts_sheet("t", "s", [facts("dep_delay", absent=0.25, different=1234)]))))

    assert said[-7:] == ["dep_delay", "Float64", "25%", "1,234", "1", "2", "3"]


def test_many_columns_are_cut_and_the_rest_is_said() -> None:
    found = texts(svg_of(embed(facts_sheet("t", "s", [facts(f"c{at}") for at in range(500)], "460 more columns"))))

    assert [each for each in found if each.startswith("c") and each[1:].isdigit()] == [f"c{at}" for at in range(ROWS)]
    assert found[-1] == "460 more columns"


def test_no_columns_are_a_picture_too() -> None:
    assert texts(svg_of(embed(facts_sheet("2013-01-05", "0 rows", []))))[:2] == ["2013-01-05", "0 rows"]


@given(st.text(max_size=40), st.integers(2, 30))
def test_cut_words_have_room_and_say_that_they_were_cut(said: str, letters: int) -> None:
    found = cut_to_room(said, letters)

    assert found == said or (found.endswith("…") and said.startswith(found[:-1]))
    assert len(found) <= letters


@given(st.floats(0, 1))
def test_a_share_is_only_said_to_be_nothing_or_all_when_it_is(share: float) -> None:
    assert (share_text(share) == "0%") == (share == 0)
    assert (share_text(share) == "100%") == (share == 1)
