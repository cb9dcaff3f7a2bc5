"""The catalogue of drift metrics: one file each, under the contract of `base`."""

from feature_platform.parts.drift.base import DistributionPairs, Kind, Metric
from feature_platform.parts.drift.chi_square import ChiSquare
from feature_platform.parts.drift.hellinger import Hellinger
from feature_platform.parts.drift.jensen_shannon import JensenShannon
from feature_platform.parts.drift.ks import Ks
from feature_platform.parts.drift.l_infinity import LInfinity
from feature_platform.parts.drift.new_categories import NewCategories
from feature_platform.parts.drift.null_rate import NullRate
from feature_platform.parts.drift.psi import Psi
from feature_platform.parts.drift.vanished_categories import VanishedCategories
from feature_platform.parts.drift.wasserstein import Wasserstein

METRICS: tuple[Metric, ...] = (
    Psi(),
    Ks(),
    Wasserstein(),
    JensenShannon(),
    Hellinger(),
    LInfinity(),
    ChiSquare(),
    NullRate(),
    NewCategories(),
    VanishedCategories(),
)

__all__ = [
    "METRICS",
    "ChiSquare",
    "DistributionPairs",
    "Hellinger",
    "JensenShannon",
    "Kind",
    "Ks",
    "LInfinity",
    "Metric",
    "NewCategories",
    "NullRate",
    "Psi",
    "VanishedCategories",
    "Wasserstein",
]
