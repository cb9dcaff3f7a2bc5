"""What skewness and kurtosis share: moments of the values between their smallest (0) and their largest (1)."""

from typing import ClassVar

import polars as pl

from feature_platform.parts.aggregations.base import NumericAggregation

HUGE = 2.0**1000  # sizes from which on a difference may be beyond what floats hold
_TINY = 2.0**-500  # sizes below which a difference may have no inverse, by which Polars multiplies


class ShapeAggregation(NumericAggregation):
    """A number that tells the shape of a distribution, whatever its centre and scale."""

    power: ClassVar[int]
    least: ClassVar[int]  # values that it needs

    def over(self, schema: pl.Schema) -> pl.Expr:
        values = self.numbers
        low, high = values.min(), values.max()
        size = pl.max_horizontal(low.abs(), high.abs())
        scale = pl.when(size > HUGE).then(0.5).when(size < _TINY).then(1 / _TINY).otherwise(1.0)
        shares = (values * scale - low * scale) / (high * scale - low * scale)
        apart = shares - shares.mean()
        shape = (apart**self.power).mean() / (apart**2).mean() ** (self.power / 2) - (3 if self.power == 4 else 0)
        return (
            pl.when(values.len() < self.least)
            .then(None)
            .when(values.is_finite().all().not_())
            .then(pl.lit(float("nan")))
            .when(low != high)
            .then(shape)
        )
