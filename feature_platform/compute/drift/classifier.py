"""A domain classifier: whether all columns together separate the rows of two frames.

It sees what no column shows alone, such as swapped columns of one distribution or a broken correlation, and names the
columns that give it away. A logistic regression over ranks, their squares and products, judged on rows it has not seen.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import ThreadpoolController

from feature_platform.compute.profiles.atoms import atoms_of
from feature_platform.compute.profiles.kinds import comparable, value_kind_of
from feature_platform.parts.drift.base import Floats, Kind
from feature_platform.parts.drift.significance import normal_tails

ROWS = 4000  # sampled from each side
LEAST_AUC = 0.55  # below which a difference does not matter, however sure it is
_CATEGORIES = 12  # of one column, the most frequent ones
_PAIRED = 24  # columns of which products are formed
_RIDGE = 3.0
_LEAST_ROWS = 20  # of a side, whatever is asked for: both halves need some
_STEPS = 8

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Separation:
    """How well a classifier separates two frames.

    Attributes:
        auc: the chance that a current row looks more current than a reference row; 0.5 is no better than guessing.
        p_value: how probable an AUC so far above 0.5 is when there is no difference.
        drifted: the AUC matters and is no chance; None when there are too few rows.
        columns: what gives it away, with what the AUC loses when the column's values are shuffled, largest first.
        n_reference, n_current: rows that it saw.
    """

    auc: float
    p_value: float
    drifted: bool | None
    columns: tuple[tuple[str, float], ...]
    n_reference: int
    n_current: int


@dataclass(frozen=True)
class _Design:
    """Numbers that a regression can use, and of which columns each is made."""

    values: Floats
    made_of: tuple[frozenset[str], ...]


def measure_separation(
    reference: pl.DataFrame, current: pl.DataFrame, columns: Sequence[str], least_rows: int = 200, seed: int = 0
) -> Separation:
    """Train on one half of the sampled rows and judge on the other, both ways round.

    >>> import polars as pl
    >>> x = pl.Series(range(1000)).shuffle(seed=1)
    >>> before = pl.DataFrame({"a": x, "b": x, "c": x.shuffle(seed=3)})
    >>> after = pl.DataFrame({"a": x, "b": x.shuffle(seed=2), "c": x.shuffle(seed=4)})
    >>> found = measure_separation(before, after, ["a", "b", "c"])
    >>> found.drifted, sorted(name for name, _ in found.columns)
    (True, ['a', 'b'])
    """
    named = [name for name in columns if value_kind_of(reference.schema[name]) is not Kind.OTHER]
    if not named:
        return Separation(math.nan, math.nan, None, (), reference.height, current.height)
    left, right = (
        each.select(named).sample(min(each.height, ROWS), seed=seed, shuffle=True) for each in (reference, current)
    )
    n, m = left.height, right.height
    if min(n, m) < max(least_rows, _LEAST_ROWS):
        return Separation(math.nan, math.nan, None, (), n, m)
    design = _design(left, right)
    with _blas().limit(limits=1, user_api="blas"):
        return _separate(design, named, n, m, seed)


def _separate(design: _Design, named: Sequence[str], n: int, m: int, seed: int) -> Separation:
    """Train and judge both ways round on a design of `n` rows of the reference, and then `m` others."""
    is_current = np.append(np.zeros(n, dtype=np.bool_), np.ones(m, dtype=np.bool_))
    rng = np.random.default_rng(seed)
    half = np.append(rng.permutation(n), rng.permutation(m)) % 2 == 0
    folds = [
        (half, _fit_regression(design.values[~half], is_current[~half])),
        (~half, _fit_regression(design.values[half], is_current[half])),
    ]
    auc = float(np.mean([_auc(design.values[fold] @ weights, is_current[fold]) for fold, weights in folds]))
    chance = (
        float(normal_tails(np.array([(auc - 0.5) / math.sqrt((n + m + 1) / (12 * n * m))]))[0]) / 2
        if auc > 0.5
        else 1.0
    )
    drifted = auc >= LEAST_AUC and chance < 1e-3
    losses = tuple(_losses(design, folds, is_current, auc, named, rng)) if drifted else ()
    return Separation(auc, chance, drifted, losses, n, m)


@cache
def _blas() -> ThreadpoolController:
    """Return the control of the threads that numpy computes with, found once in a process.

    These matrices are so small that threads cost more than they save, on a busy machine up to fifty times as much.
    With one thread the numbers are the same however many cores there are.
    """
    return ThreadpoolController()


def _losses(
    design: _Design,
    folds: Sequence[tuple[Flags, Floats]],
    is_current: Flags,
    auc: float,
    names: Sequence[str],
    rng: np.random.Generator,
) -> list[tuple[str, float]]:
    """Return what the AUC loses when a column is shuffled, for columns that cost at least a tenth of the advantage."""
    losses: list[tuple[str, float]] = []
    for name in names:
        uses = [at for at, columns in enumerate(design.made_of) if name in columns]
        scores = []
        for fold, weights in folds:
            values = design.values[fold].copy()
            values[:, uses] = values[rng.permutation(len(values))][:, uses]
            scores.append(_auc(values @ weights, is_current[fold]))
        losses.append((name, auc - float(np.mean(scores))))
    return sorted((each for each in losses if each[1] >= 0.1 * (auc - 0.5)), key=lambda each: -each[1])


def _design(left: pl.DataFrame, right: pl.DataFrame) -> _Design:
    """Build the numbers of the regression: ranks, their squares and products, absences, and flags of categories."""
    parts: list[tuple[frozenset[str], Floats]] = [(frozenset(), np.ones(left.height + right.height))]
    ranks: dict[str, Floats] = {}
    for name in left.columns:
        kind = value_kind_of(left.schema[name])
        known = comparable(left[name], kind)
        values = pl.concat([known, comparable(right[name], kind)])
        own = list(_design_of_numbers(values, known) if kind is Kind.NUMBER else _design_of_categories(values))
        if kind is Kind.NUMBER:
            ranks[name] = own[0]
        parts += [(frozenset({name}), each) for each in own]
    for one, other in combinations(list(ranks)[:_PAIRED], 2):
        parts.append((frozenset({one, other}), ranks[one] * ranks[other]))
    return _Design(np.column_stack([values for _, values in parts]), tuple(columns for columns, _ in parts))


def _design_of_numbers(values: pl.Series, reference: pl.Series) -> Iterator[Floats]:
    absent = values.is_null().to_numpy()
    ranks = (
        pl.Series(_snap_to_atoms(values, reference), nan_to_null=True)
        .rank("average")
        .fill_null((len(values) - int(absent.sum()) + 1) / 2)
        .to_numpy()
    )
    even = (ranks / max(float(ranks.max()), 1.0) - 0.5) * math.sqrt(12)
    yield even
    yield even**2 - 1
    if absent.any():
        yield absent.astype(np.float64)


def _snap_to_atoms(values: pl.Series, reference: pl.Series) -> Floats:
    """Replace numbers that differ from a reference's number by rounding only.

    Otherwise their ranks would show where they were stored.
    """
    known, numbers = reference.drop_nulls().to_numpy(), values.to_numpy()
    finite = np.sort(known[np.isfinite(known)])
    if not len(finite):
        return numbers
    atoms = atoms_of(finite)
    below, above = atoms.brackets(np.arange(len(atoms.lows)))
    place = np.maximum(np.searchsorted(below, numbers) - 1, 0)
    return np.where((numbers > below[place]) & (numbers <= above[place]), atoms.lows[place], numbers)


def _design_of_categories(values: pl.Series) -> Iterator[Floats]:
    frequent = (
        values.rename("value").value_counts(name="n").sort("n", "value", descending=[True, False]).head(_CATEGORIES)
    )
    for category in frequent["value"]:
        yield values.eq_missing(pl.Series([category], dtype=pl.String)).cast(pl.Float64).to_numpy()


def _fit_regression(values: Floats, is_current: Flags) -> Floats:
    """Fit a logistic regression with a ridge by Newton's steps; both sides weigh the same."""
    weights = np.zeros(values.shape[1])
    targets = is_current.astype(np.float64)
    weight = np.where(is_current, 0.5 / is_current.mean(), 0.5 / (1 - is_current.mean()))
    penalty = np.full(values.shape[1], _RIDGE)
    penalty[0] = 1e-6
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(values @ weights, -30, 30)))
        slope = values.T @ (weight * (targets - chance)) - penalty * weights
        curve = (values * (weight * np.maximum(chance * (1 - chance), 1e-6))[:, None]).T @ values + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights += step
        if float(np.abs(step).max()) < 1e-4:
            break
    return weights


def _auc(scores: Floats, is_current: Flags) -> float:
    """Return the area under the ROC curve, ties counted half."""
    ranks = pl.Series(scores).rank("average").to_numpy()
    m = int(is_current.sum())
    n = len(scores) - m
    return float((ranks[is_current].sum() - m * (m + 1) / 2) / max(n * m, 1))
