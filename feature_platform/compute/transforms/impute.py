"""Imputation: gaps filled by what was known before each row, never by what came at its time or later.

Statistics are learnt from the original values of strictly earlier rows; filled gaps teach nothing.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from feature_platform.compute.keys.join_keys import refuse_collisions, require_columns
from feature_platform.compute.transforms.learnt import fill_function
from feature_platform.compute.transforms.past import Past, past_of, take_rows
from feature_platform.ground.clock import ticks
from feature_platform.parts.imputation import FittedImputation, Imputation

_OWNER = "impute"


def impute(frame: pl.LazyFrame | pl.DataFrame, rules: Mapping[str, Imputation], *, time: str) -> pl.LazyFrame:
    """Return the frame with the gaps (nulls) of some features filled, every row once, in order.

    A row without a time learns nothing and teaches nothing: only constants and fallbacks fill its gaps.
    Flags (`<feature>_was_missing`) are added at the end, in the order of the rules. The work is done when the
    result is collected, on all rows at once.

    Args:
        rules: how to fill each feature.
        time: the time of each row; any zone.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
        ColumnCollision: a flag has the name of a column.

    >>> from datetime import datetime, timezone
    >>> from feature_platform.parts.imputation import Impute
    >>> days = [datetime(2013, 3, n, tzinfo=timezone.utc) for n in (1, 2, 3, 4)]
    >>> frame = pl.DataFrame({"at": days, "delay": [None, 4.0, 8.0, None]})
    >>> impute(frame, {"delay": Impute.mean()}, time="at").collect()["delay"].to_list()
    [None, 4.0, 8.0, 6.0]
    """
    rows = frame.lazy()
    schema = rows.collect_schema()
    check_rules(schema, rules, time)
    filled = {name: rule.filled(schema[name]) for name, rule in rules.items()}
    flags = {flag_of(name): pl.Boolean() for name, rule in rules.items() if rule.flag}
    return rows.map_batches(
        lambda whole: _fill_gaps(whole, rules, time),
        schema=pl.Schema({**schema, **filled, **flags}),
        predicate_pushdown=False,  # a row that is filtered out afterwards teaches all the same
    )


def check_rules(schema: pl.Schema, rules: Mapping[str, Imputation], time: str) -> None:
    """Refuse rules that do not fit the columns of a frame; raises as `impute` does."""
    by = [rule.by for rule in rules.values() if isinstance(rule, FittedImputation)]
    require_columns(schema, [time, *rules, *by], _OWNER)
    refuse_collisions(schema, [flag_of(name) for name, rule in rules.items() if rule.flag], _OWNER)
    ticks(schema, time, _OWNER)
    for name, rule in rules.items():
        rule.check(schema[name], name, _OWNER)


def rules_with_past(
    frame: pl.DataFrame, rules: Mapping[str, Imputation], time: str
) -> Iterator[tuple[Past, dict[str, FittedImputation]]]:
    """Yield the fitted rules with the past of the rows, made once for all rules that group by one column."""
    grouped: dict[str | None, dict[str, FittedImputation]] = {}
    for name, rule in rules.items():
        if isinstance(rule, FittedImputation):
            grouped.setdefault(rule.by, {})[name] = rule
    times = frame.select(ticks(frame.schema, time, _OWNER)).to_series()
    for by, fitted in grouped.items():
        yield past_of(times, None if by is None else frame[by]), fitted


def _fill_gaps(frame: pl.DataFrame, rules: Mapping[str, Imputation], time: str) -> pl.DataFrame:
    filled = {
        name: _from_the_past(frame[name], rule, past)
        for past, fitted in rules_with_past(frame, rules, time)
        for name, rule in fitted.items()
    }
    known = [_from_the_start(name, rule, frame.schema) for name, rule in rules.items() if name not in filled]
    flags = [pl.col(name).is_null().alias(flag_of(name)) for name, rule in rules.items() if rule.flag]
    return frame.with_columns(*filled.values(), *known, *flags)


def flag_of(feature: str) -> str:
    """Return the name of the column that marks where a feature had gaps."""
    return f"{feature}_was_missing"


def _from_the_past(values: pl.Series, rule: FittedImputation, past: Past) -> pl.Series:
    """Return the feature with its gaps filled by what strictly earlier rows of the group teach."""
    dtype = rule.filled(values.dtype)
    ordered = values.gather(past.rows)
    gaps = np.flatnonzero(ordered.is_null().to_numpy())
    learnt = fill_function(rule, ordered, past)(past.low(gaps), past.high(gaps))
    places = np.full(len(values), -1)
    places[past.rows[gaps]] = np.arange(len(learnt))
    fill = take_rows(learnt.cast(dtype), places, places >= 0)
    whole = values.cast(dtype).zip_with(values.is_not_null(), fill)
    return whole if rule.fallback is None else whole.fill_null(pl.lit(rule.fallback, dtype))


def _from_the_start(feature: str, rule: Imputation, schema: pl.Schema) -> pl.Expr:
    dtype = rule.filled(schema[feature])
    return pl.col(feature).cast(dtype).fill_null(rule.learnt(pl.col(feature)).cast(dtype))
