"""A store in a fresh folder, and a stamp for its commits."""

from pathlib import Path

import polars as pl
import pytest

from feature_platform.offline import Commit, CommitStamp, OfflineStore

STAMP = CommitStamp(
    run_id="run-1", asset="views/delays", code_version="1", inputs={"sources/flights": 3}, grain="daily"
)


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(tmp_path)


def days(**values: list[int]) -> pl.DataFrame:
    """Rows of the days `d1`, `d2`, ...: one row for each value.

    >>> days(d1=[1, 2]).rows()
    [('d1', 1), ('d1', 2)]
    """
    rows = [(day, value) for day, held in values.items() for value in held]
    return pl.DataFrame(rows, schema={"day": pl.String, "x": pl.Int64}, orient="row")


def put(store: OfflineStore, frame: pl.DataFrame, *keys: str, stamp: CommitStamp = STAMP) -> Commit:
    """Replace the days `keys` of table `views/delays`, all of them when none is named."""
    return store.replace("views/delays", frame, partitions=keys or None, partition_of="day", stamp=stamp, sort_by=["x"])


def held(store: OfflineStore, version: int | None = None) -> list[tuple[object, ...]]:
    """The rows of `views/delays`, sorted."""
    return sorted(store.read("views/delays", version=version).select("day", "x").collect().rows())
