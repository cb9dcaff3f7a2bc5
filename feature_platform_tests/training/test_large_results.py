"""Results larger than memory: interrupted, or on a full disk, they leave nothing behind and say so."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ASKING = """
import resource, signal, sys
from datetime import datetime, timedelta, timezone
import polars as pl
import feature_platform as fp
from feature_platform.compute.joins import join_plan
from feature_platform.ground.errors import FeaturePlatformError

join_plan.IN_MEMORY = 0
first = datetime(2024, 1, 1, tzinfo=timezone.utc)
rows = pl.select(key=pl.int_range(200_000) % 1000, at=first + pl.duration(seconds=pl.int_range(200_000)))
rows = rows.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")), *(pl.lit(1.5).alias(f"f{n}") for n in range(40)))
spine = rows.select("key", event_timestamp="at")
found = fp.point_in_time_join(spine, rows, on=["key"], spine_time="event_timestamp", event_time="at")
print("ready", flush=True)
"""
FOREVER = "while True:\n    found.collect()\n"
STARVED = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    found.collect()
except FeaturePlatformError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGKILL])
def test_a_join_that_is_stopped_stops_and_leaves_no_file(tmp_path: Path, with_signal: signal.Signals) -> None:
    asking = [sys.executable, "-c", ASKING + FOREVER]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(asking, **pipes, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)  # it is in the middle of a join
        process.send_signal(with_signal)
        assert process.wait(60) != 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_error_and_leaves_no_file(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    starved = subprocess.run(
        [sys.executable, "-c", ASKING + STARVED], capture_output=True, text=True, env=environment, check=True
    )
    assert "SpillFailed A result too large for memory could not be put together in" in starved.stdout
    assert str(tmp_path) in starved.stdout
    assert "set TMPDIR" in starved.stdout
    assert list(tmp_path.iterdir()) == []
