"""Sums of ranges of whole numbers: running totals, as wide as it takes.

A total of 64 bits may wrap: the difference of two is right all the same, as long as the sum of the range itself fits.
Where it might not, numbers are added up in words of 32 bits.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.windows.timeline import Whole

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_WORD = 32
_LIMIT = 2**63


class WholeSums:
    """The sum of each range of whole numbers or booleans.

    >>> sums = WholeSums(pl.Series([2**62, 2**62, 5]), longest=2)
    >>> found, beyond = sums.over(np.array([0, 1]), np.array([2, 3]))
    >>> int(found[1]) == 2**62 + 5, beyond.tolist(), float(sums.float_sums(np.array([0]), np.array([2]))[0]) == 2.0**63
    (True, [True, False], True)
    """

    def __init__(self, values: pl.Series, longest: int) -> None:
        """Make the running totals.

        Args:
            values: without nulls.
            longest: how many values a range that is asked has at most.
        """
        self.words = [np.append(0, np.cumsum(word, dtype=np.int64)) for word in _words(values, longest)]

    def over(self, low: Whole, high: Whole) -> tuple[Whole, Flags]:
        """Return the sum of each range `[low, high)`, and where it is beyond 64 bits and thus not the sum."""
        totals = [word[high] - word[low] for word in self.words]
        if len(totals) == 1:
            return totals[0], np.zeros(len(low), dtype=np.bool_)
        digits, left = _carry(totals)
        sums = digits[1] << _WORD | digits[0]
        above = [*digits[2:], left]
        sign = sums >> 63
        fits = [each == (sign & (2**_WORD - 1)) for each in above[:-1]] + [above[-1] == sign]
        return sums, ~np.logical_and.reduce(fits)

    def float_sums(self, low: Whole, high: Whole) -> Numbers:
        """Return the sum of each range as a float, rounded once."""
        totals = [word[high] - word[low] for word in self.words]
        if len(totals) == 1:
            floats: Numbers = totals[0].astype(np.float64)
            return floats
        joined = (sum(word << (_WORD * place) for place, word in enumerate(words)) for words in _rows(totals))
        return np.array([float(total) for total in joined], dtype=np.float64)


def _words(values: pl.Series, longest: int) -> list[Whole]:
    """Return the numbers in one word of 64 bits, or in words of 32 bits: lowest first, the sign in the highest."""
    ends = [abs(int(end)) for end in (values.min(), values.max()) if isinstance(end, int)]
    if max(ends, default=0) * longest < _LIMIT:
        return [values.cast(pl.Int64).to_numpy()]
    if values.dtype in (pl.Int64, pl.UInt64):
        numbers = values.to_numpy()
        high, low = numbers >> _WORD, numbers & (2**_WORD - 1)
        return [low.astype(np.int64), high.astype(np.int64)]
    return _wide_words(values.alias("left"))


def _wide_words(values: pl.Series) -> list[Whole]:
    words, base = [], pl.lit(2**_WORD, dtype=values.dtype)
    rest = values.to_frame()
    for _ in range(3):
        words.append(rest.select((pl.col("left") % base).cast(pl.Int64)).to_series().to_numpy())
        rest = rest.select(pl.col("left") // base)
    return [*words, rest.to_series().cast(pl.Int64).to_numpy()]


def _carry(totals: list[Whole]) -> tuple[list[Whole], Whole]:
    """Carry totals of words: return digits of 32 bits, and what is above them."""
    digits, carry = [], np.zeros_like(totals[0])
    for total in totals:
        carried = total + carry
        digits.append(carried & (2**_WORD - 1))
        carry = carried >> _WORD
    return digits, carry


def _rows(columns: list[Whole]) -> list[list[int]]:
    return np.column_stack(columns).tolist()  # type: ignore[no-any-return]
