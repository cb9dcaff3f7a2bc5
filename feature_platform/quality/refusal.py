"""Which rows a failed validation refuses: those that break a critical row-level expectation, or else all."""

from collections.abc import Sequence

import polars as pl

from feature_platform.declarations.expectation import Expect
from feature_platform.errors import ColumnCollision
from feature_platform.quality.conditions import expression, plain
from feature_platform.quality.row_rules import RowRule, columns_of, row_rule
from feature_platform.quality.subject import Subject

LABEL = "expectation"
_INDEX = "__row_index__"


def refused_rows(frame: pl.LazyFrame, by_row: Sequence[Expect], by_table: Sequence[Expect]) -> pl.LazyFrame:
    """The refused rows, in order, with the check name of the first expectation each breaks.

    `by_row` are the failed expectations that can point at rows, `by_table` those that cannot: with none of
    the former, one of the latter refuses every row; with neither, no row is refused. Nothing runs here.

    Raises:
        ColumnCollision: the frame has a column called `expectation`.
    """
    schema = frame.collect_schema()
    if LABEL in schema:
        raise ColumnCollision("The refused rows", [LABEL], "Rename it in the data.")
    if not by_row:
        name = pl.lit(by_table[0].check_name if by_table else None, dtype=pl.String)
        return (frame if by_table else frame.head(0)).with_columns(name.alias(LABEL))
    indexed = frame.with_row_index(_INDEX)
    labels: list[pl.Expr] = []
    for position, expect in enumerate(by_row):
        rule, subject = _read(expect, schema)
        if rule.alone:
            broken = rule.broken(subject)
        else:
            flag = f"__broken_{position}__"
            indexed = _flagged(frame, indexed, rule, subject, flag)
            broken = pl.col(flag).fill_null(value=False)
        labels.append(pl.when(broken).then(pl.lit(expect.check_name)))
    labelled = indexed.with_columns(pl.coalesce(labels).alias(LABEL)).filter(pl.col(LABEL).is_not_null())
    return labelled.select(*schema, LABEL)


def broken_rows(frame: pl.LazyFrame, expect: Expect) -> pl.LazyFrame | None:
    """Return the rows that break an expectation, in order; None where it cannot point at rows. Nothing runs here."""
    if row_rule(expect.type) is None or LABEL in frame.collect_schema():
        return None
    return refused_rows(frame, [expect], []).drop(LABEL)


def _read(expect: Expect, schema: pl.Schema) -> tuple[RowRule, Subject]:
    rule = row_rule(expect.type)
    if rule is None:
        raise TypeError(f"{expect.type} judges no rows")
    condition = plain(expect.kwargs.get("row_condition"), expect.kwargs.get("condition_parser"))
    within = None if condition is None else expression(condition, schema).fill_null(value=False)
    return rule, Subject(columns_of(expect.kwargs), expect.kwargs, schema, within)


def _flagged(frame: pl.LazyFrame, indexed: pl.LazyFrame, rule: RowRule, subject: Subject, flag: str) -> pl.LazyFrame:
    broken = frame.with_row_index(_INDEX).filter(rule.considered(subject)).filter(rule.broken(subject))
    marks = broken.select(_INDEX, pl.lit(value=True).alias(flag))
    return indexed.join(marks, on=_INDEX, how="left", maintain_order="left")
