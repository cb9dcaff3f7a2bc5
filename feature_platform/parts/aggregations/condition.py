"""What aggregations of a condition share."""

import copy
from collections.abc import Sequence
from typing import Self, Unpack

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.aggregations.base import Aggregation
from feature_platform.parts.aggregations.options import WindowOptions


class ConditionAggregation(Aggregation):
    """An aggregation of where a condition holds: a boolean column, or an expression with a name."""

    needs = "a boolean"

    def __init__(
        self,
        condition: str | pl.Expr,
        *,
        name: str | None = None,
        windows: Sequence[str],
        **options: Unpack[WindowOptions],
    ) -> None:
        culprit = f"Aggregation {type(self).__name__}"
        if not isinstance(condition, (str, pl.Expr)):
            raise InvalidDeclaration(
                culprit, f"has the condition {condition!r}", "Give a boolean column or an expression."
            )
        if isinstance(condition, pl.Expr) and not name:
            raise InvalidDeclaration(culprit, "has an expression but no name", 'Add e.g. name="late".')
        self.condition = pl.col(condition) if isinstance(condition, str) else condition
        super().__init__(name or (condition if isinstance(condition, str) else None), windows=windows, **options)

    def arguments(self) -> tuple[object, ...]:
        return (str(self.condition), self.column)

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.condition.meta.root_names()))

    @property
    def event_value(self) -> pl.Expr:
        return self.condition

    def read_instead(self, column: str) -> Self:
        other = copy.copy(self)
        other.condition = pl.col(column)
        return other

    def accepts(self, dtype: pl.DataType) -> bool:
        return True
