"""The skewness of a column's values."""

from feature_platform.parts.aggregations.shape import ShapeAggregation


class Skew(ShapeAggregation):
    """The skewness g1 as Float64: the third central moment over the second one to the power of 3/2.

    Null over fewer than three values and where all are equal; NaN where a value is NaN or infinite. It is computed of
    the values as Float64, and is the biased estimate, as `scipy.stats.skew` and Polars give it.

    >>> Skew("x", windows=["7d"]).features
    ('x_skew_7d',)
    """

    label, power, least = "skew", 3, 3
