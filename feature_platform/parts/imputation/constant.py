"""A value given beforehand."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.imputation.base import Imputation, fits, type_of_value


@dataclass(frozen=True)
class Constant(Imputation):
    """Every gap gets the same value, which must fit the type of the feature: 0.5 does not fit Int64.

    >>> Constant(0, flag=True)
    Constant(flag=True, value=0)
    """

    needs: ClassVar[str] = "a type that holds the value"

    value: object

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.value is None:
            raise InvalidDeclaration("Constant(None)", "fills gaps with gaps", "Give a value, e.g. Constant(0).")

    def accepts(self, dtype: pl.DataType) -> bool:
        return fits(self.value, dtype)

    def learnt(self, values: pl.Expr) -> pl.Expr:
        return pl.lit(self.value)

    def filled(self, dtype: pl.DataType) -> pl.DataType:
        return type_of_value(self.value) if dtype == pl.Null else dtype
