"""Serving: newest values are published online, fresh rows pushed, and entities answered by key."""

from feature_platform.serving.features import online_features
from feature_platform.serving.service import ServedService

__all__ = ["ServedService", "online_features"]
