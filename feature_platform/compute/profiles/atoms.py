"""Atoms: numbers that occur as such, such as 0.1 or 10, with what storing and computing them does to their last digits.

The same number is not the same float everywhere: 0.1 comes back as 0.10000000149 from a column of 32-bit floats, and
0.1 + 0.2 is not 0.3. Numbers that differ by no more than that are one atom. Dense numbers, whose neighbours are as near
to one another as that, stay apart.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_platform.parts.drift.base import Floats

_ROUNDED = 2.0**-22  # of a number; rounding to 32 bits moves it by at most 2**-24
_OF_SPREAD = 2.0**-20  # of the spread, at most, so that a large offset does not melt what lies upon it
_NEAR_ZERO = 2.0**-44  # of a small number of the column: what is left where such numbers cancel out
_SMALL = 0.1  # of the sizes are below a small number; large ones may be marks for missing values, such as 1e20
_TAIL = 0.001  # of the rows, on either side, which do not count for the spread
_WIDE = 4.0  # tolerances, beyond which neighbours are a dense row of numbers
_MARKS = 1024  # quantiles; where no two of them are near there is no atom with more than two of so many rows

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be from another and still be the same: a share of itself between two limits."""

    least: float
    most: float

    @classmethod
    def of(cls, ordered: Floats) -> "Tolerance":
        """Learn the tolerance from finite numbers in ascending order."""
        tail = int(_TAIL * len(ordered))
        low, high = ordered[tail], ordered[-1 - tail]
        with np.errstate(over="ignore"):
            spread = (high - low) or (ordered[-1] - ordered[0])
        most = _OF_SPREAD * spread if spread > 0 and np.isfinite(spread) else np.inf
        sizes = np.abs(ordered[:: max(len(ordered) // _MARKS, 1)])
        sizes = sizes[sizes >= np.finfo(np.float64).tiny]  # less is 0 off by some last bits
        small = float(np.quantile(sizes, _SMALL, method="lower")) if len(sizes) else 0.0
        return cls(_NEAR_ZERO * small, float(most))

    def at(self, values: Floats) -> Floats:
        """Return the tolerance of each value."""
        return np.asarray(np.maximum(np.minimum(_ROUNDED * np.abs(values), self.most), self.least))


@dataclass(frozen=True)
class Atoms:
    """Different numbers in order, the ones that are the same but for rounding together.

    Attributes:
        lows, highs: the smallest and the largest number of each atom.
        counts: how often each occurs.
    """

    lows: Floats
    highs: Floats
    counts: Places
    tolerance: Tolerance

    def brackets(self, wanted: Places) -> tuple[Floats, Floats]:
        """Return the edges below and above some atoms, so that a bin holds one of them and no other.

        A bin holds its upper end, not its lower one.
        """
        lows, highs, last = self.lows[wanted], self.highs[wanted], len(self.lows) - 1
        before = np.where(wanted > 0, self.highs[wanted - 1], -np.inf)
        after = np.where(wanted < last, self.lows[np.minimum(wanted + 1, last)], np.inf)
        below = np.maximum(lows - self.tolerance.at(lows), before / 2 + lows / 2)
        above = np.minimum(highs + self.tolerance.at(highs), highs / 2 + after / 2)
        return np.minimum(below, np.nextafter(lows, -np.inf)), np.maximum(above, highs)


def atoms_of(ordered: Floats) -> Atoms:
    """Return the atoms of finite numbers in ascending order, of which there is one at least.

    >>> atoms_of(np.array([0.0, 0.1, 0.1, 0.10000000149, 0.3])).counts.tolist()
    [1, 3, 1]
    """
    distinct, counts = np.unique(ordered, return_counts=True)
    tolerance = Tolerance.of(ordered)
    marks = ordered[np.linspace(0, len(ordered) - 1, _MARKS).astype(np.intp)]
    if len(distinct) > _MARKS and (np.diff(marks) > tolerance.at(marks[:-1])).all():
        return Atoms(distinct, distinct, counts, tolerance)  # a continuous column: there is nothing to put together
    allowed = tolerance.at(distinct)
    new = np.append(True, np.diff(distinct) > allowed[:-1])
    starts, ends = _stretches(new)
    dense = distinct[ends] - distinct[starts] > _WIDE * allowed[starts]
    starts, ends = _stretches(new | np.repeat(dense, ends - starts + 1))
    return Atoms(distinct[starts], distinct[ends], np.add.reduceat(counts, starts), tolerance)


def _stretches(new: npt.NDArray[np.bool_]) -> tuple[Places, Places]:
    """Return where each stretch begins and ends, by flags of where a new one begins."""
    starts = np.flatnonzero(new)
    return starts, np.append(starts[1:], len(new)) - 1
