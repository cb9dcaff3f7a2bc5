"""How long until the first event, or the first value of a column."""

import polars as pl

from feature_platform.parts.aggregations.of_rows import RowAggregation


class TimeTo(RowAggregation):
    """`TimeTo()` is the time from the moment of a label to the first event of its window, in seconds (Float64).

    `TimeTo("x")` is that to the first event whose `x` is not null. In a label `<name>_happened` tells whether there was
    one; without one the seconds are those that were watched, to the end of the window. It is for labels only.

    >>> TimeTo(windows=["90d"]).look_ahead(start=0, lateness=0).features
    ('time_to_next_90d',)
    """

    label = "time_to"
    of_times = True
    direction = "ahead"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return pl.col(str(self.column)).drop_nulls().first()
