"""The catalogue of aggregations: one file each, under the contract of `base`."""

from feature_platform.aggregations.base import Aggregation
from feature_platform.aggregations.count import Count
from feature_platform.aggregations.count_distinct import CountDistinct
from feature_platform.aggregations.first import First
from feature_platform.aggregations.last import Last
from feature_platform.aggregations.max import Max
from feature_platform.aggregations.mean import Mean
from feature_platform.aggregations.min import Min
from feature_platform.aggregations.quantile import Quantile
from feature_platform.aggregations.rate import Rate
from feature_platform.aggregations.std import Std
from feature_platform.aggregations.sum import Sum
from feature_platform.aggregations.var import Var

__all__ = [
    "Aggregation",
    "Count",
    "CountDistinct",
    "First",
    "Last",
    "Max",
    "Mean",
    "Min",
    "Quantile",
    "Rate",
    "Std",
    "Sum",
    "Var",
]
