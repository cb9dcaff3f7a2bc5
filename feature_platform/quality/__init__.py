"""Expectations judged on Polars frames; the one floor that knows Great Expectations, imported late."""

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
    "known_expectations",
    "validate",
]
