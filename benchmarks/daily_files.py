"""What one new day costs where a year of daily files is published already, and what it costs to find nothing new.

    .venv/bin/python benchmarks/daily_files.py [rows in all] [repeats]

CPU seconds are those of all threads of the process. Last, 100,000 empty files are listed and compared.
"""

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import feature_platform as fp
from feature_platform.declarations.project import Project
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC as UTC_TIME
from feature_platform.pipelines.candidates.ledger import (
    EVENTS,
    FACTS,
    Inventory,
    keep_news,
    known_schemas,
    read_events,
    take_inventory,
)
from feature_platform.pipelines.plan import stale_assets

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 365
DAY_US = 86_400_000_000
MANY = 100_000


def write_day(folder: Path, day: int, rows: int, rng: np.random.Generator) -> None:
    """Write the file of one day."""
    at = START + timedelta(days=day)
    offsets = np.sort(rng.integers(0, DAY_US, rows))
    frame = pl.DataFrame(
        {
            "key": rng.integers(0, max(rows * 3 // 4, 1), rows),
            "at": pl.Series(offsets + int(at.timestamp() * 1_000_000)).cast(pl.Datetime("us", "UTC")),
            "amount": rng.normal(50, 10, rows),
            "kind": pl.Series(rng.integers(0, 4, rows)).cast(pl.String),
        }
    )
    frame.write_parquet(folder / f"{at:%Y-%m-%d}.parquet", compression="lz4")


def project(folder: Path) -> tuple[fp.Source, FeatureView]:
    """Return a source of the files and a view of windows above it."""
    events = fp.Source("events", fp.sources.Parquet(folder), event_time="at")
    view = fp.feature_view(
        entity=fp.Entity("thing", join_keys=["key"]),
        source=events,
        name="amounts",
        aggregations=[fp.Count(windows=["1d", "7d", "30d"]), fp.Mean("amount", windows=["1d", "7d", "30d"])],
    )(lambda rows: rows)
    return events, view


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds that some work takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def days_later(first: int, last: int) -> tuple[datetime, datetime]:
    """Return the range from one day to another, not included."""
    return START + timedelta(days=first), START + timedelta(days=last)


def measure(rows: int, what: str) -> dict[str, float]:
    """Publish a year, then one more day, then nothing; return the CPU seconds of each."""
    rng, grid = np.random.default_rng(1), fp.Partitions("daily", start=START)
    with tempfile.TemporaryDirectory() as place:
        folder, store = Path(place) / "files", fp.OfflineStore(str(Path(place) / "store"))
        folder.mkdir()
        for day in range(DAYS):
            write_day(folder, day, rows // DAYS, rng)
        events, view = project(folder)
        asset = events if what == "source" else view
        seconds = {"year": timed(lambda: fp.materialize(asset, store, *days_later(0, DAYS), partitions=grid))}
        write_day(folder, DAYS, rows // DAYS, rng)
        seconds["new day"] = timed(lambda: fp.materialize(asset, store, *days_later(DAYS, DAYS + 1), partitions=grid))
        seconds["the day again"] = timed(
            lambda: fp.materialize(asset, store, *days_later(DAYS, DAYS + 1), partitions=grid)
        )
        known = Project("new_day", grid, (events,))
        seconds["plan"] = timed(lambda: stale_assets(known, store))
    return seconds


def compare_many() -> float:
    """Return the CPU seconds in which many files that the ledger knows are listed and compared."""
    schema, now = pl.Schema({"key": pl.Int64(), "at": UTC_TIME}), START
    with tempfile.TemporaryDirectory() as place:
        folder, store = Path(place) / "files", fp.OfflineStore(str(Path(place) / "store"))
        for number in range(MANY):
            file = folder / f"{number // 1000:03}" / f"{number:06}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

        def read(names: Sequence[str]) -> pl.DataFrame:
            return pl.DataFrame({"unit": names}).select("unit", at=START, rows=1, hash=1).cast(pl.Schema(FACTS))

        def look(events: pl.DataFrame, known: dict[str, pl.Schema] | None = None) -> Inventory:
            with fp.sources.Parquet(folder).open("files") as data:
                units = data.units() or []
                schemas = known_schemas(events, units, "r") if known is None else known
                return take_inventory(events, units, data.schemas(schemas)[1], "r", now, read)

        first = {str(file): schema for file in folder.rglob("*.parquet")}
        keep_news(store, "units/files", look(pl.DataFrame(schema=EVENTS), first), "run")
        return timed(lambda: look(read_events(store, "units/files")))


def main() -> None:
    """Print the table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    warnings.simplefilter("ignore")
    print("| what is published | step | CPU s | of the year |\n|---|---|---|---|")
    for what in ("source", "source + view"):
        runs = [measure(rows, what) for _ in range(repeats)]
        for name in runs[0]:
            median = statistics.median(run[name] for run in runs)
            print(f"| {what} | {name} | {median:.2f} | 1/{runs[0]['year'] / median:.0f} |", flush=True)
    print(f"| {MANY:,} files | listed and compared | {compare_many():.2f} | |")


if __name__ == "__main__":
    main()
