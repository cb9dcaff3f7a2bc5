"""What alarmed teaches nothing: a fault that lasts never becomes usual, and one that comes again is told again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.watches import Observation
from feature_platform.compute.watches.schema import Schema
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.monitoring.judging.snapshot import TableSnapshot
from feature_platform.monitoring.judging.teaching import Teaching
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform.offline.accepted import AcceptedLevel, accept_levels
from feature_platform.offline.profiles import SUMMARIES
from feature_platform_tests.readings import FIRST, day_key, planted, project, published, readings

DAYS = 56
KEYS = [day_key(day) for day in range(DAYS)]
MONITOR = fp.Monitor(reference="21d", columns=["level"])
LASTING = range(30, 50)  # as long as the reference
TWICE = (36, 48)
FEW = [day + 4 for day in TWICE]  # days of 20 rows, which say nothing about their level


def faulty() -> pl.DataFrame:
    """Readings whose level is ten times as much for twenty days, and that have other faults on two days."""
    frame = planted(readings(DAYS, 240), LASTING[0], lambda some: some.with_columns(pl.col("level") * 10), len(LASTING))
    for day in TWICE:
        frame = planted(frame, day, lambda some: some.with_columns(flow=pl.lit(None, pl.Float64), state=pl.lit("open")))
        frame = planted(frame, day + 4, lambda some: some.head(20))
    return frame


def answers(store: fp.OfflineStore, found: Project, *days: int) -> pl.DataFrame:
    keys = KEYS if not days else [KEYS[day] for day in days]
    return monitor_asset(found.assets[0], found, store, keys, "test").rows


def alarms(rows: pl.DataFrame, kind: str, column: str | None = None) -> list[int]:
    """The days on which something alarmed."""
    about = pl.col("column").eq_missing(pl.lit(column, pl.String)) & (pl.col("kind") == kind)
    return sorted({KEYS.index(key) for key in rows.filter(about, "alarm")["partition"]})


def told_wrong(rows: pl.DataFrame, kind: str, column: str | None = None) -> list[int]:
    """The days on which something was as usual."""
    about = pl.col("column").eq_missing(pl.lit(column, pl.String)) & (pl.col("kind") == kind)
    found = rows.filter(about).group_by("partition").agg(pl.col("found").any(), said=pl.col("found").count() > 0)
    return sorted(KEYS.index(key) for key in found.filter("said", ~pl.col("found"))["partition"])


@pytest.fixture
def watched(store: fp.OfflineStore) -> Project:
    found = project(faulty(), MONITOR, days=DAYS)
    published(store, found)
    return found


def test_a_fault_that_lasts_never_becomes_usual_and_one_that_comes_again_alarms_again(
    store: fp.OfflineStore, watched: Project
) -> None:
    rows = answers(store, watched, *range(LASTING[0] - 4, DAYS))

    level = [day for day in LASTING if day not in FEW]
    assert alarms(rows, "drift", "level") == alarms(rows, "unit", "level") == level
    assert alarms(rows, "dead", "flow") == alarms(rows, "constant", "state") == [*TWICE]
    assert alarms(rows, "volume") == FEW
    assert {*told_wrong(rows, "drift", "level")} >= {50, 51, 53, 54, 55}  # it is back, and said to be
    assert answers(store, watched, 40, 49).equals(
        rows.filter(pl.col("partition").is_in([KEYS[40], KEYS[49]]))
    )  # whatever was judged since


def test_a_level_that_somebody_accepts_is_usual_from_where_it_began(store: fp.OfflineStore, watched: Project) -> None:
    first = answers(store, watched, *range(LASTING[0] - 4, 34))
    assert alarms(first, "drift", "level") == [30, 31, 32, 33]
    now = datetime(2024, 3, 1, tzinfo=UTC)
    level = AcceptedLevel("sources/readings", "drift", "level", KEYS[30], KEYS[33], "ann", "new sensor", now)
    accept_levels(store, [level])

    rows = answers(store, watched, *range(34, DAYS))

    assert alarms(rows, "drift", "level") == [50, 51, 53, 54, 55]  # as it was before is now what is strange
    assert alarms(rows, "unit", "level") == [50, 51, 53, 54, 55]
    assert {*told_wrong(rows, "drift", "level")} >= {*range(41, 50)}
    assert alarms(rows, "dead", "flow") == [*TWICE]


def test_a_partition_that_was_made_anew_and_is_fine_teaches_again(store: fp.OfflineStore) -> None:
    bad = project(planted(readings(DAYS, 40), 30, lambda some: some.clear()), None, days=DAYS)
    published(store, bad)
    answers(store, bad, *range(28, 31))
    asset = project_teaching(store, bad)
    assert asset.partitions(KEYS[32], 3)[1] == {("volume", None): KEYS[28:30] + KEYS[31:32]}

    good = project(readings(DAYS, 40), None, days=DAYS)
    published(store, good)
    assert project_teaching(store, good).partitions(KEYS[32], 3)[1] == {}  # even before it is judged again
    answers(store, good, 30)
    assert project_teaching(store, good).partitions(KEYS[32], 3)[1] == {}


def test_a_change_of_the_code_of_the_asset_explains_what_alarmed(store: fp.OfflineStore) -> None:
    def made(prepare: Any) -> Project:
        source = fp.Source("readings", fp.sources.Frame(readings(DAYS, 40)), event_time="at", prepare=prepare)
        return Project(
            "plant", fp.Partitions("daily", start=FIRST, end=FIRST + timedelta(days=DAYS)), order_declarations([source])
        )

    old, new = made(None), made(lambda rows: rows.with_columns(pl.col("level") * 1000))
    published(store, old, KEYS[:30])
    published(store, new, KEYS[30:])

    rows = answers(store, new, *range(26, DAYS))

    assert alarms(rows, "unit", "level") == [30]  # told once; from then on it is what the code makes of it
    assert {*told_wrong(rows, "unit", "level")} >= {*range(36, DAYS)}
    assert answers(store, new, 30).equals(rows.filter(pl.col("partition") == KEYS[30]))


def test_a_column_that_is_gone_is_missed_until_it_is_back(store: fp.OfflineStore) -> None:
    history = pl.concat([summary(day, "x") for day in range(8)] + [summary(day, "y") for day in range(6)])
    current = summary(8, "x")
    keys = sorted(KEYS[:8])

    def said(**taught: list[str]) -> list[tuple[str | None, bool | None, str]]:
        looked = Observation(history, current, dict.fromkeys(KEYS[:9]), KEYS[8], taught)
        return [(each.column, each.wrong, each.evidence) for each in Schema().look(looked)]

    assert [each[:2] for each in said()] == [(None, False)]  # it was accepted, or nobody looked when it went
    assert said(y=keys[:6]) == [("y", True, f"`y` is gone; partition {KEYS[5]} had it.")]
    assert [each[:2] for each in said(y=[])] == [(None, False)]


def summary(day: int, column: str) -> pl.DataFrame:
    row = dict.fromkeys(SUMMARIES) | {"partition": KEYS[day], "column": column, "dtype": "Float64", "rows": 9}
    return pl.DataFrame([row], schema=SUMMARIES)


def project_teaching(store: fp.OfflineStore, found: Project) -> Teaching:
    subject = TableSnapshot.of(found.assets[0], found.partitions, store, "test")
    return Teaching.of(subject, "monitoring/sources/readings", [])
