"""Separable preparation: `prepare` gives the same rows for some files alone as for these among all files."""

import re
from collections.abc import Mapping

import polars as pl

from feature_platform.declarations.source import Transform
from feature_platform.ground.working_columns import MARK

_SCAN = f'DF ["{MARK}"'
_TOGETHER = ("SLICE", "UNIQUE", "AGGREGATE", "SORT", "UNION", "OPAQUE", "ROW INDEX", "PYTHON")  # of several rows
_REACHED = re.compile(rf"FILTER [^\n]*{MARK}[^\n]*\n\s*FROM\n\s*" + re.escape(_SCAN))


def is_separable(prepare: Transform | None, schema: Mapping[str, pl.DataType]) -> bool:
    """Return whether Polars itself proves that each prepared row comes of one raw row.

    It does when it would drop raw rows before it prepares them: rows with a mark that `prepare` hands on, or, where
    `prepare` selects columns, all rows beyond a number. What cannot be proven is taken for not separable.

    >>> schema = {"x": pl.Int64()}
    >>> is_separable(lambda rows: rows.select(pl.col("x") + 1), schema)
    True
    >>> is_separable(lambda rows: rows.with_columns(pl.col("x") - pl.col("x").mean()), schema)
    False
    """
    if prepare is None:
        return True
    marked = pl.LazyFrame(schema={MARK: pl.Int64(), **schema})
    try:
        rows = prepare(marked).lazy()
        written = rows.explain(optimized=False)
        if written.count(_SCAN) != 1 or any(word in written for word in _TOGETHER):
            return False
        if MARK in rows.collect_schema():
            return _REACHED.search(rows.filter(pl.col(MARK) > 0).explain()) is not None
        return "SLICE" not in rows.slice(5, 3).explain()
    except (pl.exceptions.PolarsError, ValueError, TypeError, KeyError, AttributeError, AssertionError):
        return False  # its author's code does not take one column more; with the real columns it does
