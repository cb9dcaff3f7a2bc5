"""Expressions so quick for a few rows that the event loop of a server may compute them: microseconds for any values.

All else is handed to a thread: Python functions, texts and lists that may become large, anything not known here.
"""

import polars as pl

from feature_platform.compute.plans.nodes import Inputs, consists_of, plain_inputs

_FUNCTIONS = {"Abs", "Coalesce", "Exp", "FillNull", "Log", "Log1p", "MaxHorizontal", "MinHorizontal", "Negate"}
_FAMILIES = {"Boolean", "Clip", "Pow", "Round", "TemporalExpr"}


def is_light(expression: pl.Expr) -> bool:
    """Tell whether an expression has only columns, single values, operators, choices, casts and number functions.

    >>> is_light(pl.col("x") / (pl.col("y").abs() + 1)), is_light(pl.col("x").map_batches(len))
    (True, False)
    """
    return consists_of(expression, _inputs)


def _inputs(node: object) -> Inputs | None:
    match node:
        case {"Ternary": {"predicate": predicate, "truthy": truthy, "falsy": falsy}}:
            return [predicate, truthy, falsy]
        case {"Cast": {"expr": inner}} | {"Alias": [inner, _]}:
            return [inner]
        case {"Function": {"input": inputs, "function": function}} if _is_known(function):
            return list(inputs)
    return plain_inputs(node)


def _is_known(function: object) -> bool:
    if isinstance(function, str):
        return function in _FUNCTIONS
    return isinstance(function, dict) and set(function) <= _FAMILIES
