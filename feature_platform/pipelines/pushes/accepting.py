"""Accepting: which pushed rows critical expectations let in, when they arrive and when they are merged."""

from datetime import datetime

import polars as pl

from feature_platform.compute.transforms.pushed import convert_push
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground.errors import PushRefused
from feature_platform.ground.working_columns import PUSH, PUSH_ROW
from feature_platform.quality.refusal import LABEL, refused_rows
from feature_platform.quality.row_rules import row_rule
from feature_platform.quality.target import NotComputable


def accept_push(
    source: Source, stored: pl.Schema, rows: pl.DataFrame, arrived_at: datetime, grid: Partitions | None = None
) -> pl.DataFrame:
    """Accept pushed rows that no critical expectation about single rows refuses, and return them as the table has them.

    A row that the next run of the source would refuse must not be served before. Expectations about several rows, such
    as uniqueness, are only checked in that run.

    Raises:
        PushRefused: see `convert_push`; or names the expectation and the row.
    """
    checked = convert_push(source, stored, rows, arrived_at, grid)
    alone = [expect for expect in row_expectations(source) if not compares_rows(expect)]
    if not alone:
        return checked
    numbered = checked.with_row_index(PUSH_ROW).with_columns(pl.lit(0).alias(PUSH))
    for expect in alone:
        broken = refused_pushed_rows(numbered, expect)
        if broken.height:
            found = f"it breaks the expectation `{expect.check_name}`"
            raise PushRefused(source.name, found, "Send rows that meet it.", row=broken[PUSH_ROW][0])
    return checked


def row_expectations(source: Source) -> list[Expect]:
    """Return the critical expectations that can point at rows, whatever the order of the rows is."""
    critical = [each for each in source.expectations if each.severity == "critical"]
    return [each for each in critical if (rule := row_rule(each.type)) and (rule.alone or rule.groups)]


def compares_rows(expect: Expect) -> bool:
    """Tell whether an expectation compares rows with one another, as uniqueness does."""
    rule = row_rule(expect.type)
    return rule is not None and rule.groups


def refused_pushed_rows(rows: pl.DataFrame, expect: Expect) -> pl.DataFrame:
    """Return the pushed rows that break an expectation; none when it cannot be computed here: the audit does it."""
    if LABEL in rows.columns:
        return _no_refused_rows(rows)
    try:
        return refused_rows(rows.lazy(), [expect], []).filter(pl.col(PUSH).is_not_null()).collect()
    except NotComputable:
        return _no_refused_rows(rows)


def _no_refused_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Return no row, with the columns of refused rows."""
    return rows.clear().with_columns(pl.lit(None, dtype=pl.String).alias(LABEL))
