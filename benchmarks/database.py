"""What it costs to read a table of PostgreSQL: all of it, one day by the index, and to count what is new.

    .venv/bin/python -m benchmarks.database [rows]

A server of its own is started, see feature_platform_tests/databases.py. CPU seconds are those of this side, of all
threads of a fresh process; the bars are those of 10,000,000 rows.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

import feature_platform as fp
from feature_platform.parts.sources.base import OpenedData, Slicing
from feature_platform_tests.databases import Server, postgres_server

BARS = {"all": (15.0, 300), "day": (0.1, None), "stamps": (0.1, None), "stamps without new_by": (0.1, None)}
DAY = datetime(2024, 5, 1, tzinfo=UTC)


def main() -> None:
    """Print a table of what was measured, with the bars."""
    rows = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 10_000_000
    with postgres_server() as server:
        fill(server, rows)
        print(f"{rows:,} rows x 8 columns | CPU s | bar | peak MB | bar | wall s | what came")
        for what, (cpu, peak) in BARS.items():
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.database", "--child", what, server.url],
                capture_output=True,
                text=True,
                check=True,
            )
            found = json.loads(done.stdout)
            print(what, *(found["cpu"], cpu, found["peak"], peak or "-", found["wall"], found["came"]), sep=" | ")


def fill(server: Server, rows: int) -> None:
    """Make the table: a year of orders, with an index on their time."""
    step = timedelta(days=365) / rows
    server.run(
        f"""CREATE UNLOGGED TABLE orders AS SELECT g::bigint AS id, (g * 7919::bigint % 100000)::int AS customer,
            timestamptz '2024-01-01Z' + g * interval '{step.total_seconds()} seconds' AS at,
            (g % 1000) * 0.37::float8 AS amount, ((g % 100000) * 0.01)::numeric(12, 2) AS price,
            (array['new', 'paid', 'sent', 'back'])[1 + g % 4] AS status, 'note ' || g % 100 AS note, g AS changed
            FROM generate_series(1, {rows}) g""",
        "CREATE INDEX ON orders (at)",
        "VACUUM ANALYZE orders",
    )


def read_all(data: OpenedData) -> int:
    """Stream all rows into a file of Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        data.scan().sink_parquet(Path(folder) / "orders.parquet")
        return int(pl.scan_parquet(folder).select(pl.len()).collect().item())


def read_day(data: OpenedData) -> int:
    """Read the rows of one day."""
    end = DAY + timedelta(days=1)
    return data.scan().filter(pl.col("at") >= DAY, pl.col("at") < end).collect().height


def count_days(data: OpenedData) -> int:
    """Count the units of the table, with their stamps."""
    return len(data.cut_by(Slicing("at", "daily", DAY, DAY, dict)).units() or ())


def measure(what: str, url: str) -> dict[str, float]:
    """Measure one thing in this process."""
    new_by = None if what.endswith("without new_by") else "changed"
    work: Mapping[str, Callable[[OpenedData], int]] = {"all": read_all, "day": read_day}
    database = fp.sources.Database(url, table="orders", new_by=new_by)
    with database.open("orders") as data:  # imports the driver
        cpu, wall = time.process_time(), time.perf_counter()
        came = work.get(what, count_days)(data)
    return {
        "came": came,
        "cpu": round(time.process_time() - cpu, 2),
        "wall": round(time.perf_counter() - wall, 1),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(measure(sys.argv[2], sys.argv[3])))
    else:
        main()
