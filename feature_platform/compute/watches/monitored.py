"""The columns of a monitoring table: one row for each thing that was checked in a partition."""

import polars as pl

MONITORED = pl.Schema(
    {
        "partition": pl.String(),
        "content": pl.String(),
        "window": pl.Datetime("us", "UTC"),
        "kind": pl.String(),
        "column": pl.String(),
        "metric": pl.String(),
        "score": pl.Float64(),
        "threshold": pl.Float64(),
        "found": pl.Boolean(),
        "certain": pl.Boolean(),
        "alarm": pl.Boolean(),
        "status": pl.String(),
        "p_value": pl.Float64(),
        "n_reference": pl.Int64(),
        "n_current": pl.Int64(),
        "n_windows": pl.Int64(),
        "severity": pl.String(),
        "measure": pl.String(),
        "compared_to": pl.String(),
        "evidence": pl.String(),
    }
)
JUDGED = pl.Schema({name: dtype for name, dtype in MONITORED.items() if name not in ("partition", "content")})
"""The same without what is the same in all rows of a partition."""
