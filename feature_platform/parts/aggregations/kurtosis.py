"""The kurtosis of a column's values."""

from feature_platform.parts.aggregations.shape import ShapeAggregation


class Kurtosis(ShapeAggregation):
    """The excess kurtosis g2 as Float64: the fourth central moment over the square of the second one, minus 3.

    It is 0 for a normal distribution. Null over fewer than four values and where all are equal; NaN where a value is
    NaN or infinite. It is computed of the values as Float64, and is the biased estimate, as `scipy.stats.kurtosis` and
    Polars give it.

    >>> Kurtosis("x", windows=["7d"]).features
    ('x_kurtosis_7d',)
    """

    label, power, least = "kurtosis", 4, 4
