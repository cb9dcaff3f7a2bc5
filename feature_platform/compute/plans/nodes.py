"""What an expression is made of, by the nodes of its plan.

`Expr.meta.is_row_separable` does not show whether an expression looks at one row only: it is true for
`col("x") > col("x").mean()`.
"""

import json
from collections.abc import Callable

import polars as pl

Inputs = list[object]


def consists_of(expression: pl.Expr, inputs_of: Callable[[object], Inputs | None]) -> bool:
    """Return whether all nodes of an expression are known.

    Args:
        inputs_of: the inputs of a node, None where the node is not known.

    >>> consists_of(pl.col("x") > 1, plain_inputs), consists_of(pl.col("x") > pl.col("x").mean(), plain_inputs)
    (True, False)
    """
    try:
        nodes: Inputs = [json.loads(expression.meta.serialize(format="json"))]
    except pl.exceptions.PolarsError:  # Python code inside
        return False
    while nodes:
        inputs = inputs_of(nodes.pop())
        if inputs is None:
            return False
        nodes += inputs
    return True


def plain_inputs(node: object) -> Inputs | None:
    """Return the inputs of a column, a single value or a binary operator; None for any other node."""
    match node:
        case {"Column": _} | {"Literal": {"Dyn": _}} | {"Literal": {"Scalar": _}}:
            return []
        case {"BinaryExpr": {"left": left, "right": right}}:
            return [left, right]
    return None
