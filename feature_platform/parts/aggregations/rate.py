"""The share of rows where a condition holds."""

import copy
from collections.abc import Sequence
from typing import Self, Unpack

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.aggregations.base import Aggregation
from feature_platform.parts.aggregations.options import WindowOptions


class Rate(Aggregation):
    """The share (0 to 1, Float64) of rows where a condition holds, among those where it is known.

    The condition is a boolean column, or an expression over the view's columns with a `name`.
    Rows where it is null are left out; null over nothing.

    >>> Rate("cancelled", windows=["7d"]).features
    ('cancelled_rate_7d',)
    >>> Rate(pl.col("dep_delay") > 15, name="late", windows=["7d"]).features
    ('late_rate_7d',)
    """

    label = "rate"
    needs = "a boolean"

    def __init__(
        self,
        condition: str | pl.Expr,
        *,
        name: str | None = None,
        windows: Sequence[str],
        **options: Unpack[WindowOptions],
    ) -> None:
        if not isinstance(condition, (str, pl.Expr)):
            raise InvalidDeclaration(
                "Aggregation Rate", f"has the condition {condition!r}", "Give a boolean column or an expression."
            )
        if isinstance(condition, pl.Expr) and not name:
            raise InvalidDeclaration("Aggregation Rate", "has an expression but no name", 'Add e.g. name="late".')
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

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.condition.cast(pl.Boolean).mean()
