"""What the tap of a run counts while rows are staged."""

from pathlib import Path

import polars as pl

import feature_platform as fp
from feature_platform.pipelines.profiling import ProfileSpec, Tap

SCHEMA = pl.Schema({"k": pl.String(), "x": pl.Float64()})


def test_of_many_small_partitions_the_rows_of_keys_are_picked_in_one_query(tmp_path: Path) -> None:
    asked: list[int] = []

    def of_keys(rows: pl.LazyFrame) -> pl.LazyFrame:
        asked.append(1)
        return rows.filter(pl.col("k").is_not_null())

    rows = {f"{day:03}": pl.DataFrame({"k": ["a"] * (day % 3) + [None], "x": day}, SCHEMA) for day in range(100)}
    with Tap(fp.OfflineStore(tmp_path), "views/x", ProfileSpec(["k"], facts=of_keys)) as tap:
        for key, part in rows.items():
            tap.see(key, part)
        found = tap.profiles(dict.fromkeys(rows, "a hash"), SCHEMA)
    assert {key: profile.rows for key, profile in found.items()} == {key: part.height - 1 for key, part in rows.items()}
    assert [found[key].columns["x"].highest for key in ("001", "098")] == [1.0, 98.0]
    assert len(asked) == 1
