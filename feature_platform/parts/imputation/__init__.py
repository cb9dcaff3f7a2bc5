"""The catalogue of imputations: one file each, under the contract of `base`."""

from feature_platform.parts.imputation.base import FittedImputation, Imputation
from feature_platform.parts.imputation.constant import Constant
from feature_platform.parts.imputation.forward_fill import ForwardFill
from feature_platform.parts.imputation.mean import Mean
from feature_platform.parts.imputation.median import Median
from feature_platform.parts.imputation.mode import Mode

__all__ = ["Constant", "FittedImputation", "ForwardFill", "Imputation", "Impute", "Mean", "Median", "Mode"]


class Impute:
    """The ways to fill gaps, as users write them: `fp.Impute.mean(by="origin")`.

    >>> Impute.constant(0) == Constant(0)
    True
    """

    constant = Constant
    forward_fill = ForwardFill
    mean = Mean
    median = Median
    mode = Mode
