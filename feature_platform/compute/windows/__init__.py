"""Windows over events: exact at both ends, computed in the quickest way for the ranges of each request."""

from feature_platform.compute.windows.at_moment import AtMoment
from feature_platform.compute.windows.windowed import published_windows, window_features

__all__ = ["AtMoment", "published_windows", "window_features"]
