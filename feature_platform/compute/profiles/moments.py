"""Moments: exact sums of distances and of their squares, of sorted values or of many stretches at once.

Both ways add up whole numbers. Of sorted values those of one sign and exponent are neighbours, and the digits of such
floats are whole numbers of one size. The values of stretches are cut instead: what is above adds up in floats without
rounding, and what is left is cut again until nothing is.
Demmel and Nguyen, "Fast reproducible floating-point summation" (2013).
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from feature_platform.compute.profiles.totals import NOTHING, SMALLEST, Total, add_totals, total_of
from feature_platform.parts.drift.base import Floats

Starts = npt.NDArray[np.intp]

_DIGITS = 53
_STORED = np.uint64(52)  # bits of a float that are digits; above them are its exponent and its sign
_EXPONENTS = 2047  # the largest one, of infinities
_TOGETHER = 1 << 12  # so many times 52 bits are less than 64 bits
_CHUNK = 1 << 15  # values that are added up together: they stay in the processor's cache
_HUGE, _LOWERED = 2.0**960, 128  # values from there on are cut over 2**128, which keeps all their digits


def moments_of_sorted(values: Floats, shift: float) -> tuple[Total, Total]:
    """Return the sums of distances from the shift and of their squares, each rounded as floats are; of finite values.

    >>> [float(total) for total in moments_of_sorted(np.array([1.0, 2.0, 4.0]), 1.0)]
    [4.0, 10.0]
    """
    sums = [(_sum_of_runs(away), _sum_of_runs(_squares(away))) for _, away in _chunks(values, shift)]
    return add_totals(total for total, _ in sums), add_totals(squares for _, squares in sums)


def moments_of_stretches(values: Floats, starts: Starts, shift: float) -> tuple[list[Total], list[Total]]:
    """Return the same of each of some neighbouring stretches of finite values in any order.

    Args:
        starts: where each stretch begins, and at last where the last one ends; a stretch may be empty.

    >>> found = moments_of_stretches(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 3]), 1.0)
    >>> [[float(total) for total in each] for each in found]
    [[0.0, 4.0], [0.0, 10.0]]
    """
    some = np.flatnonzero(np.diff(starts) > 0)
    begins = starts[:-1][some]
    totals, squares = _Sums(len(some)), _Sums(len(some))
    for first, away in _chunks(values, shift):
        at = int(np.searchsorted(begins, first, side="right")) - 1
        places = np.maximum(begins[at : np.searchsorted(begins, first + len(away))] - first, 0)
        squares.add(at, _squares(away), places)
        totals.add(at, away, places)
    return totals.among(some, len(starts) - 1), squares.among(some, len(starts) - 1)


def _chunks(values: Floats, shift: float) -> Iterator[tuple[int, Floats]]:
    """Yield the distances of some values at a time, and how many were before."""
    for first in range(0, len(values), _CHUNK):
        with np.errstate(over="ignore"):
            yield first, values[first : first + _CHUNK] + (0.0 - shift)  # never -0.0


def _squares(distances: Floats) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        return np.square(distances)


def _sum_of_runs(values: Floats) -> Total:
    """Sum values without NaN. This is quick where neighbours mostly have one sign and exponent."""
    bits = values.view(np.uint64)
    heads = bits >> _STORED
    new = np.append(True, heads[1:] != heads[:-1])[: len(bits)]
    new[::_TOGETHER] = True
    places = np.flatnonzero(new)
    many, heads = np.diff(places, append=len(bits)), heads[places]
    digits = np.add.reduceat(bits, places) - (heads * many.astype(np.uint64) << _STORED)  # modulo 2**64
    units, odd = 0, 0.0
    for head, count, digit_sum in zip(heads.tolist(), many.tolist(), digits.tolist(), strict=True):
        exponent, sign = head & _EXPONENTS, -1 if head > _EXPONENTS else 1
        if exponent == _EXPONENTS:
            odd += sign * math.inf
        else:
            leading = count << _DIGITS - 1 if exponent else 0  # a digit that is not stored
            units += sign * (digit_sum + leading) << max(exponent - 1, 0)
    return total_of(units, odd)


class _Sums:
    """The sums of stretches, as their values pass."""

    def __init__(self, many: int) -> None:
        self.units, self.odd = [0] * many, [0.0] * many

    def add(self, at: int, values: Floats, places: Starts) -> None:
        """Add the next values, which are changed, to the stretches from `at` on; each begins at one of the places."""
        if not math.isfinite(_largest(values)):
            infinite = np.isinf(values)
            with np.errstate(invalid="ignore"):
                odd = np.add.reduceat(np.where(infinite, values, 0.0), places)
            for stretch, part in enumerate(odd.tolist(), at):
                self.odd[stretch] += part
            values[infinite] = 0.0
        for power, sums in _cut(values, places, -SMALLEST):
            for stretch, part in enumerate(sums, at):
                self.units[stretch] += part << power

    def among(self, some: Starts, many: int) -> list[Total]:
        """Return the sums of all stretches, by which of them have values."""
        totals = [NOTHING] * many
        for at, units, odd in zip(some.tolist(), self.units, self.odd, strict=True):
            totals[at] = total_of(units, odd)
        return totals


def _cut(values: Floats, places: Starts, least: int) -> Iterator[tuple[int, Sequence[int]]]:
    """Yield whole numbers of each stretch and the power of `2**least` times which they add up to its sum."""
    if _largest(values) >= _HUGE:
        huge = np.abs(values) >= _HUGE
        yield from _cut(np.where(huge, np.ldexp(values, -_LOWERED), 0.0), places, least - _LOWERED)
        values[huge] = 0.0
    kept_digits = _DIGITS - max(len(values).bit_length(), 2)  # of the largest value
    above = np.empty_like(values)
    while largest := _largest(values):
        power = max(math.frexp(largest)[1] - kept_digits, -SMALLEST)
        shift = math.ldexp(1.5, power + _DIGITS - 1)  # beside it there is no room for what is below the cut
        np.add(values, shift, out=above)
        above -= shift
        values -= above
        sums = np.ldexp(np.add.reduceat(above, places), -power)
        yield power - least, sums.astype(np.int64).tolist()


def _largest(values: Floats) -> float:
    """Return the largest magnitude."""
    return float(max(values.max(), -values.min()))
