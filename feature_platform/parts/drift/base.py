"""What a drift metric is: how far apart two distributions of one column are, from counts over shared bins.

A metric never sees raw rows; equal distributions score 0 and the score grows with the difference.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

LEAST_SHARE = 1e-4  # what stands for an empty bin in a logarithm, as is usual for the PSI


class Kind(StrEnum):
    """What of a column's values can be compared."""

    NUMBER = "number"
    CATEGORY = "category"
    OTHER = "other"  # only whether values are there


@dataclass(frozen=True, eq=False)
class DistributionPairs:
    """Pairs of distributions of one column over shared bins: row i of `reference` against row i of `current`.

    Attributes:
        reference, current: how many values fell into each bin, `(pairs, bins)`; for categories the last bin holds
            the values that have none of their own.
        reference_missing, current_missing: how many rows have no value (null or NaN), `(pairs,)`.
        edges: the upper ends of the bins of numbers but the last, which is open; a value at an edge is in the bin
            that it ends.
        coarse: the first bin of each of the few groups that metrics with logarithms compare.
        scale: what distances of numbers are divided by, the reference's standard deviation; one for all pairs, or
            `(pairs,)`.
        complete: whether every category that the reference knows has a bin of its own.
        rare: how many categories the reference saw once.
        alike: how many values say as much as one, since rows of one key are alike; 1 where rows are independent; one
            for all pairs, or `(pairs,)`. Tests count so many values as one, scores do not.
        missing_alike: the same of rows without a value.
    """

    reference: Counts
    current: Counts
    reference_missing: Counts
    current_missing: Counts
    edges: Floats = field(default_factory=lambda: np.empty(0))
    coarse: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(1, dtype=np.intp))
    scale: float | Floats = 1.0
    complete: bool = True
    rare: int = 0
    alike: float | Floats = 1.0
    missing_alike: float | Floats = 1.0

    @cached_property
    def shares(self) -> tuple[Floats, Floats]:
        """Return the share of each bin on both sides; 0 where a side has no values at all."""
        return shares(self.reference), shares(self.current)

    @cached_property
    def coarse_counts(self) -> tuple[Counts, Counts]:
        """Return the counts of the coarse groups on both sides, `(pairs, groups)`."""
        return (
            np.add.reduceat(self.reference, self.coarse, axis=1),
            np.add.reduceat(self.current, self.coarse, axis=1),
        )

    @cached_property
    def rows(self) -> tuple[Counts, Counts]:
        """Return how many rows each side has, including those without a value."""
        return (
            self.reference.sum(axis=1) + self.reference_missing,
            self.current.sum(axis=1) + self.current_missing,
        )

    @cached_property
    def empty(self) -> npt.NDArray[np.bool_]:
        """Tell where a side has no values to compare."""
        return np.asarray((self.reference.sum(axis=1) == 0) | (self.current.sum(axis=1) == 0))


class Metric(ABC):
    """One way to say how far apart two distributions are.

    Attributes:
        name: as it stands in tables.
        kinds: which columns it compares.
        floor: the smallest score that can matter, however quiet the reference is.
        certain: the score from which on one window is enough to call it drift.
        symmetric: whether exchanging the sides leaves the score as it is.
        highest: the largest possible score; None when there is none.
        order: with which power of a small shift the score grows.
    """

    name: ClassVar[str]
    kinds: ClassVar[frozenset[Kind]]
    floor: ClassVar[float]
    certain: ClassVar[float]
    symmetric: ClassVar[bool] = True
    highest: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def applies(self, kind: Kind) -> bool:
        """Tell whether it compares columns of this kind."""
        return kind in self.kinds

    @abstractmethod
    def score(self, pairs: DistributionPairs) -> Floats:
        """Return the score of each pair; NaN where a side has nothing to compare."""

    @abstractmethod
    def p_value(self, pairs: DistributionPairs) -> Floats:
        """Return how probable a score as large is when both sides are samples of one distribution."""


def shares(counts: Counts) -> Floats:
    """Return counts as shares of their row's sum; all 0 in a row without any.

    >>> shares(np.array([[1, 3], [0, 0]])).tolist()
    [[0.25, 0.75], [0.0, 0.0]]
    """
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def where_comparable(pairs: DistributionPairs, scores: Floats) -> Floats:
    """Return the scores, NaN where a side has no values."""
    return np.where(pairs.empty, np.nan, scores)
