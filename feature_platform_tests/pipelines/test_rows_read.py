"""How many rows an asset was made from, as its run tells."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

import feature_platform as fp
from feature_platform.pipelines.materialization import materialize_asset

START = datetime(2024, 1, 1, tzinfo=UTC)
GRID = fp.Partitions("daily", start=START)
EVERY = timedelta(hours=5)


@pytest.mark.parametrize("window", ["1d", "36h", "30d"])
@pytest.mark.parametrize("foreign", [False, True])
def test_the_rows_of_its_source_that_a_view_is_made_from_are_those_its_windows_reach(
    tmp_path: Path, window: str, foreign: bool
) -> None:
    moments = [START + EVERY * each for each in range(48)]
    rows = pl.DataFrame({"k": "a", "x": 1.0, "at": moments}, schema_overrides={"at": pl.Datetime("us", "UTC")})
    source = fp.Source("events", fp.sources.Frame(rows), event_time="at")

    @fp.feature_view(
        entity=fp.Entity("k", join_keys=["k"]), source=source, aggregations=[fp.Sum("x", windows=[window])]
    )
    def sums(events: pl.LazyFrame) -> pl.LazyFrame:
        return events

    store = fp.OfflineStore(tmp_path)
    materialize_asset(source, store, (START, START + timedelta(days=10)), GRID)
    if foreign:  # the log does not tell its rows
        table = DeltaTable(f"{tmp_path}/offline/sources/events")
        write_deltalake(table, pl.read_delta(table).filter(pl.col("fp_partition") == "2024-01-05"), mode="append")
    span = (START + timedelta(days=4), START + timedelta(days=6))
    published = materialize_asset(sums, store, span, GRID)
    reach = {"1d": timedelta(days=1), "36h": timedelta(hours=36), "30d": timedelta(days=30)}[window]
    read = [each for each in moments if span[0] - reach <= each < span[1]]
    twice = [each for each in read if foreign and each.day == 5]
    assert published.candidate.rows_in == len(read) + len(twice)
