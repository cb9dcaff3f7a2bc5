"""Totals: exact sums of floats, which do not depend on the order or the grouping of the terms."""

import math
from collections.abc import Iterable
from typing import NamedTuple

SMALLEST = 1074  # the smallest float is 2**-1074, every other one is a whole multiple of it
_ONE = 1 << SMALLEST
_DIGITS = 53  # binary digits that a float holds
_POWER = "p"  # of two, as in `3p-2`, three quarters


class Total(NamedTuple):
    """The sum of some floats without any rounding; `float` of it is rounded once, and infinite beyond the largest one.

    Attributes:
        units: how many times the smallest float it is; 0 when a term is infinite or NaN.
        odd: the sum of such terms; 0 when there are none.

    >>> float(add_totals(map(Total.of, [1e16, 1.0, -1e16])))
    1.0
    """

    units: int = 0
    odd: float = 0.0

    @classmethod
    def of(cls, value: float) -> "Total":
        """Return the sum of one float."""
        if not math.isfinite(value):
            return cls(0, value)
        above, below = value.as_integer_ratio()
        return cls(above << SMALLEST + 1 - below.bit_length())  # below is a power of two

    @classmethod
    def read(cls, value: float, exact: str | None) -> "Total":
        """Return the total that was stored as a float and as text, see `exact`; without a text it is the float."""
        if exact is None:
            return cls.of(value) if value else NOTHING
        digits, _, power = exact.partition(_POWER)
        return cls(int(digits, 16) << (int(power) + SMALLEST))

    def __float__(self) -> float:
        try:
            return self.odd or self.units / _ONE
        except OverflowError:
            return math.inf if self.units > 0 else -math.inf

    @property
    def exact(self) -> str | None:
        """Return the sum as text, hexadecimal digits and a power of two; None when the float is exact."""
        zeros = max((self.units & -self.units).bit_length() - 1, 0)
        digits = self.units >> zeros
        if digits.bit_length() <= _DIGITS and math.isfinite(float(self)):
            return None
        return None if self.odd else f"{digits:x}{_POWER}{zeros - SMALLEST}"


NOTHING = Total()


def total_of(units: int, odd: float) -> Total:
    """Return the sum of finite terms and of others, which leave nothing of the finite ones."""
    return Total(0, odd) if odd else Total(units)


def add_totals(totals: Iterable[Total]) -> Total:
    """Return the sum of sums."""
    units, odd = 0, 0.0
    for each in totals:
        units += each.units
        odd += each.odd
    return total_of(units, odd)
