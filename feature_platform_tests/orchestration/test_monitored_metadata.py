"""What Dagster is told of a monitoring run: numbers, short tables, pictures only when something is wrong, checks."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
import numpy as np
import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.drift.reference import Reference
from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.watches import WATCHES
from feature_platform.compute.watches.monitored import JUDGED, MONITORED
from feature_platform.ground.pictures.embedded import fits_inline
from feature_platform.monitoring.judging.drift import DriftJudgement
from feature_platform.orchestration.monitored_metadata import (
    TOO_LITTLE,
    monitoring_check_results,
    monitoring_check_specs,
    monitoring_metadata,
)
from feature_platform_tests.ground.pictures.reading import rendered, svg_of, texts

KEY = dg.AssetKey(["monitoring", "sources", "orders"])
AT = datetime(2024, 3, 2, tzinfo=UTC)
HOSTILE = "x|y <b>bold</b> `*_"


def source(**told: object) -> fp.Source:
    return fp.Source("orders", fp.sources.Frame(pl.DataFrame()), event_time="at", **told)  # type: ignore[arg-type]


WATCHED, PLAIN = source(monitor=fp.Monitor(reference="90d")), source()


def row(
    kind: str = "drift", column: str | None = "amount", score: float | None = 0.1, **told: object
) -> dict[str, object]:
    found = score is not None and score >= 0.2
    facts = {"partition": "2024-03-02", "window": AT, "metric": "psi", "threshold": 0.2, "found": found, "alarm": found}
    said = {"measure": "psi", "compared_to": "900 values in 2024-01-01 to 2024-03-01", "certain": False}
    return {"kind": kind, "column": column, "score": score} | facts | said | told


def table(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=MONITORED, orient="row")


def judged() -> DriftJudgement:
    before, now = pl.DataFrame({"amount": np.arange(500.0)}), pl.DataFrame({"amount": np.arange(500.0) + 400})
    layouts = layouts_of(before, ["amount"])
    reference = Reference(layouts["amount"], [profile_of(before, layouts)["amount"]], [None])
    return DriftJudgement(pl.DataFrame(schema=JUDGED), {"amount": reference}, {AT: profile_of(now, layouts)})


def results(
    rows: pl.DataFrame, asset: fp.Source = WATCHED, history: pl.DataFrame | None = None
) -> Mapping[str, dg.AssetCheckResult]:
    return {str(each.check_name): each for each in monitoring_check_results(KEY, rows, asset, history)}


def test_numbers_are_those_that_dagster_plots() -> None:
    rows = table(
        row(score=0.5),
        row(score=0.3, metric="ks"),
        row(column="other"),
        row("multivariate", None, 0.9, threshold=0.6),
        row("volume", None, 0.4, threshold=1.4, found=True, alarm=True),
    )
    found = monitoring_metadata(rows, None)

    assert {name: value for name, value in found.items() if name != "summary"} == {
        "alarms": 3,
        "columns_drifted": 1,
        "columns_watched": 2,
        "largest_score_over_threshold": 2.5,
    }


@pytest.mark.parametrize("score", [None, float("inf"), float("nan")])
def test_a_number_that_is_none_is_left_out(score: float | None) -> None:
    assert "largest_score_over_threshold" not in monitoring_metadata(table(row(score=score, found=None)), None)


def test_pictures_are_there_when_something_is_wrong_and_short_ones_are_shown_where_they_stand() -> None:
    found = monitoring_metadata(table(row(score=0.9)), judged())

    assert fits_inline(found["summary"].value)
    assert fits_inline(found["trend"].value)
    assert "amount · PSI" in texts(svg_of(found["trends"].value))
    assert "amount" in texts(svg_of(found["drift"].value))


def test_a_quiet_partition_has_no_pictures() -> None:
    assert not {"trend", "trends", "drift"} & monitoring_metadata(table(row()), judged()).keys()
    assert not {"trend", "trends", "drift"} & monitoring_metadata(table(row(score=0.9)), None).keys()


def test_history_reaches_back_and_never_ahead() -> None:
    history = table(
        row(score=0.8, partition="2024-03-01", window=AT.replace(day=1)), row(score=0.1), row(partition="2024-03-09")
    )
    found = monitoring_metadata(table(row(score=0.9)), judged(), history)

    assert "|`amount`|psi 0.9/0.2|2024-03-01|" in found["summary"].value
    assert "since 2024-03-01" in str(results(table(row(score=0.9)), history=history)["no_drift"].description)


def test_everything_can_be_told_to_dagster_when_there_was_nothing_to_look_at() -> None:
    rows = table()

    assert monitoring_metadata(rows, judged())["alarms"] == 0
    assert all(each.passed and each.description == TOO_LITTLE for each in results(rows).values())


def test_there_is_a_check_for_each_kind_of_watch_and_drift_only_with_a_monitor() -> None:
    names = [each.name for each in monitoring_check_specs(KEY, WATCHED)]

    assert names == ["no_drift", *(f"watch_{each.kind}" for each in WATCHES), "watch_foreign_write"]
    assert [each.name for each in monitoring_check_specs(KEY, PLAIN)] == names[1:]
    assert len(names) < 15
    assert list(results(table(), WATCHED)) == names
    assert list(results(table(), PLAIN)) == names[1:]
    assert not any(each.blocking for each in monitoring_check_specs(KEY, WATCHED))
    assert all(each.description for each in monitoring_check_specs(KEY, WATCHED))


def test_a_failed_check_warns_and_lists_what_since_when_how_much_and_compared_to_what() -> None:
    found = results(
        table(
            row(score=0.9), row(column=HOSTILE, score=0.3), row("dead", "tip", 1.0, threshold=0.5, evidence="0 of 90")
        )
    )

    drift, dead = found["no_drift"], found["watch_dead"]
    assert (drift.passed, dead.passed) == (False, False)
    assert {drift.severity, dead.severity} == {dg.AssetCheckSeverity.WARN}
    assert str(drift.description).startswith("`amount` PSI since 2024-03-02, and 1 more.")
    html = rendered(str(drift.metadata["wrong"].value))
    assert html.count("<td") == 2 * 5
    assert "<b>" not in html
    assert "900 values in 2024-01-01 to 2024-03-01" in html
    assert "0 of 90" in str(dead.metadata["wrong"].value)
    assert drift.metadata["alarms"].value == 2


def test_what_does_not_last_passes_and_is_named() -> None:
    found = results(table(row(score=0.9, alarm=False)))["no_drift"]

    assert found.passed
    assert found.description == "Different, but not lasting: `amount` PSI."
    assert found.metadata["not_lasting"].value == 1


def test_a_check_that_found_nothing_has_nothing_to_say_and_one_that_could_not_look_says_so() -> None:
    rows = table(row(), row("volume", None, None, found=None, alarm=False), row("dead", "a", None, found=False))
    found = results(rows)

    assert (found["no_drift"].passed, found["no_drift"].description) == (True, None)
    assert (found["watch_volume"].passed, found["watch_volume"].description) == (True, TOO_LITTLE)
    assert found["watch_dead"].description is None


def test_a_classifier_that_tells_rows_apart_fails_the_check_of_drift() -> None:
    found = results(table(row(), row("multivariate", None, 0.9, threshold=0.6, window=None)))["no_drift"]

    assert not found.passed
    assert str(found.description).startswith("multivariate since 2024-03-02.")


def test_partitions_that_were_not_asked_about_fail_no_check() -> None:
    assert results(table(row()), history=table(row(score=0.9, partition="2024-03-01")))["no_drift"].passed


def test_checks_over_a_range_speak_of_its_worst_partition_and_name_all_that_fail() -> None:
    days = [f"2024-03-{day:02d}" for day in range(1, 11)]
    history = table(row(partition="2024-02-29", score=0.9))  # not asked about
    scores = dict.fromkeys(days, 0.1) | {"2024-03-04": 0.3, "2024-03-05": 0.9}
    rows = table(*(row(partition=day, score=score) for day, score in scores.items()))

    drift = results(rows, history=history)["no_drift"]

    assert not drift.passed
    assert str(drift.description).startswith("2 of 10 partitions; the worst is 2024-03-05.")
    assert drift.metadata["partitions_failing"].value == 2
    failing = str(drift.metadata["failing"].value)
    assert "2024-03-04" in failing
    assert "2024-03-05" in failing
    assert "2024-02-29" not in failing
    assert results(rows.filter(pl.col("partition") == days[-1]), history=history)["no_drift"].passed


def test_a_check_over_nothing_says_that_there_is_too_little() -> None:
    found = results(table())
    assert {each.passed for each in found.values()} == {True}
    assert {each.description for each in found.values()} == {TOO_LITTLE}
