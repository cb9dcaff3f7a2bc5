"""Windows over events: exact at both ends, by whatever way is quickest for the ranges that are asked for."""

from feature_platform.compute.windows.at_moment import AtMoment
from feature_platform.compute.windows.windowed import published_windows, window_features

__all__ = ["AtMoment", "published_windows", "window_features"]
