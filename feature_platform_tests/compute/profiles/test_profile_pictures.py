"""The picture of a partition's profile: true to the rows, whatever they are, and small."""

import math
from datetime import datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.profiles.distinct import EMPTY, sketch_of
from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.compute.profiles.pictures import null_share, profile_picture
from feature_platform_tests.ground.pictures.reading import heights, paths, svg_of, texts

BOUND = 30_000  # characters of Markdown for 20 columns


def profiled(rows: pl.DataFrame, learnt_from: pl.DataFrame | None = None, **told: object) -> PartitionProfile:
    layouts = layouts_of(rows if learnt_from is None else learnt_from, rows.columns)
    facts = {"partition": "2024-03-01", "content": "c", "rows": rows.height, "keys": EMPTY, "duplicates": None} | told
    dtypes = {name: str(dtype) for name, dtype in rows.schema.items()}
    return PartitionProfile(dtypes=dtypes, columns=profile_of(rows, layouts), **facts)  # type: ignore[arg-type]


def said(rows: pl.DataFrame, **told: object) -> list[str]:
    return texts(svg_of(profile_picture(profiled(rows, None, **told))))


def test_bins_are_as_tall_as_the_rows_in_them() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(50, 10, 100_000)

    [bars] = paths(svg_of(profile_picture(profiled(pl.DataFrame({"x": values})))), "bars")

    low, high = np.quantile(values, [0.005, 0.995])
    counts = np.histogram(values, np.linspace(low, high, 25))[0]
    expected = counts / counts.max() * 23
    assert np.abs(np.array(heights(bars, 7)) - expected).max() <= 1.5


def test_the_first_line_says_rows_columns_keys_and_repeated_rows() -> None:
    rows = pl.DataFrame({"k": ["a", "b", "b"], "x": [1.0, 2.0, 2.0]})

    assert said(rows, keys=sketch_of(rows["k"]), duplicates=1)[:2] == [
        "2024-03-01",
        "3 rows, 2 columns, 2 entity keys, 1 rows beyond the first of their identity",
    ]


def test_numbers_show_smallest_median_largest_missing_and_different() -> None:
    rows = pl.DataFrame({"x": [1.0, 5.0, 9.0, None, math.nan]})

    assert said(rows)[-7:] == ["x", "Float64", "40%", "3", "1", "5", "9"]


def test_categories_show_the_leading_ones_by_their_share() -> None:
    rows = pl.DataFrame({"c": ["ann"] * 5 + ["bob"] * 4 + [""] * 1})

    assert said(rows)[-5:] == ["c", "String", "0%", "3", "ann 50% · bob 40% · (empty) 10%"]


def test_identifiers_show_examples_only() -> None:
    assert said(pl.DataFrame({"id": [f"N{at:04}" for at in range(2000)]}))[-1] == "e.g. N0000, N0001, N0002"


def test_values_that_the_layout_does_not_know_are_examples_and_a_grey_bar() -> None:
    rows, known = pl.DataFrame({"c": ["new", "newer"]}), pl.DataFrame({"c": ["old"]})
    found = svg_of(profile_picture(profiled(rows, known)))

    assert texts(found)[-1] == "e.g. new, newer"
    assert (len(paths(found, "bars")), heights(paths(found, "rest")[0], 7)) == (0, [23, 23])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([None, None], dtype=pl.Float64), "no values"),
        (pl.Series([math.nan, math.nan]), "no values"),
        (pl.Series([math.inf, -math.inf]), "2 infinite values"),
        (pl.Series([None, None], dtype=pl.Null), "no values"),
        (pl.Series([], dtype=pl.String), "no values"),
    ],
)
def test_a_column_without_numbers_says_so(values: pl.Series, expected: str) -> None:
    found = svg_of(profile_picture(profiled(pl.DataFrame({"x": values}))))

    assert texts(found)[-1] == expected
    assert paths(found, "bars") == []


def test_times_of_day_and_durations_are_said_as_such() -> None:
    rows = pl.DataFrame({"t": [time(5, 30), time(23, 59, 1)], "d": [timedelta(minutes=1), timedelta(hours=1)]})
    found = said(rows)

    assert found[-14 + 4 : -7] == ["05:30:00", "05:30:00", "23:59:01"]
    assert found[-3:] == ["60 s", "60 s", "3,600 s"]


def test_moments_and_structs_show_only_what_is_missing() -> None:
    rows = pl.DataFrame({"at": [datetime(2024, 3, 1), None], "s": [{"a": 1}, {"a": 2}]})

    assert said(rows)[-6:] == ["at", "Datetime", "50%", "s", "Struct", "0%"]


def test_of_lists_the_lengths_are_shown() -> None:
    rows = pl.DataFrame({"l": [[1], [2, 3, 4], None, [5]]})

    assert said(rows)[-3:] == ["1 items", "1 items", "3 items"]


def test_hostile_names_and_values_are_shown_as_they_are() -> None:
    hostile = "</svg><script>\"'&]]>"
    rows = pl.DataFrame({hostile: [hostile] * 3, "a\x00b": ["\x1b"] * 3})
    found = said(rows)

    assert hostile in found
    assert "a�b" in found
    assert "� 100%" in found


def test_no_rows_and_no_columns_have_a_picture() -> None:
    assert "0 rows, 0 columns" in said(pl.DataFrame(), partition="")
    assert said(pl.DataFrame(schema={"x": pl.Float64}))[-1] == "no values"


def test_of_500_columns_forty_are_drawn_and_the_rest_is_said() -> None:
    rows = pl.DataFrame({f"c{at}": [1.0, 2.0] for at in range(500)}).with_columns(c77=pl.lit(None, pl.Float64))
    picture = profile_picture(profiled(rows))

    assert texts(svg_of(picture))[-1] == "460 more columns are not drawn; most is missing in c77 100%."
    assert len(picture) < 2 * BOUND


def test_a_column_whose_layout_is_lost_is_left_out() -> None:
    profile = profiled(pl.DataFrame({"x": [1.0]}))
    lost = PartitionProfile("p", "c", 1, {"x": "Float64", "y": "Float64"}, profile.columns, EMPTY, None)

    assert "y" not in texts(svg_of(profile_picture(lost)))


def test_twenty_columns_take_less_than_the_bound_and_the_same_rows_the_same_text() -> None:
    generator = np.random.default_rng(0)
    columns = {f"a_rather_long_name_of_column_{at}": generator.lognormal(0, 2, 5000) for at in range(10)}
    texts_ = {f"and_one_with_text_in_it_{at}": generator.choice(list("abcdefghijk"), 5000) for at in range(10)}
    profile = profiled(pl.DataFrame(columns | texts_))

    assert len(profile_picture(profile)) < BOUND
    assert profile_picture(profile) == profile_picture(profile)


def test_the_share_of_missing_values_is_over_all_columns() -> None:
    assert null_share(profiled(pl.DataFrame({"x": [1.0, None, math.nan], "y": ["a", "b", None]}))) == 0.5
    assert null_share(profiled(pl.DataFrame())) == 0.0
