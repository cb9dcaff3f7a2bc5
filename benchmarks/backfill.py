"""What partitions cost: a year of one windowed view as 365 daily partitions, as one table, and as one day.

    .venv/bin/python benchmarks/backfill.py [repeats] [verbs]

The verbs alone are measured beside the same range through Dagster, so that its own bookkeeping shows; with `verbs`
Dagster is left out. CPU seconds are those of all threads, and hold on a busy machine where wall seconds do not.
"""

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import polars as pl

import feature_platform as fp
from feature_platform.examples.flights.data import data_file
from feature_platform.examples.flights.project import arrivals
from feature_platform.orchestration.code_location import code_location
from feature_platform.orchestration.event_log import SqliteStorage
from feature_platform.pipelines.candidates.shared import Span
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform.settings import Settings

YEAR = (datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))
DAY = (datetime(2013, 12, 30, tzinfo=UTC), datetime(2013, 12, 31, tzinfo=UTC))


def project(rows: pl.DataFrame, key: str, *, partitioned: bool) -> ModuleType:
    """One source of a year of flights and one windowed view over it, by one key."""
    module: Any = ModuleType("backfill")
    module.partitions = fp.Partitions("daily", start=YEAR[0], end=YEAR[1])
    module.flights = fp.Source("flights", fp.sources.Frame(rows), event_time="arrived_at", partitioned=partitioned)

    @fp.feature_view(
        entity=fp.Entity("thing", join_keys=[key]),
        source=module.flights,
        aggregations=[
            fp.Mean("dep_delay", windows=["1d", "7d", "30d"]),
            fp.Count(windows=["1d", "7d", "30d"]),
            fp.Max("arr_delay", windows=["30d"]),
        ],
    )
    def delays(flights: pl.LazyFrame) -> pl.LazyFrame:
        """How late each of them has been."""
        return flights

    module.delays = delays
    return module


@contextmanager
def stored(module: ModuleType) -> Iterator[fp.OfflineStore]:
    """A store that holds the source already."""
    with tempfile.TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        span = YEAR if module.flights.partitioned else None
        materialize_asset(module.flights, store, span, module.partitions)
        yield store


def through_dagster(module: ModuleType, store: fp.OfflineStore) -> None:
    """The view for the whole year as one Dagster run."""
    definitions = code_location(module, Settings(root=str(store.root)))
    job = definitions.resolve_implicit_global_asset_job_def()
    tags = {"dagster/asset_partition_range_start": "2013-01-01", "dagster/asset_partition_range_end": "2013-12-31"}
    with tempfile.TemporaryDirectory() as home:
        place = {"module": SqliteStorage.__module__, "class": SqliteStorage.__name__, "config": {"base_dir": home}}
        with dg.instance_for_test(temp_dir=home, overrides={"storage": {"custom": place}}) as instance:
            key = dg.AssetKey(["views", "delays"])
            job.execute_in_process(instance=instance, asset_selection=[key], tags=tags)


def verb(module: ModuleType, span: Span | None, store: fp.OfflineStore) -> None:
    """The view for a span, without Dagster."""
    materialize_asset(module.delays, store, span, module.partitions)


def timed(module: ModuleType, work: Callable[[fp.OfflineStore], object], repeats: int) -> tuple[float, float]:
    """The median wall and CPU seconds of work on fresh stores."""
    wall, cpu = list[float](), list[float]()
    for _ in range(repeats):
        with stored(module) as store:
            begun, used = time.perf_counter(), time.process_time()
            work(store)
            wall.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - used)
    return statistics.median(wall), statistics.median(cpu)


def main() -> None:
    """Print the table."""
    repeats, verbs_only = int(sys.argv[1]) if len(sys.argv) > 1 else 3, "verbs" in sys.argv
    warnings.simplefilter("ignore")
    raw = fp.sources.Csv(data_file("flights.csv.zip"), null_values=["NA"]).scan("flights")
    rows = arrivals(raw).filter(pl.col("arrived_at").is_between(*YEAR, closed="left")).collect()
    print("| view | work | wall s | CPU s | CPU of one table |\n|---|---|---|---|---|")
    for key in ("carrier", "tailnum"):
        daily, whole = project(rows, key, partitioned=True), project(rows, key, partitioned=False)
        keys, one = rows[key].n_unique(), 0.0
        works: list[tuple[str, ModuleType, Callable[[fp.OfflineStore], object]]] = [
            ("the year as one unpartitioned table", whole, partial(verb, whole, None)),
            ("the year as 365 daily partitions, one run", daily, partial(verb, daily, YEAR)),
            ("one day", daily, partial(verb, daily, DAY)),
            ("the 365 partitions through Dagster, bookkeeping included", daily, partial(through_dagster, daily)),
        ]
        for name, module, work in works[:-1] if verbs_only else works:
            wall, cpu = timed(module, work, repeats)
            one = one or cpu
            print(f"| {keys:,} keys | {name} | {wall:.2f} | {cpu:.2f} | {cpu / one:.2f} |", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
