"""What a served view says at a moment, at the edges of time."""

from datetime import datetime, timezone

import polars as pl

from feature_platform.compute.serving.entries import entries_of
from feature_platform.compute.serving.keys import key_expr
from feature_platform.compute.serving.served_rows import find_rows
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.declarations.windowing import ViewKind

EARLY = datetime(2, 1, 1, tzinfo=timezone.utc)
TABLE = ServedTable("last", ViewKind.ROW, {"k": pl.Int64()}, {"x": pl.Int64()})


def test_a_time_to_live_that_reaches_before_the_first_year_lets_every_row_live() -> None:
    rows = pl.DataFrame({"k": [1], "x": [7], "at": [EARLY]}, schema_overrides={"at": pl.Datetime("us", "UTC")})
    entries = entries_of(rows, key_expr(TABLE.keys), pl.Schema(TABLE.features), event=pl.col("at"), now=EARLY)
    asked = entries["fp_entry"].to_list()

    found = find_rows(TABLE, asked, [b"k"], now=EARLY, ttl=99_999 * 86_400_000_000)

    assert found.rows == asked
    assert not found.expired
