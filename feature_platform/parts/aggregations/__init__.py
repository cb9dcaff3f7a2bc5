"""The catalogue of aggregations: one file each, under the contract of `base`."""

from feature_platform.parts.aggregations.any import Any
from feature_platform.parts.aggregations.base import Aggregation, NumericAggregation, OrderedAggregation
from feature_platform.parts.aggregations.bottom_k import BottomK
from feature_platform.parts.aggregations.count import Count
from feature_platform.parts.aggregations.count_distinct import CountDistinct
from feature_platform.parts.aggregations.first import First
from feature_platform.parts.aggregations.first_n import FirstN
from feature_platform.parts.aggregations.histogram import Histogram
from feature_platform.parts.aggregations.kurtosis import Kurtosis
from feature_platform.parts.aggregations.last import Last
from feature_platform.parts.aggregations.last_n import LastN
from feature_platform.parts.aggregations.max import Max
from feature_platform.parts.aggregations.mean import Mean
from feature_platform.parts.aggregations.min import Min
from feature_platform.parts.aggregations.mode import Mode
from feature_platform.parts.aggregations.quantile import Quantile
from feature_platform.parts.aggregations.rate import Rate
from feature_platform.parts.aggregations.recency import Recency
from feature_platform.parts.aggregations.skew import Skew
from feature_platform.parts.aggregations.std import Std
from feature_platform.parts.aggregations.sum import Sum
from feature_platform.parts.aggregations.time_to import TimeTo
from feature_platform.parts.aggregations.top_k import TopK
from feature_platform.parts.aggregations.var import Var

__all__ = [
    "Aggregation",
    "Any",
    "BottomK",
    "Count",
    "CountDistinct",
    "First",
    "FirstN",
    "Histogram",
    "Kurtosis",
    "Last",
    "LastN",
    "Max",
    "Mean",
    "Min",
    "Mode",
    "NumericAggregation",
    "OrderedAggregation",
    "Quantile",
    "Rate",
    "Recency",
    "Skew",
    "Std",
    "Sum",
    "TimeTo",
    "TopK",
    "Var",
]
