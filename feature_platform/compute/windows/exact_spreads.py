"""Spreads of ranges whose values lie so close together that their squares would cancel.

Each is a function of the values of its range alone, in whatever order they come: short ranges by the distances to their
smallest value, long ones by whole numbers that hold every digit.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from feature_platform.compute.windows.ragged import chunks, spread
from feature_platform.compute.windows.timeline import Whole
from feature_platform.compute.windows.true_sums import TrueSums

Numbers = npt.NDArray[np.float64]
Values = Numbers | Whole | npt.NDArray[np.uint64]  # finite floats, or whole numbers of 64 bits

SHORT = 4096  # values up to which a range is gathered
PIECE = 1 << 18  # values of which all digits are held at once
_BITS = 16  # of a digit: products of two, added up over 2**28 values, stay below 2**63


class ExactSpreads:
    """Sample variances of ranges of at least two values, as `m * 4**e`, so that none is beyond floats."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def over(self, low: Whole, high: Whole) -> tuple[Numbers, Whole]:
        """Return the numbers `m` and `e` of each range `[low, high)`."""
        numbers, exponents = np.empty(len(low)), np.zeros(len(low), dtype=np.int64)
        for chunk in _parts(np.flatnonzero(high - low <= SHORT), high - low):
            numbers[chunk], exponents[chunk] = self._by_distances(low[chunk], high[chunk])
        long = np.flatnonzero(high - low > SHORT)
        if len(long):
            numbers[long], exponents[long] = self._by_digits(low[long], high[long])
        return numbers, exponents

    def _by_distances(self, low: Whole, high: Whole) -> tuple[Numbers, Whole]:
        """Compute by the distances to the smallest value: of at most 4,096 values these cancel by little."""
        count = high - low
        ends = np.append(0, np.cumsum(count))
        values = self.values[spread(low, count)]
        distances, exponents = _distances(values, ends[:-1], np.repeat(np.arange(len(low)), count))
        sums, squares = (TrueSums(each, SHORT).over(ends[:-1], ends[1:]) for each in (distances, distances**2))
        return np.maximum(squares - sums * (sums / count), 0.0) / (count - 1), exponents

    def _by_digits(self, low: Whole, high: Whole) -> tuple[Numbers, Whole]:
        """Compute by totals of digits and of their products over pieces: in whole numbers nothing is lost."""
        start, end = int(low.min()), int(high.max())
        digits = _Digits(self.values[start:end])
        sums = np.zeros((digits.count, len(low)), dtype=np.int64)
        squares = np.zeros((2 * digits.count - 1, len(low)), dtype=np.int64)
        for first in range(start, end, PIECE):
            last = min(first + PIECE, end)
            touched = np.flatnonzero((high > first) & (low < last))
            if not len(touched):
                continue
            left, right = np.maximum(low[touched], first) - first, np.minimum(high[touched], last) - first
            pieces = digits.of(self.values[first:last])
            for place, digit in enumerate(pieces):
                sums[place, touched] += _total(digit, left, right)
            for place, products in enumerate(_products(pieces)):
                squares[place, touched] += _total(products, left, right)
        count = (high - low).tolist()
        pairs = [
            _variance(number, _whole_number_of(ones), _whole_number_of(twos), digits.exponent)
            for number, ones, twos in zip(count, sums.T.tolist(), squares.T.tolist(), strict=True)
        ]
        variances, exponents = zip(*pairs, strict=True)
        return np.array(variances), np.array(exponents, dtype=np.int64)


class _Digits:
    """Values as whole multiples of a power of two, in digits of 16 bits, the lowest first."""

    def __init__(self, values: Values) -> None:
        if isinstance(values[0], np.floating):
            parts, exponents = np.frexp(values[values != 0] if values.any() else np.ones(1))
            self.exponent = int((exponents - 53 + _trailing_zeros(parts)).min())
            bits = int(exponents.max()) - self.exponent
        else:
            self.exponent, self.lowest = 0, values.min()
            bits = int(int(values.max()) - int(self.lowest)).bit_length()
        self.count = max(-(-bits // _BITS), 1)

    def of(self, values: Values) -> list[Whole]:
        """Return the digits of values; floats below 0 have digits below 0, whole numbers count from the lowest."""
        if not isinstance(values[0], np.floating):
            left = values.view(np.uint64) - self.lowest.view(np.uint64)
            mask = np.uint64((1 << _BITS) - 1)
            return [(left >> np.uint64(_BITS * place) & mask).astype(np.int64) for place in range(self.count)]
        digits, rest = [], values
        for place in reversed(range(self.count)):
            scale = self.exponent + _BITS * place
            digit = np.trunc(np.ldexp(rest, -scale))
            rest = rest - np.ldexp(digit, scale)
            digits.append(digit.astype(np.int64))
        return digits[::-1]


def _parts(chosen: Whole, sizes: Whole) -> Iterator[Whole]:
    """Return the positions in runs of bounded size in all."""
    return (chosen[some] for some in chunks(sizes[chosen]) if len(some))


def _distances(values: Values, starts: Whole, owners: Whole) -> tuple[Numbers, Whole]:
    """Return how far each value is above the smallest of its range, floats over a power of two above all."""
    if not isinstance(values[0], np.floating):
        lowest = np.minimum.reduceat(values, starts)
        above = values.view(np.uint64) - lowest.view(np.uint64)[owners]
        return above.astype(np.float64), np.zeros(len(starts), dtype=np.int64)
    largest = np.maximum.reduceat(np.abs(values), starts)
    exponents = np.frexp(largest)[1].astype(np.int64)
    scaled = np.ldexp(values, -exponents[owners])
    return scaled - np.minimum.reduceat(scaled, starts)[owners], exponents


def _trailing_zeros(parts: Numbers) -> Whole:
    """Count the zeros at the end of the 53 binary digits of each number in [0.5, 1)."""
    whole = np.abs(np.ldexp(parts, 53)).astype(np.int64)
    return np.frexp((whole & -whole).astype(np.float64))[1].astype(np.int64) - 1


def _products(digits: list[Whole]) -> Iterator[Whole]:
    """Yield the digits of squares before carrying: for each place the sum of products of digits that meet there."""
    for place in range(2 * len(digits) - 1):
        pairs = range(max(0, place - len(digits) + 1), min(place, len(digits) - 1) + 1)
        yield np.sum([digits[i] * digits[place - i] for i in pairs], axis=0)


def _total(numbers: Whole, low: Whole, high: Whole) -> Whole:
    sums = np.append(0, np.cumsum(numbers))
    total: Whole = sums[high] - sums[low]
    return total


def _whole_number_of(digits: list[int]) -> int:
    """Return digits, however large, as one whole number."""
    return sum(digit << (_BITS * place) for place, digit in enumerate(digits))


def _variance(count: int, ones: int, squares: int, exponent: int) -> tuple[float, int]:
    """Return the variance of whole numbers, from their sums, as `m * 4**e`."""
    above, below = count * squares - ones * ones, count * (count - 1)
    moved = (above.bit_length() - below.bit_length()) // 2
    scaled = above / (below << 2 * moved) if moved >= 0 else (above << -2 * moved) / below
    return scaled, exponent + moved
