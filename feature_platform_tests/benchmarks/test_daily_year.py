"""The figures of the year through Dagster are read from what Dagster wrote, and set against the verbs."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.daily_year.__main__ import Figures, check_rows, event_counts, first_step, table

MOMENT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_events_checks_and_the_first_step_are_read_from_the_logs_of_runs(tmp_path: Path) -> None:
    runs = tmp_path / "storage" / "history" / "runs"
    runs.mkdir(parents=True)
    for name in ("a", "index"):
        with closing(sqlite3.connect(runs / f"{name}.db")) as log, log:
            log.execute("CREATE TABLE event_logs (dagster_event_type TEXT, timestamp TEXT)")
            log.execute("CREATE TABLE asset_check_executions (id INTEGER)")
            log.execute("INSERT INTO asset_check_executions VALUES (1)")
            log.executemany(
                "INSERT INTO event_logs VALUES (?, ?)",
                [
                    ("ASSET_MATERIALIZATION_PLANNED", "2026-11-30 12:00:05.5"),
                    ("STEP_START", "2026-11-30 12:00:09.5"),
                    ("STEP_START", "2026-11-30 12:00:10.5"),
                    (None, "2026-11-30 12:00:11.5"),
                ],
            )

    assert event_counts(tmp_path) == {"ASSET_MATERIALIZATION_PLANNED": 1, "STEP_START": 2, "message": 1}
    assert first_step(tmp_path, MOMENT) == 9.5
    assert check_rows(tmp_path) == 1


def test_the_verbs_have_no_events_and_everything_is_a_multiple_of_the_first_side(tmp_path: Path) -> None:
    verbs = Figures("verbs", 20.0, 10.0, first_step(tmp_path, MOMENT), 1.0, event_counts(tmp_path), 0, 0)
    events = {"ASSET_MATERIALIZATION_PLANNED": 4, "ASSET_MATERIALIZATION": 3}
    dagster = Figures("dagster", 40.0, 25.0, 5.0, 2.0, events, 6, 3_000_000)

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table([verbs, dagster]).splitlines()[2:]]

    assert rows == [
        ["verbs", "10.0", "1.00", "20.0", "", "1.0", "", "", "", "", ""],
        ["dagster", "25.0", "2.50", "40.0", "5.0", "2.0", "7", "4", "3", "6", "3"],
    ]
