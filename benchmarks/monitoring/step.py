"""What a step costs: rows published with and without 16 expectations, with and without profiles.

`python -m benchmarks.monitoring.step --rows 1000000 --repeats 3` prints the table. Each measurement is a process of its
own, publishing a table of 12 columns into a fresh store by ten partitions; reading the rows is not counted.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from unittest.mock import patch

import polars as pl

from benchmarks.monitoring.expectations import SUITE, write_table
from feature_platform.offline import OfflineStore
from feature_platform.pipelines.profiling import Tap
from feature_platform.pipelines.publishing import Run
from feature_platform.pipelines.results import Candidate

WAYS = ("plain", "checks", "profiles", "both")
_NAMES = {
    "plain": "write only",
    "checks": "write, 16 expectations",
    "profiles": "write, profiles",
    "both": "write, 16 expectations, profiles (what a step does)",
}
_PARTITIONS = 10


@contextmanager
def _without_profiles() -> Iterator[None]:
    """Publishing as if nobody counted the rows."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(Tap, "see", lambda *_: None))
        stack.enter_context(patch.object(Tap, "profiles", lambda *_: {}))
        yield


def published(way: str, rows: pl.DataFrame, folder: Path) -> None:
    """Publish the rows once."""
    key = pl.col("partition")
    candidate = Candidate(
        asset="sources/bench",
        rows=list(rows.partition_by("partition", maintain_order=True)),
        code_version="1",
        expectations=SUITE if way in ("checks", "both") else (),
        partitions=sorted(rows["partition"].unique()),
        partition_of=key,
        identity=(),
    )
    with ExitStack() as stack:
        if way in ("plain", "checks"):
            stack.enter_context(_without_profiles())
        run = stack.enter_context(Run(OfflineStore(folder), "sources/bench"))
        run.publish(candidate).raise_if_refused()


def measured(way: str, path: Path) -> dict[str, float]:
    """Wall and CPU seconds and peak bytes of one way, in this process."""
    rows = pl.read_parquet(path)
    number = pl.int_range(pl.len()) * _PARTITIONS // pl.len()
    rows = rows.with_columns(partition=pl.format("p{}", number))
    with tempfile.TemporaryDirectory() as folder:
        published(way, rows.head(1000), Path(folder) / "warm")  # imports, and what a first call sets up
        begun, busy = time.perf_counter(), time.process_time()
        published(way, rows, Path(folder) / "store")
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    return {"wall": time.perf_counter() - begun, "cpu": time.process_time() - busy, "peak": peak}


def compared(rows: int, repeats: int) -> dict[str, dict[str, float]]:
    """The median of each figure of each way, ways taking turns."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_table(rows, path)
        for _ in range(repeats):
            for way in WAYS:
                command = [sys.executable, "-m", __spec__.name, "--way", way, "--path", str(path)]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                runs[way].append(json.loads(said.splitlines()[-1]))
    return {way: {key: median(run[key] for run in found) for key in found[0]} for way, found in runs.items()}


def table(rows: int, figures: Mapping[str, Mapping[str, float]]) -> str:
    """The figures for each million rows as Markdown."""
    lines = ["| step | wall s per 1M rows | CPU s per 1M rows | peak MB |", "|---|---|---|---|"]
    for way, found in figures.items():
        each = rows / 1e6
        lines.append(
            f"| {_NAMES[way]} | {found['wall'] / each:.2f} | {found['cpu'] / each:.2f} | {found['peak'] / 1e6:,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring.step", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(measured(asked.way, asked.path)))
    else:
        print(table(asked.rows, compared(asked.rows, asked.repeats)))


if __name__ == "__main__":
    main()
