"""Serving: newest values are published online, fresh rows pushed, and entities answered by key."""

from feature_platform.serving.features import online_features
from feature_platform.serving.service import Served

__all__ = ["Served", "online_features"]
