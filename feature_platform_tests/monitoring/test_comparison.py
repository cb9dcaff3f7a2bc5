"""fp.drift_scores and fp.drift_report: two frames as a notebook has them."""

# ruff: noqa: E501  (one wrong call to a line)

from datetime import date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, WrongColumnType
from feature_platform.parts.drift import METRICS

START = datetime(2024, 1, 1, tzinfo=timezone.utc)  # a Monday


def rows(seed, many=2000, shift=0.0, late=0.2, missing=0.0, day=0, days=1):
    rng = np.random.default_rng(seed)
    at = [START + timedelta(days=day + days * each / many) for each in range(many)]
    frame = pl.DataFrame({"at": at, "delay": rng.normal(shift, 1.0, many), "late": rng.random(many) < late})
    gone = pl.Series(rng.random(many) < missing)
    return frame.with_columns(carrier=pl.Series(rng.choice(["UA", "AA", "DL"], many)).set(gone, None))


def drifted(scores, column):
    return set(scores.filter((pl.col("column") == column) & pl.col("drifted"))["metric"])


def test_there_is_one_row_for_each_column_and_metric_that_applies():
    scores = fp.drift_scores(rows(1), rows(2), columns=["delay", "carrier"])
    assert scores.columns[:5] == ["column", "metric", "score", "threshold", "drifted"]
    assert {"n_reference", "n_current", "status", "p_value"} <= set(scores.columns)
    assert scores.group_by("column", maintain_order=True).agg("metric").rows() == [
        ("delay", ["psi", "ks", "wasserstein", "jensen_shannon", "hellinger", "l_infinity", "null_rate"]),
        (
            "carrier",
            [
                "psi",
                "jensen_shannon",
                "hellinger",
                "l_infinity",
                "chi_square",
                "null_rate",
                "new_categories",
                "vanished_categories",
            ],
        ),
    ]
    assert not scores["drifted"].any()
    assert set(scores["metric"]) == {metric.name for metric in METRICS}


@pytest.mark.parametrize("lazy", [False, True])
def test_drift_is_found_in_the_column_that_has_it(lazy):
    before, after = rows(1), rows(2, shift=0.5, missing=0.1)
    frames = (before.lazy(), after.lazy()) if lazy else (before, after)
    scores = fp.drift_scores(*frames, columns=["delay", "late", "carrier"])
    assert drifted(scores, "delay") == {"psi", "ks", "wasserstein", "jensen_shannon", "hellinger", "l_infinity"}
    assert drifted(scores, "late") == set()
    assert drifted(scores, "carrier") == {"null_rate"}
    counts = scores.filter(pl.col("metric") == "null_rate").select("n_reference", "n_current")
    assert counts.unique().rows() == [(2000, 2000)]


def test_the_same_frame_twice_has_no_drift_at_all():
    scores = fp.drift_scores(rows(1), rows(1))
    assert max(scores["score"].drop_nulls().to_list()) < 1e-6
    assert not scores["drifted"].any()


def test_thresholds_are_learnt_from_windows_so_that_habit_is_no_drift():
    habit = pl.concat([rows(day, many=500, shift=0.4 * (day % 2), day=day) for day in range(30)])
    today = rows(99, many=500, shift=0.4, day=30)
    plain = fp.drift_scores(habit, today, columns=["delay"])
    learnt = fp.drift_scores(habit, today, columns=["delay"], event_time="at", every="1d")
    assert drifted(plain, "delay")
    assert not drifted(learnt, "delay")
    assert learnt["n_windows"].unique().to_list() == [30]
    assert drifted(fp.drift_scores(habit, rows(98, shift=2.0, day=30), event_time="at", every="1d"), "delay")


def test_a_window_is_compared_with_the_same_weekday_when_there_are_enough():
    def of(day):
        return rows(day, many=400, shift=2.0 if day % 7 == 6 else 0.0, day=day)

    habit = pl.concat([of(day) for day in range(42)])
    sunday_on_monday = rows(77, many=400, shift=2.0, day=42)
    sunday = rows(77, many=400, shift=2.0, day=48)
    assert drifted(fp.drift_scores(habit, sunday_on_monday, event_time="at", every="1d"), "delay")
    assert not drifted(fp.drift_scores(habit, sunday, event_time="at", every="1d"), "delay")


def test_times_without_a_zone_and_dates_cut_windows_too():
    habit = pl.concat([rows(day, many=300, day=day) for day in range(8)])
    for at in (pl.col("at").dt.replace_time_zone(None), pl.col("at").dt.date()):
        found = fp.drift_scores(habit.with_columns(at), rows(9), columns=["delay"], event_time="at", every="1d")
        assert found["n_windows"].unique().to_list() == [8]


def test_what_cannot_be_compared_says_so_in_a_row():
    frame = rows(1).with_columns(tags=pl.struct("carrier"), nothing=pl.lit(None))
    scores = fp.drift_scores(frame, frame)
    said = dict(scores.filter(pl.col("metric") == "values").select("column", "status").rows())
    assert said == {
        "at": "not compared: moments always move on",
        "tags": "not compared: Struct({'carrier': String}) values have no distribution",
        "nothing": "not compared: there are no values",
    }
    burst = frame.with_columns(tags=pl.lit(None, dtype=pl.Struct({"carrier": pl.String})))
    assert drifted(fp.drift_scores(frame, burst), "tags") == {"null_rate"}


def test_lists_are_compared_by_their_absence_and_their_length():
    frame = rows(1).with_columns(tags=pl.concat_list("carrier"))
    longer = frame.with_columns(tags=pl.concat_list("carrier", "carrier"))
    assert not drifted(fp.drift_scores(frame, frame.with_columns(tags=pl.concat_list(pl.lit("other")))), "tags")
    assert "ks" in drifted(fp.drift_scores(frame, longer), "tags")
    assert drifted(fp.drift_scores(frame, frame.with_columns(tags=pl.lit(None, pl.List(pl.String)))), "tags") == {
        "null_rate"
    }


def test_numbers_at_the_ends_of_what_floats_hold_are_compared_without_a_warning():
    extremes = [0.0, 1e308, -1e308, 5e-324, float("inf"), -float("inf"), float("nan")]
    frame = pl.DataFrame({"x": extremes * 50})
    scores = fp.drift_scores(frame, frame.with_columns(-pl.col("x").fill_nan(1.0)))
    assert drifted(scores, "x") >= {"null_rate"}  # beside 1e308 a 1 is what rounding leaves of nothing
    assert scores["score"].drop_nulls().is_finite().all()
    assert "inf" not in fp.drift_report(frame, frame).split("</style>")[1].replace("infinity", "")


def test_few_rows_are_insufficient_and_a_column_without_values_still_has_its_null_rate():
    few = fp.drift_scores(rows(1), rows(2, many=50))
    assert few.filter(pl.col("metric") != "values")["status"].unique().to_list() == ["insufficient"]
    assert few["drifted"].null_count() == few.height
    gone = rows(2).with_columns(delay=pl.lit(None, dtype=pl.Float64))
    assert drifted(fp.drift_scores(rows(1), gone), "delay") == {"null_rate"}
    assert drifted(fp.drift_scores(rows(1), rows(2).with_columns(delay=pl.lit(None))), "delay") == {"null_rate"}


REFUSED = {
    "a column the current frame lacks": (lambda: fp.drift_scores(rows(1), rows(1).drop("late")), MissingColumns, ["current", "`late`"]),
    "a column nobody has": (lambda: fp.drift_scores(rows(1), rows(1), columns=["x"]), MissingColumns, ["reference", "`x`"]),
    "numbers against text": (lambda: fp.drift_scores(rows(1), rows(1).cast({"delay": pl.String})), WrongColumnType, ["`delay`", "String", "number"]),
    "one name": (lambda: fp.drift_scores(rows(1), rows(1), columns="delay"), InvalidDeclaration, ["columns=['delay']"]),
    "a time without a length": (lambda: fp.drift_scores(rows(1), rows(1), event_time="at"), InvalidDeclaration, ["every=None"]),
    "no duration": (lambda: fp.drift_scores(rows(1), rows(1), event_time="at", every="day"), InvalidDeclaration, ["'day'"]),
    "a time that is none": (lambda: fp.drift_scores(rows(1), rows(1), event_time="delay", every="1d"), WrongColumnType, ["`delay`", "a time"]),
    "a time nobody has": (lambda: fp.drift_scores(rows(1), rows(1), event_time="then", every="1d"), MissingColumns, ["`then`"]),
    "no rows to compare with": (lambda: fp.drift_scores(rows(1).clear(), rows(1)), InvalidDeclaration, ["without rows"]),
    "no columns": (lambda: fp.drift_scores(rows(1), rows(1), columns=[]), InvalidDeclaration, ["no columns"]),
}  # fmt: skip


@pytest.mark.parametrize(("ask", "error", "said"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_in_one_sentence(ask, error, said):
    with pytest.raises(error) as refused:
        ask()
    assert all(each in str(refused.value) for each in said), refused.value


def test_a_report_is_one_page_that_needs_nothing_from_elsewhere(tmp_path):
    after = rows(2, shift=1.0).with_columns(carrier=pl.lit("<b>B6</b>"))
    html = fp.drift_report(rows(1), after, title="Delays & <carriers>")
    assert html.startswith("<!doctype html>")
    assert "2 of 4" in html
    assert "Delays &amp; &lt;carriers&gt;" in html
    assert "<b>B6" not in html
    assert "&lt;b&gt;B6" in html
    assert "moments always move on" in html
    assert html.count('<span class="badge odd">not compared</span>') == 2
    assert html.index("<code>delay</code>") < html.index("<code>late</code>")
    outside = html.replace("http://www.w3.org/2000/svg", "")
    assert not any(word in outside for word in ("<script", "http:", "https:", "<link", "@import", "nan", "None"))
    assert fp.drift_report(rows(1), after, title="Delays & <carriers>") == html
    assert html.save(tmp_path / "page.html").read_text() == html
    assert "srcdoc" in html._repr_html_()


@pytest.mark.parametrize(
    "after",
    [
        rows(2).clear(),
        rows(2, many=20),
        rows(2).with_columns(delay=pl.lit(None, dtype=pl.Float64), carrier=pl.lit(None, dtype=pl.String)),
    ],
)
def test_a_report_of_nearly_nothing_is_a_page_too(after):
    html = fp.drift_report(rows(1), after)
    assert html.count("<details") == 4
    assert "nan" not in html


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([date(2020, 1, 1)] * 300),
        pl.Series([None] * 300),
        pl.Series([{"a": 1}] * 300),
    ],
)
def test_a_report_of_what_cannot_be_compared_says_so(values):
    frame = pl.DataFrame({"x": values})
    for current in (frame, frame.clear(), frame.head(1)):
        assert "Nothing can be compared but the share of rows without a value" in fp.drift_report(frame, current)
