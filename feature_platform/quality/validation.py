"""Data judged by expectations: the outcome of each one, and the rows that they refuse.

Great Expectations judges on Polars, and reads data without a failure in one pass. It is imported by the first call of
`validate` that has an expectation, not when this module is imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from feature_platform.declarations.expectation import Expect
from feature_platform.ground.errors import InvalidDeclaration, UnsupportedExpectation
from feature_platform.ground.result_table import BriefResult, ResultTable
from feature_platform.ground.shortening import shorten, shorten_value
from feature_platform.quality.coverage import known_expectations, reason_against, unreadable_argument
from feature_platform.quality.refusal import refused_rows
from feature_platform.quality.row_rules import row_rule
from feature_platform.quality.target import MISFIT

_OBSERVED, _ERROR = 2_000, 500
__all__ = ["Outcome", "Validation", "check_known", "check_supported", "known_expectations", "validate"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one expectation.

    Counts are of rows under its `row_condition`, percent of those that are not missing.

    `observed` and `sample` (at most 20 unexpected values, in the order of the frame) are JSON values, long ones
    shortened. `error` says in one line why the expectation could not be computed on this data; it then failed. It is a
    `misfit` when the declaration fits no data with columns of these types.
    """

    expectation: Expect
    success: bool
    element_count: int | None = None
    unexpected_count: int | None = None
    unexpected_percent: float | None = None
    observed: object | None = None
    sample: tuple[object, ...] = ()
    error: str | None = None
    misfit: bool = False

    @property
    def summary(self) -> str:
        """Return the outcome as one line for people.

        >>> Outcome(Expect("expect_column_values_to_not_be_null", column="a"), False, 4, 1, 25.0).summary
        'expect_column_values_to_not_be_null on a failed: 1 of 4 rows unexpected (25%)'
        """
        return f"{self._title} {'passed' if self.success else 'failed'}{self._finding}"

    @property
    def _title(self) -> str:
        subject = ", ".join(self.expectation.subject)
        title = f"{self.expectation.type} on {shorten(subject)}" if subject else self.expectation.type
        return f"{title} ({distinction})" if (distinction := self.expectation.distinction) else title

    @property
    def _finding(self) -> str:
        if self.error is not None:
            return f", it could not be computed: {self.error}"
        if self.unexpected_count is not None and self.element_count is not None:
            share = "" if self.unexpected_percent is None else f" ({self.unexpected_percent:.3g}%)"
            examples = ", ".join(repr(value) for value in self.sample[:3] if value is not None)
            such_as = f", such as {examples}" if examples else ""
            return f": {self.unexpected_count:,} of {self.element_count:,} rows unexpected{share}{such_as}"
        if self.sample:
            return f": unexpected {', '.join(repr(value) for value in self.sample[:3])}"
        return "" if self.observed is None else f": found {shorten(repr(self.observed))}"


@dataclass(frozen=True, repr=False)
class Validation(BriefResult):
    """The outcomes of a suite on one frame, in the order of its expectations.

    `gx_result` is Great Expectations' own JSON result of the suite; empty when nothing was expected.
    """

    name: str
    outcomes: tuple[Outcome, ...]
    gx_result: dict[str, Any]

    def summary(self) -> ResultTable:
        """Return how many expectations held, and one line for each."""
        failed = len(self.failures)
        rows = [
            ["failed" if not each.success else "ok", each.expectation.severity, each.summary] for each in self.outcomes
        ]
        heads = ("outcome", "severity", "expectation")
        return ResultTable(f"{self.name}: {len(rows) - failed} of {len(rows)} expectations hold", heads, rows)

    @property
    def success(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if not outcome.success)

    @property
    def critical_failures(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.failures if outcome.expectation.severity == "critical")

    def raise_misfit(self) -> None:
        """Raise for the first critical expectation that fits no data with columns of these types.

        No row is the cause: refusing all of them would hide the mistake in the declaration.

        Raises:
            InvalidDeclaration: names the expectation, and says what would fit.
        """
        for outcome in self.critical_failures:
            if outcome.misfit:
                culprit = f"Expectation `{outcome.expectation.check_name}` of `{self.name}`"
                raise InvalidDeclaration(culprit, "does not fit the data", str(outcome.error))

    @property
    def computed_failures(self) -> tuple[Expect, ...]:
        """Return the failed expectations that could be computed."""
        return tuple(outcome.expectation for outcome in self.failures if outcome.error is None)

    def refused_rows(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return the rows to keep out, with a column `expectation`.

        It holds the check name of the first critical expectation that the row breaks.

        `frame` is the frame that was validated. When no failed critical expectation can point at rows (they judge the
        table, or could not be computed), all rows are refused; when none failed, no row is.

        Raises:
            ColumnCollision: the frame has a column called `expectation`.

        Example:
            >>> rows = pl.LazyFrame({"fare": [1, None]})
            >>> rule = Expect("expect_column_values_to_not_be_null", column="fare")
            >>> validate(rows, [rule], name="rides").refused_rows(rows).collect().rows()
            [(None, 'expect_column_values_to_not_be_null__fare')]
        """
        failures = self.critical_failures
        by_row = [o.expectation for o in failures if o.error is None and row_rule(o.expectation.type)]
        by_table = [o.expectation for o in failures if o.expectation not in by_row]
        return refused_rows(frame, by_row, by_table)


def validate(frame: pl.LazyFrame, expectations: Sequence[Expect], *, name: str) -> Validation:
    """Judge a frame; an expectation that cannot be computed on it (e.g. a missing column) fails with the reason.

    Raises:
        UnsupportedExpectation: one is unknown.
        InvalidDeclaration: the arguments of one cannot be read; no data was.

    Example:
        >>> rule = Expect("expect_column_max_to_be_between", column="fare", max_value=10)
        >>> validate(pl.LazyFrame({"fare": [1, 12]}), [rule], name="rides").failures[0].observed
        12
    """
    for expect in expectations:
        check_known(expect)
    if not expectations:
        return Validation(name, (), {})
    from feature_platform.quality.session import judge

    results, suite = judge(frame, expectations, name)
    outcomes = (_outcome(expect, result) for expect, result in zip(expectations, results, strict=True))
    return Validation(name, tuple(outcomes), suite)


def check_supported(expect: Expect) -> None:
    """Check that an expectation can be computed, and that its arguments can be read; imports Great Expectations.

    Raises:
        UnsupportedExpectation: it is unknown, or needs what one frame does not have; the sentence says what.
        InvalidDeclaration: an argument is missing, unknown, of the wrong type, or cannot be read.
    """
    check_known(expect)
    fault = unreadable_argument(expect)
    if fault is not None:
        raise InvalidDeclaration(f"Expectation `{expect.check_name}`", *fault)
    from feature_platform.quality.session import expectation_of

    expectation_of(expect)


def check_known(expect: Expect) -> None:
    """Check that an expectation can be computed on one frame; Great Expectations is not imported.

    Raises:
        UnsupportedExpectation: it is unknown, or needs what one frame does not have; the sentence says what.
        InvalidDeclaration: it leaves an argument to a suite parameter.
    """
    names, reason = known_expectations(), reason_against(expect)
    if expect.type not in names or reason is not None:
        raise UnsupportedExpectation(expect.type, names, reason)
    parameters = [key for key, value in expect.kwargs.items() if _has_parameter(value)]
    if parameters:
        raise InvalidDeclaration(
            f"Expectation `{expect.check_name}`",
            f"leaves `{parameters[0]}` to a suite parameter",
            "Write its value.",
        )


def _has_parameter(value: object) -> bool:
    """Tell whether a value, or one inside of it, is left to a suite parameter."""
    if isinstance(value, Mapping):
        return "$PARAMETER" in value or any(_has_parameter(inner) for inner in value.values())
    return isinstance(value, (list, tuple)) and any(_has_parameter(inner) for inner in value)


def _outcome(expect: Expect, result: dict[str, Any]) -> Outcome:
    facts = result.get("result") or {}
    raised = result.get("exception_info") or {}
    missing = facts.get("partial_missing_list")
    sample = facts.get("partial_unexpected_list") or []
    observed = facts.get("observed_value")
    error = raised.get("exception_message") if raised.get("raised_exception") else None
    return Outcome(
        expectation=expect,
        success=bool(result["success"]),
        element_count=facts.get("element_count"),
        unexpected_count=facts.get("unexpected_count"),
        unexpected_percent=facts.get("unexpected_percent"),
        observed=shorten_value({"missing": missing} if observed is None and missing else observed, _OBSERVED),
        sample=tuple(shorten_value(value) for value in sample[:20]),
        error=None if error is None else shorten(str(error), _ERROR),
        misfit=bool(raised.get(MISFIT)),
    )
