"""The catalogue of executors: one file each, under the contract of `base`."""

from feature_platform.parts.executors.base import Executor
from feature_platform.parts.executors.local import Local

__all__ = ["Executor", "Local"]
