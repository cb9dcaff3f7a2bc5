"""Monitoring a table of few keys: one key that lacks its values is one, not as many as it has rows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.monitoring.partitions import monitor_asset

START, DAYS, KEYS, EACH = datetime(2024, 3, 1, tzinfo=UTC), 45, 16, 14
LATE = range(40, DAYS)
Lost = Callable[[int], pl.Expr]


def rows(lost: Lost) -> pl.DataFrame:
    """Some sensors, each with as many values on each day, but for those that are lost."""
    at = [START + timedelta(days=day, seconds=n) for day in range(DAYS) for n in range(KEYS * EACH)]
    frame = pl.DataFrame({"at": at, "n": [n for _ in range(DAYS) for n in range(KEYS * EACH)]})
    frame = frame.with_columns(sensor=pl.format("s{}", pl.col("n") % KEYS), day=(pl.col("at") - START).dt.total_days())
    level = ((pl.col("n") * 37 + pl.col("day") * 11) % 101).cast(pl.Float64)
    gone = pl.any_horizontal((pl.col("day") == day) & lost(day) for day in (*LATE, 10))
    return frame.select("sensor", "at", level=pl.when(~gone).then(level))


def one_key(day: int) -> pl.Expr:
    """All rows of one sensor; on the early day only a few."""
    return (pl.col("n") % KEYS == 3) & (pl.col("n") < (KEYS * EACH if day in LATE else KEYS * 4))


def all_keys(day: int) -> pl.Expr:
    """As many rows, but a few of each sensor."""
    return pl.col("n") < (EACH if day in LATE else 4)


@pytest.mark.parametrize(("lost", "told"), [(one_key, False), (all_keys, True)])
def test_one_key_without_values_is_no_news_where_as_many_rows_of_all_keys_are(
    store: fp.OfflineStore, lost: Lost, *, told: bool
) -> None:
    source = fp.Source("readings", fp.sources.Frame(rows(lost)), event_time="at")
    entity = fp.Entity("sensor", join_keys=["sensor"])

    @fp.feature_view(entity=entity, source=source, monitor=fp.Monitor("35d"))
    def levels(readings: pl.LazyFrame) -> pl.LazyFrame:
        return readings

    end = START + timedelta(days=DAYS)
    found = Project("alike", fp.Partitions("daily", start=START, end=end), order_declarations([source, levels]))
    for asset in (source, levels):
        fp.materialize(asset, store, START, end, partitions=found.partitions)

    answers = monitor_asset(levels, found, store, [f"{START + timedelta(days=day):%F}" for day in LATE]).rows

    rates = answers.filter(pl.col("metric") == "null_rate", pl.col("column") == "level")
    assert rates.filter(pl.col("score") > pl.col("threshold"))["window"].n_unique() >= 3
    assert rates["alarm"].any() is told
