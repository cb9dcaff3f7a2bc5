"""Row conditions in the language of pandas' `query`, translated into SQL.

Columns, values, comparisons, `in`, `and`, `or`, `not` (or `&`, `|`, `~`), arithmetic, `isnull()` and `notnull()` are
read; variables (`@x`), functions and attributes are not. For pandas a comparison with a missing value is false, and an
inequality (`!=`, `not in`) is true. In SQL both would be unknown, so the translation says which it is.
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
    r"""Return the SQL of a pandas query; None when it uses something that is not read here.

    >>> sql_of_query('0 < x <= 5 & `my city` in ["a", "b"]')
    '((COALESCE("x" > 0, FALSE)) AND (COALESCE("x" <= 5, FALSE))) AND (COALESCE("my city" IN (\'a\', \'b\'), FALSE))'
    """
    columns: list[str] = []

    def replace_name(match: re.Match[str]) -> str:
        columns.append(match[1])
        return f"__column_{len(columns) - 1}__"

    try:
        tree = ast.parse(_spell_out_operators(_BACKTICKS.sub(replace_name, text.strip())), mode="eval")
        return _sql(tree.body, {f"__column_{i}__": name for i, name in enumerate(columns)})
    except (
        SyntaxError,
        tokenize.TokenError,
        _UnreadableQuery,
        RecursionError,
        MemoryError,
    ):  # nested too deeply: the last two
        return None


class _UnreadableQuery(ValueError):
    """Raised for a part of a query that is not read here."""


def _spell_out_operators(text: str) -> str:
    """Write `&`, `|` and `~` in a query as words: pandas gives these signs the precedence of the words."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    words = [_WORDS.get(each.string, each.string) if each.type == tokenize.OP else each.string for each in tokens]
    return " ".join(word for word in words if word.strip())


def _sql(node: ast.expr, columns: Mapping[str, str]) -> str:
    if isinstance(node, ast.BoolOp):
        joined = " AND " if isinstance(node.op, ast.And) else " OR "
        return joined.join(f"({_sql(value, columns)})" for value in _with_sets(node))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return f"NOT ({_sql(node.operand, columns)})"
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        parts = [
            _comparison_sql(op, left, right, columns)
            for op, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True)
        ]
        return parts[0] if len(parts) == 1 else " AND ".join(f"({part})" for part in parts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _NULLITY:
        return f"{_value(node.func.value, columns)} {_NULLITY[node.func.attr]}"
    return _value(node, columns)


def _with_sets(node: ast.BoolOp) -> list[ast.expr]:
    """Return the parts of a chain, where the comparisons of one column with many values become one list of values."""
    sign, among = (ast.Eq, ast.In()) if isinstance(node.op, ast.Or) else (ast.NotEq, ast.NotIn())
    parts: list[ast.expr] = []
    lists: dict[tuple[str, type], list[ast.expr]] = {}
    for part in node.values:
        if not isinstance(part, ast.Compare) or len(part.ops) != 1 or not isinstance(part.ops[0], sign):
            parts.append(part)
            continue
        name, value = part.left, part.comparators[0]
        if not isinstance(name, ast.Name) or not isinstance(value, ast.Constant) or type(value.value) not in (int, str):
            parts.append(part)
            continue
        key = (name.id, type(value.value))
        if key not in lists:
            lists[key] = []
            parts.append(ast.Compare(name, [among], [ast.List(lists[key])]))
        lists[key].append(value)
    return parts


def _comparison_sql(op: ast.cmpop, left: ast.expr, right: ast.expr, columns: Mapping[str, str]) -> str:
    """Return a comparison that is never unknown: a missing value makes it false, and an inequality true."""
    is_list = isinstance(right, (ast.List, ast.Tuple))
    if is_list:  # equal to a list is among its values
        op = {ast.Eq: ast.In(), ast.NotEq: ast.NotIn()}.get(type(op), op)
    if type(op) not in _COMPARE or is_list != isinstance(op, (ast.In, ast.NotIn)):
        raise _UnreadableQuery
    missing = "TRUE" if isinstance(op, (ast.NotEq, ast.NotIn)) else "FALSE"
    return f"COALESCE({_sides(_COMPARE[type(op)], left, right, columns)}, {missing})"


def _sides(sign: str, left: ast.expr, right: ast.expr, columns: Mapping[str, str]) -> str:
    if isinstance(left, ast.Constant) and isinstance(right, ast.Name):  # the column first, as SQL engines want it
        flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(sign, sign)
        return f"{_value(right, columns)} {flipped} {_value(left, columns)}"
    return f"{_value(left, columns)} {sign} {_value(right, columns)}"


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
    raise _UnreadableQuery


def _constant(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, (int, float)):
        return repr(value)
    raise _UnreadableQuery
