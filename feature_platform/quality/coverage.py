"""The expectations of Great Expectations that can be computed here, and why the others cannot; data is not needed.

Great Expectations is not imported.
"""

from collections.abc import Mapping

import polars as pl

from feature_platform.declarations.expectation import Expect
from feature_platform.quality.aggregates import TABLE_EXPECTATIONS
from feature_platform.quality.patterns import rust_regex
from feature_platform.quality.queries import query_fault
from feature_platform.quality.readable import like_regex, schema_fault
from feature_platform.quality.row_rules import ROW_RULES
from feature_platform.quality.target import Misfit, NotComputable

_ONE_TABLE = "it compares with a second table, and a validation sees one frame"
UNSUPPORTED: Mapping[str, str] = {
    "expect_query_results_to_match_comparison": _ONE_TABLE,
    "expect_table_row_count_to_equal_other_table": _ONE_TABLE,
}
NOTES: Mapping[str, str] = {
    "expect_column_kl_divergence_to_be_less_than": "with a `partition_object`; a NaN makes it fail",
    "expect_column_quantile_values_to_be_between": "at an exact tie `nearest` takes the upper neighbour",
    "expect_column_value_z_scores_to_be_less_than": "a NaN breaks it",
    "expect_column_values_to_match_json_schema": "text that is no JSON breaks it",
    "expect_column_values_to_match_like_pattern": "case matters; Great Expectations has it for SQL only",
    "expect_column_values_to_match_like_pattern_list": "case matters; Great Expectations has it for SQL only",
    "expect_column_values_to_match_regex": "as in Python, without look-around",
    "expect_column_values_to_match_regex_list": "as in Python, without look-around",
    "expect_column_values_to_not_be_outliers": "a NaN breaks it",
    "expect_column_values_to_not_match_like_pattern": "case matters; Great Expectations has it for SQL only",
    "expect_column_values_to_not_match_like_pattern_list": "case matters; Great Expectations has it for SQL only",
    "expect_column_values_to_not_match_regex": "as in Python, without look-around",
    "expect_column_values_to_not_match_regex_list": "as in Python, without look-around",
    "expect_column_type_to_be": "a type as Polars prints it, or its family: `Datetime`",
    "expect_column_values_to_be_in_type_list": "a type as Polars prints it, or its family: `Datetime`",
    "expect_column_values_to_be_of_type": "a type as Polars prints it, or its family: `Datetime`",
    "unexpected_rows_expectation": "Polars' SQL, over `{batch}` alone",
}


def known_expectations() -> list[str]:
    """Return the types of expectation that can be computed, sorted."""
    return sorted([*(rule.expectation for rule in ROW_RULES), *TABLE_EXPECTATIONS])


def reason_against(expect: Expect) -> str | None:
    """Return why a declared expectation cannot be computed on any data; None when it can, or its type is unknown.

    >>> reason_against(Expect("expect_table_row_count_to_equal_other_table", other_table_name="b"))
    'it compares with a second table, and a validation sees one frame'
    """
    if expect.type in UNSUPPORTED:
        return UNSUPPORTED[expect.type]
    if expect.kwargs.get("windows"):
        return "it asks for `windows`, which only Great Expectations' cloud computes"
    if expect.type == "expect_column_kl_divergence_to_be_less_than" and expect.kwargs.get("partition_object") is None:
        return "it has no `partition_object` that the column could be compared with"
    if expect.type == "unexpected_rows_expectation" and "{batch}" not in str(
        expect.kwargs.get("unexpected_rows_query")
    ):
        return "its query does not read `{batch}`, the only table that a validation has"
    return None


def unreadable_argument(expect: Expect) -> tuple[str, str] | None:
    """Return what is wrong with an argument that no data makes readable, and the remedy; None if all are readable.

    Such arguments are regular expressions, LIKE patterns, JSON schemas and queries.

    >>> unreadable_argument(Expect("expect_column_values_to_match_regex", column="a", regex="(?=b)"))[0]
    'has a regular expression that Rust does not read: (?=b)'
    """
    query = expect.kwargs.get("unexpected_rows_query")
    if isinstance(query, str) and (fault := query_fault(query)) is not None:
        return f"has a query that cannot be run: {fault}", "Write one SELECT over `{batch}`."
    for key in ("regex", "regex_list"):
        for pattern in _texts_of(expect.kwargs.get(key)):
            try:
                rust_regex(pattern)
            except Misfit as error:
                return f"is ambiguous: {error}", "Write it so that it has one meaning."
            if not _is_regex(pattern):
                fault_text = f"has a regular expression that Rust does not read: {pattern}"
                return fault_text, "Write it without look-around and back-references."
    for key in ("like_pattern", "like_pattern_list"):
        for pattern in _texts_of(expect.kwargs.get(key)):
            try:
                like_regex(pattern, _text(expect.kwargs.get("escape")))
            except NotComputable as error:
                return f"cannot be read: {error}", "Write `%` and `_`, and an escape of one character."
    if expect.type == "expect_column_values_to_match_json_schema":
        fault = schema_fault(expect.kwargs.get("json_schema"))
        return None if fault is None else (f"has no JSON schema: {fault}", "Give one as a mapping.")
    return None


def _texts_of(value: object) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    return [each for each in values if isinstance(each, str)]


def _is_regex(pattern: str) -> bool:
    try:
        pl.Series([""]).str.contains(rust_regex(pattern))
    except pl.exceptions.ComputeError:
        return False
    return True


def _text(value: object) -> str | None:
    return None if value is None else str(value)
