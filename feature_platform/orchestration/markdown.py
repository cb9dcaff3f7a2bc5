"""Rows as the Markdown that Dagster shows."""

import polars as pl

from feature_platform.ground.pictures.markdown import escape_markdown, table_of_cells
from feature_platform.ground.shortening import shorten

_LETTERS = 60


def markdown_table(rows: pl.DataFrame) -> str:
    r"""Return rows as a Markdown table: values are shown as they are, never read as markup, and long ones shortened.

    >>> print(markdown_table(pl.DataFrame({"city": ["<b>"], "fare": [2.5]})))
    |city|fare|
    |-|-:|
    |\<b\>|2.5|
    """
    right = [position for position, dtype in enumerate(rows.dtypes) if dtype.is_numeric()]
    return table_of_cells(
        [escape_markdown(shorten(name, _LETTERS)) for name in rows.columns],
        ([_cell(value) for value in row] for row in rows.iter_rows()),
        right=right,
    )


def _cell(value: object) -> str:
    if value is None:
        return "null"
    return f"{value:.10g}" if isinstance(value, float) else escape_markdown(shorten(str(value), _LETTERS))
