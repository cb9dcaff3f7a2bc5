"""Fitted statistics: what imputations have learnt by the end of a frame, as rows that serving can fill gaps with."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_platform.compute.transforms.impute import check_rules, rules_with_past
from feature_platform.compute.transforms.learnt import fill_function
from feature_platform.compute.transforms.past import Past
from feature_platform.compute.transforms.typed_text import as_text, from_text, type_of, type_text
from feature_platform.compute.windows.non_nulls import counts_before
from feature_platform.ground.clock import UTC, utc
from feature_platform.ground.errors import UnknownName
from feature_platform.parts.imputation import FittedImputation, Imputation

SCHEMA = pl.Schema(
    {
        "feature": pl.String(),
        "rule": pl.String(),
        "by": pl.String(),
        "by_type": pl.String(),
        "by_value": pl.String(),
        "value_type": pl.String(),
        "value": pl.String(),
        "learnt_from": pl.Int64(),
        "as_of": UTC,
    }
)
_ORDER = ["feature", "by_value"]


def fitted_statistics(
    frame: pl.LazyFrame | pl.DataFrame, rules: Mapping[str, Imputation], *, time: str
) -> pl.DataFrame:
    """Return what would fill a gap in a row after the last: a row for each feature and group that taught it.

    A group whose rows hold no value of a feature, or no time, has no row: its gaps stay gaps. Rules that are not
    fitted learn nothing and have none either.

    Args:
        frame: with its gaps, as `impute` takes it: filled ones would teach.
        time: the time of each row; any zone.

    Returns:
        `feature`, `rule` (its repr), `by`, `by_type` and `by_value` (all null without groups), `value_type` and
        `value` (as text, see `typed_text`; `values_of` gives them back in their types), `learnt_from` (the number
        of values), `as_of` (the newest time of the frame, UTC), sorted by feature and group.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
        ColumnCollision: a flag has the name of a column.

    >>> from datetime import datetime, timezone
    >>> from feature_platform.parts.imputation import Impute
    >>> days = [datetime(2013, 3, n, tzinfo=timezone.utc) for n in (1, 2, 3)]
    >>> rows = pl.DataFrame({"at": days, "origin": ["JFK", "EWR", "JFK"], "delay": [4.0, None, 8.0]})
    >>> found = fitted_statistics(rows, {"delay": Impute.mean(by="origin")}, time="at")
    >>> found.select("feature", "by_value", "value", "learnt_from").rows()
    [('delay', 'JFK', '6.0', 2)]
    """
    rows = frame.lazy().collect()
    check_rules(rows.schema, rules, time)
    as_of = rows.select(utc(rows.schema, time, "fitted_statistics").max()).item()
    statistics = [
        _statistics(rows[name], rule, past, as_of)
        for past, fitted in rules_with_past(rows, rules, time)
        for name, rule in fitted.items()
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *statistics]).sort(_ORDER)


def values_of(statistics: pl.DataFrame, feature: str) -> pl.DataFrame:
    """Return the statistics of one feature in their own types: the groups under the name of `by`, and `value`.

    Raises:
        UnknownName: nothing was learnt for such a feature.
    """
    rows = statistics.filter(pl.col("feature") == feature)
    if rows.is_empty():
        raise UnknownName("The imputation statistics", "feature", feature, statistics["feature"].unique().sort())
    value = from_text(rows["value"], type_of(rows["value_type"][0]))
    if rows["by"][0] is None:
        return pl.DataFrame([value])
    return pl.DataFrame([from_text(rows["by_value"], type_of(rows["by_type"][0])).alias(rows["by"][0]), value])


def _statistics(values: pl.Series, rule: FittedImputation, past: Past, as_of: datetime | None) -> pl.DataFrame:
    ordered = values.gather(past.rows)
    low, high = past.starts[:-1], past.starts[1:]
    values_learnt = fill_function(rule, ordered, past)(low, high).cast(rule.filled(values.dtype))
    count = counts_before(ordered.is_not_null())
    statistics = pl.DataFrame(
        {
            "by_value": as_text(past.keys),
            "value": as_text(values_learnt),
            "learnt_from": pl.Series(count[high] - count[low], dtype=pl.Int64),
        }
    )
    same = {
        "feature": values.name,
        "rule": repr(rule),
        "by": rule.by,
        "by_type": None if rule.by is None else type_text(past.keys.dtype),
        "value_type": type_text(values_learnt.dtype),
        "as_of": as_of,
    }
    constants = [pl.lit(value, dtype=SCHEMA[name]).alias(name) for name, value in same.items()]
    return statistics.filter(pl.col("learnt_from") > 0).with_columns(constants).select(SCHEMA.names())
