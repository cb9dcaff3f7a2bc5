"""The expectations that judge rows one at a time, each as an expression that is true where a row breaks it.

A null is missing and is left out unless the rule is about nulls. A NaN is a value: it lies in no range, is greater than
nothing, and equals NaN. (Great Expectations' pandas engine cannot tell them apart and leaves both out.) Regular
expressions have the meaning of Python's and are searched anywhere in the text, without look-around, because Rust
computes them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import and_, or_
from typing import cast

import polars as pl

from feature_platform.quality.patterns import rust_regex
from feature_platform.quality.readable import (
    like_any,
    not_a_date,
    not_json,
    not_of_json_schema,
    not_of_time_format,
    unlike,
)
from feature_platform.quality.spread import far_by_z_score, outliers
from feature_platform.quality.target import NotComputable, RuleTarget, exact_column, exact_series


@dataclass(frozen=True)
class RowRule:
    """One row-level expectation: its type, its Great Expectations metric, and what breaks it.

    `alone` rules need only the row; the others need its neighbours in the order of the frame, or the whole column.
    `groups` marks uniqueness, which is counted by group. `nulls` marks rules that also look at nulls.
    """

    expectation: str
    metric: str
    breaks: Callable[[RuleTarget], pl.Expr]
    alone: bool = True
    groups: bool = False
    nulls: bool = False

    def judged_rows(self, target: RuleTarget) -> pl.Expr:
        """Return an expression that is true where the rule judges a row: under the row condition, and not missing."""
        parts = [part for part in (target.within, self._present(target)) if part is not None]
        return reduce(and_, parts).fill_null(value=False) if parts else pl.lit(value=True)

    def breaking_rows(self, target: RuleTarget) -> pl.Expr:
        """Return an expression that is true where a judged row breaks the rule.

        For `alone` rules this holds on the whole frame.
        """
        breaks = self.breaks(target).fill_null(value=True)
        return breaks & self.judged_rows(target) if self.alone else breaks

    def _present(self, target: RuleTarget) -> pl.Expr | None:
        if self.nulls:
            return None
        missing = target.values.get("ignore_row_if")
        present = [pl.col(name).is_not_null() for name in target.columns]
        if missing in ("either_value_is_missing", "any_value_is_missing"):
            return pl.all_horizontal(present)
        return None if missing in ("neither", "never") else pl.any_horizontal(present)


def _nan(name: str, schema: pl.Schema) -> pl.Expr:
    return pl.col(name).is_nan() if schema[name].is_float() else pl.lit(value=False)


def _outside(target: RuleTarget, column: pl.Expr, low: pl.Expr | None, high: pl.Expr | None) -> pl.Expr:
    strict_low, strict_high = target.values.get("strict_min"), target.values.get("strict_max")
    below = [] if low is None else [column <= low if strict_low else column < low]
    above = [] if high is None else [column >= high if strict_high else column > high]
    return reduce(or_, [*below, *above])


def _between(target: RuleTarget) -> pl.Expr:
    low, high = (
        target.bound(key) if target.values.get(key) is not None else None for key in ("min_value", "max_value")
    )
    return _outside(target, target.column, low, high) | _nan(target.name, target.schema)


def _not_in_set(target: RuleTarget) -> pl.Expr:
    if target.values.get("value_set") is None:
        return pl.lit(value=False)
    return ~pl.col(target.name).is_in(target.members("value_set").implode())


def _in_set(target: RuleTarget) -> pl.Expr:
    if target.values.get("value_set") is None:
        return pl.lit(value=False)
    return pl.col(target.name).is_in(target.members("value_set").implode())


def _matches(target: RuleTarget, key: str = "regex") -> list[pl.Expr]:
    argument = target.values[key]
    patterns = argument if isinstance(argument, (list, tuple)) else [argument]
    return [target.text.str.contains(rust_regex(str(pattern))) for pattern in patterns]


def _no_match_in_list(target: RuleTarget) -> pl.Expr:
    every = target.values.get("match_on") == "all"
    return ~reduce(and_ if every else or_, _matches(target, "regex_list"))


def _length(target: RuleTarget) -> pl.Expr:
    return target.text.str.len_chars()


def _length_outside(target: RuleTarget) -> pl.Expr:
    low, high = (
        None if target.values.get(key) is None else pl.lit(target.values[key]) for key in ("min_value", "max_value")
    )
    return _outside(target, _length(target), low, high)


def _repeats(target: RuleTarget) -> pl.Expr:
    return pl.len().over([pl.col(name) for name in target.columns]) > 1


def _against_previous(target: RuleTarget, compare: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> pl.Expr:
    if target.schema[target.name].is_nested():
        raise NotComputable(f"Column `{target.name}` is {target.schema[target.name]}, which has no order.")
    column = pl.col(target.name)
    return compare(column, column.shift(1)).fill_null(value=False) | _nan(target.name, target.schema)


def _not_increasing(target: RuleTarget) -> pl.Expr:
    strictly = target.values.get("strictly")
    return _against_previous(target, lambda now, before: now <= before if strictly else now < before)


def _not_decreasing(target: RuleTarget) -> pl.Expr:
    strictly = target.values.get("strictly")
    return _against_previous(target, lambda now, before: now >= before if strictly else now > before)


def _pair(target: RuleTarget) -> tuple[pl.Expr, pl.Expr]:
    first, second = (exact_column(name, target.schema[name]) for name in target.columns)
    return first, second


def _pair_not_greater(target: RuleTarget) -> pl.Expr:
    first, second = _pair(target)
    nan = reduce(or_, [_nan(name, target.schema) for name in target.columns])
    return (first < second if target.values.get("or_equal") else first <= second) | nan


def _pair_differs(target: RuleTarget) -> pl.Expr:
    first, second = _pair(target)
    return first != second


def _pair_not_in_set(target: RuleTarget) -> pl.Expr:
    pairs = target.values.get("value_pairs_set")
    if pairs is None:
        return pl.lit(value=False)
    by_first: dict[object, list[object]] = {}
    for first, second in cast("Sequence[tuple[object, object]]", pairs):
        by_first.setdefault(first, []).append(second)
    parts = (_holds(target, 0, [first]) & _holds(target, 1, seconds) for first, seconds in by_first.items())
    return ~reduce(or_, parts, pl.lit(value=False))


def _holds(target: RuleTarget, position: int, values: Sequence[object]) -> pl.Expr:
    """Return an expression that is true where a column holds one of the values, which may include null."""
    name = target.columns[position]
    column = pl.col(name)
    among = column.is_in(exact_series(values, name, target.schema[name]).implode()).fill_null(value=False)
    return among | column.is_null() if None in values else among


def _values_differ(target: RuleTarget) -> pl.Expr:
    first, *others = target.columns
    return pl.any_horizontal(pl.col(first).ne_missing(pl.col(other)) for other in others)


def _values_repeat(target: RuleTarget) -> pl.Expr:
    return pl.any_horizontal(pl.col(a).eq_missing(pl.col(b)) for a, b in combinations(target.columns, 2))


def _sum_differs(target: RuleTarget) -> pl.Expr:
    target.require("a number")
    return pl.sum_horizontal(target.columns, ignore_nulls=False) != pl.lit(target.values["sum_total"])


def _is_null(target: RuleTarget) -> pl.Expr:
    return pl.col(target.name).is_null()


ROW_RULES: tuple[RowRule, ...] = (
    RowRule("expect_column_values_to_not_be_null", "column_values.nonnull", _is_null, nulls=True),
    RowRule("expect_column_values_to_be_null", "column_values.null", lambda s: ~_is_null(s), nulls=True),
    RowRule("expect_column_values_to_be_between", "column_values.between", _between),
    RowRule("expect_column_values_to_be_in_set", "column_values.in_set", _not_in_set),
    RowRule("expect_column_values_to_not_be_in_set", "column_values.not_in_set", _in_set),
    RowRule("expect_column_values_to_match_regex", "column_values.match_regex", lambda s: ~_matches(s)[0]),
    RowRule("expect_column_values_to_not_match_regex", "column_values.not_match_regex", lambda s: _matches(s)[0]),
    RowRule("expect_column_values_to_match_regex_list", "column_values.match_regex_list", _no_match_in_list),
    RowRule(
        "expect_column_values_to_not_match_regex_list",
        "column_values.not_match_regex_list",
        lambda s: reduce(or_, _matches(s, "regex_list")),
    ),
    RowRule("expect_column_value_lengths_to_be_between", "column_values.value_length.between", _length_outside),
    RowRule(
        "expect_column_value_lengths_to_equal",
        "column_values.value_length.equals",
        lambda s: _length(s) != pl.lit(s.values["value"]),
    ),
    RowRule("expect_column_values_to_be_json_parseable", "column_values.json_parseable", not_json),
    RowRule("expect_column_values_to_match_json_schema", "column_values.match_json_schema", not_of_json_schema),
    RowRule("expect_column_values_to_be_dateutil_parseable", "column_values.dateutil_parseable", not_a_date),
    RowRule("expect_column_values_to_match_strftime_format", "column_values.match_strftime_format", not_of_time_format),
    RowRule(
        "expect_column_values_to_match_like_pattern", "column_values.match_like_pattern", lambda s: unlike(s, "one")
    ),
    RowRule(
        "expect_column_values_to_not_match_like_pattern",
        "column_values.not_match_like_pattern",
        lambda s: like_any(s, "one"),
    ),
    RowRule(
        "expect_column_values_to_match_like_pattern_list",
        "column_values.match_like_pattern_list",
        lambda s: unlike(s, "listed"),
    ),
    RowRule(
        "expect_column_values_to_not_match_like_pattern_list",
        "column_values.not_match_like_pattern_list",
        lambda s: like_any(s, "listed"),
    ),
    RowRule(
        "expect_column_value_z_scores_to_be_less_than",
        "column_values.z_score.under_threshold",
        far_by_z_score,
        alone=False,
    ),
    RowRule("expect_column_values_to_not_be_outliers", "column_values.not_outliers", outliers, alone=False),
    RowRule("expect_column_values_to_be_unique", "column_values.unique", _repeats, alone=False, groups=True),
    RowRule("expect_column_values_to_be_increasing", "column_values.increasing", _not_increasing, alone=False),
    RowRule("expect_column_values_to_be_decreasing", "column_values.decreasing", _not_decreasing, alone=False),
    RowRule("expect_column_pair_values_to_be_equal", "column_pair_values.equal", _pair_differs),
    RowRule("expect_column_pair_values_to_be_in_set", "column_pair_values.in_set", _pair_not_in_set),
    RowRule(
        "expect_column_pair_values_a_to_be_greater_than_b",
        "column_pair_values.a_greater_than_b",
        _pair_not_greater,
    ),
    RowRule("expect_compound_columns_to_be_unique", "compound_columns.unique", _repeats, alone=False, groups=True),
    RowRule(
        "expect_select_column_values_to_be_unique_within_record",
        "select_column_values.unique.within_record",
        _values_repeat,
    ),
    RowRule("expect_multicolumn_sum_to_equal", "multicolumn_sum.equal", _sum_differs),
    RowRule("expect_multicolumn_values_to_be_equal", "multicolumn_values.equal", _values_differ),
)


def row_rule(expectation: str) -> RowRule | None:
    """Return the rule of an expectation type; None when the expectation judges the whole table."""
    return next((rule for rule in ROW_RULES if rule.expectation == expectation), None)


def argument_columns(kwargs: Mapping[str, object]) -> tuple[str, ...]:
    """Return the columns that the arguments of an expectation or metric name."""
    single = [str(kwargs[key]) for key in ("column", "column_A", "column_B") if kwargs.get(key) is not None]
    several = kwargs.get("column_list")
    return (*single, *(several if isinstance(several, (list, tuple)) else ()))
