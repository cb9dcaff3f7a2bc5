"""A value given beforehand."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from feature_platform.errors import InvalidDeclaration
from feature_platform.imputation.base import Imputation


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
        if dtype == pl.Null:
            return True
        if dtype.is_float():
            return isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        try:
            held = pl.select(pl.lit(self.value).cast(dtype, strict=False)).item()
        except pl.exceptions.PolarsError:  # types between which there is no cast
            return False
        return bool(held == self.value)

    def learnt(self, values: pl.Expr) -> pl.Expr:
        return pl.lit(self.value)

    def filled(self, dtype: pl.DataType) -> pl.DataType:
        return pl.select(pl.lit(self.value)).to_series().dtype if dtype == pl.Null else dtype
