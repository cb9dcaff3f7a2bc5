"""Whole numbers in the place of values: equal where the values are, with one NaN and one zero."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.windows.non_nulls import has_physical, physical
from feature_platform.compute.windows.timeline import Whole

Codes = npt.NDArray[np.integer[Any]]  # of any width: the narrower, the quicker they are sorted


def codes_of_values(values: pl.Series) -> Codes | None:
    """Return whole numbers that are equal where the values are; None for nested values and the like."""
    dtype = values.dtype
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return values.cast(pl.Categorical).to_physical().to_numpy()
    if dtype.is_decimal() or dtype in (pl.Int128, pl.UInt128):
        return values.rank("dense").to_numpy()
    if not has_physical(dtype):
        return None
    numbers = physical(values)
    if numbers.dtype.kind == "f":
        numbers = one_zero(numbers)
        numbers[np.isnan(numbers)] = np.nan
    return numbers.view(f"i{numbers.dtype.itemsize}")


def one_zero(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return numbers of which no zero is negative.

    >>> one_zero(np.array([-0.0, -1.0])).tolist()
    [0.0, -1.0]
    """
    return numbers + numbers.dtype.type(0) if numbers.dtype.kind == "f" else numbers  # -0.0 + 0.0 is 0.0


def sorted_by_value(values: pl.Series) -> "ByValue | None":
    """Return values as numbers with their places; None for nested values and the like."""
    codes = codes_of_values(values)
    return None if codes is None else ByValue(codes)


class ByValue:
    """Each value as one whole number: its code above its place, so that equal ones lie together when sorted.

    >>> some = ByValue(np.array([7, 9, 7]))
    >>> some.places(np.sort(some.numbers)).tolist()
    [0, 2, 1]
    """

    def __init__(self, codes: Codes) -> None:
        self.bits = len(codes).bit_length()
        self.numbers = _dense(codes, 63 - self.bits) << self.bits
        self.numbers |= np.arange(len(codes))

    def codes(self, numbers: Whole) -> Whole:
        """Return the codes of numbers."""
        return numbers >> self.bits

    def places(self, numbers: Whole) -> Whole:
        """Return the places of numbers."""
        return numbers & ((1 << self.bits) - 1)

    def above_place(self, counts: Whole, numbers: Whole) -> Whole:
        """Return counts with the places of numbers below them."""
        return counts << self.bits | self.places(numbers)


def _dense(codes: Codes, bits: int) -> Whole:
    """Return codes from 0 on that need at most so many bits."""
    if not len(codes):
        return np.zeros(0, dtype=np.int64)
    low = int(codes.min())
    if (int(codes.max()) - low).bit_length() <= bits:
        return codes.astype(np.int64) - low
    return pl.Series(codes).rank("dense").to_numpy().astype(np.int64) - 1
