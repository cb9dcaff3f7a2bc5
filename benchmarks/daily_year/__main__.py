"""A year of 365 daily partitions of the reference project: through Dagster, in one run, and the same by the verbs.

    .venv/bin/python -m benchmarks.daily_year [--days 365] [--sides verbs,dagster] [--tree DIR] [--folder DIR]

Each side is a process of its own with fresh stores; seconds of CPU are of it and all that it starts. Dagster has a home
of its own with the `dagster.yaml` of the tree. `--tree` measures another checkout, such as the code before a change.
"""

import argparse
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

DAYS = "DAILY_YEAR_DAYS"
FIRST = datetime(2013, 1, 1, tzinfo=UTC)

ROOT = Path(__file__).parents[2]
SIDE = Path(__file__).with_name("side.py")


@dataclass(frozen=True)
class Figures:
    """What one side cost.

    Attributes:
        first_step: wall seconds from the start of the process to Dagster's first step; None for the verbs.
        silence: the longest time without a line of output, in seconds.
        events: rows of Dagster's event log of the run, by type; empty for the verbs.
        check_rows: rows of Dagster's table of check executions.
        home_bytes: the size of `.dagster`.
    """

    side: str
    wall: float
    cpu: float
    first_step: float | None
    silence: float
    events: Mapping[str, int]
    check_rows: int
    home_bytes: int


def main(words: Sequence[str] | None = None) -> int:
    """Measure what is asked for and print the table; the exit code is 1 when a side failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--sides", default="verbs,dagster")
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--folder", type=Path, help="keep stores and logs there; a temporary folder when not said")
    asked = parser.parse_args(words)
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        for side in asked.sides.split(","):
            folder = (asked.folder or Path(temporary)) / side
            folder.mkdir(parents=True)
            found.append(measured(side, asked.days, asked.tree.resolve(), folder.resolve()))
    print(f"\n{asked.days} daily partitions\n\n{table(found)}")
    return 0


def measured(side: str, days: int, tree: Path, folder: Path) -> Figures:
    """Run one side in a folder and say what it cost.

    Raises:
        subprocess.CalledProcessError: it failed; its output is in `output.txt` of the folder.
    """
    shutil.copy(tree / "dagster.yaml", folder)
    (folder / "pyproject.toml").write_text("")  # so that no settings of a project above are taken
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "PYTHONWARNINGS": "ignore",
        "DAGSTER_HOME": str(folder),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "GX_ANALYTICS_ENABLED": "false",
        DAYS: str(days),
    }
    command = _command(side, days)
    busy, began, moment = _children_seconds(), time.monotonic(), datetime.now(UTC)
    silence, last = 0.0, began
    with (
        (folder / "output.txt").open("w") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        for line in process.stdout or ():
            now = time.monotonic()
            silence, last = max(silence, now - last), now
            output.write(f"{now - began:8.2f} {line}")
    wall = time.monotonic() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    home = folder / ".dagster"
    return Figures(
        side,
        wall,
        _children_seconds() - busy,
        first_step(home, moment),
        silence,
        event_counts(home),
        check_rows(home),
        sum(file.stat().st_size for file in home.rglob("*") if file.is_file()),
    )


def _command(side: str, days: int) -> list[str]:
    if side == "verbs":
        return [sys.executable, str(SIDE), str(days)]
    last = FIRST + timedelta(days - 1)
    keys = f"{FIRST:%Y-%m-%d}...{last:%Y-%m-%d}"
    return [
        *(sys.executable, "-m", "dagster", "asset", "materialize", "-f", str(SIDE)),
        *("--select", "*", "--partition-range", keys),
    ]


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def event_counts(home: Path) -> dict[str, int]:
    """How many events of each type the logs of all runs hold; those of text are messages."""
    counts: dict[str, int] = {}
    for kind, count in _of_runs(home, "SELECT dagster_event_type, count(*) FROM event_logs GROUP BY 1"):
        counts[kind or "message"] = counts.get(kind or "message", 0) + count
    return counts


def first_step(home: Path, began: datetime) -> float | None:
    """The seconds from a moment to the first step of a run; None where there was no run."""
    query = "SELECT min(timestamp) FROM event_logs WHERE dagster_event_type = 'STEP_START'"
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for (text,) in _of_runs(home, query) if text]
    return (min(moments) - began).total_seconds() if moments else None


def _of_runs(home: Path, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query to the event log of each run."""
    for file in (home / "storage" / "history" / "runs").glob("*.db"):
        if file.stem != "index":
            with closing(sqlite3.connect(file)) as log:
                yield from log.execute(query)


def check_rows(home: Path) -> int:
    """How many executions of checks Dagster has noted, planned ones included."""
    index = home / "storage" / "history" / "runs" / "index.db"
    if not index.exists():
        return 0
    with closing(sqlite3.connect(index)) as log:
        return int(log.execute("SELECT count(*) FROM asset_check_executions").fetchone()[0])


def table(found: Sequence[Figures]) -> str:
    """The figures as Markdown."""
    head = (
        "| side | CPU s | ratio | wall s | first step after s | longest silence s | events | planned "
        "| materializations | rows of checks | `.dagster` MB |"
    )
    lines = [head, "|" + "---|" * 11]
    base = found[0].cpu
    for each in found:
        planned = sum(count for kind, count in each.events.items() if kind.endswith("_PLANNED"))
        told = each.events.get("ASSET_MATERIALIZATION", 0)
        first = "" if each.first_step is None else f"{each.first_step:.1f}"
        logged = (sum(each.events.values()), planned, told, each.check_rows, each.home_bytes // 1_000_000)
        numbers = [""] * 5 if each.side == "verbs" else [f"{number:,}" for number in logged]
        cells = [
            each.side,
            f"{each.cpu:.1f}",
            f"{each.cpu / base:.2f}",
            f"{each.wall:.1f}",
            first,
            f"{each.silence:.1f}",
        ]
        lines.append(f"| {' | '.join([*cells, *numbers])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
