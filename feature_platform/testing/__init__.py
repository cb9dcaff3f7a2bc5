"""Testing: the values of a view over literal or made-up frames, without Dagster and without a store."""

from feature_platform.testing.fixtures import FixtureDiffers, check_fixture
from feature_platform.testing.values import example_frame, values_at

__all__ = ["FixtureDiffers", "check_fixture", "example_frame", "values_at"]
