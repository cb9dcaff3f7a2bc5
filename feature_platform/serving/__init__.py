"""Answering: the newest values of a service's features, by key, as the online store holds them."""

from feature_platform.serving.features import online_features
from feature_platform.serving.service import Served

__all__ = ["Served", "online_features"]
