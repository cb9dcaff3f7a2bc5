"""Expectations judged on Polars frames; the one floor that knows Great Expectations, imported late."""

from feature_platform.quality.suite import expectations_from_suite
from feature_platform.quality.validation import (
    Outcome,
    Validation,
    check_supported,
    known_expectations,
    validate,
)

__all__ = [
    "Outcome",
    "Validation",
    "check_supported",
    "expectations_from_suite",
    "known_expectations",
    "validate",
]
