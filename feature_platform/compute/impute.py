"""Imputation: gaps filled by what was known before each row, never by what came at its time or later.

Statistics are learnt from the original values of strictly earlier rows; filled gaps teach nothing.
"""

from collections.abc import Mapping

import polars as pl

from feature_platform.clock import ticks
from feature_platform.compute.keys import OWN, ROW, TIME, refuse_collisions, require
from feature_platform.imputation import FittedImputation, Imputation

_OWNER = "impute"


def impute(frame: pl.LazyFrame | pl.DataFrame, rules: Mapping[str, Imputation], *, time: str) -> pl.LazyFrame:
    """The frame with the gaps (nulls) of some features filled, every row once, in order.

    A row without a time learns nothing and teaches nothing: only constants fill its gaps.
    Flags (`<feature>_was_missing`) are added at the end, in the order of the rules.

    Args:
        rules: how to fill each feature.
        time: the time of each row; any zone.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
        ColumnCollision: a flag has the name of a column.

    >>> from datetime import datetime, timezone
    >>> from feature_platform.imputation import Impute
    >>> days = [datetime(2013, 3, n, tzinfo=timezone.utc) for n in (1, 2, 3, 4)]
    >>> frame = pl.DataFrame({"at": days, "delay": [None, 4.0, 8.0, None]})
    >>> impute(frame, {"delay": Impute.mean()}, time="at").collect()["delay"].to_list()
    [None, 4.0, 8.0, 6.0]
    """
    rows = frame.lazy()
    schema = rows.collect_schema()
    _check(schema, rules, time)
    fitted = {name: rule for name, rule in rules.items() if isinstance(rule, FittedImputation)}
    filled = [_filled(name, rule, schema) for name, rule in rules.items()]
    flags = [pl.col(name).is_null().alias(_flag(name)) for name, rule in rules.items() if rule.flag]
    return (
        rows.with_row_index(ROW)
        .with_columns(ticks(schema, time, _OWNER).alias(TIME))
        .sort(TIME, maintain_order=True)
        .with_columns(_before_each_row(name, rule) for name, rule in fitted.items())
        .with_columns(_before_each_instant(name, rule) for name, rule in fitted.items())
        .sort(ROW)
        .with_columns(*filled, *flags)
        .select(*schema, *(_flag(name) for name, rule in rules.items() if rule.flag))
    )


def _check(schema: pl.Schema, rules: Mapping[str, Imputation], time: str) -> None:
    by = [rule.by for rule in rules.values() if isinstance(rule, FittedImputation)]
    require(schema, [time, *rules, *by], _OWNER)
    refuse_collisions(schema, [_flag(name) for name, rule in rules.items() if rule.flag], _OWNER)
    for name, rule in rules.items():
        rule.check(schema[name], name, _OWNER)


def _flag(feature: str) -> str:
    return f"{feature}_was_missing"


def _past(feature: str) -> str:
    return f"{OWN}past_{feature}"


def _before_each_row(feature: str, rule: FittedImputation) -> pl.Expr:
    """What the rows above teach, in order of time."""
    values = pl.when(pl.col(TIME).is_not_null()).then(pl.col(feature))
    past = rule.learnt(values).forward_fill().shift(1)
    return (past if rule.by is None else past.over(rule.by)).alias(_past(feature))


def _before_each_instant(feature: str, rule: FittedImputation) -> pl.Expr:
    """What the rows above the first row of the same instant teach: strictly earlier ones."""
    instant = [TIME] if rule.by is None else [rule.by, TIME]
    earlier = pl.col(_past(feature)).first().over(instant)
    return pl.when(pl.col(TIME).is_not_null()).then(earlier).alias(_past(feature))


def _filled(feature: str, rule: Imputation, schema: pl.Schema) -> pl.Expr:
    dtype = rule.filled(schema[feature])
    value = pl.col(_past(feature)) if isinstance(rule, FittedImputation) else rule.learnt(pl.col(feature))
    return pl.col(feature).cast(dtype).fill_null(value.cast(dtype))
