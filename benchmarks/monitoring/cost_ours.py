"""Ours: the profile of the new rows from their file, their scores against the stored profile of the reference."""

import json
import sys
import time
from pathlib import Path

import polars as pl

from benchmarks.monitoring.cost import RESULT
from feature_platform.compute.drift.reference import Reference
from feature_platform.compute.drift.scores import score_columns
from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.profiles.rows import (
    layouts_as_rows,
    layouts_from_rows,
    profile_as_rows,
    profile_from_rows,
)
from feature_platform.declarations.drift_rule import DriftRule


def store(folder: Path) -> None:
    """Profile the reference, as was done when it was committed."""
    rows = pl.scan_parquet(folder / "reference.parquet")
    profile = profile_of(rows, layouts_of(rows, rows.collect_schema().names()))
    layouts_as_rows(each.layout for each in profile.values()).write_parquet(folder / "layouts.parquet")
    profile_as_rows(profile).write_parquet(folder / "profile.parquet")


def measure(folder: Path) -> dict[str, float]:
    """What is measured."""
    begun = time.perf_counter()
    layouts = layouts_from_rows(pl.read_parquet(folder / "layouts.parquet"))
    stored = profile_from_rows(pl.read_parquet(folder / "profile.parquet"), layouts)
    current = profile_of(
        pl.scan_parquet(folder / "current.parquet"), {name: each.layout for name, each in stored.items()}
    )
    references = {name: Reference(each.layout, [each], [None]) for name, each in stored.items()}
    scores = score_columns(references, current, DriftRule())
    wall = time.perf_counter() - begun
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    return {"wall": wall, "peak": peak, "drifted": scores.filter("drifted")["column"].n_unique()}


if __name__ == "__main__":
    if sys.argv[2:] == ["store"]:
        store(Path(sys.argv[1]))
    else:
        print(RESULT + json.dumps(measure(Path(sys.argv[1]))))
