"""A small world for tests of monitoring: readings of some sensors, day after day, and faults planted in them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

import feature_platform as fp
from feature_platform.declarations.project import Project, order_declarations
from feature_platform_tests.assets import table_asset

FIRST = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
Fault = Callable[[pl.DataFrame], pl.DataFrame]


def day_key(day: int) -> str:
    """The partition key of a day, counted from 0."""
    return f"{FIRST + timedelta(days=day):%Y-%m-%d}"


def readings(days: int, rows: int = 400, seed: int = 7) -> pl.DataFrame:
    """Rows of each day, a little fewer on Sundays; nothing is wrong with them."""
    frames = []
    for day in range(days):
        rng = np.random.default_rng((seed, day))
        count = round(rows * (0.9 if day % 7 == 6 else 1.0) * rng.uniform(0.97, 1.03))
        level = rng.normal(20.0, 4.0, count)
        frames.append(
            pl.DataFrame(
                {
                    "sensor": [f"s{each:03d}" for each in rng.integers(0, 120, count)],
                    "at": [FIRST + timedelta(days=day, seconds=each) for each in range(count)],
                    "level": level,
                    "flow": level * 2.0 + rng.normal(0.0, 1.0, count),
                    "state": rng.choice(["open", "shut", "fault"], count, p=[0.6, 0.35, 0.05]),
                }
            )
        )
    return pl.concat(frames)


def planted(frame: pl.DataFrame, day: int, fault: Fault, days: int = 1) -> pl.DataFrame:
    """The frame with a fault in some days."""
    inside = pl.col("at").is_between(FIRST + timedelta(days=day), FIRST + timedelta(days=day + days), closed="left")
    return pl.concat([frame.filter(~inside), fault(frame.filter(inside))], how="vertical_relaxed").sort("at")


def project(frame: pl.DataFrame, monitor: fp.Monitor | None, *, grain: str = "daily", days: int = 60) -> Project:
    """A source of readings with a monitor."""
    end = FIRST + timedelta(days=days) if grain == "daily" else datetime(2024, 7, 1, tzinfo=UTC)
    source = fp.Source("readings", fp.sources.Frame(frame), event_time="at", monitor=monitor, owner="team:plant")
    return Project("plant", fp.Partitions(grain, start=FIRST, end=end), order_declarations([source]))  # type: ignore[arg-type]


def published(store: fp.OfflineStore, found: Project, keys: Sequence[str] | None = None) -> None:
    """Compute all tables of a project, or some partitions of them."""
    grid = found.partitions
    start, end = (grid.start, grid.end) if keys is None else (grid.bounds(keys[0])[0], grid.bounds(keys[-1])[1])
    for asset in found.assets:
        fp.materialize(table_asset(found, asset.asset), store, start, end, partitions=grid)
