"""Row-wise expressions: those whose value in a row depends on that row alone.

The server evaluates a request of one row, offline the whole spine is evaluated at once: only such expressions
mean the same in both.
"""

from collections.abc import Mapping

import polars as pl

from feature_platform.ground.working_columns import MARK, RESULT


def is_row_wise(expression: pl.Expr, types: Mapping[str, pl.DataType]) -> bool:
    """Tell whether an expression is row-wise: whether Polars would filter other columns before it computes it.

    Its own `meta.is_row_separable` is not enough: it takes `x - x.mean()` for one.

    Raises:
        polars.exceptions.PolarsError: it cannot be computed from columns of these types.

    >>> types = {"x": pl.Int64()}
    >>> is_row_wise(pl.col("x") + 1, types), is_row_wise(pl.col("x") - pl.col("x").mean(), types)
    (True, False)
    """
    rows = pl.LazyFrame(schema={**types, MARK: pl.Int64()})
    plan = rows.with_columns(expression.alias(RESULT)).filter(pl.col(MARK) > 0).explain()
    return not plan.lstrip().startswith("FILTER")
