"""A row condition: which rows an expectation speaks about, read into one Polars expression.

Four spellings, as Great Expectations 1.24 has them: its `Column("x") > 5` objects; the dictionaries those
become in JSON; its older text, `col("x") > 5`, `col("x") == "a"`, `col("x") == date("2026-01-31")` or
`col("x").notnull()` (one comparison); and SQL text, `x > 5 AND s = 'a'`, where double quotes name a column.
A `condition_parser` of pandas means pandas' `query`, one of spark SQL. A condition that is null selects no row.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from feature_platform.errors import InvalidDeclaration
from feature_platform.quality.pandas_queries import sql_of_query
from feature_platform.quality.subject import NotComputable, exact_column, literal, series

_OLDER = re.compile(
    r"""^col\("(?P<column>[^"]*)"\)\s*(?:(?P<notnull>\.notnull\(\))|(?P<op>==|!=|>=|<=|>|<)\s*(?:"""
    r"""(?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?:date\(\s*)?(?P<quote>["'])(?P<text>[^"']*)(?P=quote)\s*\)?))\s*$""",
    re.IGNORECASE,
)
_COMPARE: Mapping[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def plain(condition: object, parser: object = None) -> dict[str, Any] | None:
    """The condition as the dictionary Great Expectations writes in JSON, whatever its spelling.

    Raises:
        InvalidDeclaration: text that is neither spelling, or a value that is no condition.

    >>> plain('col("x") > 5')
    {'type': 'comparison', 'column': {'name': 'x'}, 'operator': '>', 'parameter': 5}
    """
    if condition is None or isinstance(condition, Mapping):
        return None if condition is None else dict(condition)
    if isinstance(condition, str):
        older = str(parser).startswith("great_expectations") or condition.lstrip().startswith("col(")
        if older:
            return _older(condition.strip())
        sql = sql_of_query(condition) if parser == "pandas" else condition
        if sql is None:
            raise _unreadable(condition)
        return _sql(sql)
    written = getattr(condition, "dict", None)
    if not callable(written):
        raise _unreadable(condition)
    found: dict[str, Any] = written()
    return found


def expression(condition: Mapping[str, Any], schema: pl.Schema) -> pl.Expr:
    """The rows a plain condition selects.

    Raises:
        NotComputable: it names a column the data lacks, or compares it with a value of another type.
    """
    kind = condition.get("type")
    if kind in ("and", "or"):
        parts = [expression(_mapping(part), schema) for part in condition["conditions"]]
        return pl.all_horizontal(parts) if kind == "and" else pl.any_horizontal(parts)
    if kind == "pass_through":
        return _sql_expression(str(condition["pass_through_filter"]), schema)
    name = str(_mapping(condition["column"])["name"])
    if name not in schema:
        raise NotComputable(f"The row condition names column `{name}`, which is not in the data.")
    if kind == "nullity":
        return pl.col(name).is_null() if condition["is_null"] else pl.col(name).is_not_null()
    if kind != "comparison":
        raise NotComputable(f"The row condition {dict(condition)!r} is of no known type.")
    return _comparison(name, condition, schema[name])


def _comparison(name: str, condition: Mapping[str, Any], dtype: pl.DataType) -> pl.Expr:
    sign, value = str(getattr(condition["operator"], "value", condition["operator"])), condition["parameter"]
    column = exact_column(name, dtype)
    if sign in ("IN", "NOT_IN"):
        values: Sequence[object] = list(value)
        within = column.is_in(series(values, name, dtype).implode())
        return within if sign == "IN" else ~within
    if isinstance(value, str) and dtype.is_numeric():  # the older text quotes numbers as well
        value = float(value) if re.fullmatch(r"[+-]?\d+(\.\d*)?", value) else value
    return _COMPARE[sign](column, literal(value, name, dtype))


def _sql_expression(text: str, schema: pl.Schema) -> pl.Expr:
    condition = pl.sql_expr(text)
    try:
        pl.LazyFrame(schema=schema).filter(condition).collect()
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise NotComputable(f"The row condition `{text}` cannot be computed: {reason}.") from error
    return condition


def _older(text: str) -> dict[str, Any]:
    found = _OLDER.match(text)
    if found is None:
        raise _unreadable(text)
    column = {"name": found["column"]}
    if found["notnull"]:
        return {"type": "nullity", "column": column, "is_null": False}
    number = found["number"]
    value = found["text"] if number is None else int(number) if re.fullmatch(r"[+-]?\d+", number) else float(number)
    return {"type": "comparison", "column": column, "operator": found["op"], "parameter": value}


def _sql(text: str) -> dict[str, Any]:
    try:
        pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        raise _unreadable(text) from error
    return {"type": "pass_through", "pass_through_filter": text}


def _mapping(part: object) -> Mapping[str, Any]:
    found = plain(part)
    if found is None:
        raise _unreadable(part)
    return found


def _unreadable(condition: object) -> InvalidDeclaration:
    return InvalidDeclaration(
        f"Row condition {condition!r}",
        "cannot be read",
        """Write `col("x") > 5`, SQL such as `x > 5 AND s = 'a'`, or a Great Expectations condition.""",
    )
