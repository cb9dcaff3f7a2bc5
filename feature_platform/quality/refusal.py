"""The rows that a failed validation refuses: those that break a critical row-level expectation, or else all."""

from collections.abc import Sequence

import polars as pl

from feature_platform.declarations.expectation import Expect
from feature_platform.ground.clock import ALWAYS, NEVER, side_of_interval
from feature_platform.ground.errors import ColumnCollision
from feature_platform.ground.working_columns import BROKEN, CHECKED_ROW
from feature_platform.quality.conditions import expression_of_condition, read_condition
from feature_platform.quality.row_rules import RowRule, argument_columns, row_rule
from feature_platform.quality.target import RuleTarget

LABEL = "expectation"
_BROKEN, _MORE = 20, 8  # rows that are shown, and columns of those without keys


def refused_rows(frame: pl.LazyFrame, by_row: Sequence[Expect], by_table: Sequence[Expect]) -> pl.LazyFrame:
    """Return the refused rows in their order, with the check name of the first expectation that each one breaks.

    `by_row` are the failed expectations that can point at rows, `by_table` those that cannot. If only the latter
    failed, every row is refused; if none failed, no row is. Nothing runs here.

    Raises:
        ColumnCollision: the frame has a column called `expectation`.
    """
    schema = frame.collect_schema()
    if LABEL in schema:
        raise ColumnCollision("The refused rows", [LABEL], "Rename it in the data.")
    if not by_row:
        name = pl.lit(by_table[0].check_name if by_table else None, dtype=pl.String)
        return (frame if by_table else frame.head(0)).with_columns(name.alias(LABEL))
    indexed = frame.with_row_index(CHECKED_ROW)
    labels: list[pl.Expr] = []
    for position, expect in enumerate(by_row):
        rule, target = _rule_and_target_of(expect, schema)
        if rule.alone:
            broken = rule.breaking_rows(target)
        else:
            flag = f"{BROKEN}{position}"
            indexed = _add_flag(frame, indexed, rule, target, flag)
            broken = pl.col(flag).fill_null(value=False)
        labels.append(pl.when(broken).then(pl.lit(expect.check_name)))
    labelled = indexed.with_columns(pl.coalesce(labels).alias(LABEL)).filter(pl.col(LABEL).is_not_null())
    return labelled.select(*schema, LABEL)


def first_broken(
    frame: pl.LazyFrame,
    expectations: Sequence[Expect],
    partition_of: pl.Expr | None,
    keys: Sequence[str],
    sort_by: Sequence[str],
) -> dict[str, pl.DataFrame]:
    """Return the first rows that break each of some expectations, by check name, where it can point at rows.

    The rows have their partition, keys and clocks, and the columns that the expectation is about; without keys some
    more columns.
    """
    samples: dict[str, pl.DataFrame] = {}
    schema = frame.collect_schema()
    partition = [] if partition_of is None or "partition" in schema else [partition_of.alias("partition")]
    for expect in expectations:
        if row_rule(expect.type) is None or LABEL in schema:
            continue
        more = [] if keys else list(schema)[:_MORE]
        columns = dict.fromkeys([*keys, *sort_by, *expect.subject, *more])
        rows = refused_rows(frame, [expect], []).select(*partition, *(name for name in columns if name in schema))
        samples[expect.check_name] = rows.head(_BROKEN).collect(engine="streaming")
    return samples


def _rule_and_target_of(expect: Expect, schema: pl.Schema) -> tuple[RowRule, RuleTarget]:
    rule = row_rule(expect.type)
    if rule is None:
        raise TypeError(f"{expect.type} judges no rows")
    condition = read_condition(expect.kwargs.get("row_condition"), expect.kwargs.get("condition_parser"))
    within = None if condition is None else expression_of_condition(condition, schema).fill_null(value=False)
    return rule, RuleTarget(argument_columns(expect.kwargs), expect.kwargs, schema, within)


def _add_flag(frame: pl.LazyFrame, indexed: pl.LazyFrame, rule: RowRule, target: RuleTarget, flag: str) -> pl.LazyFrame:
    broken = frame.with_row_index(CHECKED_ROW).filter(rule.judged_rows(target)).filter(rule.breaking_rows(target))
    marks = broken.select(CHECKED_ROW, pl.lit(value=True).alias(flag))
    return indexed.join(marks, on=CHECKED_ROW, how="left", maintain_order="left")


def rows_as_json(rows: pl.DataFrame) -> pl.Series:
    """Return each row as one JSON text, so that rows of different schemas can be stored side by side.

    JSON knows neither bytes nor NaN: bytes become hexadecimal text, and a column with NaN or infinities text. A column
    with times beyond the years 1 to 9999 becomes whole numbers, since 1970 in the unit of the column.
    """
    if not rows.width or not rows.height:
        return pl.Series("row", [], dtype=pl.String)
    texts = [pl.col(name).bin.encode("hex") for name, dtype in rows.schema.items() if dtype == pl.Binary]
    floats = [each for each in rows.iter_columns() if each.dtype.is_float() and not each.is_finite().all()]
    texts += [pl.col(each.name).cast(pl.String) for each in floats]
    texts += [pl.col(each.name).to_physical() for each in rows.iter_columns() if _is_beyond_calendar(each)]
    return rows.with_columns(texts).select(pl.struct(pl.all()).struct.json_encode().alias("row")).to_series()


def _is_beyond_calendar(column: pl.Series) -> bool:
    """Tell whether a column holds times that cannot be written as text."""
    if not isinstance(column.dtype, pl.Datetime) or column.dtype.time_unit != "us":
        return False
    return bool(column.to_frame().select((side_of_interval(pl.first(), ALWAYS, NEVER) != 0).any()).item())
