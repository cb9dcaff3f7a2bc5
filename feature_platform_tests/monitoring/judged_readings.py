"""Readings that are monitored, and what would alarm somebody."""

from collections.abc import Sequence

import polars as pl

import feature_platform as fp
from feature_platform.declarations.project import Asset, Project
from feature_platform.monitoring.partitions import MonitoringResult, monitor_asset
from feature_platform_tests.readings import Fault, day_key, planted, project, published, readings

DAYS = 46
KEYS = [day_key(day) for day in range(DAYS)]
MONITOR = fp.Monitor(reference="14d")
LATE = 36  # the day of faults


def source_of(found: Project) -> Asset:
    return found.asset("sources/readings")


def monitored(store: fp.OfflineStore, found: Project, keys: Sequence[str] = KEYS) -> MonitoringResult:
    return monitor_asset(source_of(found), found, store, keys, "test")


def alarms(rows: pl.DataFrame, kind: str = "drift") -> set[tuple[str, str | None]]:
    """Partition and column of what people would hear of."""
    return set(rows.filter(pl.col("alarm"), pl.col("kind") == kind).select("partition", "column").iter_rows())


def world(store: fp.OfflineStore, fault: Fault, days: int = 1, before: int = 7) -> pl.DataFrame:
    """The answers about the days around `LATE`, and some before, of readings with a fault from then on."""
    found = project(planted(readings(DAYS), LATE, fault, days), MONITOR)
    published(store, found)
    return monitored(store, found, KEYS[LATE - before : LATE + days]).rows
