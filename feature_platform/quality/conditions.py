"""A row condition: the rows that an expectation is about, read into one Polars expression.

It has four spellings, as in Great Expectations 1.24: `Column("x") > 5` objects; the dictionaries that these become in
JSON; older text (one comparison), `col("x") > 5`, `col("x") == "a"`, `col("x") == date("2026-01-31")` or
`col("x").notnull()`; and SQL text, `x > 5 AND s = 'a'`, where double quotes name a column. With the `condition_parser`
pandas the text is one for pandas' `query`, with spark it is Spark's SQL. A row for which the condition is null is not
selected.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.shortening import shorten
from feature_platform.ground.sql import Combination, Leaf, Part, UnreadableSql, condition_of, standard_text
from feature_platform.quality.pandas_queries import sql_of_query
from feature_platform.quality.target import NotComputable, exact_column, exact_literal, exact_series

_OLDER = re.compile(
    r"""^col\("(?P<column>[^"]*)"\)\s*(?:(?P<notnull>\.notnull\(\))|(?P<op>==|!=|>=|<=|>|<)\s*(?:"""
    r"""(?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?:date\(\s*)?(?P<quote>["'])(?P<text>[^"']*)(?P=quote)\s*\)?))\s*$""",
    re.IGNORECASE,
)
MOST_PARTS, DEEPEST = 10_000, 100
_COMPARE: Mapping[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def read_condition(condition: object, parser: object = None) -> dict[str, Any] | None:
    """Return the condition as the dictionary that Great Expectations writes in JSON, from any of its spellings.

    Raises:
        InvalidDeclaration: the text has neither spelling, its SQL may not be run, or the value is not a condition.

    >>> read_condition('col("x") > 5')
    {'type': 'comparison', 'column': {'name': 'x'}, 'operator': '>', 'parameter': 5}
    """
    if condition is None:
        return None
    if isinstance(condition, str):
        older = str(parser).startswith("great_expectations") or condition.lstrip().startswith("col(")
        return _read_older_text(condition.strip()) if older else _sql(_to_polars_sql(condition, parser))
    _refuse_deep(condition)
    if isinstance(condition, Mapping):
        return dict(condition)
    to_dict = getattr(condition, "dict", None)
    if not callable(to_dict):
        raise _unreadable(condition)
    mapping: dict[str, Any] = to_dict()
    return mapping


def expression_of_condition(condition: Mapping[str, Any], schema: pl.Schema) -> pl.Expr:
    """Return an expression that is true for the rows that a condition, as a dictionary, selects.

    Raises:
        NotComputable: it names a column the data lacks, or compares it with a value of another type.
    """
    kind = condition.get("type")
    if kind in ("and", "or"):
        parts = [expression_of_condition(_read_mapping(part), schema) for part in condition["conditions"]]
        return pl.all_horizontal(parts) if kind == "and" else pl.any_horizontal(parts)
    if kind == "pass_through":
        return _sql_expression(str(condition["pass_through_filter"]), tuple(schema.items()))
    name = str(_read_mapping(condition["column"])["name"])
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
        within = column.is_in(exact_series(values, name, dtype).implode())
        return within if sign == "IN" else ~within
    if isinstance(value, str) and dtype.is_numeric():  # the older text quotes numbers as well
        value = float(value) if re.fullmatch(r"[+-]?\d+(\.\d*)?", value) else value
    return _COMPARE[sign](column, exact_literal(value, name, dtype))


@lru_cache(maxsize=64)  # each metric of a rule asks for it
def _sql_expression(text: str, columns: tuple[tuple[str, pl.DataType], ...]) -> pl.Expr:
    schema = pl.Schema(columns)
    try:
        condition = _expression_of_part(condition_of(text, tuple(schema.names())), schema)
        pl.LazyFrame(schema=schema).filter(condition).collect()
    except UnreadableSql as error:
        raise NotComputable(f"The row condition `{shorten(text)}` cannot be computed: {error}.") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = shorten(str(error).splitlines()[0].rstrip("."))
        raise NotComputable(f"The row condition `{shorten(text)}` cannot be computed: {reason}.") from error
    return condition


def _expression_of_part(part: Part, schema: pl.Schema) -> pl.Expr:
    if isinstance(part, Leaf):
        return pl.sql_expr(f"({part.sql})")
    if part.kind == "not":
        return ~_expression_of_part(part.parts[0], schema)
    sets, others = _sets_apart(part, schema)
    if len(others) > MOST_PARTS:
        raise UnreadableSql(
            f"it joins {len(others):,} comparisons by {part.kind.upper()}, and at most {MOST_PARTS:,} are computed; "
            "hold a column against many values with `IN (...)`"
        )
    selected = [*sets, *(_expression_of_part(other, schema) for other in others)]
    return pl.all_horizontal(selected) if part.kind == "and" else pl.any_horizontal(selected)


def _sets_apart(part: Combination, schema: pl.Schema) -> tuple[list[pl.Expr], list[Part]]:
    """Split a chain into one set for each column that is compared with many values, and the other parts."""
    values: dict[str, list[int | str]] = {}
    others: list[Part] = []
    for inner in part.parts:
        if isinstance(inner, Leaf) and inner.equal is not None and inner.negated == (part.kind == "and"):
            name, value = inner.equal
            if schema[name] == (pl.String if isinstance(value, str) else pl.Int64):
                values.setdefault(name, []).append(value)
                continue
        others.append(inner)
    sets = [pl.col(name).is_in(_set_series(held, schema[name]).implode()) for name, held in values.items()]
    return ([~inner for inner in sets] if part.kind == "and" else sets), others


def _set_series(values: Iterable[int | str], dtype: pl.DataType) -> pl.Series:
    """Return the values that a column of this type can hold; a number that is too large equals nothing."""
    fitting = [value for value in values if isinstance(value, str) or abs(value) < 2**63]
    return pl.Series(fitting, dtype=dtype)


def _to_polars_sql(text: str, parser: object) -> str:
    """Translate a condition from the language of its parser into the SQL of Polars."""
    if parser == "pandas":
        sql = sql_of_query(text)
        if sql is None:
            raise _unreadable(text)
        return sql
    if parser != "spark":
        return text
    try:
        return standard_text(text, "spark")
    except UnreadableSql as error:
        raise _unreadable(text, str(error)) from error


def _read_older_text(text: str) -> dict[str, Any]:
    match = _OLDER.match(text)
    if match is None:
        raise _unreadable(text)
    column = {"name": match["column"]}
    if match["notnull"]:
        return {"type": "nullity", "column": column, "is_null": False}
    number = match["number"]
    value = match["text"] if number is None else int(number) if re.fullmatch(r"[+-]?\d+", number) else float(number)
    return {"type": "comparison", "column": column, "operator": match["op"], "parameter": value}


def _sql(text: str) -> dict[str, Any]:
    reason = _sql_fault(text)
    if reason is not None:
        raise _unreadable(text, reason)
    return {"type": "pass_through", "pass_through_filter": text}


@lru_cache(maxsize=64)  # a condition is read where it is declared, checked, judged and written
def _sql_fault(text: str) -> str | None:
    try:
        for sql in _leaves(condition_of(text)):
            pl.sql_expr(f"({sql})")
    except (UnreadableSql, pl.exceptions.PolarsError) as error:
        return shorten(str(error).splitlines()[0])
    return None


def _leaves(part: Part) -> Iterable[str]:
    if isinstance(part, Leaf):
        yield part.sql
    else:
        for inner in part.parts:
            yield from _leaves(inner)


def _refuse_deep(condition: object) -> None:
    """Raise if a condition is nested too deeply.

    Great Expectations walks its conditions by recursion: a long chain of `|` would end in a RecursionError there.
    """
    level: list[object] = [condition]
    for _ in range(DEEPEST):
        level = [inner for part in level for inner in _inner(part)]
        if not level:
            return
    raise _unreadable(type(condition).__name__, f"its parts are nested deeper than {DEEPEST} levels")


def _inner(part: object) -> Sequence[object]:
    conditions = part.get("conditions") if isinstance(part, Mapping) else getattr(part, "conditions", None)
    return conditions if isinstance(conditions, (list, tuple)) else ()


def _read_mapping(part: object) -> Mapping[str, Any]:
    mapping = read_condition(part)
    if mapping is None:
        raise _unreadable(part)
    return mapping


def _unreadable(condition: object, reason: str | None = None) -> InvalidDeclaration:
    return InvalidDeclaration(
        f"Row condition {shorten(repr(condition))}",
        "cannot be read" if reason is None else f"cannot be read: {reason}",
        """Write `col("x") > 5`, SQL such as `x > 5 AND s = 'a'`, or a Great Expectations condition.""",
    )
