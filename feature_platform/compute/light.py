"""What is so quick for a few rows that the event loop of a server may do it: microseconds, whatever values come.

All else is handed to a thread: Python functions, texts and lists that may become large, whatever is not known here.
"""

import json

import polars as pl

_FUNCTIONS = {"Abs", "Coalesce", "Exp", "FillNull", "Log", "Log1p", "MaxHorizontal", "MinHorizontal", "Negate"}
_FAMILIES = {"Boolean", "Clip", "Pow", "Round", "TemporalExpr"}


def is_light(expression: pl.Expr) -> bool:
    """Whether an expression is made of columns, single values, operators, choices, casts and functions of numbers.

    >>> is_light(pl.col("x") / (pl.col("y").abs() + 1)), is_light(pl.col("x").map_batches(len))
    (True, False)
    """
    try:
        nodes = [json.loads(expression.meta.serialize(format="json"))]
    except pl.exceptions.PolarsError:  # Python code inside
        return False
    while nodes:
        match nodes.pop():
            case {"Column": _} | {"Literal": {"Dyn": _}} | {"Literal": {"Scalar": _}}:
                pass
            case {"BinaryExpr": {"left": left, "right": right}}:
                nodes += [left, right]
            case {"Ternary": {"predicate": predicate, "truthy": truthy, "falsy": falsy}}:
                nodes += [predicate, truthy, falsy]
            case {"Cast": {"expr": inner}} | {"Alias": [inner, _]}:
                nodes.append(inner)
            case {"Function": {"input": inputs, "function": function}} if _is_known(function):
                nodes += inputs
            case _:
                return False
    return True


def _is_known(function: object) -> bool:
    if isinstance(function, str):
        return function in _FUNCTIONS
    return isinstance(function, dict) and set(function) <= _FAMILIES
