"""What is shown of a monitoring table: the worst first, since when, and small enough to be kept."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.drift.pictures import WORST, drift_picture, score_trends, strongest_trend
from feature_platform.compute.drift.reference import Reference
from feature_platform.compute.drift.summaries import strongest_findings, summary_table
from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.watches.monitored import MONITORED
from feature_platform.ground.pictures.embedded import fits_inline
from feature_platform_tests.ground.pictures.reading import paths, points, rendered, svg_of, texts

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
HOSTILE = "x|y <script>`*_\x00"


def row(day: int, column: str | None = "x", score: float | None = 0.1, **changed: object) -> dict[str, object]:
    at = FIRST + timedelta(days=day)
    found = score is not None and score >= 0.2
    told = {"kind": "drift", "metric": "psi", "window": at, "threshold": 0.2, "found": found, "alarm": found}
    return {"partition": f"{at:%Y-%m-%d}", "column": column, "score": score, "certain": False} | told | changed


def table(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=MONITORED, orient="row")


def test_the_summary_lists_what_is_wrong_with_the_worst_first_and_counts_the_rest() -> None:
    rows = table(
        row(0, "a", 0.3),
        row(0, "b", 0.9),
        row(0, "b", 0.4, metric="ks"),
        row(0, "c"),
        row(0, "d", None, found=None, alarm=False),
        row(0, None, 0.4, kind="volume", threshold=1.4, found=True, alarm=True, window=None),
        row(0, None, None, kind="schema", threshold=None, found=False, window=None, metric=None),
    )
    lines = summary_table(rows).splitlines()

    assert lines == [
        "|what|score/threshold|since|",
        "|-|-|-|",
        "|`b`|psi 0.9/0.2|2024-03-01|",
        "|`volume`|0.4/1.4|2024-03-01|",
        "|`a`|psi 0.3/0.2|2024-03-01|",
        "",
        "1 of 4 columns have not drifted. Of 1 nothing can be said.",
        "",
        "As usual: schema.",
    ]


def test_a_difference_that_does_not_last_is_said_to_be_one() -> None:
    text = summary_table(table(row(0, score=0.5, alarm=False)))

    assert text == "Different, but not lasting: `x`.\n\n0 of 1 columns have not drifted."


def test_only_the_newest_partition_is_summarized() -> None:
    assert summary_table(table(row(0, score=0.5), row(1))) == "1 of 1 columns have not drifted."


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=12))
def test_since_is_where_the_last_stretch_began(flags: list[bool | None]) -> None:
    rows = table(*(row(day, found=flag, alarm=bool(flag)) for day, flag in enumerate(flags)))
    things = strongest_findings(rows)

    if not flags[-1]:
        assert things.is_empty()
        return
    began = len(flags) - 1
    while began and flags[began - 1]:
        began -= 1
    assert things["since"].to_list() == [f"{FIRST + timedelta(days=began):%Y-%m-%d}"]


def test_another_metric_of_the_column_counts_for_since_and_another_column_does_not() -> None:
    rows = table(row(0, "y", 0.9), row(0), row(0, score=0.9, metric="ks"), row(1, score=0.9), row(1, "y"))

    assert strongest_findings(rows).select("column", "since").rows() == [("x", "2024-03-01")]


def test_since_is_a_partition_where_there_are_no_windows() -> None:
    rows = table(row(0, kind="dead", window=None, found=True), row(1, kind="dead", window=None, found=True))

    assert strongest_findings(rows)["since"].to_list() == ["2024-03-01"]


@pytest.mark.parametrize("many", [0, 1, 9, 200])
def test_the_summary_always_fits_where_it_stands_and_counts_all(many: int) -> None:
    rows = table(row(0, "quiet"), *(row(0, f"{HOSTILE}{at}😀" * 9, 0.3 + at) for at in range(many)))
    text = summary_table(rows)
    listed = text.count("/0.2|")

    assert fits_inline(text)
    assert ("more are wrong" in text or f"{many} are wrong" in text) == (listed < many)
    assert rendered(text).count("<td") == listed * 3


def test_nothing_looked_at_is_no_trouble() -> None:
    assert summary_table(table()) == ""
    assert (score_trends(table()), strongest_trend(table()), drift_picture({}, {}, table())) == ("", "", "")


def test_trends_show_the_strongest_metric_of_each_column_with_an_alarm_the_strongest_first() -> None:
    rows = table(
        *(row(day, "a", 0.1 + 0.1 * day) for day in range(4)),
        *(row(day, "b", 0.1 + 0.3 * day) for day in range(4)),
        *(row(day, "b", 0.1 + 0.9 * day, metric="ks") for day in range(4)),
        *(row(day, "quiet") for day in range(4)),
    )
    found = svg_of(score_trends(rows))

    assert [each for each in texts(found) if "·" in each] == ["b · Kolmogorov-Smirnov", "a · PSI"]
    assert [len(points(each)) // 2 for each in paths(found, "alarms")] == [3, 3]
    assert texts(found).count("2024-03-01") == texts(found).count("2024-03-04") == 2


def test_what_alarms_now_comes_before_what_alarmed_more() -> None:
    rows = table(row(0, "earlier", 9.0), row(1, "earlier"), row(0, "now"), row(1, "now", 0.3))

    assert [each for each in texts(svg_of(score_trends(rows))) if "·" in each] == ["now · PSI", "earlier · PSI"]


def test_at_most_six_trends_are_drawn() -> None:
    found = svg_of(score_trends(table(*(row(0, f"c{at}", 0.3 + at) for at in range(20)))))

    assert len(paths(found, "alarms")) == WORST


def test_a_volume_has_a_threshold_on_either_side() -> None:
    volumes = [1.0, 1.1, 0.4]
    changed = {"kind": "volume", "metric": "ratio", "threshold": 1.4}
    rows = table(
        *(row(day, None, each, found=each < 0.7, alarm=each < 0.7, **changed) for day, each in enumerate(volumes))
    )
    found = svg_of(score_trends(rows))

    assert len({y for _, y in points(paths(found, "limit")[0])}) == 2
    assert "volume · ratio" in texts(found)


def test_windows_are_as_far_apart_as_their_times() -> None:
    rows = table(row(0), row(1), row(10, score=0.5))
    [curve] = paths(svg_of(score_trends(rows)), "curve")

    assert [x for x, _ in points(curve)] == [0, 39, 392]


def test_a_year_of_hours_is_small_and_the_strongest_trend_fits_where_it_stands() -> None:
    generator = np.random.default_rng(0)
    rows = table(
        *(
            row(0, f"c{column}", float(generator.uniform(0, 0.4)), window=FIRST + timedelta(hours=hour))
            for column in range(6)
            for hour in range(1000)
        )
    )

    assert len(score_trends(rows)) < 30_000
    assert fits_inline(strongest_trend(rows))
    assert score_trends(rows) == score_trends(rows.sample(fraction=1, shuffle=True, seed=1))


def compared(reference: pl.DataFrame, current: pl.DataFrame) -> tuple[dict[str, Reference], dict[datetime, object]]:
    layouts = layouts_of(reference, reference.columns)
    profile = profile_of(reference, layouts)
    references = {name: Reference(layouts[name], [profile[name]], [None]) for name in layouts}
    return references, {FIRST: profile_of(current, layouts)}


def test_the_drift_picture_shows_the_worst_columns_and_what_changed() -> None:
    before = pl.DataFrame({"x": np.arange(1000.0), "c": ["a", "b"] * 500, "y": np.arange(1000.0)})
    now = pl.DataFrame({"x": np.arange(1000.0) + 500, "c": ["a", "a"] * 500, "y": [None] * 1000}, schema=before.schema)
    references, current = compared(before, now)

    found = svg_of(drift_picture(references, current, table(row(0, "x", 0.3), row(0, "c", 0.9), row(0, "y"))))  # type: ignore[arg-type]

    said = texts(found)
    assert [each for each in said if each in ("x", "c", "y")] == ["c", "x"]
    assert "PSI 0.3, threshold 0.2" in said
    assert "2024-03-01 · median 499 → 999" in said
    assert "50.0% → 100.0%" in said


def test_a_column_that_is_gone_or_a_window_that_is_not_there_is_left_out() -> None:
    references, current = compared(pl.DataFrame({"x": [1.0]}), pl.DataFrame({"x": [1.0]}))

    assert drift_picture(references, current, table(row(0, "gone", 0.9), row(5, "x", 0.9))) == ""  # type: ignore[arg-type]


def test_more_drifted_columns_than_are_drawn_are_counted() -> None:
    frame = pl.DataFrame({f"column_{at}": [f"{HOSTILE}{value}" for value in range(300)] for at in range(9)})
    references, current = compared(frame, frame)
    picture = drift_picture(references, current, table(*(row(0, name, 0.9) for name in frame.columns)))  # type: ignore[arg-type]

    assert "Grey is the reference, blue what is there now. 3 more columns have drifted." in texts(svg_of(picture))
    assert len(picture) < 30_000
