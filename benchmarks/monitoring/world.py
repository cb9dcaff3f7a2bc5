"""A simulated asset: days of rows whose columns have a week, some a year, and wobble as healthy data do.

Everything follows from the seed: a day is the same however often and in whatever order it is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

SHAPES = ("normal", "lognormal", "gamma", "heavy", "counts", "zeros", "category", "category", "flag")


@dataclass(frozen=True, eq=False)
class Column:
    """One column, and how it moves from day to day.

    Attributes:
        shape: the family of its values.
        week: what each weekday adds, in standard deviations.
        year: the height of its wave over a year, and where that begins.
        wobble: what each day adds, in standard deviations, with a memory of some days.
        missing: the share of nulls on each day.
        shares: of the categories.
    """

    name: str
    shape: str
    week: Floats
    year: tuple[float, float]
    wobble: Floats
    missing: Floats
    shares: Floats = field(default_factory=lambda: np.empty(0))

    def moved(self, day: int) -> float:
        """By how many standard deviations a day differs from the column's own middle."""
        height, begin = self.year
        wave = height * np.sin(2 * np.pi * (day / 365 + begin))
        return float(self.week[day % 7] + wave + self.wobble[day])

    def values(self, day: int, rows: int, rng: np.random.Generator) -> pl.Series:
        """The rows of a day."""
        by = self.moved(day)
        drawn = _category(self.shares, by, rows, rng) if len(self.shares) else _numbers(self.shape, by, rows, rng)
        series = drawn.alias(self.name) if isinstance(drawn, pl.Series) else pl.Series(self.name, drawn)
        gone = rng.random(rows) < self.missing[day]
        return series.set(pl.Series(gone), None) if gone.any() else series


@dataclass(frozen=True, eq=False)
class World:
    """An asset of some columns, with so many rows on an average day."""

    columns: Sequence[Column]
    volume: npt.NDArray[np.int64]
    seed: int

    def day(self, number: int, names: Sequence[str] | None = None, copy: int = 0) -> pl.DataFrame:
        """The rows of a day; of another draw of the same day when `copy` is not 0."""
        rows = int(self.volume[number])
        return pl.DataFrame(
            [
                each.values(number, rows, np.random.default_rng((self.seed, number, at, copy)))
                for at, each in enumerate(self.columns)
                if names is None or each.name in names
            ]
        )


def make_world(seed: int, columns: int, rows: int, days: int, wobble: float = 0.08) -> World:
    """A world drawn from a seed.

    Weekdays differ by up to 0.3 standard deviations; three columns in ten have a wave over the year of up to 0.3;
    days wobble by up to `wobble` (standard deviation of the mean, with a memory of half from one day to the next);
    half of the columns have nulls, whose share wobbles by a tenth; volumes have a week and wobble by a tenth.
    """
    rng = np.random.default_rng(seed)
    made = [_column(f"c{at:03d}", SHAPES[at % len(SHAPES)], days, wobble, rng) for at in range(columns)]
    week = 1 + rng.uniform(-0.25, 0.25, 7)
    volume = rows * np.resize(week, days) * np.exp(rng.normal(0, 0.1, days))
    return World(made, np.maximum(volume, 1).astype(np.int64), seed)


def _column(name: str, shape: str, days: int, wobble: float, rng: np.random.Generator) -> Column:
    week = rng.uniform(0, 0.3) * rng.uniform(-0.5, 0.5, 7)
    year = (rng.uniform(0.05, 0.3) if rng.random() < 0.3 else 0.0, rng.random())
    base = rng.uniform(0.01, 0.2) if rng.random() < 0.5 else 0.0
    missing = np.clip(base * np.exp(rng.normal(0, 0.1, days)), 0, 1)
    many = {"category": int(rng.integers(3, 40)), "flag": 2}.get(shape, 0)
    shares = np.sort(rng.dirichlet(np.full(many, 0.7)))[::-1] * 0.97 + 0.03 / many if many else np.empty(0)
    return Column(name, shape, week, year, _remembering(days, rng.uniform(0, wobble), rng), missing, shares)


def _remembering(days: int, size: float, rng: np.random.Generator) -> Floats:
    """Noise whose neighbours are alike by half."""
    noise, found = rng.normal(0, size, days), np.zeros(days)
    for at in range(days):
        found[at] = 0.5 * (found[at - 1] if at else 0.0) + np.sqrt(0.75) * noise[at]
    return found


def _numbers(shape: str, by: float, rows: int, rng: np.random.Generator) -> npt.NDArray[np.generic]:
    if shape == "normal":
        return 20 + 5 * (rng.standard_normal(rows) + by)
    if shape == "lognormal":
        return np.exp(rng.standard_normal(rows) + by)
    if shape == "gamma":
        return (rng.standard_gamma(2.0, rows) + by * np.sqrt(2.0)) * 30
    if shape == "heavy":
        return 100 + 10 * (rng.standard_t(3, rows) + by * np.sqrt(3.0))
    if shape == "counts":
        return rng.poisson(max(6 + by * np.sqrt(6.0), 0.1), rows)
    return np.where(rng.random(rows) < 0.6, 0.0, rng.standard_gamma(2.0, rows) * np.exp(by * 0.8))


def _category(shares: Floats, by: float, rows: int, rng: np.random.Generator) -> pl.Series:
    """Of a tilt of the shares: the first half of the categories gains what the second loses."""
    tilt = np.where(np.arange(len(shares)) < max(len(shares) // 2, 1), by, -by) * 0.5
    tilted = shares * np.exp(tilt)
    names = np.array([f"k{at}" for at in range(len(shares))])
    return pl.Series(names).gather(rng.choice(len(shares), rows, p=tilted / tilted.sum()))
