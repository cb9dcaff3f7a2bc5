"""Filters as SQL: only what keeps at least the rows that Polars keeps, which filters again.

Said are comparisons of a column with a literal, `is_in`, and what AND and OR make of them. Never said: NOT, an order of
texts (collations), floating numbers (NaN), decimals. A text is the same or not; no collation makes equal texts differ.
"""

import ast
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone

from feature_platform.ground import clock
from feature_platform.parts.sources.database.columns import Column, Literals, write_literal

_SIGNS: Mapping[type[ast.cmpop], str] = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "="}
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "="}
_ONLY_EQUAL = ("text", "truth")
_MOST_VALUES = 1000
_TICKS = {"us": 1, "ms": 1000}
_DAY = 86_400_000_000


class _CannotSay(Exception):
    """A part of a filter that SQL cannot say without doubt."""


def conditions_of(predicate: str, columns: Mapping[str, Column], literals: Literals) -> list[str]:
    """Return the parts of a filter that SQL can say, each as a condition; all of them hold for each row that is kept.

    Args:
        predicate: one filter as Polars writes it for pyarrow; anything unknown in it is left out.
    """
    try:
        tree = ast.parse(predicate, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        return []
    conditions = []
    for part in _conjuncts(tree):
        try:
            conditions.append(_condition(part, columns, literals))
        except (_CannotSay, RecursionError, OverflowError, ValueError):
            continue
    return conditions


def _conjuncts(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    else:
        yield node


def _condition(node: ast.expr, columns: Mapping[str, Column], literals: Literals) -> str:
    match node:
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as word, right=right):
            parts = (_condition(left, columns, literals), _condition(right, columns, literals))
            return f"({' OR '.join(parts)})" if isinstance(word, ast.BitOr) else f"({' AND '.join(parts)})"
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _SIGNS:
            return _comparison(left, _SIGNS[type(sign)], right, columns, literals)
        case ast.Call(func=ast.Attribute(value=field, attr="isin"), args=[ast.List() | ast.Tuple() as values, *_]):
            column = _column(field, columns)
            if column is None or column.margin or not 0 < len(values.elts) <= _MOST_VALUES:
                raise _CannotSay
            texts = (_write_value(_value(each), column, literals) for each in values.elts)
            return f"{column.raw} IN ({', '.join(texts)})"
    raise _CannotSay


def _comparison(left: ast.expr, sign: str, right: ast.expr, columns: Mapping[str, Column], literals: Literals) -> str:
    column, literal = _column(left, columns), right
    if column is None:
        column, literal, sign = _column(right, columns), left, _TURNED[sign]
    if column is None or (column.compared in _ONLY_EQUAL and sign != "="):
        raise _CannotSay
    value = _value(literal)
    if column.margin:
        return _near(column, sign, value, literals)
    return f"{column.raw} {sign} {_write_value(value, column, literals)}"


def _near(column: Column, sign: str, value: object, literals: Literals) -> str:
    """Compare a column whose raw times may be some hours off."""
    if not isinstance(value, datetime):
        raise _CannotSay
    bounds = {">=": -column.margin, "<=": column.margin}
    wanted = [each for each in bounds if sign == "=" or each.startswith(sign[0])]
    moved = {each: clock.shift_moment(value.replace(tzinfo=timezone.utc), bounds[each]) for each in wanted}
    if any(not clock.EARLIEST <= moment < clock.LATEST for moment in moved.values()):
        raise _CannotSay
    aware = value.tzinfo is not None
    written = {
        each: _write_value(moment if aware else moment.replace(tzinfo=None), column, literals)
        for each, moment in moved.items()
    }
    return "(" + " AND ".join(f"{column.raw} {each} {text}" for each, text in written.items()) + ")"


def _column(node: ast.expr, columns: Mapping[str, Column]) -> Column | None:
    match node:
        case ast.Call(func=ast.Attribute(attr="field"), args=[ast.Constant(value=str() as name)]):
            return columns.get(name)
    return None


def _write_value(value: object, column: Column, literals: Literals) -> str:
    text = write_literal(value, column, literals)
    if text is None:
        raise _CannotSay
    return text


def _value(node: ast.expr) -> object:
    """Return the value of a literal; a time with a zone is a moment in UTC."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args):
            if name == "scalar" and len(args) == 1:
                return _value(args[0])
            values = [_value(each) for each in args]
            if name == "to_py_datetime":
                return _moment(*values)
            if name == "to_py_date" and isinstance(values[0], int):
                return clock.moment_of(values[0] * _DAY).date()
    raise _CannotSay


def _moment(ticks: object = None, unit: object = None, zone: object = None) -> datetime:
    """Return the time that many ticks after 1970; with a zone in UTC, in which Polars counts."""
    if not isinstance(ticks, int) or not isinstance(unit, str):
        raise _CannotSay
    if unit == "ns" and ticks % 1000 == 0:
        microseconds = ticks // 1000
    elif unit in _TICKS:
        microseconds = ticks * _TICKS[unit]
    else:
        raise _CannotSay
    moment = clock.moment_of(microseconds)
    return moment.replace(tzinfo=None) if zone is None else moment
