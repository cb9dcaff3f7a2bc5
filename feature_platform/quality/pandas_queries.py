"""Row conditions in the words of pandas' `query`, said in SQL.

Columns, values, comparisons, `in`, `and`, `or`, `not` (or `&`, `|`, `~`), arithmetic, `isnull()` and `notnull()`
are read; variables (`@x`), functions and attributes are not.
"""

import ast
import io
import re
import tokenize
from collections.abc import Mapping

_BACKTICKS = re.compile(r"`([^`]*)`")
_WORDS = {"&": "and", "|": "or", "~": "not"}
_COMPARE: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "=",
    ast.NotEq: "<>",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "IN",
    ast.NotIn: "NOT IN",
}
_ARITHMETIC: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_NULLITY = {"isnull": "IS NULL", "isna": "IS NULL", "notnull": "IS NOT NULL", "notna": "IS NOT NULL"}


def sql_of_query(text: str) -> str | None:
    r"""The SQL of a pandas query; None when it says what is not read here.

    >>> sql_of_query('0 < x <= 5 & `my city` in ["a", "b"]')
    '(("x" > 0) AND ("x" <= 5)) AND ("my city" IN (\'a\', \'b\'))'
    """
    columns: list[str] = []

    def named(found: re.Match[str]) -> str:
        columns.append(found[1])
        return f"__column_{len(columns) - 1}__"

    try:
        tree = ast.parse(_worded(_BACKTICKS.sub(named, text.strip())), mode="eval")
        return _sql(tree.body, {f"__column_{i}__": name for i, name in enumerate(columns)})
    except (SyntaxError, tokenize.TokenError, _Unread, RecursionError, MemoryError):  # nested too deeply: the last two
        return None


class _Unread(ValueError):
    """A part of a query that is not read here."""


def _worded(text: str) -> str:
    """The query with `&`, `|` and `~` as words: pandas gives them the precedence of those."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    words = [_WORDS.get(each.string, each.string) if each.type == tokenize.OP else each.string for each in tokens]
    return " ".join(word for word in words if word.strip())


def _sql(node: ast.expr, columns: Mapping[str, str]) -> str:
    if isinstance(node, ast.BoolOp):
        joined = " AND " if isinstance(node.op, ast.And) else " OR "
        return joined.join(f"({_sql(value, columns)})" for value in node.values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return f"NOT ({_sql(node.operand, columns)})"
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        parts = [
            _compared(op, left, right, columns) for op, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True)
        ]
        return parts[0] if len(parts) == 1 else " AND ".join(f"({part})" for part in parts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _NULLITY:
        return f"{_value(node.func.value, columns)} {_NULLITY[node.func.attr]}"
    return _value(node, columns)


def _compared(op: ast.cmpop, left: ast.expr, right: ast.expr, columns: Mapping[str, str]) -> str:
    if type(op) not in _COMPARE:
        raise _Unread
    if isinstance(left, ast.Constant) and isinstance(right, ast.Name):  # the column first, as SQL engines want it
        flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(_COMPARE[type(op)], _COMPARE[type(op)])
        return f"{_value(right, columns)} {flipped} {_value(left, columns)}"
    return f"{_value(left, columns)} {_COMPARE[type(op)]} {_value(right, columns)}"


def _value(node: ast.expr, columns: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        name = columns.get(node.id, node.id)
        return '"' + name.replace('"', '""') + '"'
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"-{_value(node.operand, columns)}"
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = _value(node.left, columns), _value(node.right, columns)
        return f"({left} {_ARITHMETIC[type(node.op)]} {right})"
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        return f"({', '.join(_value(each, columns) for each in node.elts)})"
    raise _Unread


def _constant(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, (int, float)):
        return repr(value)
    raise _Unread
