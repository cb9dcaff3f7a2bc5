"""A layout: the bins that the values of one column are counted in, learnt once from reference values.

Counts add up and can be compared when, and only when, they have the same layout.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.profiles.atoms import atoms_of
from feature_platform.compute.profiles.kinds import comparable, value_kind_of
from feature_platform.parts.drift.base import Floats, Kind

BINS = 1024  # of numbers, before tails; the Kolmogorov-Smirnov distance is off by at most two bins' share
ONE_BY_ONE = BINS // 2  # so many different numbers are counted one by one
CATEGORIES = 1000  # kept one by one; the rest is counted together
GROUPS = 10  # of numbers, for metrics with logarithms
GROUPED = 50  # categories that such metrics see one by one, when each has the least share
LEAST_GROUP = 0.005
_BEYOND = 2.0 ** np.concatenate([np.arange(-6, 6, 0.25), np.arange(6, 21)])  # ranges outside the known one
_PLAIN = (1e-4, 1e16)  # sizes that Python writes without a power of ten
_BETWEEN = 128  # edges at even distances, for values where the reference has none


@dataclass(frozen=True, eq=False)
class Layout:
    """The bins of one column.

    Attributes:
        kind: numbers have edges, categories have values, others have neither.
        edges: the upper ends of the bins of numbers but the last, which is open.
        values: the categories with a bin of their own, most frequent first; the last bin holds all others.
        coarse: the first bin of each coarse group.
        shift: near the middle of the numbers; moments are taken about it.
        complete: whether the reference had no category without a bin.
        rare: how many categories the reference values had once.
    """

    kind: Kind
    edges: Floats = field(default_factory=lambda: np.empty(0))
    values: tuple[str, ...] = ()
    coarse: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(1, dtype=np.intp))
    shift: float = 0.0
    complete: bool = True
    rare: int = 0

    @property
    def bins(self) -> int:
        """Return the number of bins."""
        return 1 + len(self.edges if self.kind is Kind.NUMBER else self.values)

    @cached_property
    def id(self) -> str:
        """Return a text that identifies the layout by its content."""
        before, after = json.dumps([self.kind])[:-1], json.dumps([self.values, self.coarse.tolist(), self.shift])[1:]
        text = f"{before}, {_as_json(self.edges)}, {after}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @cached_property
    def codes(self) -> pl.DataFrame:
        """Return each category beside its bin."""
        return pl.DataFrame({"value": pl.Series(self.values, dtype=pl.String), "bin": range(len(self.values))})


def _as_json(numbers: Floats) -> str:
    """Write finite numbers as `json.dumps` does, four times quicker where none is written with a power of ten.

    An edge has 17 digits, and a table may have thousands of columns with a thousand edges each.
    """
    sizes = np.abs(numbers[numbers != 0])
    if len(sizes) and (sizes.min() < _PLAIN[0] or sizes.max() >= _PLAIN[1]):
        return json.dumps(numbers.tolist())
    return msgspec.json.encode(numbers.tolist()).decode().replace(",", ", ")


def layout_of(values: pl.Series) -> Layout:
    """Learn the layout from reference values.

    >>> layout_of(pl.Series(["b", "a", "b"])).values
    ('b', 'a')
    """
    kind = value_kind_of(values.dtype)
    if kind is Kind.OTHER:
        return Layout(kind)
    known = comparable(values, kind).drop_nulls()
    return _layout_of_numbers(known) if kind is Kind.NUMBER else _layout_of_categories(known)


def _layout_of_numbers(known: pl.Series) -> Layout:
    ordered = np.sort(known.filter(known.is_finite()).to_numpy())
    ordered += 0.0  # makes -0.0 the same as 0.0: which of them came first would show in the layout
    if not len(ordered):
        return Layout(Kind.NUMBER)
    edges = _edges(ordered)
    deciles = ordered[_ranks(np.arange(1, GROUPS) / GROUPS, len(ordered))]
    starts = np.unique(np.append(0, np.searchsorted(edges, np.unique(deciles)) + 1))
    last = int(np.searchsorted(edges, ordered[-1]))
    shift = float(ordered[len(ordered) // 2])
    return Layout(Kind.NUMBER, edges, coarse=starts[starts <= last], shift=shift)


def _edges(ordered: Floats) -> Floats:
    """Return quantiles, ever finer towards both ends, and edges far beyond. A frequent value has a bin of its own.

    Such a bin is as wide as rounding, so that a value stays in it when it is stored in 32 bits or computed otherwise.
    """
    atoms = atoms_of(ordered)
    own = atoms.counts * BINS >= len(ordered)
    chosen = np.empty(0)
    if len(own) <= ONE_BY_ONE:
        own[:] = True
    else:
        tails = 2.0 ** -np.arange(10, 10 + max(int(np.log2(len(ordered))) - 9, 1))
        chosen = ordered[_ranks(np.concatenate([np.arange(BINS + 1) / BINS, tails, 1 - tails]), len(ordered))]
        own[[0, -1]] = True  # what is beyond them is beyond all known values
    low, high = float(ordered[0]), float(ordered[-1])
    span = (high - low) or abs(high) or 1.0
    with np.errstate(over="ignore", invalid="ignore"):  # edges beyond what floats hold are left out below
        outside = np.concatenate([low - span * _BEYOND, high + span * _BEYOND])
        inside = np.linspace(low, high, _BETWEEN)
        below, above = atoms.brackets(np.flatnonzero(own))
    others = np.concatenate([chosen, inside, outside])
    every = np.unique(np.concatenate([below, above, others[~_within(others, below, above)]]))
    return np.asarray(every[np.isfinite(every)])


def _within(edges: Floats, below: Floats, above: Floats) -> npt.NDArray[np.bool_]:
    """Tell which edges would cut a bracket in two: those above its lower and below its upper end."""
    place = np.searchsorted(below, edges) - 1  # the last bracket that begins below
    return np.asarray((place >= 0) & (edges < above[np.maximum(place, 0)]))


def _ranks(shares: Floats, rows: int) -> npt.NDArray[np.intp]:
    """Return the places of quantiles among that many ordered values."""
    return np.clip(np.ceil(shares * rows).astype(np.intp) - 1, 0, rows - 1)


def _layout_of_categories(known: pl.Series) -> Layout:
    value_counts = known.rename("value").value_counts(name="n").sort("n", "value", descending=[True, False])
    frequent_values = value_counts.head(CATEGORIES)
    frequent = int((frequent_values["n"].head(GROUPED) >= LEAST_GROUP * max(len(known), 1)).sum())
    return Layout(
        Kind.CATEGORY,
        values=tuple(frequent_values["value"].to_list()),
        coarse=np.arange(frequent + 1),
        complete=value_counts.height <= CATEGORIES,
        rare=int((value_counts["n"] == 1).sum()),
    )
