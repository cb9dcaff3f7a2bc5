"""What an imputation is: the value that fills a gap, learnt from the past of the row and from nothing else.

Only nulls are gaps: a NaN is a value, it is never replaced, and it takes part in what is learnt.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration, WrongColumnType


@dataclass(frozen=True)
class Imputation(ABC):
    """One way to fill the gaps of a feature; unless it is fitted, it knows its value beforehand.

    With `flag` a column `<feature>_was_missing` says where there was a gap, filled or not.
    """

    needs: ClassVar[str] = "any column"

    flag: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.flag, bool):
            raise InvalidDeclaration(repr(self), f"has flag={self.flag!r}", "Give True or False.")

    def check(self, dtype: pl.DataType, feature: str, owner: str) -> None:
        """Refuse a feature whose type it cannot fill.

        Raises:
            WrongColumnType: names the feature, its type and what would do.
        """
        if not self.accepts(dtype):
            raise WrongColumnType(
                f"{owner}, {self!r}", feature, dtype, self.needs, "Impute it in another way, or cast it."
            )

    def accepts(self, dtype: pl.DataType) -> bool:
        """Tell whether a feature of this type can be filled."""
        return True

    def filled(self, dtype: pl.DataType) -> pl.DataType:
        """Return the type of the feature once it is filled."""
        return dtype

    @abstractmethod
    def learnt(self, values: pl.Expr) -> pl.Expr:
        """Return what fills a later gap, at each row that has a value, from the rows up to and including it.

        It is evaluated over one group in order of time; at rows without a value it may give null.
        """


@dataclass(frozen=True, repr=False)
class FittedImputation(Imputation):
    """An imputation that learns from earlier rows, each group of `by` from its own.

    Rows of one instant learn nothing from one another; a gap without a past gets the `fallback`, and stays a gap when
    there is none. A null in `by` is a group like any other.
    """

    by: str | None = field(default=None, kw_only=True)
    fallback: object = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by is not None and (not isinstance(self.by, str) or not self.by):
            raise InvalidDeclaration(repr(self), f"has by={self.by!r}", "Give the name of one column, or None.")

    def __repr__(self) -> str:
        """Name a fallback only where there is one: a rule without reads as it did when no rule had any."""
        fallback = "" if self.fallback is None else f", fallback={self.fallback!r}"
        return f"{type(self).__name__}(flag={self.flag!r}, by={self.by!r}{fallback})"

    def check(self, dtype: pl.DataType, feature: str, owner: str) -> None:
        super().check(dtype, feature, owner)
        if self.fallback is not None and not fits(self.fallback, self.filled(dtype)):
            raise WrongColumnType(
                f"{owner}, {self!r}", feature, dtype, "a type that holds the fallback", "Give a fallback that fits it."
            )

    def filled(self, dtype: pl.DataType) -> pl.DataType:
        return type_of_value(self.fallback) if dtype == pl.Null and self.fallback is not None else dtype


@dataclass(frozen=True, repr=False)
class NumericImputation(FittedImputation):
    """An imputation of numbers; the feature becomes Float64."""

    needs = "a number"

    def accepts(self, dtype: pl.DataType) -> bool:
        return dtype.is_numeric() or dtype == pl.Null

    def filled(self, dtype: pl.DataType) -> pl.DataType:
        return pl.Float64()


def fits(value: object, dtype: pl.DataType) -> bool:
    """Tell whether a column of a type can hold a value unchanged: 0.5 does not fit Int64.

    >>> fits(1, pl.Float64()), fits(0.5, pl.Int64())
    (True, False)
    """
    if dtype == pl.Null:
        return True
    if dtype.is_float():
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        stored = pl.select(pl.lit(value).cast(dtype, strict=False)).item()
    except pl.exceptions.PolarsError:  # types between which there is no cast
        return False
    return bool(stored == value)


def type_of_value(value: object) -> pl.DataType:
    """Return the type that a value has by itself.

    >>> type_of_value("a")
    String
    """
    return pl.select(pl.lit(value)).to_series().dtype
