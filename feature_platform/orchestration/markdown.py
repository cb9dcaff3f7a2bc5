"""Rows as the Markdown that Dagster shows."""

import polars as pl


def markdown_table(rows: pl.DataFrame) -> str:
    """Rows as a Markdown table."""
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_dataframe_shape=True,
        tbl_cols=-1,
        tbl_width_chars=10_000,
        fmt_str_lengths=60,
    ):
        return str(rows)
