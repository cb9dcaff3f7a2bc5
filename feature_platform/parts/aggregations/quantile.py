"""A quantile of a column's values."""

from collections.abc import Sequence
from typing import Unpack

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.aggregations.base import NumericAggregation
from feature_platform.parts.aggregations.options import WindowOptions


class Quantile(NumericAggregation):
    """The exact quantile `q` as Float64, interpolated linearly; null over nothing, NaN where a value is NaN.

    It is named by its percentage: `Quantile("x", 0.5)` is `x_p50_<window>`, 0.999 is `x_p99_9_<window>`.
    Linear interpolation is Hyndman and Fan's type 7, the default of numpy and R.

    >>> Quantile("dep_delay", 0.9, windows=["7d"]).features
    ('dep_delay_p90_7d',)
    """

    label = "quantile"

    def __init__(
        self,
        column: str,
        q: float,
        *,
        windows: Sequence[str],
        name: str | None = None,
        **options: Unpack[WindowOptions],
    ) -> None:
        if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 <= q <= 1:
            raise InvalidDeclaration(f"Quantile({column!r})", f"has q={q!r}", "Give a share from 0 to 1, e.g. 0.9.")
        self.q = float(q)
        super().__init__(column, windows=windows, name=name, **options)

    def arguments(self) -> tuple[object, ...]:
        return (self.column, self.q)

    def feature(self, window: str) -> str:
        return f"{self.subject}_p{f'{self.q * 100:.10g}'.replace('.', '_')}_{window}"

    def over(self, schema: pl.Schema) -> pl.Expr:
        values = self.numbers
        interpolated = values.quantile(self.q, interpolation="linear")
        return pl.when(values.is_nan().any()).then(pl.lit(float("nan"))).otherwise(interpolated)
