"""Expectations judged on Polars frames; the only room that imports Great Expectations, and it does so late."""

from feature_platform.quality.coverage import known_expectations
from feature_platform.quality.data_docs import data_docs_page
from feature_platform.quality.suites import suite_of
from feature_platform.quality.validation import Outcome, Validation, check_known, check_supported, validate

__all__ = [
    "Outcome",
    "Validation",
    "check_known",
    "check_supported",
    "data_docs_page",
    "known_expectations",
    "suite_of",
    "validate",
]
