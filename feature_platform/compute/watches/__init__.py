"""The catalogue of watches: one file each, under the contract of `base`."""

from feature_platform.compute.watches.base import Observation, Watch, WatchResult
from feature_platform.compute.watches.constant import Constant
from feature_platform.compute.watches.dead import Dead
from feature_platform.compute.watches.duplicate_keys import DuplicateKeys
from feature_platform.compute.watches.imputed_share import ImputedShare
from feature_platform.compute.watches.schema import Schema
from feature_platform.compute.watches.unit import Unit
from feature_platform.compute.watches.unknown_keys import UnknownKeys
from feature_platform.compute.watches.volume import Volume

WATCHES: tuple[Watch, ...] = (
    Volume(),
    Schema(),
    Unit(),
    Constant(),
    Dead(),
    DuplicateKeys(),
    UnknownKeys(),
    ImputedShare(),
)

__all__ = [
    "WATCHES",
    "Constant",
    "Dead",
    "DuplicateKeys",
    "ImputedShare",
    "Observation",
    "Schema",
    "Unit",
    "UnknownKeys",
    "Volume",
    "Watch",
    "WatchResult",
]
